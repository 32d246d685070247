/* SPDX-License-Identifier: Apache-2.0 */
/* Steps from the fleet there is to the one that is desired. */
#include "provider/walk.h"

#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/str.h"
#include "fleet/fleet.h"

/* ---- one field after the other, noting what changes ---- */

struct merge {
	char *detail;	/* CHANGE_DETAIL bytes: names of what changed, "" = nothing */
	struct err *err;
};

static void note(struct merge *m, const char *what)
{
	size_t len = strlen(m->detail);

	snprintf(m->detail + len, CHANGE_DETAIL - len, "%s%s", len ? ", " : "", what);
}

static int assign(struct merge *m, char **field, const char *value, const char *what)
{
	if (str_eq(*field, value))
		return 0;
	note(m, what);
	return fleet_set(field, value, m->err);
}

/* What a FILE leaves out of a partition stays as the provider made it. */
static int assign_given(struct merge *m, char **field, const char *value, const char *what)
{
	return value ? assign(m, field, value, what) : 0;
}

static int merge_address(struct merge *m, const struct fleet_link *want, struct fleet_link *into)
{
	if (!want->address || str_eq(want->address, into->address))
		return 0;
	into->kind = FLEET_LINK_NONE;
	return assign(m, &into->address, want->address, "address");
}

static int merge_environment(struct merge *m, const struct fleet_link *want, struct fleet_link *into)
{
	struct fleet_link given = {.environment = want->environment, .n_environment = want->n_environment};
	struct fleet_link had = {.environment = into->environment, .n_environment = into->n_environment}, copy = {0};
	int rc;

	if (!given.n_environment || json_equal(&fleet_link_type, &given, &had))
		return 0;
	rc = json_copy(&fleet_link_type, &given, &copy, m->err);
	if (rc < 0)
		return rc;
	note(m, "environment");
	json_release(&fleet_link_type, &had);
	into->environment = copy.environment;
	into->n_environment = copy.n_environment;
	return 0;
}

/* How a token is reached that hsmctl did not make. */
static int merge_link(struct merge *m, const struct fleet_link *want, struct fleet_link *into)
{
	int rc = 0;

	if (want->kind != FLEET_LINK_NONE && want->kind != into->kind) {
		note(m, "link");
		into->kind = want->kind;
	}
	rc = assign_given(m, &into->address, want->address, "address");
	if (rc == 0)
		rc = assign_given(m, &into->module, want->module, "module");
	if (rc == 0)
		rc = merge_environment(m, want, into);
	return rc < 0 ? rc : assign_given(m, &into->certificate, want->certificate, "certificate");
}

static int merge_foreign(struct merge *m, const struct fleet_partition *want, struct fleet_partition *into)
{
	int rc = assign_given(m, &into->serial, want->serial, "serial");

	if (rc == 0)
		rc = assign_given(m, &into->uri, want->uri, "uri");
	return rc < 0 ? rc : merge_link(m, &want->link, &into->link);
}

static int merge_partition(struct merge *m, const struct fleet_partition *want,
			   struct fleet_partition *into, bool foreign)
{
	int rc = assign(m, &into->name, want->name, "name of the partition");

	if (rc == 0)
		rc = assign_given(m, &into->pin_source, want->pin_source, "pin_source");
	if (rc == 0)
		rc = assign_given(m, &into->so_pin_source, want->so_pin_source, "so_pin_source");
	if (rc < 0)
		return rc;
	return foreign ? merge_foreign(m, want, into) : merge_address(m, &want->link, &into->link);
}

/* Names and kinds are as a FILE says, or leaves out; what the provider finds out stays. */
static int merge_azure(struct merge *m, const struct fleet_azure_device *want, struct fleet_azure_device *into)
{
	const struct {
		char *const *from;
		char **to;
		const char *what;
	} fields[] = {
		{&want->name, &into->name, "name in Azure"}, {&want->sku, &into->sku, "sku"},
		{&want->endpoint, &into->endpoint, "endpoint"}, {&want->identity, &into->identity, "identity"},
		{&want->name_scope, &into->name_scope, "name_scope"},
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(fields) / sizeof(fields[0]); i++)
		rc = assign(m, fields[i].to, *fields[i].from, fields[i].what);
	if (rc == 0)
		rc = assign_given(m, &into->address, want->address, "address");
	return rc < 0 ? rc : assign_given(m, &into->id, want->id, "id");
}

static int merge_module(struct merge *m, const struct fleet_device *want, struct fleet_device *into)
{
	if (str_eq(want->module, into->module))
		return 0;
	/* What runs hosts the old one: not knowing its certificate ends it. */
	for (size_t i = 0; i < into->n_partitions; i++)
		fleet_set(&into->partitions[i].link.certificate, NULL, NULL);
	return assign(m, &into->module, want->module, "module");
}

/* foreign: its tokens are made by others. */
static int merge_device(struct merge *m, const struct fleet_device *want, struct fleet_device *into, bool foreign)
{
	int rc = assign(m, &into->datacenter, want->datacenter, "datacenter");

	if (rc == 0)
		rc = merge_azure(m, &want->azure, &into->azure);

	if (rc == 0)
		rc = merge_module(m, want, into);
	for (size_t i = 0; rc == 0 && i < want->n_partitions; i++) {
		if (i == into->n_partitions &&
		    !json_append(&into->partitions, &into->n_partitions, sizeof(*into->partitions)))
			return err_no_memory(m->err);
		rc = merge_partition(m, &want->partitions[i], &into->partitions[i], foreign);
	}
	return rc;
}

/* ---- steps ---- */

static int step(struct walk *walk, const struct change *change, struct err *err)
{
	int rc = walk->carry_out ? walk->carry_out(walk, change, err) : 0;

	return rc < 0 ? rc : walk->record(walk, change, err);
}

static int walk_datacenter(struct walk *walk, const struct fleet_datacenter *want, struct err *err)
{
	struct fleet *fleet = walk->fleet;
	struct fleet_datacenter *have = fleet_datacenter(fleet, want->name);
	struct change change = {.kind = have ? CHANGE_UPDATE : CHANGE_CREATE, .noun = "datacenter",
				.name = want->name};
	struct merge merge = {.detail = change.detail, .err = err};
	int rc = 0;

	if (!have) {
		have = json_append(&fleet->datacenters, &fleet->n_datacenters, sizeof(*have));
		rc = have ? fleet_set(&have->name, want->name, err) : err_no_memory(err);
	}
	if (rc == 0)
		rc = assign(&merge, &have->region, want->region, "region");
	if (rc == 0)
		rc = assign(&merge, &have->provider, want->provider, "provider");
	if (rc == 0)
		rc = assign(&merge, &have->stamp, want->stamp, "stamp");
	if (rc == 0)
		rc = assign(&merge, &have->zone, want->zone, "zone");
	if (rc < 0 || !*change.detail)
		return rc;
	if (change.kind == CHANGE_CREATE)
		snprintf(change.detail, CHANGE_DETAIL, "%s in region %s", want->provider, want->region);
	return step(walk, &change, err);
}

/* 1 = something is to be done. */
static int judge_adopted(const struct provider *provider, const struct fleet_datacenter *where, bool is_new,
			 enum device_state state, struct change *change)
{
	if (!is_new && (*change->detail || state == DEVICE_ADOPTED)) {
		change->kind = CHANGE_UPDATE;
		return *change->detail != 0;
	}
	change->kind = CHANGE_ADOPT;
	snprintf(change->detail, CHANGE_DETAIL, "%s in %s (region %s)", provider->makes, where->name, where->region);
	return 1;
}

/* What is about to be changed is looked at then. */
static int look(struct walk *walk, const struct provider *provider, bool is_new, const struct change *change,
		enum device_state *ret, struct err *err)
{
	int rc = provider->state(walk->store, change->device, ret, err);

	if (rc < 0 || !provider->look || is_new || *ret != DEVICE_ADOPTED || *change->detail)
		return rc;
	return provider->look(walk->store, change->device, err);
}

/* 1 = something is to be done. */
static int judge(struct walk *walk, bool is_new, struct change *change, struct err *err)
{
	const struct fleet_datacenter *where = fleet_datacenter(walk->fleet, change->device->datacenter);
	const struct provider *provider;
	enum device_state state;
	int rc = provider_of(walk->fleet, change->device, &provider, err);

	if (rc < 0)
		return rc;
	rc = look(walk, provider, is_new, change, &state, err);
	/* A plan says so; apply tries, and goes on with the others. */
	if (rc < 0 && !walk->carry_out && !cancel_is(rc)) {
		change->kind = CHANGE_UPDATE;
		snprintf(change->detail, CHANGE_DETAIL, "it cannot be looked at: %.200s", err->message);
		err_mask(change->detail);
		return 1;
	}
	if (rc < 0)
		return rc;
	if (provider->adopts)
		return judge_adopted(provider, where, is_new, state, change);
	/* Whether one in a cloud is there its layout finds out. */
	if (provider->layout && !is_new) {
		change->kind = CHANGE_UPDATE;
		return *change->detail != 0;
	}
	if (is_new || (state != DEVICE_RUNNING && state != DEVICE_STOPPED && !*change->detail)) {
		change->kind = is_new || state == DEVICE_ABSENT ? CHANGE_CREATE : CHANGE_UPDATE;
		snprintf(change->detail, CHANGE_DETAIL, "%s in %s (region %s)%s", provider->makes,
			 where->name, where->region, is_new ? "" : ", repaired");
		return 1;
	}
	change->kind = *change->detail ? CHANGE_UPDATE : CHANGE_START;
	if (*change->detail)
		return 1;
	snprintf(change->detail, CHANGE_DETAIL, "it is down");
	return state == DEVICE_STOPPED;
}

static const struct json_type *part_type(const struct json_type *whole, const char *list)
{
	const struct json_field *f = whole->fields;

	while (!str_eq(f->name, list))
		f++;
	return f->type;
}

void walk_forget_device(struct fleet *fleet, size_t i)
{
	json_release(part_type(&fleet_type, "devices"), &fleet->devices[i]);
	json_remove(&fleet->devices, &fleet->n_devices, sizeof(*fleet->devices), i);
}

void walk_forget_datacenter(struct fleet *fleet, size_t i)
{
	json_release(part_type(&fleet_type, "datacenters"), &fleet->datacenters[i]);
	json_remove(&fleet->datacenters, &fleet->n_datacenters, sizeof(*fleet->datacenters), i);
}

/* May the walk go on when this came of a device? */
static int set_aside(struct walk *walk, const char *device, int rc, struct err *err)
{
	struct err why = *err;

	if (!walk->failed || rc == -ERR_NO_MEMORY || cancel_check(NULL) < 0)
		return rc;
	walk->incomplete = true;
	return walk->failed(walk, device, &why, err);
}

/* change.device as it should be. 1 = something is to be done. */
static int prepare_device(struct walk *walk, const struct fleet_device *want, bool is_new, struct change *change,
			  struct err *err)
{
	struct merge merge = {.detail = change->detail, .err = err};
	const struct provider *provider = NULL;
	int rc = provider_of(walk->desired, want, &provider, err);

	if (rc == 0 && is_new)
		rc = fleet_set(&change->device->name, want->name, err);
	if (rc == 0)
		rc = merge_device(&merge, want, change->device, provider_is_foreign(provider));
	return rc < 0 ? rc : judge(walk, is_new, change, err);
}

/* The last device of the list is new; others are again what they were. */
static void put_back(struct walk *walk, struct fleet_device *device, bool is_new, struct fleet_device *before)
{
	struct fleet *fleet = walk->fleet;

	if (is_new) {
		walk_forget_device(fleet, fleet->n_devices - 1);
		return;
	}
	json_release(part_type(&fleet_type, "devices"), device);
	*device = *before;
	*before = (struct fleet_device){0};
}

static int walk_device(struct walk *walk, const struct fleet_device *want, struct err *err)
{
	struct fleet *fleet = walk->fleet;
	struct change change = {.noun = "device", .name = want->name,
				.device = fleet_device(fleet, want->name)};
	const struct json_type *type = part_type(&fleet_type, "devices");
	struct fleet_device before = {0};
	bool is_new = !change.device;
	int rc = is_new ? 0 : json_copy(type, change.device, &before, err), done;

	if (is_new)
		change.device = json_append(&fleet->devices, &fleet->n_devices, sizeof(*change.device));
	if (rc < 0 || !change.device)
		return err_no_memory(err);
	rc = prepare_device(walk, want, is_new, &change, err);
	done = rc > 0 && walk->carry_out ? walk->carry_out(walk, &change, err) : 0;
	if (rc < 0 || done < 0) {
		put_back(walk, change.device, is_new, &before);
		rc = set_aside(walk, want->name, rc < 0 ? rc : done, err);
	}
	json_release(type, &before);
	return rc <= 0 ? rc : walk->record(walk, &change, err);
}

static int drop_device(struct walk *walk, size_t i, struct err *err)
{
	char name[64];
	struct change change = {.kind = CHANGE_DESTROY, .noun = "device", .name = name,
				.detail = "with its token and all keys on it",
				.device = &walk->fleet->devices[i]};
	const struct provider *provider;
	int rc;

	snprintf(name, sizeof(name), "%s", change.device->name);
	rc = provider_of(walk->fleet, change.device, &provider, err);
	if (rc < 0)
		return rc;
	if (provider->adopts) {
		change.kind = CHANGE_RELEASE;
		snprintf(change.detail, CHANGE_DETAIL,
			 "it leaves the fleet; its token and what is on it stay as they are");
	}
	if (provider->zeroise)
		snprintf(change.detail, CHANGE_DETAIL, "deleted with what is on it; apply needs --zeroised");
	rc = walk->carry_out ? walk->carry_out(walk, &change, err) : 0;
	if (rc < 0)
		return set_aside(walk, name, rc, err);
	walk_forget_device(walk->fleet, i);
	change.device = NULL;
	return walk->record(walk, &change, err);
}

/* Does a device that could not be removed stand in it? */
static bool is_used(const struct fleet *fleet, const struct fleet_datacenter *datacenter)
{
	for (size_t i = 0; i < fleet->n_devices; i++)
		if (str_eq(fleet->devices[i].datacenter, datacenter->name))
			return true;
	return false;
}

static int drop_datacenter(struct walk *walk, size_t i, struct err *err)
{
	char name[64];
	struct change change = {.kind = CHANGE_DESTROY, .noun = "datacenter", .name = name,
				.detail = "nothing stands in it"};

	snprintf(name, sizeof(name), "%s", walk->fleet->datacenters[i].name);
	walk_forget_datacenter(walk->fleet, i);
	return walk->record(walk, &change, err);
}

/* ---- where the fleet is in Azure ---- */

/* Names of what differs, as the document has them. */
static void name_differences(const struct fleet_azure *a, const struct fleet_azure *b, char ret[static CHANGE_DETAIL])
{
	struct merge merge = {.detail = ret};

	*ret = 0;
	for (const struct json_field *f = fleet_azure_type.fields; f->name; f++) {
		const struct json_field fields[] = {*f, JSON_F_END};
		const struct json_type one = {.size = sizeof(*a), .fields = fields};

		if (!json_equal(&one, a, b))
			note(&merge, f->name);
	}
}

static int set_azure(struct walk *walk, struct fleet_azure *now, struct err *err)
{
	struct fleet_azure *azure = &walk->fleet->azure;
	struct change change = {.kind = azure->n_regions ? CHANGE_UPDATE : CHANGE_CREATE, .noun = "azure",
				.name = "section"};

	if (json_equal(&fleet_azure_type, azure, now)) {
		json_release(&fleet_azure_type, now);
		return 0;
	}
	name_differences(azure, now, change.detail);
	if (!now->n_regions)
		change.kind = CHANGE_DESTROY;
	json_release(&fleet_azure_type, azure);
	*azure = *now;
	return step(walk, &change, err);
}

static int narrow_azure(struct walk *walk, struct err *err)
{
	struct fleet_azure exact = {0};
	int rc = json_copy(&fleet_azure_type, &walk->desired->azure, &exact, err);

	return rc < 0 ? rc : set_azure(walk, &exact, err);
}

static struct fleet_azure_region *region_in(const struct fleet_azure *azure, const char *name)
{
	for (size_t i = 0; i < azure->n_regions; i++)
		if (str_eq(azure->regions[i].name, name))
			return &azure->regions[i];
	return NULL;
}

/* Those that go are there until they are gone. */
static int keep_subnets(const struct fleet_azure_region *have, struct fleet_azure_region *ret, struct err *err)
{
	int rc = ret->client_subnet ? 0 : fleet_set(&ret->client_subnet, have->client_subnet, err);

	if (rc == 0 && !ret->hsm_subnet)
		rc = fleet_set(&ret->hsm_subnet, have->hsm_subnet, err);
	return rc < 0 || ret->gateway_subnet ? rc : fleet_set(&ret->gateway_subnet, have->gateway_subnet, err);
}

/* What is desired, and the regions and subnets besides whose devices and networks are there still. */
static int widen_azure(struct walk *walk, struct err *err)
{
	const struct fleet_azure *have = &walk->fleet->azure;
	struct fleet_azure wide = {0};
	int rc;

	/* A plan shows one step for both. */
	if (!walk->carry_out)
		return narrow_azure(walk, err);
	rc = json_copy(&fleet_azure_type, walk->desired->azure.n_regions ? &walk->desired->azure : have, &wide, err);
	for (size_t i = 0; rc == 0 && i < have->n_regions; i++) {
		struct fleet_azure_region *region = region_in(&wide, have->regions[i].name);

		if (region) {
			rc = keep_subnets(&have->regions[i], region, err);
			continue;
		}
		region = json_append(&wide.regions, &wide.n_regions, sizeof(*region));
		rc = region ? json_copy(part_type(&fleet_azure_type, "regions"), &have->regions[i], region, err)
			    : err_no_memory(err);
	}
	if (rc == 0)
		return set_azure(walk, &wide, err);
	json_release(&fleet_azure_type, &wide);
	return rc;
}

static int walk_add(struct walk *walk, struct err *err)
{
	const struct fleet *desired = walk->desired;
	int rc = fleet_set(&walk->fleet->name, desired->name, err);

	if (rc == 0)
		rc = widen_azure(walk, err);
	for (size_t i = 0; rc == 0 && i < desired->n_datacenters; i++)
		rc = walk_datacenter(walk, &desired->datacenters[i], err);
	for (size_t i = 0; rc == 0 && i < desired->n_devices; i++)
		rc = walk_device(walk, &desired->devices[i], err);
	return rc;
}

static int walk_drop(struct walk *walk, struct err *err)
{
	struct fleet *fleet = walk->fleet;
	const struct fleet *desired = walk->desired;
	int rc = 0;

	for (size_t i = fleet->n_devices; rc == 0 && i-- > 0;)
		if (!fleet_device(desired, fleet->devices[i].name))
			rc = drop_device(walk, i, err);
	for (size_t i = fleet->n_datacenters; rc == 0 && i-- > 0;)
		if (!fleet_datacenter(desired, fleet->datacenters[i].name) && !is_used(fleet, &fleet->datacenters[i]))
			rc = drop_datacenter(walk, i, err);
	return rc < 0 ? rc : narrow_azure(walk, err);
}

int walk_run(struct walk *walk, struct err *err)
{
	int rc = walk_add(walk, err);

	if (rc == 0 && walk->settle)
		rc = walk->settle(walk, err);
	return rc < 0 || walk->incomplete ? rc : walk_drop(walk, err);
}
