/* SPDX-License-Identifier: Apache-2.0 */
/* What administrators still have to do, and how it is seen. */
#include "../base/temp.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/secret.h"
#include "fleet/fleet.h"
#include "member/appliance.h"
#include "provider/azure/probe.h"
#include "provider/azure/steps.h"
#include "provider/softhsm/library.h"

/* ---- ports ---- */

/* A socket bound to a free port of loopback. */
static int bound(uint16_t *ret_port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(to);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
	*ret_port = ntohs(to.sin_port);
	return fd;
}

/* One whose queue is full: it says nothing. */
static void fill(uint16_t port, int fds[static 4])
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(port),
	};

	for (int i = 0; i < 4; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(fds[i], (const struct sockaddr *)&to, sizeof(to));
	}
}

static void a_port_that_listens_answers(void **state)
{
	struct azure_port ports[] = {
		{.address = "127.0.0.1"}, {.address = "127.0.0.1"}, {.address = "127.0.0.1"},
		{.address = "nowhere"}, {.address = "127.0.0.1"},
	};
	int listens = bound(&ports[0].port), refuses = bound(&ports[1].port), silent = bound(&ports[2].port);
	int queue[4], last = bound(&ports[4].port);
	struct err err = {0};

	(void)state;
	ports[3].port = ports[0].port;
	assert_int_equal(listen(listens, 5), 0);
	assert_int_equal(listen(last, 5), 0);
	assert_int_equal(listen(silent, 0), 0);
	fill(ports[2].port, queue);
	assert_int_equal(azure_ports_probe(ports, 5, 300, &err), 0);
	assert_true(ports[0].answers && ports[4].answers);
	assert_false(ports[1].answers || ports[2].answers || ports[3].answers);
	for (int i = 0; i < 4; i++)
		close(queue[i]);
	close(listens);
	close(refuses);
	close(silent);
	close(last);
}

/* What accepts one connection and says that; the caller waits for it. */
static pid_t talker(const char *said, uint16_t *ret_port)
{
	int fd = bound(ret_port);
	pid_t pid;

	assert_int_equal(listen(fd, 5), 0);
	pid = fork();
	if (pid == 0) {
		int peer = accept(fd, NULL, NULL);
		char end;

		if (*said && write(peer, said, strlen(said)) < 0)
			_exit(1);
		/* Until the other one hangs up. */
		_exit(read(peer, &end, 1) != 0);
	}
	close(fd);
	return pid;
}

static void a_greeting_is_waited_for(void **state)
{
	static const struct {
		const char *said;
		bool answers;
	} rows[] = {{"SSH-2.0-server\r\n", true}, {"220 mail\r\n", false}, {"", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct azure_port port = {.address = "127.0.0.1", .greeting = "SSH-"};
		pid_t pid = talker(rows[i].said, &port.port);

		assert_int_equal(azure_ports_probe(&port, 1, rows[i].answers ? 20000 : 200, NULL), 0);
		assert_int_equal(port.answers, rows[i].answers);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
}

static void no_ports_are_probed_at_once(void **state)
{
	(void)state;
	assert_int_equal(azure_ports_probe(NULL, 0, 60000, NULL), 0);
}

/* ---- questions ---- */

static enum inventory_done say(const void *data)
{
	return *(const enum inventory_done *)data;
}

static enum inventory_done hang(const void *data)
{
	(void)data;
	while (pause() < 0)
		;
	return STEP_DONE;
}

static enum inventory_done crash(const void *data)
{
	(void)data;
	raise(SIGSEGV);
	return STEP_DONE;
}

static enum inventory_done leave(const void *data)
{
	(void)data;
	_exit(0);
}

static enum inventory_done print(const void *data)
{
	(void)data;
	printf("a library talks\n");
	fflush(stdout);
	return write(2, "and talks", 9) == 9 ? STEP_DONE : STEP_OPEN;
}

static void questions_may_hang_and_crash(void **state)
{
	static const enum inventory_done answers[] = {STEP_OPEN, STEP_DONE, STEP_UNKNOWN};
	struct azure_question questions[] = {
		{.ask = hang, .limit_ms = 200},
		{.ask = say, .data = &answers[0], .limit_ms = 20000},
		{.ask = say, .data = &answers[1], .limit_ms = 20000},
		{.ask = say, .data = &answers[2], .limit_ms = 20000},
		{.ask = crash, .limit_ms = 20000},
		{.ask = leave, .limit_ms = 20000},
		{.ask = print, .limit_ms = 20000},
		{.limit_ms = 20000},
	};
	static const enum inventory_done expected[] = {
		STEP_OPEN, STEP_OPEN, STEP_DONE, STEP_UNKNOWN, STEP_OPEN, STEP_OPEN, STEP_DONE, STEP_UNKNOWN,
	};

	(void)state;
	azure_questions_begin(questions, 8);
	assert_int_equal(azure_questions_await(questions, 8, NULL), 0);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(questions[i].answer, expected[i]);
	/* None is left behind. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- lists ---- */

static struct fleet_partition partitions[] = {{.name = (char *)"p1"}, {.name = (char *)"p2"}};
static const struct fleet_device luna = {
	.name = (char *)"hsm-east-1", .partitions = partitions, .n_partitions = 2,
};
static const struct fleet_device cluster = {
	.name = (char *)"hsm-west", .partitions = partitions, .n_partitions = 1,
};

static struct json_tree *tree(const char *text)
{
	struct json_tree *ret = NULL;

	assert_int_equal(json_tree_parse(text, strlen(text), "test", &ret, NULL), 0);
	return ret;
}

static void list(const struct fleet_device *device, bool dedicated, const char *address, const struct json_tree *live,
		 struct inventory *ret)
{
	const struct azure_seen seen = {.device = device, .dedicated = dedicated, .address = address, .live = live};
	struct err err = {0};

	assert_int_equal(azure_steps_add(&seen, 1, ret, &err), 0);
}

/* The step whose text holds that. */
static const struct inventory_step *step(const struct inventory *inventory, const char *part)
{
	for (size_t i = 0; i < inventory->n_steps; i++)
		if (strstr(inventory->steps[i].text, part))
			return &inventory->steps[i];
	fail_msg("no step '%s'", part);
	return NULL;
}

static void expect_commands(const struct inventory *inventory, const char *const *commands)
{
	for (size_t i = 0; i < inventory->n_steps; i++) {
		const struct inventory_step *s = &inventory->steps[i];

		assert_int_equal(s->number, i + 1);
		assert_null(strpbrk(s->text, "{}"));
		if (!commands[i])
			assert_null(s->command);
		else if (commands[i][0] != '*')
			assert_string_equal(s->command, commands[i]);
	}
	assert_null(commands[inventory->n_steps]);
}

static void a_dedicated_hsm_has_its_list(void **state)
{
	static const char *const commands[] = {
		NULL, "ssh tenantadmin@127.0.0.1", "hsm init -label hsm-east-1", "partition create -partition p1",
		"partition create -partition p2", "ntls bind eth0", "*", "*", "partition init -label p1",
		"partition init -label p2", "role init -name co", "role init -name co",
		"role changepw -name co", "role changepw -name co", NULL, NULL, NULL,
	};
	owned(inventory) struct inventory inventory = {0};

	(void)state;
	list(&luna, true, "127.0.0.1", NULL, &inventory);
	assert_int_equal(inventory.n_steps, 16);
	expect_commands(&inventory, commands);
	assert_string_equal(inventory.steps[0].device, "hsm-east-1");
	assert_string_equal(inventory.steps[0].text, "reach 127.0.0.1 from this host, TCP 22");
	assert_ptr_equal(strstr(inventory.steps[7].command, "clientconfig deploy -server 127.0.0.1 -client "),
			 inventory.steps[7].command);
	assert_non_null(strstr(inventory.steps[7].command, " -partition p2 -user tenantadmin"));
	/* Nothing listens at 1792 here, and of the rest nothing is known. */
	assert_int_equal(step(&inventory, "TCP 1792")->state, STEP_OPEN);
	assert_int_equal(step(&inventory, "tenantadmin")->state, STEP_UNKNOWN);
	assert_int_equal(step(&inventory, "see token p1")->state, STEP_UNKNOWN);
}

static void an_address_that_is_none_is_not_typed(void **state)
{
	static const char *const addresses[] = {NULL, "", "10.2.1.5; rm -rf /", "$(x)", "-oProxyCommand=x"};

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		owned(inventory) struct inventory inventory = {0};

		list(&luna, true, addresses[i], NULL, &inventory);
		assert_string_equal(inventory.steps[0].text, "reach ADDRESS from this host, TCP 22");
		assert_int_equal(inventory.steps[0].state, STEP_UNKNOWN);
		assert_string_equal(inventory.steps[1].command, "ssh tenantadmin@ADDRESS");
	}
}

static void a_cluster_has_its_list(void **state)
{
	static const char *const commands[] = {
		NULL, "getent hosts 127.0.0.1", NULL, "azcloudhsm_mgmt_util azcloudhsm_resource.cfg",
		"createUser CU USER PASSWORD", "azcloudhsm_client azcloudhsm_client.cfg", NULL, NULL,
	};
	/* A name that resolves on every host, also where nothing says what localhost is. */
	owned(json_tree) struct json_tree *live = tree("{\"properties\":{\"hsms\":[{\"fqdn\":\"a b;c\"},"
						       "{\"fqdn\":\"127.0.0.1\"}],\"activationState\":\"Active\"}}");
	owned(inventory) struct inventory inventory = {0};

	(void)state;
	list(&cluster, false, "127.0.0.1", live, &inventory);
	assert_int_equal(inventory.n_steps, 7);
	expect_commands(&inventory, commands);
	assert_int_equal(step(&inventory, "resolve")->state, STEP_DONE);
	assert_int_equal(step(&inventory, "2224")->state, STEP_OPEN);
	assert_int_equal(step(&inventory, "ctivate")->state, STEP_DONE);
	assert_int_equal(step(&inventory, "private endpoint")->state, STEP_OPEN);
}

static void names_are_the_recorded_ones_when_azure_says_none(void **state)
{
	char *hosts[] = {(char *)"-x", (char *)"host.invalid"};
	struct fleet_device device = cluster;
	owned(inventory) struct inventory inventory = {0};

	(void)state;
	device.azure.hosts = hosts;
	device.azure.n_hosts = 2;
	list(&device, false, NULL, NULL, &inventory);
	assert_string_equal(step(&inventory, "resolve")->command, "getent hosts host.invalid");
	assert_int_equal(step(&inventory, "resolve")->state, STEP_OPEN);
	assert_int_equal(step(&inventory, "ctivate")->state, STEP_UNKNOWN);
	assert_int_equal(step(&inventory, "private endpoint")->state, STEP_UNKNOWN);
}

static void what_azure_says_of_a_cluster(void **state)
{
	static const struct {
		const char *properties, *text;
		enum inventory_done expected;
	} rows[] = {
		{"\"activationState\":\"Active\"", "ctivate", STEP_DONE},
		{"\"activationState\":\"active\"", "ctivate", STEP_DONE},
		{"\"activationState\":\"NotActivated\"", "ctivate", STEP_OPEN},
		{"\"activationState\":\"NotDefined\"", "ctivate", STEP_OPEN},
		{"\"activationState\":\"null\"", "ctivate", STEP_UNKNOWN},
		{"\"activationState\":null", "ctivate", STEP_UNKNOWN},
		{"\"activationState\":\"Unknown\"", "ctivate", STEP_UNKNOWN},
		{"\"privateEndpointConnections\":[{\"properties\":{\"privateLinkServiceConnectionState\":"
		 "{\"status\":\"Pending\"}}}]", "private endpoint", STEP_OPEN},
		{"\"privateEndpointConnections\":[{},{\"properties\":{\"privateLinkServiceConnectionState\":"
		 "{\"status\":\"Approved\"}}}]", "private endpoint", STEP_DONE},
		{"\"privateEndpointConnections\":[]", "private endpoint", STEP_OPEN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		owned(mem) char *text = mem_printf("{\"properties\":{%s}}", rows[i].properties);
		owned(json_tree) struct json_tree *live = tree(text);
		owned(inventory) struct inventory inventory = {0};

		list(&cluster, false, NULL, live, &inventory);
		assert_int_equal(step(&inventory, rows[i].text)->state, rows[i].expected);
	}
}

/* Made in a process of its own, since the library keeps the configuration it began with. */
static void make_token(const char *folder, const char *library, const char *label)
{
	owned(mem) char *text = mem_printf("directories.tokendir = %s\nlog.level = ERROR\n", folder);
	int status;
	pid_t pid;

	assert_int_equal(file_write(in(folder, "softhsm2.conf"), text, strlen(text), 0600, NULL), 0);
	setenv("SOFTHSM2_CONF", in(folder, "softhsm2.conf"), 1);
	pid = fork();
	if (pid == 0) {
		struct secret *pin = NULL;
		char serial[17];
		int rc = secret_new("12345678", 8, &pin, NULL);

		if (rc == 0)
			rc = appliance_init_token(library, label, pin, pin, serial, NULL);
		_exit(rc < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_token_that_is_seen_proves_what_comes_before(void **state)
{
	owned(mem) char *library = NULL;
	struct fleet_partition both[] = {partitions[0], partitions[1]};
	struct fleet_device device = luna;
	owned(inventory) struct inventory inventory = {0};

	assert_int_equal(softhsm_library(&device, &library, NULL), 0);
	make_token(*state, library, "p1");
	both[0].link = (struct fleet_link){.kind = FLEET_LINK_MODULE, .module = library};
	both[1].link = (struct fleet_link){.kind = FLEET_LINK_MODULE, .module = (char *)"/nowhere/lib.so"};
	device.partitions = both;
	list(&device, true, "127.0.0.1", NULL, &inventory);
	assert_int_equal(step(&inventory, "see token p1")->state, STEP_DONE);
	assert_int_equal(step(&inventory, "create partition p1")->state, STEP_DONE);
	assert_int_equal(step(&inventory, "initialise the HSM")->state, STEP_DONE);
	assert_int_equal(step(&inventory, "see token p2")->state, STEP_OPEN);
	assert_int_equal(step(&inventory, "create partition p2")->state, STEP_UNKNOWN);
	/* Not the password, not the officer, and never what was seen to be open. */
	assert_int_equal(step(&inventory, "default password")->state, STEP_UNKNOWN);
	assert_int_equal(step(&inventory, "officer of p1")->state, STEP_UNKNOWN);
	assert_int_equal(step(&inventory, "TCP 1792")->state, STEP_OPEN);
}

static void several_tokens_and_no_serial_say_nothing(void **state)
{
	owned(mem) char *library = NULL;
	struct fleet_partition one = partitions[0];
	struct fleet_device device = cluster;
	owned(inventory) struct inventory inventory = {0};

	assert_int_equal(softhsm_library(&device, &library, NULL), 0);
	make_token(*state, library, "p1");
	make_token(*state, library, "p2");
	one.link = (struct fleet_link){.kind = FLEET_LINK_MODULE, .module = library};
	device.partitions = &one;
	list(&device, false, NULL, NULL, &inventory);
	assert_int_equal(step(&inventory, "see token")->state, STEP_UNKNOWN);
	assert_int_equal(step(&inventory, "ctivate")->state, STEP_UNKNOWN);
}

static void nothing_is_sent_to_what_is_out_of_reach(void **state)
{
	struct azure_seen seen = {.device = &cluster, .address = "127.0.0.1", .out_of_reach = true};
	owned(json_tree) struct json_tree *live = tree("{\"properties\":{\"hsms\":[{\"fqdn\":\"localhost\"}]}}");
	owned(inventory) struct inventory inventory = {0};

	(void)state;
	seen.live = live;
	assert_int_equal(azure_steps_add(&seen, 1, &inventory, NULL), 0);
	assert_int_equal(step(&inventory, "resolve")->state, STEP_UNKNOWN);
	assert_int_equal(step(&inventory, "reach 127.0.0.1")->state, STEP_UNKNOWN);
}

static void each_device_has_numbers_of_its_own(void **state)
{
	const struct azure_seen seen[] = {
		{.device = &cluster, .address = "127.0.0.1"},
		{.device = &luna, .dedicated = true, .address = "127.0.0.1"},
		{.device = &cluster},
	};
	owned(inventory) struct inventory inventory = {0};

	(void)state;
	assert_int_equal(azure_steps_add(seen, 3, &inventory, NULL), 0);
	assert_int_equal(inventory.n_steps, 7 + 16 + 7);
	assert_int_equal(inventory.steps[6].number, 7);
	assert_int_equal(inventory.steps[7].number, 1);
	assert_string_equal(inventory.steps[7].device, "hsm-east-1");
	assert_int_equal(inventory.steps[23].number, 1);
	assert_int_equal(inventory.steps[2].state, STEP_OPEN);
	assert_int_equal(inventory.steps[25].state, STEP_UNKNOWN);
}

static int add_once(void)
{
	const struct azure_seen seen[] = {{.device = &luna, .dedicated = true, .address = "127.0.0.1"}};
	owned(inventory) struct inventory inventory = {0};
	struct err err = {0};

	return azure_steps_add(seen, 1, &inventory, &err);
}

static void memory_may_run_out(void **state)
{
	(void)state;
	assert_survives_no_memory(add_once());
}

static void a_cancelled_command_stops_looking(void **state)
{
	struct azure_port port = {.address = "127.0.0.1"};
	struct azure_question questions[] = {{.ask = hang, .limit_ms = 600000}, {.ask = hang, .limit_ms = 600000}};
	int queue[4], silent = bound(&port.port);

	(void)state;
	assert_int_equal(listen(silent, 0), 0);
	fill(port.port, queue);
	cancel_install(0);
	azure_questions_begin(questions, 2);
	raise(SIGINT);
	assert_int_equal(azure_ports_probe(&port, 1, 600000, NULL), -ERR_INTERRUPTED);
	assert_int_equal(azure_questions_await(questions, 2, NULL), -ERR_INTERRUPTED);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	for (int i = 0; i < 4; i++)
		close(queue[i]);
	close(silent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_that_listens_answers),
		cmocka_unit_test(a_greeting_is_waited_for),
		cmocka_unit_test(no_ports_are_probed_at_once),
		cmocka_unit_test(questions_may_hang_and_crash),
		cmocka_unit_test(a_dedicated_hsm_has_its_list),
		cmocka_unit_test(an_address_that_is_none_is_not_typed),
		cmocka_unit_test(a_cluster_has_its_list),
		cmocka_unit_test(names_are_the_recorded_ones_when_azure_says_none),
		cmocka_unit_test(what_azure_says_of_a_cluster),
		temp_test(a_token_that_is_seen_proves_what_comes_before),
		temp_test(several_tokens_and_no_serial_say_nothing),
		cmocka_unit_test(nothing_is_sent_to_what_is_out_of_reach),
		cmocka_unit_test(each_device_has_numbers_of_its_own),
		cmocka_unit_test(memory_may_run_out),
		cmocka_unit_test(a_cancelled_command_stops_looking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
