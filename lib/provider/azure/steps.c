/* SPDX-License-Identifier: Apache-2.0 */
/* The administrators' lists, and what can be seen of them. */
#include "provider/azure/steps.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "member/member.h"
#include "provider/azure/probe.h"

enum {
	PORT_MS = 1500,
	NAME_MS = 3000,
	TOKEN_MS = 10000,	/* Luna's client alone waits longer for a device it cannot reach */
	PORTS = 4,		/* of a device */
	HOSTS = 8,
	SSH = 22,
	TEXT_MAX = 2048,
};

/* ---- the lists ---- */

enum seen_by { BY_NOBODY, BY_PORTS, BY_CONNECTION, BY_NAMES, BY_ACTIVATION, BY_TOKEN };

struct row {
	/* {address}, {client} (this host), {device}, {host} (of the cluster), {partition} */
	const char *text, *command;
	enum seen_by by;
	bool per_partition;
	bool proved;			/* a token that is seen shows that it was done */
	uint16_t ports[PORTS];		/* BY_PORTS: all of them, 0 = none */
};

/* In LunaSH on the device, and in lunacm on this host. */
static const struct row dedicated_rows[] = {
	{"reach {address} from this host, TCP 22", NULL, .by = BY_PORTS, .ports = {SSH}},
	{"log in as tenantadmin, change the default password at once", "ssh tenantadmin@{address}", .by = BY_NOBODY},
	{"set the time, then initialise the HSM (SO password, domain)", "hsm init -label {device}", .proved = true},
	{"create partition {partition}", "partition create -partition {partition}", .per_partition = true,
	 .proved = true},
	{"let NTLS listen at {address}, TCP 1792", "ntls bind eth0", .by = BY_PORTS, .ports = {1792}},
	{"in lunacm here: register this host, assign it {partition}",
	 "clientconfig deploy -server {address} -client {client} -partition {partition} -user tenantadmin",
	 .per_partition = true, .proved = true},
	{"in lunacm, slot of {partition}: initialise the token (SO, domain)", "partition init -label {partition}",
	 .per_partition = true, .proved = true},
	{"there, logged in as po: make the crypto officer of {partition}", "role init -name co", .per_partition = true},
	{"there, logged in as co: change the first password", "role changepw -name co", .per_partition = true},
	{"see token {partition} through the library of its link", NULL, .by = BY_TOKEN, .per_partition = true},
};

/* With the client SDK, on a host in a network that reaches the private endpoint. */
static const struct row cloud_rows[] = {
	{"approve the connection of the private endpoint", NULL, .by = BY_CONNECTION, .proved = true},
	{"resolve the names of its HSMs on this host", "getent hosts {host}", .by = BY_NAMES},
	{"reach {address} from this host, TCP 443, 444, 2224, 2225", NULL, .by = BY_PORTS,
	 .ports = {443, 444, 2224, 2225}},
	{"activate the cluster with its owner's certificate (PO.crt)", "azcloudhsm_mgmt_util azcloudhsm_resource.cfg",
	 .by = BY_ACTIVATION, .proved = true},
	{"there: make officers and a crypto user, on all its HSMs", "createUser CU USER PASSWORD", .proved = true},
	{"run the client daemon on this host, set to these HSMs", "azcloudhsm_client azcloudhsm_client.cfg",
	 .proved = true},
	{"see token {partition} through the library of its link (PIN USER:PASSWORD)", NULL, .by = BY_TOKEN,
	 .per_partition = true},
};

/* ---- one device ---- */

/* What a token question needs. */
struct token {
	const struct fleet_device *device;
	const struct fleet_partition *partition;
};

struct names {
	const char *hosts[HOSTS];
	size_t n;
};

struct view {
	const struct azure_seen *seen;
	const char *client;			/* name of this host */
	const struct row *rows;
	size_t n_rows;
	const char *address;			/* NULL = not known */
	struct names names;
	struct azure_port *ports;		/* PORTS of them, n_ports asked */
	size_t n_ports;
	struct azure_question *resolve, *see;	/* see: one for each partition */
	struct token *tokens;
};

/* Shown to be typed into a shell, and it comes from elsewhere. */
static bool is_host(const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";

	return name && *name && *name != '-' && strlen(name) < 254 && !name[strspn(name, plain)];
}

static bool is_address(const char *text)
{
	struct in6_addr address;

	return text && (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1);
}

static void add_name(struct names *names, const char *host)
{
	if (names->n < HOSTS && is_host(host))
		names->hosts[names->n++] = host;
}

static void find_names(const struct azure_seen *seen, struct names *ret)
{
	const struct json_tree *hsms = json_tree_get(seen->live, "properties.hsms");

	for (size_t i = 0; i < json_tree_count(hsms); i++)
		add_name(ret, json_tree_text(json_tree_at(hsms, i), "fqdn"));
	for (size_t i = 0; !ret->n && i < seen->device->azure.n_hosts; i++)
		add_name(ret, seen->device->azure.hosts[i]);
}

/* ---- what is asked ---- */

static enum inventory_done resolve(const void *data)
{
	const struct names *names = data;
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

	for (size_t i = 0; i < names->n; i++) {
		struct addrinfo *found = NULL;

		if (getaddrinfo(names->hosts[i], NULL, &hints, &found) != 0)
			return STEP_OPEN;
		freeaddrinfo(found);
	}
	return STEP_DONE;
}

/* The member is not freed: the library is told to end no sooner than this process does, since that too
 * may take any time. */
static enum inventory_done see_token(const void *data)
{
	const struct fleet_policy patience = {
		.connect_ms = TOKEN_MS, .answer_ms = TOKEN_MS, .call_ms = TOKEN_MS,
	};
	const struct token *token = data;
	struct member *member = NULL;
	struct err err = {0};
	int rc = member_open_partition(token->device, token->partition, token->device->name, &patience, NULL, &member,
				       &err);

	if (rc == 0)
		rc = member_probe(member, NULL, &err);
	/* Several tokens, and the fleet does not say which one is meant. */
	if (rc == -ERR_AMBIGUOUS)
		return STEP_UNKNOWN;
	return rc < 0 ? STEP_OPEN : STEP_DONE;
}

static void ask_ports(struct view *v)
{
	for (size_t i = 0; v->address && !v->seen->out_of_reach && i < v->n_rows; i++)
		for (size_t j = 0; j < PORTS && v->rows[i].ports[j]; j++)
			v->ports[v->n_ports++] = (struct azure_port){
				.address = v->address, .port = v->rows[i].ports[j],
				.greeting = v->rows[i].ports[j] == SSH ? "SSH-" : NULL,
			};
}

static void ask(struct view *v)
{
	const struct fleet_device *device = v->seen->device;

	ask_ports(v);
	v->resolve->answer = STEP_UNKNOWN;
	if (v->names.n && !v->seen->out_of_reach)
		*v->resolve = (struct azure_question){.ask = resolve, .data = &v->names, .limit_ms = NAME_MS};
	for (size_t i = 0; i < device->n_partitions; i++) {
		v->tokens[i] = (struct token){device, &device->partitions[i]};
		v->see[i].data = &v->tokens[i];
		v->see[i].limit_ms = TOKEN_MS;
		if (fleet_link_is_local(&device->partitions[i].link))
			v->see[i].ask = see_token;
	}
}

/* ---- what was seen ---- */

static enum inventory_done ports_state(const struct view *v, const struct row *row)
{
	for (size_t i = 0; v->address && i < PORTS && row->ports[i]; i++)
		for (size_t j = 0; j < v->n_ports; j++)
			if (v->ports[j].port == row->ports[i] && !v->ports[j].answers)
				return STEP_OPEN;
	return v->address && !v->seen->out_of_reach ? STEP_DONE : STEP_UNKNOWN;
}

static enum inventory_done connection_state(const struct json_tree *live)
{
	const struct json_tree *all = json_tree_get(live, "properties.privateEndpointConnections");

	for (size_t i = 0; i < json_tree_count(all); i++) {
		const char *status = json_tree_text(json_tree_at(all, i),
						    "properties.privateLinkServiceConnectionState.status");

		if (status && strcasecmp(status, "Approved") == 0)
			return STEP_DONE;
	}
	return live ? STEP_OPEN : STEP_UNKNOWN;
}

/* The service also says "null" and "Unknown". */
static enum inventory_done activation_state(const struct json_tree *live)
{
	const char *state = json_tree_text(live, "properties.activationState");

	if (!state || strcasecmp(state, "null") == 0 || strcasecmp(state, "Unknown") == 0)
		return STEP_UNKNOWN;
	return strcasecmp(state, "Active") == 0 ? STEP_DONE : STEP_OPEN;
}

/* Of that partition; of any when the step is the device's. */
static bool token_seen(const struct view *v, const struct row *row, size_t partition)
{
	for (size_t i = 0; i < v->seen->device->n_partitions; i++)
		if (v->see[i].answer == STEP_DONE && (!row->per_partition || i == partition))
			return true;
	return false;
}

static enum inventory_done look(const struct view *v, const struct row *row, size_t partition)
{
	switch (row->by) {
	case BY_PORTS:
		return ports_state(v, row);
	case BY_CONNECTION:
		return connection_state(v->seen->live);
	case BY_NAMES:
		return v->resolve->answer;
	case BY_ACTIVATION:
		return activation_state(v->seen->live);
	case BY_TOKEN:
		return v->see[partition].answer;
	case BY_NOBODY:
		break;
	}
	return STEP_UNKNOWN;
}

static enum inventory_done state_of(const struct view *v, const struct row *row, size_t partition)
{
	enum inventory_done state = look(v, row, partition);

	return state == STEP_UNKNOWN && row->proved && token_seen(v, row, partition) ? STEP_DONE : state;
}

/* ---- writing it down ---- */

/* What a word in braces stands for; in capitals when it is not known. */
static const char *value_of(const struct view *v, size_t partition, const char *word, size_t len)
{
	const struct fleet_device *device = v->seen->device;
	const struct {
		const char *word, *value;
	} values[] = {
		{"address", v->address ? v->address : "ADDRESS"},
		{"client", v->client},
		{"device", device->name},
		{"host", v->names.n ? v->names.hosts[0] : "HOST"},
		{"partition", partition < device->n_partitions ? device->partitions[partition].name : "PARTITION"},
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (strlen(values[i].word) == len && strncmp(values[i].word, word, len) == 0)
			return values[i].value;
	return "";
}

static int fill(const struct view *v, size_t partition, const char *format, char **ret, struct err *err)
{
	owned(buf) struct buf text = {.max = TEXT_MAX};

	for (const char *p = format; *p;) {
		size_t len = strcspn(p, "{");

		buf_put(&text, p, len);
		p += len;
		if (!*p)
			break;
		len = strcspn(p, "}") - 1;
		buf_put_str(&text, value_of(v, partition, p + 1, len));
		p += len + 2;
	}
	return buf_check(&text, err) < 0 ? -ERR_NO_MEMORY : fleet_set(ret, buf_text(&text), err);
}

static int add_step(const struct view *v, const struct row *row, size_t partition, int64_t number,
		    struct inventory *inventory, struct err *err)
{
	struct inventory_step *step = json_append(&inventory->steps, &inventory->n_steps, sizeof(*step));
	int rc = step ? fleet_set(&step->device, v->seen->device->name, err) : err_no_memory(err);

	if (rc < 0)
		return rc;
	step->number = number;
	step->state = state_of(v, row, partition);
	rc = fill(v, partition, row->text, &step->text, err);
	if (rc == 0 && row->command)
		rc = fill(v, partition, row->command, &step->command, err);
	return rc;
}

static int add_list(const struct view *v, struct inventory *inventory, struct err *err)
{
	int64_t number = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < v->n_rows; i++) {
		size_t times = v->rows[i].per_partition ? v->seen->device->n_partitions : 1;

		for (size_t j = 0; rc == 0 && j < times; j++)
			rc = add_step(v, &v->rows[i], j, ++number, inventory, err);
	}
	return rc;
}

/* ---- all of them ---- */

struct looking {
	struct view *views;
	size_t n;
	struct azure_port *ports;
	struct azure_question *questions;	/* for each device its names, then its tokens */
	struct token *tokens;
	size_t n_questions;
	char client[256];
};

static void looking_release(struct looking *looking)
{
	free(looking->views);
	free(looking->ports);
	free(looking->questions);
	free(looking->tokens);
}

static int looking_make(const struct azure_seen *seen, size_t n, struct looking *ret)
{
	if (gethostname(ret->client, sizeof(ret->client) - 1) < 0 || !is_host(ret->client))
		snprintf(ret->client, sizeof(ret->client), "CLIENT");
	ret->n = n;
	ret->n_questions = n;
	for (size_t i = 0; i < n; i++)
		ret->n_questions += seen[i].device->n_partitions;
	ret->views = mem_zalloc((n + 1) * sizeof(*ret->views));
	ret->ports = mem_zalloc((n + 1) * PORTS * sizeof(*ret->ports));
	ret->questions = mem_zalloc((ret->n_questions + 1) * sizeof(*ret->questions));
	ret->tokens = mem_zalloc((ret->n_questions + 1) * sizeof(*ret->tokens));
	return ret->views && ret->ports && ret->questions && ret->tokens ? 0 : -ERR_NO_MEMORY;
}

/* The ports of all devices stand without gaps, so that they are asked at once. */
static size_t set_views(struct looking *l, const struct azure_seen *seen)
{
	size_t question = 0, port = 0;

	for (size_t i = 0; i < l->n; i++) {
		bool dedicated = seen[i].dedicated;
		struct view *v = &l->views[i];

		*v = (struct view){
			.seen = &seen[i], .client = l->client,
			.rows = dedicated ? dedicated_rows : cloud_rows,
			.n_rows = dedicated ? sizeof(dedicated_rows) / sizeof(dedicated_rows[0])
					    : sizeof(cloud_rows) / sizeof(cloud_rows[0]),
			.address = is_address(seen[i].address) ? seen[i].address : NULL,
			.ports = &l->ports[port],
			.resolve = &l->questions[question], .see = &l->questions[question + 1],
			.tokens = &l->tokens[question],
		};
		if (!dedicated)
			find_names(&seen[i], &v->names);
		ask(v);
		port += v->n_ports;
		question += 1 + seen[i].device->n_partitions;
	}
	return port;
}

static int look_at_all(struct looking *l, const struct azure_seen *seen, struct err *err)
{
	size_t n_ports = set_views(l, seen);
	int rc, rc_answers;

	azure_questions_begin(l->questions, l->n_questions);
	rc = azure_ports_probe(l->ports, n_ports, PORT_MS, err);
	rc_answers = azure_questions_await(l->questions, l->n_questions, rc < 0 ? NULL : err);
	return rc < 0 ? rc : rc_answers;
}

int azure_steps_add(const struct azure_seen *seen, size_t n, struct inventory *inventory, struct err *err)
{
	__attribute__((cleanup(looking_release))) struct looking looking = {0};
	int rc = looking_make(seen, n, &looking);

	if (rc < 0)
		return err_no_memory(err);
	rc = look_at_all(&looking, seen, err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = add_list(&looking.views[i], inventory, err);
	return rc;
}
