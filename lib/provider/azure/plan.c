/* SPDX-License-Identifier: Apache-2.0 */
/* Compares a layout with what is in Azure. */
#include "provider/azure/plan.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/azure/compare.h"
#include "provider/azure/preflight.h"
#include "provider/azure/tasks.h"
#include "provider/azure/unmake.h"

enum { TEXT = 600 };

struct planner {
	const struct provider_call *call;
	const struct fleet *have, *desired;
	struct azure_session *session;
	struct provider_plan *plan;
};

/* ---- looking ---- */

struct sight {
	struct azure_session *session;
	const struct azure_node *node;
	struct json_tree *live;		/* NULL: not there */
};

static int look(struct task *task, struct err *err)
{
	struct sight *s = task->data;
	int rc = arm_get(s->session->arm, s->node->id, s->node->api_version, &s->live, err);

	return rc < 0 ? err_wrap(err, "cannot look at %s", s->node->label) : 0;
}

static int look_at_all(struct azure_session *session, const struct azure_layout *layout, struct sight *sights,
		       struct err *err)
{
	owned(mem) struct task *tasks = mem_zalloc((layout->n_nodes + 1) * sizeof(*tasks));

	if (!tasks)
		return err_no_memory(err);
	for (size_t i = 0; i < layout->n_nodes; i++) {
		sights[i] = (struct sight){.session = session, .node = &layout->nodes[i]};
		tasks[i] = (struct task){.label = layout->nodes[i].label, .data = &sights[i], .run = look};
	}
	return tasks_run(tasks, layout->n_nodes, NULL, err);
}

/* ---- one resource ---- */

static int change(struct planner *p, enum change_kind kind, const struct azure_node *node, const char *detail,
		  struct err *err)
{
	owned(mem) char *subject = node->device ? mem_printf("device %s", node->device->name) : mem_strdup(node->label);

	return subject ? provider_plan_add(p->plan, kind, subject, detail, err) : err_no_memory(err);
}

static int problem(struct planner *p, const struct azure_node *node, struct err *found, struct err *err)
{
	return provider_plan_problem(p->plan, node->label, found, err);
}

static int plan_missing(struct planner *p, const struct azure_node *node, struct err *err)
{
	char detail[TEXT];

	/* Of one that is external the preflight has spoken, of a new device the document. */
	if (node->external || (node->device && !fleet_device(p->have, node->device->name)))
		return 0;
	if (node->device)
		return change(p, CHANGE_CREATE, node, "it is not in Azure", err);
	snprintf(detail, sizeof(detail), "%s%s", node->region ? "in " : "for all regions",
		 node->region ? node->region->location : "");
	return change(p, CHANGE_CREATE, node, detail, err);
}

static int plan_progress(struct planner *p, const struct sight *s, struct err *err)
{
	char detail[TEXT];

	snprintf(detail, sizeof(detail), "it is %s: apply waits for it", arm_state(s->live));
	return change(p, CHANGE_UPDATE, s->node, detail, err);
}

/* Nothing is made of a device that the document's comparison calls new and Azure has already. */
static int tell_known(struct planner *p, const struct azure_node *node, struct err *err)
{
	owned(mem) char *subject = mem_printf("device %s", node->device->name);

	if (!subject)
		return err_no_memory(err);
	for (size_t i = 0; i < p->plan->n_changes; i++)
		if (p->plan->changes[i].kind == CHANGE_CREATE && str_eq(p->plan->changes[i].subject, subject))
			return fleet_set(&p->plan->changes[i].detail, "it exists in Azure: only the store learns of it", err);
	return 0;
}

/* A killed run may have made a device without writing down which, or where. */
static int plan_record(struct planner *p, const struct sight *s, struct err *err)
{
	const struct azure_node *node = s->node;
	const struct fleet_device *of = node->device ? node->device : node->serves;
	const struct fleet_device *known = of ? fleet_device(p->have, of->name) : NULL;
	const char *address = azure_address_of(node->kind, s->live);

	if (!known || ((!node->device || str_eq(known->azure.id, node->id)) &&
		       (!address || str_eq(known->azure.address, address))))
		return 0;
	return change(p, CHANGE_UPDATE, node, "it is in Azure: what the store lacks of it is recorded", err);
}

static int plan_present(struct planner *p, const struct sight *s, struct err *err)
{
	struct azure_drift drift;
	struct err found = {0};
	int rc = azure_check_owner(s->node, s->live, p->desired->name, &found);

	if (rc == 0 && azure_may_put_again(s->node, s->live))
		return change(p, CHANGE_UPDATE, s->node, "it failed: it is made again", err);
	if (rc == 0)
		rc = azure_check_state(s->node, s->live, &found);
	if (rc < 0)
		return problem(p, s->node, &found, err);
	if (!arm_state_final(arm_state(s->live)))
		return plan_progress(p, s, err);
	if (azure_is_dead_end(s->node, s->live))
		return change(p, CHANGE_UPDATE, s->node, "its other end is gone: it is made again", err);
	azure_compare(s->node, s->live, &drift);
	if (azure_check_fields(s->node, &drift, &found) < 0)
		return problem(p, s->node, &found, err);
	if (drift.changes)
		return change(p, CHANGE_UPDATE, s->node, drift.changes_text, err);
	if (s->node->device && !fleet_device(p->have, s->node->device->name))
		return tell_known(p, s->node, err);
	return plan_record(p, s, err);
}

static int plan_nodes(struct planner *p, const struct azure_layout *layout, struct err *err)
{
	owned(mem) struct sight *sights = mem_zalloc((layout->n_nodes + 1) * sizeof(*sights));
	int rc = sights ? look_at_all(p->session, layout, sights, err) : err_no_memory(err);

	for (size_t i = 0; rc == 0 && i < layout->n_nodes; i++)
		rc = sights[i].live ? plan_present(p, &sights[i], err) : plan_missing(p, sights[i].node, err);
	for (size_t i = 0; sights && i < layout->n_nodes; i++)
		json_tree_free(sights[i].live);
	return rc;
}

/* ---- what goes ---- */

/* The device that the store knows by this id, NULL. */
static const struct fleet_device *device_of(const struct fleet *have, const struct azure_found *found)
{
	for (size_t i = 0; i < have->n_devices; i++)
		if (have->devices[i].azure.id && strcasecmp(have->devices[i].azure.id, found->id) == 0)
			return &have->devices[i];
	return NULL;
}

static int plan_end(struct planner *p, const struct azure_found *found, const struct fleet_device *device,
		    struct err *err)
{
	const struct fleet_group *group = device ? fleet_group_of(p->have, device->name, NULL) : NULL;
	owned(mem) char *subject = mem_printf("%s %s", azure_kinds[found->kind].noun, found->name);
	struct err problem = {0};

	if (!subject)
		return err_no_memory(err);
	p->plan->ends_hsms = p->plan->ends_hsms || found->kind == AZURE_DEDICATED_HSM;
	if (group) {
		err_set(&problem, ERR_IN_USE, "device '%s' serves in group '%s'", device->name, group->name);
		err_hint(&problem, "hsmctl ha delete %s", group->name);
		return provider_plan_problem(p->plan, subject, &problem, err);
	}
	/* Of a device that goes as a whole the document's own comparison tells. */
	if (device && !fleet_device(p->desired, device->name))
		return 0;
	return provider_plan_add(p->plan, CHANGE_DESTROY, subject, "the document does not name it", err);
}

static int plan_doomed(struct planner *p, const struct azure_layout *layout, struct err *err)
{
	const struct fleet *owner = p->have->azure.n_regions ? p->have : p->desired;
	owned(azure_finds) struct azure_finds doomed = {0};
	int rc = azure_find_doomed(p->session, owner, layout, &doomed, err);

	for (size_t i = 0; rc == 0 && i < doomed.n; i++)
		rc = plan_end(p, &doomed.items[i], device_of(p->have, &doomed.items[i]), err);
	return rc;
}

/* ---- the whole ---- */

static int moved(struct planner *p, const char *what, const char *from, const char *to, struct err *err)
{
	struct err found = {0};

	err_set(&found, ERR_UNSUPPORTED, "the fleet is in %s '%s' and cannot move to '%s'", what, from, to);
	err_hint(&found, "destroy it first, or make another one in a store of its own");
	return provider_plan_problem(p->plan, "azure", &found, err);
}

/* What was made elsewhere would be left behind. */
static int check_home(struct planner *p, struct err *err)
{
	const struct fleet_azure *have = &p->have->azure, *desired = &p->desired->azure;
	int rc = 0;

	if (!have->n_regions || !desired->n_regions)
		return 0;
	if (have->cloud != desired->cloud)
		rc = moved(p, "cloud", fleet_azure_cloud_names[have->cloud], fleet_azure_cloud_names[desired->cloud], err);
	if (rc == 0 && have->subscription && desired->subscription &&
	    strcasecmp(have->subscription, desired->subscription) != 0)
		rc = moved(p, "subscription", have->subscription, desired->subscription, err);
	if (rc == 0 && strcasecmp(azure_group_name(p->have), azure_group_name(p->desired)) != 0)
		rc = moved(p, "resource group", azure_group_name(p->have), azure_group_name(p->desired), err);
	return rc;
}

/* An HSM is its resource: another one has other keys. */
static int check_device(struct planner *p, const struct azure_node *node, struct err *err)
{
	const struct fleet_device *before = fleet_device(p->have, node->device->name);
	const char *id = before && before->azure.id ? before->azure.id : node->device->azure.id;
	struct err found = {0};

	if (!id || strcasecmp(id, node->id) == 0)
		return 0;
	err_set(&found, ERR_UNSUPPORTED, "device '%s' is %s, and cannot become %s", node->device->name, id, node->id);
	err_hint(&found, "hsmctl device decommission %s, then apply again", node->device->name);
	return problem(p, node, &found, err);
}

static int check_devices(struct planner *p, const struct azure_layout *layout, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < layout->n_nodes; i++)
		if (layout->nodes[i].device)
			rc = check_device(p, &layout->nodes[i], err);
	return rc;
}

/* Everything is made before anything goes, and a network has room for one set of gateways. */
static int check_renamed(struct planner *p, const struct fleet_azure_region *before, struct err *err)
{
	for (size_t i = 0; before->network && i < p->desired->azure.n_regions; i++) {
		const struct fleet_azure_region *now = &p->desired->azure.regions[i];
		struct err found = {0};

		if (!now->network || strcasecmp(now->network, before->network) != 0 ||
		    fleet_azure_region(p->have, now->name))
			continue;
		err_set(&found, ERR_UNSUPPORTED, "region '%s' cannot be renamed to '%s': what it has carries its name",
			before->name, now->name);
		err_hint(&found, "keep the name");
		return provider_plan_problem(p->plan, "azure", &found, err);
	}
	return 0;
}

static int check_regions(struct planner *p, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->have->azure.n_regions; i++)
		if (!fleet_azure_region(p->desired, p->have->azure.regions[i].name))
			rc = check_renamed(p, &p->have->azure.regions[i], err);
	return rc;
}

/* One question whose answer tells whether asking more makes sense. */
static int reach(struct planner *p, const struct fleet *fleet, bool *ret, struct err *err)
{
	owned(mem) char *group = azure_group_id(fleet);
	owned(json_tree) struct json_tree *live = NULL;
	struct err found = {0};
	int rc = group ? azure_session_open(p->call, fleet, p->session, &found) : err_no_memory(err);

	if (!group)
		return rc;
	if (rc == 0)
		rc = arm_get(p->session->arm, group, azure_api(fleet, AZURE_GROUP), &live, &found);
	*ret = rc >= 0;
	if (rc >= 0)
		return 0;
	if (cancel_is(rc) || rc == -ERR_USAGE) {
		*err = found;
		return rc;
	}
	return provider_plan_problem(p->plan, "azure", &found, err);
}

static int ask(struct planner *p, struct err *err)
{
	owned(azure_layout) struct azure_layout layout = {0};
	const struct fleet *home = p->desired->azure.n_regions ? p->desired : p->have;
	bool reached = false;
	int rc = reach(p, home, &reached, err);

	if (rc < 0 || !reached)
		return rc;
	if (p->desired->azure.n_regions)
		rc = azure_layout_make(p->desired, &layout, err);
	if (rc == 0)
		rc = check_devices(p, &layout, err);
	if (rc == 0 && layout.n_nodes)
		rc = azure_preflight_live(p->session, &layout, p->plan, err);
	if (rc == 0)
		rc = plan_nodes(p, &layout, err);
	return rc < 0 ? rc : plan_doomed(p, &layout, err);
}

/* What the document says of where all is goes into every URL. */
static bool is_askable(const struct provider_plan *plan)
{
	for (size_t i = 0; i < plan->n_problems; i++)
		if (str_eq(plan->problems[i].subject, "azure"))
			return false;
	return true;
}

int azure_plan(const struct provider_call *call, const struct fleet *have, const struct fleet *desired,
	       struct provider_plan *ret, struct err *err)
{
	owned(azure_session) struct azure_session session = {0};
	struct planner planner = {.call = call, .have = have, .desired = desired, .session = &session, .plan = ret};
	int rc = desired->azure.n_regions ? azure_preflight_document(desired, ret, err) : 0;

	if (rc == 0)
		rc = check_home(&planner, err);
	if (rc == 0)
		rc = check_regions(&planner, err);
	if (rc < 0 || !is_askable(ret) || !azure_subscription(call, desired->azure.n_regions ? desired : have))
		return rc;
	return ask(&planner, err);
}
