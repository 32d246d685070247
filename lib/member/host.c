/* SPDX-License-Identifier: Apache-2.0 */
/* The hosted token: login, changes, owners of session objects. */
#include "member/host.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/digest.h"
#include "member/appliance.h"
#include "member/book.h"
#include "member/catalogue.h"
#include "member/guard.h"
#include "member/library.h"
#include "member/owners.h"
#include "member/role.h"
#include "member/throttle.h"
#include "p11/rv.h"

struct host {
	const struct appliance_config *config;
	struct library *library;
	CK_SLOT_ID slot;
	struct book *book;
	char serial[17];
	uint64_t epoch;

	_Atomic uint64_t changes;
	int watch;

	pthread_mutex_t login_lock;
	CK_SESSION_HANDLE keeper;	/* holds the real login */
	bool logged_in;
	uint8_t salt[32], verifier[SHA256_LEN];
	struct throttle throttle;

	struct guests guests;
	struct role_watch roles;
	struct catalogue catalogue;

	pthread_mutex_t owners_lock;
	struct owners owners;
};

/* Other processes may write to the token as well: watch its folders. */
static void watch_tokens(struct host *host)
{
	DIR *folder = host->config->tokens ? opendir(host->config->tokens) : NULL;
	struct dirent *entry;

	if (!folder)
		return;
	host->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	while ((entry = readdir(folder))) {
		owned(mem) char *path = mem_printf("%s/%s", host->config->tokens, entry->d_name);

		if (path && entry->d_name[0] != '.')
			inotify_add_watch(host->watch, path, IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_TO | IN_ONLYDIR);
	}
	closedir(folder);
}

uint64_t host_changes(struct host *host)
{
	_Alignas(struct inotify_event) char events[4096];
	ssize_t n;

	while (host->watch >= 0 && (n = read(host->watch, events, sizeof(events))) > 0) {
		for (char *at = events; at < events + n;) {
			struct inotify_event *event = (struct inotify_event *)at;
			size_t len = event->len ? strlen(event->name) : 0;

			/* Lock files are opened for writing by readers, too. */
			if (len < 5 || strcmp(event->name + len - 5, ".lock") != 0)
				atomic_fetch_add(&host->changes, 1);
			at += sizeof(*event) + event->len;
		}
	}
	/* What others write is not seen without a folder to watch. */
	return host->config->shared && host->watch < 0 ? 0 : atomic_load(&host->changes);
}

void host_changed(struct host *host)
{
	atomic_fetch_add(&host->changes, 1);
}

int host_open(const struct appliance_config *config, struct host **ret, struct err *err)
{
	owned(host) struct host *host = mem_new(struct host);
	const struct library_token which = {.serial = config->serial, .uri = config->uri};
	CK_TOKEN_INFO info;
	CK_RV rv;
	int rc;

	if (!host)
		return err_no_memory(err);
	*host = (struct host){.config = config, .watch = -1, .changes = 1};
	pthread_mutex_init(&host->login_lock, NULL);
	pthread_mutex_init(&host->guests.lock, NULL);
	pthread_mutex_init(&host->roles.lock, NULL);
	pthread_mutex_init(&host->catalogue.lock, NULL);
	pthread_mutex_init(&host->owners_lock, NULL);
	rc = guard_restore(config->tokens, config->guard, err);
	if (rc == 0)
		rc = library_open(config->library, &host->library, err);
	if (rc == 0)
		rc = library_find_token(host->library, &which, &host->slot, err);
	if (rc == 0)
		rc = book_new(host_functions(host), host->slot, config->shared, &host->book, err);
	if (rc == 0)
		rc = crypto_random(&host->epoch, sizeof(host->epoch), err);
	if (rc == 0)
		rc = crypto_random(host->salt, sizeof(host->salt), err);
	if (rc < 0)
		return rc;
	rv = host_functions(host)->C_GetTokenInfo(host->slot, &info);
	if (rv != CKR_OK)
		return p11_rv_err(err, rv, "C_GetTokenInfo");
	library_text(info.serialNumber, sizeof(info.serialNumber), host->serial);
	watch_tokens(host);
	*ret = own_take(host);
	return 0;
}

void host_free(struct host *host)
{
	if (!host)
		return;
	book_free(host->book);
	library_free(host->library);
	if (host->watch >= 0)
		close(host->watch);
	owners_release(&host->owners);
	catalogue_release(&host->catalogue);
	explicit_bzero(host, sizeof(*host));
	free(host);
}

CK_FUNCTION_LIST *host_functions(const struct host *host)
{
	return library_functions(host->library);
}

CK_SLOT_ID host_slot(const struct host *host)
{
	return host->slot;
}

uint64_t host_epoch(const struct host *host)
{
	return host->epoch;
}

const char *host_serial(const struct host *host)
{
	return host->serial;
}

struct book *host_book(const struct host *host)
{
	return host->book;
}

struct guests *host_guests(struct host *host)
{
	return &host->guests;
}

struct catalogue *host_catalogue(struct host *host)
{
	return &host->catalogue;
}

struct role_watch *host_roles(struct host *host)
{
	return &host->roles;
}

/* The one real login of this process. */
static CK_RV login_token(struct host *host, const void *pin, CK_ULONG len)
{
	CK_FUNCTION_LIST *f = host_functions(host);
	struct err err;
	CK_RV rv = CKR_OK;

	if (guard_save(host->config->tokens, host->config->guard, &err) < 0)
		log_error("appliance", "no copy of the token before the login: %s", err.message);
	if (!host->keeper)
		rv = f->C_OpenSession(host->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &host->keeper);
	if (rv == CKR_OK)
		rv = f->C_Login(host->keeper, CKU_USER, (CK_UTF8CHAR *)pin, len);
	return rv;
}

/* One wrong PIN more, and the token locks itself: not for a guess, nor, where it is somebody else's, for anybody. */
static bool spares_final_try(struct host *host, enum cert_role role)
{
	return (role != CERT_ROLE_ADMIN || host->config->shared) &&
	       library_is_final_try(host_functions(host), host->slot);
}

/* Nobody has shown a good PIN yet, so only the token knows. */
static CK_RV ask_token(struct host *host, enum cert_role role, const void *pin, CK_ULONG len,
		       const uint8_t mac[static SHA256_LEN])
{
	enum throttle_verdict verdict = throttle_token(&host->throttle, mac, role);
	CK_RV rv;

	if (verdict == THROTTLE_KNOWN_WRONG)
		return CKR_PIN_INCORRECT;
	if (verdict == THROTTLE_NO_MORE || spares_final_try(host, role))
		return CKR_PIN_LOCKED;
	rv = login_token(host, pin, len);
	if (rv == CKR_OK) {
		memcpy(host->verifier, mac, SHA256_LEN);
		host->logged_in = true;
	} else if (p11_pin_refused(rv)) {
		throttle_token_refused(&host->throttle, mac);
	}
	return rv;
}

static CK_RV compare(const struct host *host, const uint8_t mac[static SHA256_LEN])
{
	unsigned difference = 0;

	for (size_t i = 0; i < SHA256_LEN; i++)
		difference |= (unsigned)(mac[i] ^ host->verifier[i]);
	return difference ? CKR_PIN_INCORRECT : CKR_OK;
}

static CK_RV check_pin(struct host *host, enum cert_role role, const void *pin, CK_ULONG len)
{
	uint8_t mac[SHA256_LEN];
	CK_RV rv;

	if (crypto_hmac_sha256(host->salt, sizeof(host->salt), pin, len, mac, NULL) < 0)
		return CKR_HOST_MEMORY;
	rv = host->logged_in ? compare(host, mac) : ask_token(host, role, pin, len, mac);
	explicit_bzero(mac, sizeof(mac));
	return rv;
}

/* How long this peer waits for an answer to its PIN. One that was not looked at is no guess. */
static int64_t judge(struct throttle_client *client, const struct host_peer *peer, CK_RV rv)
{
	if (rv == CKR_OK)
		return throttle_judge(client, true, clock_now_ms());
	if (!p11_pin_refused(rv)) {
		log_info("appliance", "no login of '%s', whose PIN was not looked at (%s)", peer->name, p11_rv_name(rv));
		return 0;
	}
	log_info("appliance", "wrong PIN of '%s' (%s), %u in a row", peer->name, p11_rv_name(rv), client->wrong + 1);
	return throttle_judge(client, false, clock_now_ms());
}

CK_RV host_login(struct host *host, const struct host_peer *peer, const void *pin, CK_ULONG len)
{
	struct throttle_client *client;
	int64_t wait = 0;
	CK_RV rv = CKR_SESSION_COUNT;

	pthread_mutex_lock(&host->login_lock);
	client = throttle_enter(&host->throttle, peer->fingerprint, clock_now_ms());
	if (client) {
		rv = check_pin(host, peer->role, pin, len);
		wait = judge(client, peer, rv);
	}
	if (wait) {
		/* Nobody else waits with it. */
		pthread_mutex_unlock(&host->login_lock);
		clock_sleep_ms(wait);
		pthread_mutex_lock(&host->login_lock);
	}
	if (client)
		throttle_leave(client);
	pthread_mutex_unlock(&host->login_lock);
	return rv;
}

bool host_own_object(struct host *host, const void *guest, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	bool known;

	pthread_mutex_lock(&host->owners_lock);
	known = owners_add(&host->owners, guest, session, object);
	pthread_mutex_unlock(&host->owners_lock);
	return known;
}

void host_disown_object(struct host *host, CK_OBJECT_HANDLE object)
{
	pthread_mutex_lock(&host->owners_lock);
	owners_drop(&host->owners, object);
	pthread_mutex_unlock(&host->owners_lock);
}

void host_forget_session(struct host *host, CK_SESSION_HANDLE session)
{
	pthread_mutex_lock(&host->owners_lock);
	owners_drop_session(&host->owners, session);
	pthread_mutex_unlock(&host->owners_lock);
}

bool host_session_owns(struct host *host, CK_SESSION_HANDLE session)
{
	bool owns;

	pthread_mutex_lock(&host->owners_lock);
	owns = owners_has_session(&host->owners, session);
	pthread_mutex_unlock(&host->owners_lock);
	return owns;
}

const void *host_object_owner(struct host *host, CK_OBJECT_HANDLE object)
{
	const void *guest;

	pthread_mutex_lock(&host->owners_lock);
	guest = owners_find(&host->owners, object);
	pthread_mutex_unlock(&host->owners_lock);
	return guest;
}
