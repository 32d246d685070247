/* SPDX-License-Identifier: Apache-2.0 */
/* All transfers in one thread; those who wait are woken by an event of their own. */
#include "http/client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/heap.h"

enum { IDLE_MS = 600000 };

struct http {
	struct transfer_settings settings;
	double pause_scale;
	CURLM *multi;
	pthread_t thread;
	bool running;		/* there is a thread */

	pthread_mutex_t lock;	/* for what follows, and for state and leave of transfers */
	struct transfer *first;	/* all that are not done */
	bool stop;
};

const struct transfer_settings *client_settings(const struct http *http)
{
	return &http->settings;
}

/* Nothing of it is used after: its owner may free it as soon as the lock is given back. */
static void done(struct http *http, struct transfer *t)
{
	struct transfer **p = &http->first;
	uint64_t one = 1;

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	t->state = TRANSFER_DONE;
	(void)!write(t->event, &one, sizeof(one));
}

static void begin(struct http *http, struct transfer *t)
{
	CURLMcode code = curl_multi_add_handle(http->multi, t->easy);

	t->state = TRANSFER_RUNNING;
	if (code == CURLM_OK)
		return;
	t->result = code == CURLM_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_FAILED_INIT;
	done(http, t);
}

static void leave(struct http *http, struct transfer *t)
{
	if (t->state == TRANSFER_RUNNING)
		curl_multi_remove_handle(http->multi, t->easy);
	done(http, t);
}

/* Take in what callers asked for; false when the thread is to end. */
static bool serve_callers(struct http *http)
{
	bool stop;

	pthread_mutex_lock(&http->lock);
	for (struct transfer *t = http->first, *next; t; t = next) {
		next = t->next;
		if (t->leave)
			leave(http, t);
		else if (t->state == TRANSFER_NEW)
			begin(http, t);
	}
	stop = http->stop;
	pthread_mutex_unlock(&http->lock);
	return !stop;
}

static void take_results(struct http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		CURL *easy = message->easy_handle;
		CURLcode result = message->data.result;
		struct transfer *t = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
		curl_multi_remove_handle(http->multi, easy);
		pthread_mutex_lock(&http->lock);
		t->result = result;
		done(http, t);
		pthread_mutex_unlock(&http->lock);
	}
}

static void *drive(void *argument)
{
	struct http *http = argument;
	int running;

	while (serve_callers(http)) {
		curl_multi_perform(http->multi, &running);
		take_results(http);
		curl_multi_poll(http->multi, NULL, 0, IDLE_MS, NULL);
	}
	/* Here, because connections are closed, which can raise SIGPIPE. */
	curl_multi_cleanup(http->multi);
	return NULL;
}

/* Signals are for the threads of the program. */
static int start_thread(struct http *http, struct err *err)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&http->thread, NULL, drive, http);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	http->running = rc == 0;
	errno = rc;
	return rc ? err_errno(err, "cannot start a thread") : 0;
}

static int check_settings(const struct http_settings *s, struct err *err)
{
	bool scaled = s->pause_scale != 0 && s->pause_scale != 1;

	if (!(s->pause_scale >= 0) || s->pause_scale > 1000 || (scaled && !s->allow_loopback))
		return err_set(err, ERR_INVALID, "pauses cannot be scaled by %g", s->pause_scale);
	for (const char *p = s->user_agent; p && *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return err_set(err, ERR_INVALID, "the user agent is not one line");
	if (s->ca_file && access(s->ca_file, R_OK) < 0)
		return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "no file '%s'", s->ca_file)
				       : err_errno(err, "cannot read '%s'", s->ca_file);
	return 0;
}

static int copy_settings(struct http *http, const struct http_settings *s, struct err *err)
{
	http->settings.allow_loopback = s->allow_loopback;
	http->pause_scale = s->pause_scale == 0 ? 1 : s->pause_scale;
	http->settings.user_agent = s->user_agent ? mem_strdup(s->user_agent) : NULL;
	http->settings.ca_file = s->ca_file ? mem_strdup(s->ca_file) : NULL;
	if ((s->user_agent && !http->settings.user_agent) || (s->ca_file && !http->settings.ca_file))
		return err_no_memory(err);
	return 0;
}

int http_new(const struct http_settings *settings, struct http **ret, struct err *err)
{
	owned(http) struct http *http = NULL;
	int rc = check_settings(settings, err);

	if (rc == 0)
		rc = heap_start(err);
	if (rc < 0)
		return rc;
	http = mem_new(struct http);
	if (!http)
		return err_no_memory(err);
	pthread_mutex_init(&http->lock, NULL);
	rc = copy_settings(http, settings, err);
	if (rc < 0)
		return rc;
	http->multi = curl_multi_init();
	if (!http->multi)
		return err_no_memory(err);
	rc = start_thread(http, err);
	if (rc < 0)
		return rc;
	*ret = own_take(http);
	return 0;
}

static void stop_thread(struct http *http)
{
	/* Under the lock: the thread frees the handle as soon as it knows. */
	pthread_mutex_lock(&http->lock);
	http->stop = true;
	curl_multi_wakeup(http->multi);
	pthread_mutex_unlock(&http->lock);
	pthread_join(http->thread, NULL);
}

void http_free(struct http *http)
{
	if (!http)
		return;
	if (http->running)
		stop_thread(http);
	else
		curl_multi_cleanup(http->multi);
	pthread_mutex_destroy(&http->lock);
	free(http->settings.user_agent);
	free(http->settings.ca_file);
	free(http);
}

static bool is_done(struct http *http, const struct transfer *t)
{
	enum transfer_state state;

	pthread_mutex_lock(&http->lock);
	state = t->state;
	pthread_mutex_unlock(&http->lock);
	return state == TRANSFER_DONE;
}

/* Milliseconds until the command's deadline, as poll() takes them. */
static int time_left(void)
{
	int64_t end = cancel_clamp(INT64_MAX), left;

	if (end == INT64_MAX)
		return -1;
	left = end - clock_now_ms();
	return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static int wait_done(struct http *http, const struct transfer *t, struct err *err)
{
	struct pollfd p[] = {
		{.fd = t->event, .events = POLLIN},
		{.fd = cancel_fd(), .events = POLLIN},
	};

	while (!is_done(http, t)) {
		int rc = cancel_check(err);

		if (rc < 0)
			return rc;
		if (poll(p, 2, time_left()) < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for an answer");
	}
	return 0;
}

/* After this the client's thread has it no longer. */
static void take_back(struct http *http, struct transfer *t)
{
	struct pollfd p = {.fd = t->event, .events = POLLIN};

	pthread_mutex_lock(&http->lock);
	t->leave = true;
	pthread_mutex_unlock(&http->lock);
	curl_multi_wakeup(http->multi);
	while (!is_done(http, t))
		poll(&p, 1, -1);
}

int client_run(struct http *http, struct transfer *t, struct err *err)
{
	int rc;

	t->event = eventfd(0, EFD_CLOEXEC);
	if (t->event < 0)
		return err_errno(err, "cannot wait for an answer");
	pthread_mutex_lock(&http->lock);
	t->next = http->first;
	http->first = t;
	pthread_mutex_unlock(&http->lock);
	curl_multi_wakeup(http->multi);
	rc = wait_done(http, t, err);
	if (rc < 0)
		take_back(http, t);
	close(t->event);
	return rc;
}

int64_t client_pause_ms(const struct http *http, double seconds)
{
	double ms = seconds * 1000 * http->pause_scale;

	if (!(ms > 0))
		return 0;
	/* Some centuries: added to the clock it is still in the range. */
	return ms < 1e13 ? (int64_t)ms : INT64_C(10000000000000);
}

int http_pause(struct http *http, double seconds, struct err *err)
{
	int64_t now = clock_now_ms();
	int64_t end = cancel_clamp(now + client_pause_ms(http, seconds));

	clock_sleep_ms(end - now);
	return cancel_check(err);
}
