/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the resources of a layout, each when what it needs is there. */
#include "provider/azure/make.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/azure/compare.h"
#include "provider/azure/open.h"
#include "provider/azure/tasks.h"
#include "store/store.h"

enum {
	TRIES = 6,		/* to find out what became of a write that nobody answered */
	LOOKS = 3,		/* at a resource that may show up late */
	LOOK_PAUSE = 5,		/* seconds between them */
	BUSY = 900,		/* seconds to wait while something else is written in the network */
	CONNECT_POLL = 10,
	CONNECT_LIMIT = 1800,	/* seconds for both ends of a connection to meet */
	KEY_CHARS = 40,
};

struct maker {
	struct azure_session *session;
	const struct azure_layout *layout;
	struct fleet *fleet;
	struct provider_step *step;
	const struct secret *key;	/* of connections */
};

/* One node; data of its task. */
struct making {
	const struct maker *maker;
	const struct azure_node *node;
	struct arm_watch watch;		/* cast back by offset */
	struct task *task;
	struct json_tree *live;		/* as it is at the end */
	bool written;			/* something was sent, or waited for */
};

static void told(struct arm_watch *watch, const char *state, const char *message)
{
	struct making *m = (struct making *)(void *)((char *)watch - offsetof(struct making, watch));

	task_say(m->task, *message ? message : state);
}

static void keep_live(struct making *m, struct json_tree *live)
{
	json_tree_free(m->live);
	m->live = live;
}

/* 1 = there; a resource that was just written may be a little late to show. */
static int look(struct making *m, int times, struct err *err)
{
	const struct azure_node *node = m->node;
	struct json_tree *live = NULL;
	int rc = 0;

	for (int i = 0; rc == 0 && i < times; i++) {
		if (i)
			rc = arm_pause(m->maker->session->arm, LOOK_PAUSE, err);
		if (rc == 0)
			rc = arm_get(m->maker->session->arm, node->id, node->api_version, &live, err);
	}
	if (rc > 0)
		keep_live(m, live);
	return rc < 0 ? err_wrap(err, "%s", node->label) : rc;
}

static int finish(struct making *m, struct arm_operation *operation, struct err *err)
{
	const struct azure_kind *kind = &azure_kinds[m->node->kind];
	struct json_tree *live = NULL;
	int rc = arm_wait(m->maker->session->arm, operation, kind->poll, kind->limit, &m->watch, &live, err);

	if (rc == 0 && live)
		keep_live(m, live);
	return rc;
}

/* Send a write and see it through. In a network one goes on at a time: until it is done, or, for
 * what takes long, until it is accepted. */
static int write_it(struct making *m, const struct arm_request *request, struct err *err)
{
	const struct azure_kind *kind = &azure_kinds[m->node->kind];
	pthread_mutex_t *lock = NULL;
	owned(arm_operation) struct arm_operation operation = {0};
	struct arm_request watched = *request;
	int rc;

	watched.watch = &m->watch;
	m->written = true;
	if (kind->in_network) {
		task_say(m->task, "waiting for its network");
		lock = azure_network_lock(m->maker->session, m->node->network);
	}
	task_say(m->task, request->method == HTTP_PATCH ? "changing"
			  : request->method == HTTP_DELETE ? "removing" : "creating");
	rc = arm_begin(m->maker->session->arm, &watched, BUSY, &operation, NULL, err);
	if (!kind->until_done) {
		azure_network_unlock(lock);
		lock = NULL;
	}
	if (rc == 0)
		rc = finish(m, &operation, err);
	azure_network_unlock(lock);
	return rc;
}

static int create(struct making *m, struct err *err)
{
	const struct azure_node *node = m->node;
	const struct arm_request request = {
		.method = HTTP_PUT, .id = node->id, .api_version = node->api_version, .body = node->body,
		.marker = node->kind == AZURE_CONNECTION ? azure_key_marker : NULL,
		.secret = node->kind == AZURE_CONNECTION ? m->maker->key : NULL,
		/* Whether one that nobody answered arrived is looked up, not tried. */
		.repeat = HTTP_ONCE,
	};
	int rc = write_it(m, &request, err);

	return rc < 0 ? err_wrap(err, "cannot make %s", node->label) : rc;
}

/* The whole resource, with the tags it should have: for types without PATCH. */
static int put_tags(struct making *m, const struct json_tree *tags, struct err *err)
{
	owned(json_tree) struct json_tree *body = json_tree_copy(m->node->body);
	const struct arm_request request = {
		.method = HTTP_PUT, .id = m->node->id, .api_version = m->node->api_version, .body = body,
	};
	int rc = body ? json_tree_set(body, "tags", json_tree_copy(tags), err) : err_no_memory(err);

	return rc < 0 ? rc : write_it(m, &request, err);
}

static int patch(struct making *m, const struct json_tree *tags, bool identity, struct err *err)
{
	owned(json_tree) struct json_tree *body = json_tree_object();
	const struct arm_request request = {
		.method = HTTP_PATCH, .id = m->node->id, .api_version = m->node->api_version, .body = body,
	};
	int rc = body ? json_tree_set(body, "tags", json_tree_copy(tags), err) : err_no_memory(err);

	if (rc == 0 && identity)
		rc = json_tree_set(body, "identity", json_tree_copy(json_tree_get(m->node->body, "identity")), err);
	return rc < 0 ? rc : write_it(m, &request, err);
}

static int set_right(struct making *m, bool identity, struct err *err)
{
	owned(json_tree) struct json_tree *tags = NULL;
	int rc = azure_tags_wanted(m->node, m->live, &tags, err);

	if (rc == 0)
		rc = azure_kinds[m->node->kind].tags_by_put ? put_tags(m, tags, err) : patch(m, tags, identity, err);
	return rc < 0 ? err_wrap(err, "cannot change %s", m->node->label) : 0;
}

static int join(struct making *m, enum http_method method, struct err *err)
{
	owned(arm_operation) struct arm_operation operation = {0};
	int rc = arm_join(m->node->id, m->node->api_version, method, &operation, err);

	m->written = true;
	task_say(m->task, arm_state(m->live));
	return rc < 0 ? rc : finish(m, &operation, err);
}

/* What is there already: 0 when it is as it should be, 1 when it went and has to be made. */
static int settle(struct making *m, struct err *err)
{
	struct azure_drift drift;
	int rc = azure_check_owner(m->node, m->live, m->maker->layout->fleet->name, err);

	if (rc < 0)
		return rc;
	if (!arm_state_final(arm_state(m->live))) {
		bool going = arm_state_is(arm_state(m->live), "Deleting");

		rc = join(m, going ? HTTP_DELETE : HTTP_PUT, err);
		if (rc < 0 || going)
			return rc < 0 ? err_wrap(err, "%s", m->node->label) : 1;
	}
	if (azure_may_put_again(m->node, m->live))
		return create(m, err);
	azure_compare(m->node, m->live, &drift);
	rc = azure_check_state(m->node, m->live, err);
	if (rc == 0)
		rc = azure_check_fields(m->node, &drift, err);
	if (rc < 0)
		return err_wrap(err, "%s", m->node->label);
	return drift.changes ? set_right(m, drift.identity, err) : 0;
}

static int missing(const struct making *m, struct err *err)
{
	err_set(err, ERR_NOT_FOUND, "%s does not exist", m->node->id);
	return err_hint(err, "the document names it as one that exists already");
}

/* Both ends of a connection find each other only when both exist. */
static int await_connected(struct making *m, struct err *err)
{
	int rc = 1;

	for (double waited = 0; rc > 0; waited += CONNECT_POLL) {
		const char *status = json_tree_text(m->live, "properties.connectionStatus");

		if (status && arm_state_is(status, "Connected"))
			return 0;
		task_say(m->task, status ? status : "Unknown");
		if (waited >= CONNECT_LIMIT) {
			err_set(err, ERR_UNREACHABLE, "%s is %s after %d minutes", m->node->label,
				status ? status : "Unknown", CONNECT_LIMIT / 60);
			return err_hint(err, "run the command again to go on waiting");
		}
		rc = arm_pause(m->maker->session->arm, CONNECT_POLL, err);
		if (rc == 0)
			rc = look(m, 1, err);
	}
	return rc < 0 ? rc : missing(m, err);
}

static int make_exist(struct making *m, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < TRIES; i++) {
		rc = look(m, i ? LOOKS : 1, err);
		if (rc > 0)
			rc = settle(m, err);
		else if (rc == 0 && m->node->external)
			return missing(m, err);
		else if (rc == 0)
			rc = create(m, err);
		/* What it stands in was made just now, and is not known everywhere yet. */
		if (rc == 0 || (rc < 0 && rc != -ERR_NOT_FOUND && !azure_is_open(rc, err)))
			return rc;
		task_say(m->task, "looking what became of it");
	}
	return rc < 0 ? rc : err_set(err, ERR_FAILED, "%s goes as soon as it is made", m->node->label);
}

static int run(struct task *task, struct err *err)
{
	struct making *m = task->data;
	int rc;

	m->task = task;
	task_say(task, "looking");
	rc = make_exist(m, err);
	if (rc == 0 && m->node->kind == AZURE_CONNECTION && !m->node->external)
		rc = await_connected(m, err);
	if (rc == 0)
		task_say(task, m->written ? "ready" : "as it should be");
	return rc;
}

/* ---- what Azure says of devices goes into the document ---- */

static int set(char **field, const char *value, bool *changed, struct err *err)
{
	if (!value || str_eq(*field, value))
		return 0;
	*changed = true;
	return fleet_set(field, value, err);
}

static int set_host(struct fleet_azure_device *azure, size_t i, const char *name, bool *changed, struct err *err)
{
	owned(mem) char *copy = NULL;
	char **host;

	if (i < azure->n_hosts)
		return set(&azure->hosts[i], name, changed, err);
	/* A list holds no gaps: first the name, then its place. */
	copy = mem_strdup(name);
	host = copy ? json_append(&azure->hosts, &azure->n_hosts, sizeof(*host)) : NULL;
	if (!host)
		return err_no_memory(err);
	*host = own_take(copy);
	*changed = true;
	return 0;
}

static int set_hosts(struct fleet_azure_device *azure, const struct json_tree *live, bool *changed, struct err *err)
{
	const struct json_tree *hsms = json_tree_get(live, "properties.hsms");
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < json_tree_count(hsms); i++) {
		const char *name = json_tree_text(json_tree_at(hsms, i), "fqdn");

		if (name)
			rc = set_host(azure, n++, name, changed, err);
	}
	/* One that lost HSMs loses their names; one that tells nothing keeps them. */
	while (rc == 0 && n && azure->n_hosts > n) {
		free(azure->hosts[--azure->n_hosts]);
		*changed = true;
	}
	return rc;
}

static int fill_device(const struct making *m, struct fleet_azure_device *azure, bool *changed, struct err *err)
{
	const struct json_tree *live = m->live;
	int rc = 0;

	if (m->node->device)
		rc = set(&azure->id, m->node->id, changed, err);
	if (rc == 0)
		rc = set(&azure->address, azure_address_of(m->node->kind, live), changed, err);
	return rc == 0 && m->node->kind == AZURE_CLOUD_HSM ? set_hosts(azure, live, changed, err) : rc;
}

static int done(struct task *task, struct err *err)
{
	const struct making *m = task->data;
	const struct fleet_device *of = m->node->device ? m->node->device : m->node->serves;
	struct fleet_device *device = of ? fleet_device(m->maker->fleet, of->name) : NULL;
	owned(mem) char *subject = device ? mem_printf("device %s", device->name) : NULL;
	bool changed = false;
	int rc;

	if (!device)
		return 0;
	if (!subject)
		return err_no_memory(err);
	rc = fill_device(m, &device->azure, &changed, err);
	return rc < 0 || !changed ? rc : m->maker->step->record(m->maker->step, subject, m->node->id, err);
}

/* ---- the key that both ends of a connection know ---- */

static bool has_connections(const struct azure_layout *layout)
{
	for (size_t i = 0; i < layout->n_nodes; i++)
		if (layout->nodes[i].kind == AZURE_CONNECTION)
			return true;
	return false;
}

/* As gateways take them, and no placeholder. */
static bool is_key(const struct secret *key)
{
	bool same = true;

	for (size_t i = 0; i < key->len; i++) {
		if (key->data[i] <= ' ' || key->data[i] > '~')
			return false;
		same = same && key->data[i] == key->data[0];
	}
	return key->len > 8 && key->len <= 128 && !same;
}

/* One end may exist already, made from a store that is not ours. 1 = it told its key. */
static int ask_key(struct azure_session *session, const struct azure_node *node, struct secret **ret, struct err *err)
{
	owned(mem) char *id = mem_printf("%s/sharedkey", node->id);
	int rc = id ? arm_get_secret(session->arm, id, node->api_version, "value", ret, err) : err_no_memory(err);

	if (rc > 0 && !is_key(*ret)) {
		secret_free(own_take(*ret));
		rc = err_set(err, ERR_PROTOCOL, "it does not tell its key");
	}
	return rc < 0 ? err_wrap(err, "%s", node->label) : rc;
}

static int find_key(struct azure_session *session, const struct azure_layout *layout, struct secret **ret,
		    struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < layout->n_nodes; i++)
		if (layout->nodes[i].kind == AZURE_CONNECTION)
			rc = ask_key(session, &layout->nodes[i], ret, err);
	return rc;
}

/* Kept where PINs are: a run that continues must send the same. */
static int make_key(struct azure_session *session, const struct azure_layout *layout, const char *path,
		    struct secret **ret, struct err *err)
{
	int rc = find_key(session, layout, ret, err);

	if (rc == 0)
		rc = secret_random(KEY_CHARS, ret, err);
	return rc < 0 ? rc : file_write(path, (*ret)->data, (*ret)->len, 0600, err);
}

static int read_key(const char *path, struct secret **ret, struct err *err)
{
	owned(buf) struct buf text = {.max = 4096, .wipe = true};
	int rc = file_check_ours(path, true, err);

	if (rc == 0)
		rc = file_read(path, &text, err);
	if (rc == 0)
		rc = secret_new(text.data, text.len, ret, err);
	if (rc < 0 || is_key(*ret))
		return rc;
	err_set(err, ERR_INVALID, "'%s' holds no key of connections", path);
	return err_hint(err, "remove it: the key is asked of a connection that exists, or made");
}

static int shared_key(struct azure_session *session, const struct azure_layout *layout, struct secret **ret,
		      struct err *err)
{
	struct store *store = session->call->store;
	owned(mem) char *folder = store_file(store, "secrets"), *path = store_file(store, "secrets/azure-connection.key");
	int rc = folder && path ? file_mkdirs(folder, 0700, err) : err_no_memory(err);

	if (rc < 0)
		return rc;
	return file_exists(path) ? read_key(path, ret, err) : make_key(session, layout, path, ret, err);
}

/* ---- peerings whose other end is gone ---- */

static int drop(struct making *m, struct err *err)
{
	const struct arm_request request = {
		.method = HTTP_DELETE, .id = m->node->id, .api_version = m->node->api_version, .repeat = HTTP_ONCE,
	};
	int rc = write_it(m, &request, err);

	return rc < 0 ? err_wrap(err, "cannot remove %s, whose other end is gone", m->node->label) : 0;
}

static int drop_dead_end(struct task *task, struct err *err)
{
	struct making *m = task->data;
	int rc = 0;

	m->task = task;
	for (int i = 0; i < TRIES; i++) {
		rc = look(m, 1, err);
		if (rc > 0)
			rc = azure_is_dead_end(m->node, m->live) ? drop(m, err) : 0;
		if (!azure_is_open(rc, err))
			break;
	}
	return rc;
}

/* While one is there Azure lets no other end be made: they go before anything is made. */
static int drop_dead_ends(const struct maker *maker, struct err *err)
{
	const struct azure_layout *layout = maker->layout;
	owned(mem) struct task *tasks = mem_zalloc((layout->n_nodes + 1) * sizeof(*tasks));
	owned(mem) struct making *makings = mem_zalloc((layout->n_nodes + 1) * sizeof(*makings));
	size_t n = 0;
	int rc;

	if (!tasks || !makings)
		return err_no_memory(err);
	for (size_t i = 0; i < layout->n_nodes; i++) {
		const struct azure_node *node = &layout->nodes[i];

		if (node->kind != AZURE_PEERING)
			continue;
		makings[n] = (struct making){.maker = maker, .node = node, .watch = {told}};
		tasks[n] = (struct task){.label = node->label, .data = &makings[n], .run = drop_dead_end};
		n++;
	}
	rc = n ? tasks_run(tasks, n, NULL, err) : 0;
	for (size_t i = 0; i < n; i++)
		json_tree_free(makings[i].live);
	return rc;
}

/* ---- the whole ---- */

static int run_all(const struct maker *maker, struct err *err)
{
	const struct azure_layout *layout = maker->layout;
	owned(mem) struct task *tasks = mem_zalloc((layout->n_nodes + 1) * sizeof(*tasks));
	owned(mem) struct making *makings = mem_zalloc((layout->n_nodes + 1) * sizeof(*makings));
	int rc;

	if (!tasks || !makings)
		return err_no_memory(err);
	for (size_t i = 0; i < layout->n_nodes; i++) {
		const struct azure_node *node = &layout->nodes[i];

		makings[i] = (struct making){.maker = maker, .node = node, .watch = {told}};
		tasks[i] = (struct task){
			.label = node->label, .needs = node->needs, .n_needs = node->n_needs,
			.data = &makings[i], .run = run, .done = done,
		};
	}
	rc = tasks_run(tasks, layout->n_nodes, maker->session->call->observer, err);
	for (size_t i = 0; i < layout->n_nodes; i++)
		json_tree_free(makings[i].live);
	return rc;
}

int azure_make(struct azure_session *session, const struct azure_layout *layout, struct fleet *fleet,
	       struct provider_step *step, struct err *err)
{
	owned(secret) struct secret *key = NULL;
	struct maker maker = {.session = session, .layout = layout, .fleet = fleet, .step = step};
	int rc = has_connections(layout) ? shared_key(session, layout, &key, err) : 0;

	maker.key = key;
	if (rc == 0)
		rc = azure_say_goes_on(drop_dead_ends(&maker, err), err);
	return rc < 0 ? rc : azure_say_goes_on(run_all(&maker, err), err);
}
