/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proc.h"
#include "fleet/fleet.h"
#include "provider/inventory.h"
#include "provider/provider.h"
#include "provider/softhsm/address.h"
#include "provider/softhsm/daemon.h"
#include "provider/softhsm/library.h"
#include "provider/softhsm/paths.h"
#include "provider/softhsm/token.h"
#include "store/store.h"

struct fixture {
	char *folder;
	struct store *store;
	struct softhsm_paths paths;
};

static int setup(void **state)
{
	struct fixture *f = mem_new(struct fixture);

	if (temp_setup((void **)&f->folder) < 0 ||
	    store_open(f->folder, STORE_CREATE, &f->store, NULL) < 0 ||
	    softhsm_paths_init(f->store, "d", &f->paths, NULL) < 0)
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int rc;

	softhsm_paths_release(&f->paths);
	store_free(f->store);
	rc = temp_teardown((void **)&f->folder);
	free(f);
	return rc;
}

static void put(const char *folder, const char *name, const char *text)
{
	assert_int_equal(file_mkdirs(folder, 0700, NULL), 0);
	assert_int_equal(file_write(in(folder, name), text, strlen(text), 0600, NULL), 0);
}

static void addresses(void **state)
{
	static const struct {
		const char *address;
		int rc;
	} cases[] = {
		{"127.0.0.1:0", 0}, {"10.0.0.1:65535", 0},
		{"", -ERR_INVALID}, {":7", -ERR_INVALID}, {"127.0.0.1", -ERR_INVALID},
		{"127.0.0.1:", -ERR_INVALID}, {"127.0.0.1:65536", -ERR_INVALID}, {"localhost:7", -ERR_INVALID},
		{"[::1]:7", -ERR_INVALID}, {"127.0.0.1:7x", -ERR_INVALID},
		{"1000000000000000000000000000000000000:7", -ERR_INVALID},
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(softhsm_address_check(cases[i].address, &err), cases[i].rc);
}

static void a_port_in_use_is_told(void **state)
{
	struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(where);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char address[40];
	struct err err;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof(where)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &len), 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(where.sin_port));
	assert_int_equal(softhsm_address_free(address, &err), -ERR_IN_USE);
	close(fd);
	assert_int_equal(softhsm_address_free(address, &err), 0);
}

static void libraries(void **state)
{
	struct fixture *f = *state;
	struct fleet_device device = {.name = (char[]){"d"}};
	owned(mem) char *named = NULL, *other = NULL;
	struct err err = {0};

	put(f->folder, "a.so", "");
	put(f->folder, "b.so", "");
	setenv("HSMCTL_SOFTHSM_LIBRARY", in(f->folder, "a.so"), 1);
	assert_int_equal(softhsm_library(&device, &named, &err), 0);
	assert_string_equal(named, in(f->folder, "a.so"));
	device.module = (char *)(uintptr_t)in(f->folder, "b.so");
	assert_int_equal(softhsm_library(&device, &other, &err), 0);
	assert_string_equal(other, in(f->folder, "b.so"));
	device.module = NULL;
	setenv("HSMCTL_SOFTHSM_LIBRARY", "/nonexistent", 1);
	assert_int_equal(softhsm_library(&device, &other, &err), -ERR_MISSING);
	assert_string_equal(err.hint, "apt-get install softhsm2");
}

static void what_is_left_of_a_token(void **state)
{
	struct fixture *f = *state;
	const char *tokens = f->paths.at[SOFTHSM_TOKENS], *guard = f->paths.at[SOFTHSM_GUARD];
	owned(mem) char *uuid = file_join(tokens, "uuid");

	assert_false(softhsm_token_whole(&f->paths));
	assert_false(softhsm_token_used(&f->paths));
	put(uuid, "token.object", "");
	assert_false(softhsm_token_whole(&f->paths));
	assert_false(softhsm_token_used(&f->paths));
	put(guard, "uuid", "copy");
	assert_true(softhsm_token_whole(&f->paths));
	assert_int_equal(file_remove_tree(guard, NULL), 0);
	put(uuid, "token.object", "whole");
	put(uuid, "generation", "x");
	assert_true(softhsm_token_whole(&f->paths));
	assert_false(softhsm_token_used(&f->paths));
	/* Even an empty one may have been a key. */
	put(uuid, "1.object", "");
	assert_true(softhsm_token_used(&f->paths));
	/* A copy is of no use without the folder it belongs to. */
	put(guard, "uuid", "copy");
	assert_int_equal(file_remove_tree(tokens, NULL), 0);
	assert_false(softhsm_token_whole(&f->paths));
}

static struct fleet *one_device(void)
{
	static const char text[] =
		"{\"name\":\"f\",\"datacenters\":[{\"name\":\"e\",\"region\":\"r\",\"provider\":\"softhsm\"}],"
		"\"devices\":[{\"name\":\"d\",\"datacenter\":\"e\"}]}";
	struct fleet *fleet = NULL;

	assert_int_equal(fleet_read(text, strlen(text), "text", 0, &fleet, NULL), 0);
	return fleet;
}

static void states_and_faults_without_a_process(void **state)
{
	struct fixture *f = *state;
	owned(fleet) struct fleet *fleet = one_device();
	struct fleet_device *device = &fleet->devices[0];
	enum device_state found;
	char command[100] = "";
	struct err err;

	assert_int_equal(provider_softhsm.state(f->store, device, &found, &err), 0);
	assert_int_equal(found, DEVICE_ABSENT);
	put(f->paths.at[SOFTHSM_FOLDER], "softhsm2.conf", "x");
	assert_int_equal(provider_softhsm.state(f->store, device, &found, &err), 0);
	assert_int_equal(found, DEVICE_PARTIAL);
	assert_int_equal(provider_softhsm.start(f->store, device, &err), -ERR_NOT_FOUND);
	assert_int_equal(provider_softhsm.stop(f->store, device, &err), 0);
	assert_int_equal(provider_softhsm.fault(f->store, device, FAULT_CRASH, command, sizeof(command), &err), 0);
	assert_string_equal(command, "none: 'd' is down");
	assert_int_equal(provider_softhsm.destroy(f->store, device, &err), 0);
	assert_false(file_exists(f->paths.at[SOFTHSM_FOLDER]));
	assert_int_equal(provider_softhsm.destroy(f->store, device, &err), 0);
}

/* A process that holds the pid file as the daemon would. */
static pid_t pretend(const struct fixture *f)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(file_mkdirs(f->paths.at[SOFTHSM_FOLDER], 0700, NULL), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		signal(SIGTERM, SIG_IGN);
		if (proc_pid_file_take(f->paths.at[SOFTHSM_PID], "127.0.0.1:7001", NULL) == 0 &&
		    write(ready[1], "x", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void faults_hit_the_process(void **state)
{
	struct fixture *f = *state;
	owned(fleet) struct fleet *fleet = one_device();
	struct fleet_device *device = &fleet->devices[0];
	struct softhsm_daemon daemon;
	pid_t pid = pretend(f);
	char command[100], wanted[100];
	struct err err;
	int status;

	assert_int_equal(softhsm_daemon_find(&f->paths, &daemon, &err), 1);
	assert_string_equal(daemon.address, "127.0.0.1:7001");
	assert_false(daemon.suspended);
	assert_int_equal(provider_softhsm.fault(f->store, device, FAULT_HANG, command, sizeof(command), &err), 0);
	snprintf(wanted, sizeof(wanted), "kill -STOP %d", (int)pid);
	assert_string_equal(command, wanted);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(softhsm_daemon_find(&f->paths, &daemon, &err), 1);
	assert_true(daemon.suspended);
	assert_int_equal(softhsm_daemon_await(&f->paths, &daemon, &err), 0);
	assert_int_equal(waitpid(pid, &status, WCONTINUED), pid);
	assert_true(WIFCONTINUED(status));
	assert_int_equal(provider_softhsm.fault(f->store, device, FAULT_CRASH, command, sizeof(command), &err), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(softhsm_daemon_find(&f->paths, &daemon, &err), 0);
}

static int inventory_once(struct store *store, const struct fleet *fleet)
{
	owned(inventory) struct inventory inventory = {0};
	struct err err = {0};

	return inventory_make(store, fleet, &inventory, &err);
}

static void the_inventory_survives_a_lack_of_memory(void **state)
{
	struct fixture *f = *state;
	owned(fleet) struct fleet *fleet = one_device();
	owned(inventory) struct inventory inventory = {0};
	struct err err;

	assert_int_equal(inventory_make(f->store, fleet, &inventory, &err), 0);
	assert_int_equal(inventory.n_devices, 1);
	assert_string_equal(inventory.devices[0].region, "r");
	assert_int_equal(inventory.devices[0].state, DEVICE_ABSENT);
	assert_survives_no_memory(inventory_once(f->store, fleet));
}

#define softhsm_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		softhsm_test(addresses),
		softhsm_test(a_port_in_use_is_told),
		softhsm_test(libraries),
		softhsm_test(what_is_left_of_a_token),
		softhsm_test(states_and_faults_without_a_process),
		softhsm_test(faults_hit_the_process),
		softhsm_test(the_inventory_survives_a_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
