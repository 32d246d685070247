/* SPDX-License-Identifier: Apache-2.0 */
/* Lists devices with their states. */
#include "provider/inventory.h"

#include "base/cancel.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/layout.h"

const char *const inventory_done_names[] = {"open", "done", "unknown", NULL};

static const struct json_field step_fields[] = {
	JSON_F_STRING(struct inventory_step, device, JSON_REQUIRED | JSON_COLUMN, "whose administrator does it"),
	JSON_F_INT(struct inventory_step, number, JSON_REQUIRED | JSON_COLUMN, 1, INT64_MAX, "in this order"),
	JSON_F_ENUM(struct inventory_step, state, JSON_REQUIRED | JSON_COLUMN, inventory_done_names,
		    "whether it was seen to be done; unknown: cannot be seen from here"),
	JSON_F_STRING(struct inventory_step, text, JSON_REQUIRED | JSON_COLUMN, "what is to be done"),
	JSON_F_STRING(struct inventory_step, command, JSON_OMIT | JSON_COLUMN, "what to type"),
	JSON_F_END
};
static const struct json_type step_type = {
	.summary = "What only a device's administrator can do", .size = sizeof(struct inventory_step),
	.fields = step_fields,
};

static const struct json_field device_fields[] = {
	JSON_F_STRING(struct inventory_device, name, JSON_REQUIRED | JSON_COLUMN, "name of the device"),
	JSON_F_STRING(struct inventory_device, datacenter, JSON_REQUIRED | JSON_COLUMN, "where it stands"),
	JSON_F_STRING(struct inventory_device, region, JSON_REQUIRED | JSON_COLUMN, "of the datacenter"),
	JSON_F_STRING(struct inventory_device, provider, JSON_REQUIRED | JSON_COLUMN | JSON_WIDE, "what made it"),
	JSON_F_ENUM(struct inventory_device, state, JSON_REQUIRED | JSON_COLUMN, device_state_names,
		    "what is known without asking its token"),
	JSON_F_STRING(struct inventory_device, address, JSON_NULLABLE | JSON_COLUMN,
		      "where its first partition is reached"),
	JSON_F_STRING(struct inventory_device, message, JSON_OMIT, "what its cloud says of it, or why its state is not known"),
	JSON_F_STRING(struct inventory_device, id, JSON_OMIT, "its id in its cloud"),
	JSON_F_STRINGS(struct inventory_device, groups, JSON_COLUMN, "groups it serves in"),
	JSON_F_END
};
static const struct json_type device_type = {
	.summary = "A device", .size = sizeof(struct inventory_device), .fields = device_fields,
};

static const struct json_field failure_fields[] = {
	JSON_F_STRING(struct inventory_failure, device, JSON_REQUIRED | JSON_COLUMN, "the device"),
	JSON_F_STRING(struct inventory_failure, code, JSON_REQUIRED, "one of the codes in hsmctl(1)"),
	JSON_F_STRING(struct inventory_failure, message, JSON_REQUIRED | JSON_COLUMN, "why"),
	JSON_F_STRING(struct inventory_failure, hint, JSON_OMIT | JSON_COLUMN, "what helps"),
	JSON_F_END
};
static const struct json_type failure_type = {
	.summary = "A device that failed", .size = sizeof(struct inventory_failure), .fields = failure_fields,
};

static const struct json_field fields[] = {
	JSON_F_STRING(struct inventory, fleet, JSON_NULLABLE | JSON_COLUMN, "name of the fleet"),
	JSON_F_INT(struct inventory, revision, JSON_COLUMN, 0, INT64_MAX, "of the store's document"),
	JSON_F_LIST(struct inventory, devices, JSON_COLUMN, device_type, "the devices"),
	JSON_F_LIST(struct inventory, steps, JSON_OMIT | JSON_COLUMN, step_type,
		    "what remains to be done on devices in clouds, and what was seen to be done"),
	JSON_F_LIST(struct inventory, failures, JSON_OMIT | JSON_COLUMN, failure_type,
		    "devices on which what was asked for failed"),
	JSON_F_END
};
const struct json_type inventory_type = {
	.schema = "devices", .summary = "Devices and whether they run",
	.size = sizeof(struct inventory), .fields = fields,
};

static int add_groups(const struct fleet *fleet, const struct fleet_device *device,
		      struct inventory_device *ret, struct err *err)
{
	for (size_t i = 0; i < device->n_partitions; i++) {
		const struct fleet_group *group =
			fleet_group_of(fleet, device->name, device->partitions[i].name);
		char **name;

		if (!group)
			continue;
		name = json_append(&ret->groups, &ret->n_groups, sizeof(*name));
		if (!name)
			return err_no_memory(err);
		*name = mem_strdup(group->name);
		if (!*name)
			return err_no_memory(err);
	}
	return 0;
}

static int describe(const struct fleet *fleet, const struct fleet_device *device,
		    struct inventory_device *ret, struct err *err)
{
	const struct fleet_datacenter *where = fleet_datacenter(fleet, device->datacenter);
	int rc = fleet_set(&ret->name, device->name, err);

	if (rc == 0)
		rc = fleet_set(&ret->datacenter, device->datacenter, err);
	if (rc == 0)
		rc = fleet_set(&ret->region, where->region, err);
	if (rc == 0)
		rc = fleet_set(&ret->provider, where->provider, err);
	if (rc == 0 && device->n_partitions)
		rc = fleet_set(&ret->address, device->partitions[0].link.address, err);
	if (rc == 0 && !ret->address)
		rc = fleet_set(&ret->address, device->azure.address, err);
	if (rc == 0)
		rc = fleet_set(&ret->id, device->azure.id, err);
	return rc < 0 ? rc : add_groups(fleet, device, ret, err);
}

int inventory_begin(const struct fleet *fleet, struct inventory *ret, struct err *err)
{
	ret->revision = fleet->revision;
	return fleet_set(&ret->fleet, fleet->name, err);
}

int inventory_add(struct store *store, const struct fleet *fleet, const struct fleet_device *device,
		  struct inventory *inventory, struct err *err)
{
	const struct provider *provider;
	struct inventory_device *entry;
	enum device_state state = DEVICE_UNKNOWN;
	struct err why = {0};
	int rc = provider_of(fleet, device, &provider, err);

	if (rc < 0)
		return rc;
	rc = provider->state(store, device, &state, &why);
	if (rc == -ERR_NO_MEMORY || cancel_is(rc)) {
		*err = why;
		return rc;
	}
	entry = json_append(&inventory->devices, &inventory->n_devices, sizeof(*entry));
	if (!entry)
		return err_no_memory(err);
	entry->state = rc < 0 ? DEVICE_UNKNOWN : state;
	rc = rc < 0 ? fleet_set(&entry->message, why.message, err) : 0;
	return rc < 0 ? rc : describe(fleet, device, entry, err);
}

int inventory_fail(struct inventory *inventory, const char *device, const struct err *why, struct err *err)
{
	struct inventory_failure *failure =
		json_append(&inventory->failures, &inventory->n_failures, sizeof(*failure));
	int rc = failure ? fleet_set(&failure->device, device, err) : err_no_memory(err);

	if (rc == 0)
		rc = fleet_set(&failure->code, err_code_name(why->code), err);
	if (rc == 0)
		rc = fleet_set(&failure->message, why->message, err);
	return rc < 0 || !*why->hint ? rc : fleet_set(&failure->hint, why->hint, err);
}

int inventory_check(const struct inventory *inventory, struct err *err)
{
	const struct inventory_failure *first = inventory->failures;

	if (!inventory->n_failures)
		return 0;
	err_set(err, ERR_FAILED, "device '%s': %s", first->device, first->message);
	if (inventory->n_failures > 1)
		err_wrap(err, "%zu devices failed, the first", inventory->n_failures);
	return first->hint ? err_hint(err, "%s", first->hint) : -ERR_FAILED;
}

int inventory_make(struct store *store, const struct fleet *fleet, struct inventory *ret,
		   struct err *err)
{
	int rc = inventory_begin(fleet, ret, err);

	for (size_t i = 0; rc == 0 && i < fleet->n_devices; i++)
		rc = inventory_add(store, fleet, &fleet->devices[i], ret, err);
	return rc;
}

int inventory_look(const struct provider_call *call, const struct fleet *fleet, struct inventory *ret,
		   struct err *err)
{
	const struct provider_layout *layout = NULL;
	int rc = inventory_make(call->store, fleet, ret, err);

	if (rc == 0)
		rc = provider_layout_of(fleet, &layout, err);
	return rc < 0 || !layout ? rc : layout->look(call, fleet, ret, err);
}
