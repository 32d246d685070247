/* SPDX-License-Identifier: Apache-2.0 */
/* Asks Azure for a fleet's HSMs, and lists what their administrators do. */
#include "provider/azure/look.h"

#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/observer.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/azure/compare.h"
#include "provider/azure/layout.h"
#include "provider/azure/session.h"
#include "provider/azure/steps.h"
#include "provider/azure/tasks.h"
#include "provider/inventory.h"

/* One HSM; data of its task. */
struct sight {
	struct azure_session *session;
	const struct azure_node *node;
	const char *id;			/* the recorded one, else the layout's */
	struct inventory_device *entry;
	struct json_tree *live;		/* NULL: not there, or not answered */
	struct err err;			/* this device could not be asked */
	bool made_up;			/* a stand-in said so: its addresses are nobody's, or somebody else's */
};

struct sights {
	struct sight *items;
	size_t n;
};

static void sights_release(struct sights *sights)
{
	for (size_t i = 0; i < sights->n; i++)
		json_tree_free(sights->items[i].live);
	free(sights->items);
}
OWN_DEFINE_RELEASE(sights)

/* ---- asking ---- */

static struct inventory_device *entry_of(const struct inventory *inventory, const char *device)
{
	for (size_t i = 0; i < inventory->n_devices; i++)
		if (str_eq(inventory->devices[i].name, device))
			return &inventory->devices[i];
	return NULL;
}

/* While no subscription is known nothing was made, and the layout's ids are nobody's. */
static const char *id_of(const struct fleet *fleet, const struct azure_node *node)
{
	if (node->device->azure.id)
		return node->device->azure.id;
	return fleet->azure.subscription ? node->id : NULL;
}

static int find_sights(const struct azure_layout *layout, const struct inventory *inventory, struct sights *ret,
		       struct err *err)
{
	const struct fleet *fleet = layout->fleet;

	ret->items = mem_zalloc((fleet->n_devices + 1) * sizeof(*ret->items));
	if (!ret->items)
		return err_no_memory(err);
	for (size_t i = 0; i < fleet->n_devices; i++) {
		int at = azure_layout_device(layout, fleet->devices[i].name);
		const struct azure_node *node = at < 0 ? NULL : &layout->nodes[at];
		struct inventory_device *entry = entry_of(inventory, fleet->devices[i].name);

		if (node && entry && id_of(fleet, node))
			ret->items[ret->n++] = (struct sight){.node = node, .id = id_of(fleet, node), .entry = entry};
	}
	return 0;
}

/* Of one device, unlike what ends the whole command. */
static bool is_its_own(int rc)
{
	return rc != -ERR_NO_MEMORY && !cancel_is(rc);
}

static int run(struct task *task, struct err *err)
{
	struct sight *s = task->data;
	int rc = arm_get(s->session->arm, s->id, s->node->api_version, &s->live, err);

	if (rc >= 0)
		return 0;
	err_wrap(err, "cannot look at %s", s->node->label);
	if (!is_its_own(rc))
		return rc;
	s->err = *err;
	return 0;
}

static int run_all(const struct sights *sights, struct azure_session *session, struct err *err)
{
	owned(mem) struct task *tasks = mem_zalloc((sights->n + 1) * sizeof(*tasks));

	if (!tasks)
		return err_no_memory(err);
	for (size_t i = 0; i < sights->n; i++) {
		sights->items[i].session = session;
		tasks[i] = (struct task){
			.label = sights->items[i].node->label, .data = &sights->items[i], .run = run,
		};
	}
	return tasks_run(tasks, sights->n, NULL, err);
}

/* When no device could be asked it is the connection or the credential, and not theirs. */
static int check(const struct sights *sights, struct err *err)
{
	for (size_t i = 0; i < sights->n; i++)
		if (sights->items[i].err.code == ERR_OK)
			return 0;
	*err = sights->items[0].err;
	return -(int)err->code;
}

static int ask(const struct provider_call *call, const struct fleet *fleet, const struct sights *sights,
	       struct err *err)
{
	owned(azure_session) struct azure_session session = {0};
	int rc = azure_session_open(call, fleet, &session, err);

	for (size_t i = 0; rc == 0 && i < sights->n; i++)
		sights->items[i].made_up = !str_starts(arm_endpoint(session.arm), "https:");
	observer_step(call->observer, fleet->name, "asking Azure", 0, 0);
	if (rc == 0)
		rc = run_all(sights, &session, err);
	return rc < 0 ? rc : check(sights, err);
}

/* ---- what it said ---- */

static int set_message(struct inventory_device *entry, const struct json_tree *live, struct err *err)
{
	const char *state = arm_state(live), *said = json_tree_text(live, "properties.statusMessage");
	owned(mem) char *both = NULL;

	said = said && *said ? said : NULL;
	if (arm_state_is(state, "Succeeded") || !said)
		return fleet_set(&entry->message, said ? said : state, err);
	both = mem_printf("%s: %s", state, said);
	return both ? fleet_set(&entry->message, both, err) : err_no_memory(err);
}

static const char *address_of(const struct sight *s)
{
	const char *live = azure_address_of(s->node->kind, s->live);

	return live ? live : s->node->device->azure.address;
}

static int fill_absent(const struct sight *s, struct err *err)
{
	s->entry->state = DEVICE_ABSENT;
	if (!s->node->device->azure.id)
		return 0;
	return fleet_set(&s->entry->message, "it is recorded, but not in Azure", err);
}

static int fill_present(const struct sight *s, struct err *err)
{
	struct inventory_device *entry = s->entry;
	const char *address = address_of(s);
	int rc = set_message(entry, s->live, err);

	entry->state = arm_state_is(arm_state(s->live), "Succeeded") ? DEVICE_RUNNING : DEVICE_PARTIAL;
	if (rc == 0)
		rc = fleet_set(&entry->id, s->id, err);
	/* A partition's own address stands before the device's. */
	if (rc == 0 && address && (!entry->address || str_eq(entry->address, s->node->device->azure.address)))
		rc = fleet_set(&entry->address, address, err);
	return rc;
}

static int fill(const struct provider_call *call, const struct sight *s, struct err *err)
{
	if (s->err.code != ERR_OK) {
		observer_note(call->observer, "%s", s->err.message);
		return fleet_set(&s->entry->message, s->err.message, err);
	}
	return s->live ? fill_present(s, err) : fill_absent(s, err);
}

/* ---- the steps ---- */

/* Of devices that exist, as far as is known: there is nothing to be done on others yet. */
static int add_steps(const struct fleet *fleet, const struct sights *sights, struct inventory *inventory,
		     struct err *err)
{
	owned(mem) struct azure_seen *seen = mem_zalloc((sights->n + 1) * sizeof(*seen));
	size_t n = 0;

	if (!seen)
		return err_no_memory(err);
	for (size_t i = 0; i < sights->n; i++) {
		const struct sight *s = &sights->items[i];

		if (s->entry->state == DEVICE_RUNNING || s->entry->state == DEVICE_MADE)
			seen[n++] = (struct azure_seen){
				.device = s->node->device, .dedicated = azure_is_dedicated(fleet, s->node->device),
				.address = address_of(s), .live = s->live, .out_of_reach = s->made_up,
			};
	}
	return n ? azure_steps_add(seen, n, inventory, err) : 0;
}

int azure_look(const struct provider_call *call, const struct fleet *fleet, struct inventory *inventory,
	       struct err *err)
{
	owned(azure_layout) struct azure_layout layout = {0};
	owned(sights) struct sights sights = {0};
	int rc = azure_layout_make(fleet, &layout, err);

	if (rc == 0)
		rc = find_sights(&layout, inventory, &sights, err);
	if (rc < 0 || !sights.n)
		return rc;
	rc = ask(call, fleet, &sights, err);
	for (size_t i = 0; rc == 0 && i < sights.n; i++)
		rc = fill(call, &sights.items[i], err);
	if (rc == 0)
		observer_step(call->observer, fleet->name, "looking at its devices from this host", 0, 0);
	return rc < 0 ? rc : add_steps(fleet, &sights, inventory, err);
}
