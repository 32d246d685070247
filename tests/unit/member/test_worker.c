/* SPDX-License-Identifier: Apache-2.0 */
/* A library in a process of its own: what it does there costs that process, and the host notices nothing of it. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "fixture.h"
#include "child.h"
#include "member/limit.h"

static char *program, *library;	/* ours; SoftHSM with faults on demand, under a name of this test's */

/* ---- the process ---- */

/* Does its command name our library? */
static bool is_ours(const char *pid)
{
	owned(buf) struct buf line = {.max = 4096};
	char path[300];

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	return file_read(path, &line, NULL) == 0 && memmem(line.data, line.len, library, strlen(library));
}

/* All that run; one of them in *ret. */
static unsigned count_workers(pid_t *ret)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	unsigned n = 0;

	while ((entry = readdir(folder))) {
		if (!is_ours(entry->d_name))
			continue;
		n++;
		if (ret)
			*ret = atoi(entry->d_name);
	}
	closedir(folder);
	return n;
}

static bool await_workers(unsigned n)
{
	for (int tries = 0; tries < 1000; tries++) {
		if (count_workers(NULL) == n)
			return true;
		clock_sleep_ms(10);
	}
	return false;
}

/* A line of /proc/PID/status, or "". */
static const char *status_of(pid_t pid, const char *name)
{
	static char line[256];
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f) && strncmp(line, name, strlen(name)) != 0)
		*line = 0;
	if (f)
		fclose(f);
	return *line ? line + strlen(name) : "";
}

/* Is one of its descriptors this file? */
static bool has_open(pid_t pid, const char *path)
{
	char folder[64], link[320], target[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *fds;

	snprintf(folder, sizeof(folder), "/proc/%d/fd", (int)pid);
	fds = opendir(folder);
	while (fds && (entry = readdir(fds))) {
		ssize_t n;

		snprintf(link, sizeof(link), "%s/%s", folder, entry->d_name);
		n = readlink(link, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = 0;
		found |= strcmp(target, path) == 0;
	}
	if (fds)
		closedir(fds);
	return found;
}

/* ---- its client ---- */

static void fault(const char *line)
{
	char *path = file_join(it.folder, "faults");

	if (line)
		assert_int_equal(file_write(path, line, strlen(line), 0600, NULL), 0);
	else
		file_remove(path, NULL);
	free(path);
}

static struct member *open_with(const struct member_config *wish, const char *pin)
{
	struct member_config config = *wish;
	struct member *member;

	config.name = "worker";
	config.link = FLEET_LINK_WORKER;
	config.module = config.module ? config.module : library;
	config.program = config.program ? config.program : program;
	config.connect_ms = 10000;
	config.answer_ms = 5000;
	config.call_ms = 30000;
	assert_int_equal(member_open(&config, &member, NULL), 0);
	if (pin)
		member_set_pin(member, good_pin());
	return member;
}

static struct member *open_worker(void)
{
	return open_with(&(struct member_config){.serial = it.serial}, GOOD);
}

static int random_within(struct member_channel *channel, int64_t total_ms, struct err *err)
{
	const struct call_limit limit = {.total_ms = total_ms};
	uint8_t bytes[8];
	struct p11_call call = p11_C_GenerateRandom(member_session(channel), bytes, sizeof(bytes));

	return member_call(channel, &call, 1, &limit, err);
}

/* It works, in the end. */
static bool recovers(struct member *member)
{
	struct member_channel *channel;
	int rc;

	for (int tries = 0; tries < 1000; tries++) {
		rc = member_acquire(member, &channel, NULL);
		if (rc == 0) {
			rc = random_within(channel, 0, NULL);
			member_release(channel);
		}
		if (rc == 0)
			return true;
		clock_sleep_ms(10);
	}
	return false;
}

static int with_a_worker(int (*what)(struct member *member))
{
	owned(member) struct member *member = open_worker();

	return what(member);
}

#define CHANNELS 4

static void one_process_serves_all_channels_of_a_member(void **state)
{
	owned(member) struct member *member = open_worker();
	struct member_channel *channels[CHANNELS];
	CK_OBJECT_HANDLE key;

	(void)state;
	for (size_t i = 0; i < CHANNELS; i++)
		assert_int_equal(member_acquire(member, &channels[i], NULL), 0);
	assert_int_equal(count_workers(NULL), 1);
	assert_int_equal(generate(channels[0], false, "of the session", &key), 0);
	assert_int_equal(find(channels[1], "of the session", NULL), 1);
	assert_int_equal(sign(channels[2], key, NULL), 0);
	for (size_t i = 0; i < CHANNELS; i++) {
		assert_true(member_epoch(channels[i]) == member_epoch(channels[0]));
		member_release(channels[i]);
	}
}

static void it_ends_with_its_member(void **state)
{
	struct member *member = open_worker();

	(void)state;
	assert_int_equal(member_probe(member, NULL, NULL), 0);
	assert_int_equal(count_workers(NULL), 1);
	member_free(member);
	assert_true(await_workers(0));
}

/* ---- what a library does ---- */

static void what_ends_it_ends_one_call(void **state)
{
	static const char *const ends[] = {"die", "exit", "abort", "crash"};
	owned(member) struct member *member = open_worker();
	uint64_t epoch = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		owned(mem) char *line = mem_printf("C_GenerateRandom %s\n", ends[i]);
		struct member_channel *channel;
		struct err err = {0};

		assert_true(recovers(member));
		assert_int_equal(member_acquire(member, &channel, NULL), 0);
		assert_true(member_epoch(channel) != epoch);
		epoch = member_epoch(channel);
		fault(line);
		assert_int_equal(random_within(channel, 0, &err), -ERR_UNREACHABLE);
		assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
		assert_true(member_ended(channel));
		fault(NULL);
		member_release(channel);
	}
	assert_true(recovers(member));
	assert_int_equal(count_workers(NULL), 1);
}

static void *wait_for_random(void *channel)
{
	return (void *)(intptr_t)random_within(channel, 0, NULL);
}

static void who_does_not_come_back_costs_one_deadline(void **state)
{
	static const char *const ways[] = {"C_GenerateRandom hang\n", "C_GenerateRandom deadlock\n"};
	owned(member) struct member *member = open_worker();

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct member_channel *patient, *channel;
		struct err err = {0};
		pthread_t thread;
		void *rc;

		assert_true(recovers(member));
		assert_int_equal(member_acquire(member, &patient, NULL), 0);
		assert_int_equal(member_acquire(member, &channel, NULL), 0);
		fault(ways[i]);
		pthread_create(&thread, NULL, wait_for_random, patient);
		assert_int_equal(random_within(channel, 300, &err), -ERR_UNREACHABLE);
		assert_false(member_ended(channel));
		/* The other has its own deadline, but nothing to wait for any more. */
		pthread_join(thread, &rc);
		assert_int_equal((intptr_t)rc, -ERR_UNREACHABLE);
		assert_true(member_ended(patient));
		assert_true(await_workers(0));
		fault(NULL);
		member_release(patient);
		member_release(channel);
	}
	assert_true(recovers(member));
}

static void a_stopped_process_is_replaced(void **state)
{
	owned(member) struct member *member = open_worker();
	struct member_channel *channel;
	pid_t stopped, now;

	(void)state;
	assert_int_equal(member_acquire(member, &channel, NULL), 0);
	assert_int_equal(count_workers(&stopped), 1);
	kill(stopped, SIGSTOP);
	/* Its threads stop one by one. */
	for (int tries = 0; tries < 1000 && !strchr(status_of(stopped, "State:"), 'T'); tries++)
		clock_sleep_ms(10);
	assert_int_equal(random_within(channel, 100, NULL), -ERR_UNREACHABLE);
	member_release(channel);
	assert_true(recovers(member));
	assert_int_equal(count_workers(&now), 1);
	assert_int_not_equal(now, stopped);
}

/* ---- what cannot be started ---- */

static void the_reason_is_told(void **state)
{
	owned(member) struct member *no_library = open_with(&(struct member_config){.module = "/nowhere.so"}, NULL);
	owned(member) struct member *no_token = open_with(&(struct member_config){.serial = "0000"}, NULL);
	owned(member) struct member *no_program = open_with(&(struct member_config){.program = "/nowhere"}, NULL);
	struct member_channel *channel;
	struct err err = {0};

	(void)state;
	assert_int_equal(member_acquire(no_library, &channel, &err), -ERR_UNREACHABLE);
	assert_non_null(strstr(err.message, "no PKCS#11 library '/nowhere.so'"));
	assert_int_equal(member_acquire(no_token, &channel, &err), -ERR_UNREACHABLE);
	assert_non_null(strstr(err.message, "no initialised token with serial 0000"));
	assert_int_equal(member_acquire(no_program, &channel, &err), -ERR_MISSING);
	assert_int_equal(err.retry, ERR_RETRY_SAFE);
}

static void one_that_ends_at_once_is_not_started_all_the_time(void **state)
{
	owned(member) struct member *member = open_with(&(struct member_config){.program = "/bin/false"}, NULL);
	struct member_channel *channel;
	struct err err = {0};
	int64_t end = clock_now_ms() + 10000;

	(void)state;
	while (!strstr(err.message, "in a row") && clock_now_ms() < end)
		assert_int_equal(member_acquire(member, &channel, &err), -ERR_UNREACHABLE);
	assert_non_null(strstr(err.message, "its worker ended"));
	assert_int_equal(err.retry, ERR_RETRY_SAFE);
}

static void a_worker_starts_no_other(void **state)
{
	owned(member) struct member *member = open_worker();
	struct err err = {0};

	(void)state;
	setenv("HSMCTL_WORKER", "1", 1);
	assert_int_equal(member_probe(member, NULL, &err), -ERR_UNREACHABLE);
	unsetenv("HSMCTL_WORKER");
	assert_int_equal(member_probe(member, NULL, NULL), 0);
}

/* ---- its host ---- */

static volatile sig_atomic_t children_ended;

static void on_child(int signal_number)
{
	(void)signal_number;
	children_ended++;
}

static int meets_no_child(struct member *member)
{
	struct sigaction action = {.sa_handler = on_child};
	pid_t worker;

	sigaction(SIGCHLD, &action, NULL);
	for (int i = 0; i < 3; i++) {
		CHECK(recovers(member));
		CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
		CHECK(count_workers(&worker) == 1);
		kill(worker, SIGKILL);
		CHECK(await_workers(0));
	}
	CHECK(children_ended == 0);
	return 0;
}

static int wait_for_children(void)
{
	return with_a_worker(meets_no_child);
}

static void its_host_is_nobodys_parent(void **state)
{
	(void)state;
	assert_int_equal(in_child(wait_for_children), 0);
}

/* Nothing of what a host does to its own descriptors, signals and folder reaches the worker. */
static int is_strange(struct member *member)
{
	owned(mem) char *marker = file_join(it.folder, "marker");
	int errors = dup(2);
	sigset_t all;
	pid_t worker;

	CHECK(open(marker, O_WRONLY | O_CREAT, 0600) >= 0);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	CHECK(recovers(member));
	/* What is wrong is told from here on. */
	dup2(errors, 2);
	CHECK(count_workers(&worker) == 1);
	CHECK(!has_open(worker, marker));
	CHECK(strtoull(status_of(worker, "SigBlk:"), NULL, 16) == 0);
	CHECK((strtoull(status_of(worker, "SigIgn:"), NULL, 16) & (1u << (SIGCHLD - 1) | 1u << (SIGUSR1 - 1))) == 0);
	CHECK(getsid(worker) == worker);
	kill(worker, SIGTERM);
	CHECK(recovers(member));
	CHECK(kill(worker, 0) == 0);
	return 0;
}

static int live_strangely(void)
{
	owned(member) struct member *member = open_worker();

	CHECK(chdir("/") == 0);
	return is_strange(member);
}

static void a_strange_host_is_a_host(void **state)
{
	(void)state;
	assert_int_equal(in_child(live_strangely), 0);
	assert_true(await_workers(0));
}

static void *probe(void *member)
{
	return (void *)(intptr_t)member_probe(member, NULL, NULL);
}

static void a_small_stack_is_enough(void **state)
{
	owned(member) struct member *member = open_worker();
	pthread_attr_t small;
	pthread_t thread;
	void *rc;

	(void)state;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 << 10);
	assert_int_equal(pthread_create(&thread, &small, probe, member), 0);
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, 0);
	pthread_attr_destroy(&small);
}

/* ---- fork, and the end of the host ---- */

static struct member *inherited;

static int use_inherited(void)
{
	CHECK(count_workers(NULL) == 1);
	/* Secrets are not inherited. */
	member_set_pin(inherited, good_pin());
	CHECK(recovers(inherited));
	CHECK(count_workers(NULL) == 2);
	member_free(inherited);
	return 0;
}

static void a_child_has_a_worker_of_its_own(void **state)
{
	pid_t before, after;

	(void)state;
	inherited = open_worker();
	assert_true(recovers(inherited));
	assert_int_equal(count_workers(&before), 1);
	assert_int_equal(in_child(use_inherited), 0);
	assert_true(await_workers(1));
	assert_int_equal(count_workers(&after), 1);
	assert_int_equal(after, before);
	assert_int_equal(member_probe(inherited, NULL, NULL), 0);
	member_free(inherited);
}

/* In a process that is to be killed: a call that does not come back, after a child was made past all handlers of
 * fork(), which has all descriptors and tells its number. */
static void hang_with_a_child(int tell)
{
	struct member *member = open_worker();
	struct member_channel *channel;
	pid_t child;

	if (member_acquire(member, &channel, NULL) < 0)
		_exit(1);
	child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (child == 0)
		alarm(60);
	while (child == 0)
		pause();
	if (write(tell, &child, sizeof(child)) == sizeof(child))
		random_within(channel, 0, NULL);
	_exit(2);
}

static void it_ends_with_its_host_however_the_library_hangs(void **state)
{
	pid_t host, child;
	int said[2];

	(void)state;
	fault("C_GenerateRandom hang\n");
	assert_int_equal(pipe(said), 0);
	host = fork();
	if (host == 0)
		hang_with_a_child(said[1]);
	assert_int_equal(read(said[0], &child, sizeof(child)), sizeof(child));
	assert_int_equal(count_workers(NULL), 1);
	kill(host, SIGKILL);
	waitpid(host, NULL, 0);
	assert_true(await_workers(0));
	kill(child, SIGKILL);
	close(said[0]);
	close(said[1]);
}

/* ---- one library, two configurations ---- */

static void the_same_library_with_two_configurations(void **state)
{
	owned(mem) char *tokens = file_join(it.folder, "others"), *conf = file_join(it.folder, "other.conf");
	owned(mem) char *text = mem_printf("directories.tokendir = %s\nobjectstore.backend = file\n", tokens);
	struct json_pair variable = {(char[]){"SOFTHSM2_CONF"}, conf};
	owned(member) struct member *other =
		open_with(&(struct member_config){.environment = &variable, .n_environment = 1}, NULL);
	owned(member) struct member *one = open_worker();
	struct err err = {0};

	(void)state;
	assert_int_equal(file_mkdirs(tokens, 0700, NULL), 0);
	assert_int_equal(file_write(conf, text, strlen(text), 0600, NULL), 0);
	assert_int_equal(member_probe(one, NULL, NULL), 0);
	assert_int_equal(member_probe(other, NULL, &err), -ERR_UNREACHABLE);
	assert_non_null(strstr(err.message, "no initialised token"));
}

static void memory_may_lack(void **state)
{
	(void)state;
	for (unsigned long n = 1;; n++) {
		const struct member_config config = {.name = "n", .link = FLEET_LINK_WORKER, .module = library};
		owned(member) struct member *member = NULL;
		int rc;

		mem_fail_after = n;
		rc = member_open(&config, &member, NULL);
		if (mem_fail_after) {
			mem_fail_after = 0;
			assert_int_equal(rc, 0);
			return;
		}
		assert_int_equal(rc, -ERR_NO_MEMORY);
	}
}

static int set_up_library(void **state)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *shim;

	assert_int_equal(set_up(state), 0);
	assert_true(len > 0);
	self[len] = 0;
	/* Of the build folder that this test stands in. */
	*strstr(self, "/tests/unit/") = 0;
	program = mem_printf("%s/libexec/hsmctl/hsmctl-worker", self);
	shim = mem_printf("%s/tests/fake/shim.so", self);
	library = file_join(it.folder, "shim.so");
	assert_int_equal(symlink(shim, library), 0);
	free(shim);
	return 0;
}

static int tear_down_library(void **state)
{
	free(program);
	free(library);
	return tear_down(state);
}

/* Nothing of one test is left for the next. */
static int all_gone(void **state)
{
	bool gone;
	pid_t left;

	(void)state;
	fault(NULL);
	gone = await_workers(0);
	while (count_workers(&left) && kill(left, SIGKILL) == 0)
		clock_sleep_ms(10);
	return gone ? 0 : -1;
}

#define worker_test(function) cmocka_unit_test_teardown(function, all_gone)

int main(void)
{
	const struct CMUnitTest tests[] = {
		worker_test(one_process_serves_all_channels_of_a_member),
		worker_test(it_ends_with_its_member),
		worker_test(what_ends_it_ends_one_call),
		worker_test(who_does_not_come_back_costs_one_deadline),
		worker_test(a_stopped_process_is_replaced),
		worker_test(the_reason_is_told),
		worker_test(one_that_ends_at_once_is_not_started_all_the_time),
		worker_test(a_worker_starts_no_other),
		worker_test(its_host_is_nobodys_parent),
		worker_test(a_strange_host_is_a_host),
		worker_test(a_small_stack_is_enough),
		worker_test(a_child_has_a_worker_of_its_own),
		worker_test(it_ends_with_its_host_however_the_library_hangs),
		worker_test(the_same_library_with_two_configurations),
		worker_test(memory_may_lack),
	};

	return cmocka_run_group_tests(tests, set_up_library, tear_down_library);
}
