/* SPDX-License-Identifier: Apache-2.0 */
/* Takes resources away. */
#include "provider/azure/unmake.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/observer.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/azure/compare.h"
#include "provider/azure/open.h"
#include "provider/azure/tasks.h"

enum {
	BUSY = 900,	/* seconds to wait while something else goes on */
	TRIES = 6,	/* to find out what became of a deletion that nobody answered */
};

struct unmaker {
	struct azure_session *session;
	const struct fleet *fleet;
};

struct unmaking {
	const struct unmaker *unmaker;
	const struct azure_found *found;
	struct arm_watch watch;		/* cast back by offset */
	struct task *task;
	char label[TASK_TEXT];
	char stays[2 * TASK_TEXT];	/* why it does, "" = it goes */
};

static void told(struct arm_watch *watch, const char *state, const char *message)
{
	struct unmaking *u = (struct unmaking *)(void *)((char *)watch - offsetof(struct unmaking, watch));

	task_say(u->task, *message ? message : *state ? state : "deleting");
}

static int wait_for(struct unmaking *u, struct arm_operation *operation, struct err *err)
{
	const struct azure_kind *kind = &azure_kinds[u->found->kind];

	return arm_wait(u->unmaker->session->arm, operation, kind->poll, kind->limit, &u->watch, NULL, err);
}

static int join(struct unmaking *u, enum http_method method, struct err *err)
{
	owned(arm_operation) struct arm_operation operation = {0};
	int rc = arm_join(u->found->id, u->found->api_version, method, &operation, err);

	return rc < 0 ? rc : wait_for(u, &operation, err);
}

static int send(struct unmaking *u, enum http_method method, const char *id, const char *api_version,
		const struct json_tree *body, struct err *err)
{
	/* A deletion that goes on is no place for a second one: whether it arrived is looked up. */
	const struct arm_request request = {
		.method = method, .id = id, .api_version = api_version, .body = body,
		.repeat = method == HTTP_DELETE ? HTTP_ONCE : HTTP_IDEMPOTENT, .watch = &u->watch,
	};
	owned(arm_operation) struct arm_operation operation = {0};
	int rc = arm_begin(u->unmaker->session->arm, &request, BUSY, &operation, NULL, err);

	return rc < 0 ? rc : wait_for(u, &operation, err);
}

/* A subnet that is delegated cannot be deleted: the delegation goes first. */
static int undelegate(struct unmaking *u, const char *subnet, const struct json_tree *live, struct err *err)
{
	owned(json_tree) struct json_tree *body = json_tree_object();
	const char *api = azure_api(u->unmaker->fleet, AZURE_SUBNET);
	int rc = body ? 0 : err_no_memory(err);

	if (!json_tree_count(json_tree_get(live, "properties.delegations")))
		return 0;
	task_say(u->task, "removing the delegation of its subnet");
	if (rc == 0)
		rc = json_tree_set_text(body, "properties.addressPrefix",
					json_tree_text(live, "properties.addressPrefix"), err);
	if (rc == 0)
		rc = json_tree_set(body, "properties.delegations", json_tree_list(), err);
	return rc < 0 ? rc : send(u, HTTP_PUT, subnet, api, body, err);
}

/* Names that hsmctl gives. */
static bool is_our_subnet(const char *name)
{
	static const char *const names[] = {"clients", "hsms", azure_gateway_subnet, NULL};

	return str_index(names, name) >= 0;
}

/* A network goes with its subnets; one of somebody else keeps it. */
static int empty_network(struct unmaking *u, const struct json_tree *live, struct err *err)
{
	const struct json_tree *subnets = json_tree_get(live, "properties.subnets");
	int rc = 0;

	for (size_t i = 0; i < json_tree_count(subnets); i++) {
		const char *name = json_tree_text(json_tree_at(subnets, i), "name");

		if (!name || !is_our_subnet(name)) {
			err_set(err, ERR_IN_USE, "it holds the subnet '%s', which hsmctl did not make", name ? name : "");
			return err_hint(err, "move what is in it, and remove that subnet");
		}
	}
	for (size_t i = 0; rc == 0 && i < json_tree_count(subnets); i++) {
		const struct json_tree *subnet = json_tree_at(subnets, i);
		const char *name = json_tree_text(subnet, "name");
		owned(mem) char *id = mem_printf("%s/subnets/%s", u->found->id, name);

		rc = id ? undelegate(u, id, subnet, err) : err_no_memory(err);
	}
	return rc;
}

/* What is in the middle of something cannot be deleted: see it end first. 1 = it is gone. */
static int calm(struct unmaking *u, const struct json_tree *live, struct err *err)
{
	const char *state = arm_state(live);
	struct err ignored;
	int rc;

	if (arm_state_final(state))
		return 0;
	if (arm_state_is(state, "Deleting")) {
		rc = join(u, HTTP_DELETE, err);
		return rc < 0 ? rc : 1;
	}
	task_say(u->task, "waiting until it can be deleted");
	rc = join(u, HTTP_PUT, &ignored);
	/* That it failed is no reason to keep it. */
	if (rc < 0 && rc != -ERR_FAILED) {
		*err = ignored;
		return rc;
	}
	return 0;
}

/* Somebody may have made one of that name since. 1 = it is another fleet's, and stays. */
static int check_ours(struct unmaking *u, const struct json_tree *live, struct err *err)
{
	const char *owner = azure_owner(live);

	if (!azure_kinds[u->found->kind].tagged || azure_is_ours(live, u->unmaker->fleet->name) ||
	    (!owner && u->found->recorded))
		return 0;
	if (owner) {
		snprintf(u->stays, sizeof(u->stays), "%s stays: it belongs to the fleet '%.60s'", u->label, owner);
		return 1;
	}
	err_set(err, ERR_EXISTS, "it is not marked as this fleet's");
	return err_hint(err, "give it the tag %s=%s if it is, or remove it yourself", azure_fleet_tag,
			u->unmaker->fleet->name);
}

static int unmake(struct unmaking *u, struct err *err)
{
	const struct azure_found *found = u->found;
	owned(json_tree) struct json_tree *live = NULL;
	int rc = arm_get(u->unmaker->session->arm, found->id, found->api_version, &live, err);

	if (rc <= 0)
		return rc;
	rc = check_ours(u, live, err);
	if (rc == 0)
		rc = calm(u, live, err);
	if (rc == 0 && found->kind == AZURE_NETWORK)
		rc = empty_network(u, live, err);
	if (rc == 0 && found->kind == AZURE_SUBNET)
		rc = undelegate(u, found->id, live, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	task_say(u->task, "deleting");
	return send(u, HTTP_DELETE, found->id, found->api_version, NULL, err);
}

static int run(struct task *task, struct err *err)
{
	struct unmaking *u = task->data;
	pthread_mutex_t *lock = azure_network_lock(u->unmaker->session, u->found->network);
	int rc = 0;

	u->task = task;
	for (int i = 0; i < TRIES; i++) {
		rc = unmake(u, err);
		if (!azure_is_open(rc, err))
			break;
	}
	azure_network_unlock(lock);
	if (rc == 0)
		task_say(task, *u->stays ? "stays" : "gone");
	return rc < 0 ? err_wrap(err, "cannot delete %s", u->label) : 0;
}

/* In the caller's thread. */
static int done(struct task *task, struct err *err)
{
	const struct unmaking *u = task->data;

	(void)err;
	if (*u->stays)
		observer_note(u->unmaker->session->call->observer, "%s", u->stays);
	return 0;
}

/* Each kind after the kinds before it, because those may need it. */
static int run_all(const struct unmaker *unmaker, const struct azure_finds *finds, struct err *err)
{
	owned(mem) struct task *tasks = mem_zalloc((finds->n + 1) * sizeof(*tasks));
	owned(mem) struct unmaking *unmakings = mem_zalloc((finds->n + 1) * sizeof(*unmakings));
	owned(mem) size_t *positions = mem_zalloc((finds->n + 1) * sizeof(*positions));

	if (!tasks || !unmakings || !positions)
		return err_no_memory(err);
	for (size_t i = 0, first = 0; i < finds->n; i++) {
		const struct azure_found *found = &finds->items[i];

		positions[i] = i;
		if (i && found->kind != finds->items[i - 1].kind)
			first = i;
		unmakings[i] = (struct unmaking){.unmaker = unmaker, .found = found, .watch = {told}};
		snprintf(unmakings[i].label, sizeof(unmakings[i].label), "%s %s", azure_kinds[found->kind].noun,
			 found->name);
		tasks[i] = (struct task){
			.label = unmakings[i].label, .needs = positions, .n_needs = first, .data = &unmakings[i],
			.run = run, .done = done,
		};
	}
	return azure_say_goes_on(tasks_run(tasks, finds->n, unmaker->session->call->observer, err), err);
}

static int check_zeroised(const struct azure_session *session, const struct azure_finds *doomed, struct err *err)
{
	for (size_t i = 0; !session->call->zeroised && i < doomed->n; i++) {
		if (doomed->items[i].kind != AZURE_DEDICATED_HSM)
			continue;
		err_set(err, ERR_CONFIRM, "dedicated HSM '%s' must be zeroised by its administrator before it is deleted",
			doomed->items[i].name);
		return err_hint(err, "log in to it, zeroise it, and give --zeroised");
	}
	return 0;
}

/* The group itself: only one that we made, and only when it is empty. */
static int unmake_group(const struct unmaker *unmaker, struct err *err)
{
	struct azure_session *session = unmaker->session;
	owned(mem) char *group = azure_group_id(unmaker->fleet), *list = group ? mem_printf("%s/resources", group) : NULL;
	owned(json_tree) struct json_tree *live = NULL, *left = NULL;
	owned(azure_finds) struct azure_finds finds = {0};
	const char *first;
	int rc = list ? arm_get(session->arm, group, azure_api(unmaker->fleet, AZURE_GROUP), &live, err)
		      : err_no_memory(err);

	if (rc <= 0)
		return rc;
	if (!azure_is_our_group(live, unmaker->fleet->name)) {
		observer_note(session->call->observer, "resource group '%s' stays: hsmctl did not make it",
			      azure_group_name(unmaker->fleet));
		return 0;
	}
	rc = arm_list(session->arm, list, azure_api(unmaker->fleet, AZURE_GROUP), &left, err);
	/* A group that is there and has no list is not known to be empty. */
	if (rc <= 0)
		return rc;
	first = json_tree_text(json_tree_at(left, 0), "name");
	if (json_tree_count(left)) {
		observer_note(session->call->observer, "resource group '%s' stays: it holds %zu more, '%s' among them",
			      azure_group_name(unmaker->fleet), json_tree_count(left),
			      first ? first : "");
		return 0;
	}
	rc = azure_finds_add(&finds, unmaker->fleet, AZURE_GROUP, group, NULL, err);
	return rc < 0 ? rc : run_all(unmaker, &finds, err);
}

int azure_unmake(struct azure_session *session, const struct fleet *fleet, const struct azure_finds *doomed,
		 bool whole, struct err *err)
{
	const struct unmaker unmaker = {.session = session, .fleet = fleet};
	int rc = check_zeroised(session, doomed, err);

	if (rc == 0)
		rc = run_all(&unmaker, doomed, err);
	return rc < 0 || !whole ? rc : unmake_group(&unmaker, err);
}
