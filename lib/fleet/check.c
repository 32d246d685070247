/* SPDX-License-Identifier: Apache-2.0 */
/* Checks a document that was just read against itself. */
#include "fleet/check.h"

#include <stdio.h>
#include <string.h>

#include "base/cred.h"
#include "base/err.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "fleet/group.h"
#include "fleet/part.h"
#include "json/lines.h"
#include "p11/uri.h"

struct check {
	struct fleet *fleet;
	const struct json_lines *lines;
	struct err *err;
};

#define fail(c, at, ...) json_lines_error((c)->lines, (at), (c)->err, __VA_ARGS__)

static int hint_nearest(struct check *c, struct fleet_parts parts, const char *name)
{
	const char *nearest = fleet_part_nearest(parts, name);

	return nearest ? err_hint(c->err, "did you mean '%s'?", nearest) : -ERR_INVALID;
}

/* The text is not repeated: somebody may have put a PIN there. */
static int check_reference(struct check *c, char *const *field, const char *name, const char *owner)
{
	if (!*field || cred_check(*field, NULL) == 0)
		return 0;
	fail(c, field, "'%s' of %s is not a reference to a secret", name, owner);
	return err_hint(c->err, "use file:PATH, env:NAME, exec:PROGRAM or prompt:");
}

static int check_hex(struct check *c, char *const *field, const char *name, const char *owner,
		     size_t digits)
{
	size_t len = *field ? strlen(*field) : 0;

	if (!*field)
		return 0;
	if (strspn(*field, "0123456789abcdefABCDEF") != len || len % 2 || !len ||
	    (digits && len != digits))
		return digits ? fail(c, field, "'%s' of %s must be %zu hexadecimal digits", name,
				     owner, digits)
			      : fail(c, field, "'%s' of %s must be hexadecimal", name, owner);
	return 0;
}

static int check_path(struct check *c, char *const *field, const char *owner)
{
	if (!*field || **field == '/')
		return 0;
	return fail(c, field, "'module' of %s must be an absolute path", owner);
}

static bool is_address(const char *address)
{
	const char *colon = strrchr(address, ':');
	size_t host = colon ? (size_t)(colon - address) : 0;
	int64_t port;

	if (!host || !str_int(colon + 1, 1, 65535, &port))
		return false;
	if (*address == '[')
		return host > 2 && colon[-1] == ']';
	return !memchr(address, ':', host);
}

static int check_environment(struct check *c, const struct fleet_link *link, const char *owner)
{
	if (link->n_environment && link->kind != FLEET_LINK_WORKER)
		return fail(c, &link->environment, "the link of %s has an environment; only a worker has one", owner);
	for (size_t i = 0; i < link->n_environment; i++)
		if (!*link->environment[i].name || strchr(link->environment[i].name, '='))
			return fail(c, &link->environment, "the environment of %s names no variable with '%s'", owner,
				    link->environment[i].name);
	return 0;
}

static int check_link(struct check *c, const struct fleet_link *link, const char *owner)
{
	int rc;

	if (link->kind == FLEET_LINK_TLS && (!link->address || !is_address(link->address)))
		return fail(c, link->address ? &link->address : (void *)link,
			    "the link of %s needs an address HOST:PORT", owner);
	if (fleet_link_is_local(link) && !link->module)
		return fail(c, link, "the link of %s needs a module", owner);
	rc = check_path(c, &link->module, owner);
	if (rc == 0)
		rc = check_environment(c, link, owner);
	return rc < 0 ? rc : check_hex(c, &link->certificate, "certificate", owner, 64);
}

/* What names no token would mean another one than its writer thinks. */
static const char *beside_token(const struct p11_uri *uri)
{
	const struct {
		const char *value, *name;
	} parts[] = {
		{uri->object, "object"}, {uri->id, "id"}, {uri->type, "type"}, {uri->module_path, "module-path"},
		{uri->module_name, "module-name"}, {uri->pin_source, "pin-source"},
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].value)
			return parts[i].name;
	return NULL;
}

static int check_uri_parts(struct check *c, const struct fleet_partition *partition, const struct p11_uri *uri,
			   const char *owner)
{
	const char *beside = beside_token(uri);
	void *at = (void *)&partition->uri;

	if (beside) {
		fail(c, at, "the uri of %s names a token, which has no '%s'", owner, beside);
		if (str_starts(beside, "module"))
			return err_hint(c->err, "write the library into its link: \"module\": \"/PATH\"");
		if (str_eq(beside, "pin-source"))
			return err_hint(c->err, "write it into \"pin_source\"");
		return err_hint(c->err, "tokens are named by token, serial, manufacturer, model and slot-id");
	}
	if (uri->serial && partition->serial && !str_eq(uri->serial, partition->serial)) {
		fail(c, at, "the uri of %s has another serial than its \"serial\", '%s'", owner, partition->serial);
		return err_hint(c->err, "leave one of them out");
	}
	if (uri->slot_id && partition->link.kind == FLEET_LINK_TLS) {
		fail(c, at, "the uri of %s has a 'slot-id', but an appliance serves one token", owner);
		return err_hint(c->err, "leave it out");
	}
	return 0;
}

/* The text is not repeated, nor what an error says of a PIN in it. */
static int check_uri(struct check *c, const struct fleet_partition *partition, const char *owner)
{
	owned(p11_uri) struct p11_uri uri = {0};
	struct err why = {0};
	int rc;

	if (!partition->uri)
		return 0;
	rc = p11_uri_parse(partition->uri, &uri, &why);
	if (rc == -ERR_NO_MEMORY)
		return err_no_memory(c->err);
	if (rc == 0)
		return check_uri_parts(c, partition, &uri, owner);
	fail(c, &partition->uri, "the uri of %s: %s", owner, why.message);
	if (strstr(partition->uri, "pin-value="))
		return err_hint(c->err, "take it out, and write \"pin_source\": \"file:PATH\" beside the uri");
	return *why.hint ? err_hint(c->err, "%s", why.hint)
			 : err_hint(c->err, "pkcs11:token=LABEL;serial=SERIAL is how tokens are named");
}

static int check_serial(struct check *c, const struct fleet_partition *partition, const char *owner)
{
	if (!partition->serial)
		return 0;
	for (size_t i = 0; i < c->fleet->n_devices; i++) {
		const struct fleet_device *d = &c->fleet->devices[i];

		for (size_t j = 0; j < d->n_partitions; j++) {
			if (&d->partitions[j] == partition)
				return 0;
			if (str_eq(d->partitions[j].serial, partition->serial))
				return fail(c, &partition->serial,
					    "%s has the serial of partition '%s/%s': they are one token",
					    owner, d->name, d->partitions[j].name);
		}
	}
	return 0;
}

static int check_partition(struct check *c, const struct fleet_device *device,
			   struct fleet_partition *partition)
{
	char owner[200];
	int rc;

	if (partition->link.kind == FLEET_LINK_NONE && partition->link.module)
		partition->link.kind = FLEET_LINK_WORKER;
	snprintf(owner, sizeof(owner), "partition '%s/%s'", device->name, partition->name);
	rc = check_reference(c, &partition->pin_source, "pin_source", owner);
	if (rc == 0)
		rc = check_reference(c, &partition->so_pin_source, "so_pin_source", owner);
	if (rc == 0)
		rc = check_link(c, &partition->link, owner);
	if (rc == 0)
		rc = check_uri(c, partition, owner);
	return rc < 0 ? rc : check_serial(c, partition, owner);
}

static int default_partition(struct check *c, struct fleet_device *device)
{
	struct fleet_partition *partition =
		json_append(&device->partitions, &device->n_partitions, sizeof(*partition));

	return partition ? fleet_set(&partition->name, device->name, c->err)
			 : err_no_memory(c->err);
}

static int check_device(struct check *c, struct fleet_device *device)
{
	char owner[100];
	int rc;

	snprintf(owner, sizeof(owner), "device '%s'", device->name);
	if (!fleet_datacenter(c->fleet, device->datacenter)) {
		fail(c, &device->datacenter,
		     "%s names the datacenter '%s', which is not in the document", owner,
		     device->datacenter);
		return hint_nearest(c, FLEET_PARTS(c->fleet, datacenters), device->datacenter);
	}
	rc = check_path(c, &device->module, owner);
	if (rc == 0 && !device->n_partitions)
		rc = default_partition(c, device);
	for (size_t i = 0; rc == 0 && i < device->n_partitions; i++)
		rc = check_partition(c, device, &device->partitions[i]);
	return rc;
}

/* Exactly one of stamp and zone says where in a region a dedicated HSM stands. */
static int check_place(struct check *c, const struct fleet_datacenter *datacenter)
{
	const char *wrong = datacenter->stamp ? datacenter->stamp : datacenter->zone;
	bool dedicated = str_eq(datacenter->provider, "azure-dedicated-hsm");

	if (!dedicated && wrong)
		return fail(c, datacenter, "datacenter '%s' has a stamp or zone; only azure-dedicated-hsm knows them",
			    datacenter->name);
	if (dedicated && !datacenter->stamp == !datacenter->zone) {
		fail(c, datacenter, "datacenter '%s' needs %s", datacenter->name,
		     wrong ? "a stamp or a zone, not both" : "a stamp or a zone");
		return err_hint(c->err, "\"stamp\": \"stamp1\", or \"zone\": \"1\" in regions with availability zones");
	}
	return 0;
}

/* One in Azure stands in a region that the azure section describes. */
static int check_azure_datacenter(struct check *c, const struct fleet_datacenter *datacenter)
{
	if (!str_starts(datacenter->provider, "azure-") || fleet_azure_region(c->fleet, datacenter->region))
		return 0;
	fail(c, &datacenter->region, "datacenter '%s' stands in region '%s', which is not in the azure section",
	     datacenter->name, datacenter->region);
	return err_hint(c->err, "name it in \"azure\": {\"regions\": [{\"name\": \"%s\", \"location\": …}]}",
			datacenter->region);
}

static int check_datacenter(struct check *c, const struct fleet_datacenter *datacenter)
{
	char names[200] = "";

	if (str_index(fleet_provider_names, datacenter->provider) >= 0) {
		int rc = check_place(c, datacenter);

		return rc < 0 ? rc : check_azure_datacenter(c, datacenter);
	}
	for (size_t i = 0; fleet_provider_names[i]; i++) {
		size_t used = strlen(names);

		snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
			 fleet_provider_names[i]);
	}
	return fail(c, &datacenter->provider,
		    "datacenter '%s' names the provider '%.80s'; known: %s", datacenter->name,
		    datacenter->provider, names);
}

/* Also of one that is not left out; then the device has it. */
static int default_member_partition(struct check *c, const struct fleet_group *group,
				    struct fleet_member *member, const struct fleet_device *device)
{
	if (!member->partition && device->n_partitions > 1)
		return fail(c, member, "group '%s' must say which partition of device '%s'",
			    group->name, device->name);
	if (!member->partition)
		return fleet_set(&member->partition, device->partitions[0].name, c->err);
	if (fleet_partition(device, member->partition))
		return 0;
	fail(c, &member->partition, "group '%s' names the partition '%s/%s', which is not in the document",
	     group->name, device->name, member->partition);
	return hint_nearest(c, FLEET_PARTS(device, partitions), member->partition);
}

/* No earlier member of this or an earlier group is the same partition. */
static int check_serves_once(struct check *c, const struct fleet_member *member)
{
	for (const struct fleet_group *g = c->fleet->groups;; g++)
		for (size_t i = 0; i < g->n_members; i++) {
			if (&g->members[i] == member)
				return 0;
			if (str_eq(g->members[i].device, member->device) &&
			    str_eq(g->members[i].partition, member->partition))
				return fail(c, member, "partition '%s/%s' serves in group '%s' already",
					    member->device, member->partition, g->name);
		}
}

static int check_member(struct check *c, const struct fleet_group *group,
			struct fleet_member *member)
{
	struct fleet_device *device = fleet_device(c->fleet, member->device);
	char owner[200];
	int rc;

	if (!device) {
		fail(c, &member->device,
		     "group '%s' names the device '%s', which is not in the document", group->name,
		     member->device);
		return hint_nearest(c, FLEET_PARTS(c->fleet, devices), member->device);
	}
	rc = default_member_partition(c, group, member, device);
	if (rc < 0)
		return rc;
	snprintf(owner, sizeof(owner), "member '%s' of group '%s'", member->device, group->name);
	rc = check_hex(c, &member->transport, "transport", owner, 64);
	return rc < 0 ? rc : check_serves_once(c, member);
}

/* Bringing a member up to date takes some at a time. */
enum { CONNECTIONS_LEAST = 4 };

static int check_policy(struct check *c, const struct fleet_group *group)
{
	const struct fleet_policy *policy = &group->policy;
	size_t datacenters = fleet_group_datacenters(c->fleet, group);

	if (policy->min_members > (int64_t)group->n_members)
		return fail(c, &policy->min_members, "group '%s' has %zu members, its policy wants %lld",
			    group->name, group->n_members, (long long)policy->min_members);
	if (policy->min_datacenters > (int64_t)datacenters)
		return fail(c, &policy->min_datacenters,
			    "the members of group '%s' are in %zu datacenters, its policy wants %lld",
			    group->name, datacenters, (long long)policy->min_datacenters);
	if (policy->connections && policy->connections < CONNECTIONS_LEAST)
		return fail(c, &policy->connections,
			    "the policy of group '%s' lets an application have %lld connections to a member, it needs %d",
			    group->name, (long long)policy->connections, CONNECTIONS_LEAST);
	return 0;
}

/* Applications find a group by its slot. */
static int check_slot(struct check *c, const struct fleet_group *group)
{
	for (const struct fleet_group *other = c->fleet->groups; other < group; other++)
		if (fleet_group_slot(other) == fleet_group_slot(group))
			return fail(c, &group->name, "the groups '%s' and '%s' would have the same slot: choose another name",
				    other->name, group->name);
	return 0;
}

static int check_group(struct check *c, const struct fleet_group *group)
{
	char owner[100];
	int rc;

	snprintf(owner, sizeof(owner), "group '%s'", group->name);
	if (!group->n_members)
		return fail(c, &group->members, "%s has no members", owner);
	if (group->serial && strlen(group->serial) != 16)
		return fail(c, &group->serial, "'serial' of %s must have 16 characters", owner);
	rc = check_slot(c, group);
	if (rc == 0)
		rc = check_hex(c, &group->domain, "domain", owner, 0);
	if (rc == 0)
		rc = check_reference(c, &group->pin_source, "pin_source", owner);
	for (size_t i = 0; rc == 0 && i < group->n_members; i++)
		rc = check_member(c, group, &group->members[i]);
	return rc < 0 ? rc : check_policy(c, group);
}

int fleet_check(struct fleet *fleet, const struct json_lines *lines, struct err *err)
{
	struct check c = {.fleet = fleet, .lines = lines, .err = err};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < fleet->n_datacenters; i++)
		rc = check_datacenter(&c, &fleet->datacenters[i]);
	for (size_t i = 0; rc == 0 && i < fleet->n_devices; i++)
		rc = check_device(&c, &fleet->devices[i]);
	for (size_t i = 0; rc == 0 && i < fleet->n_groups; i++)
		rc = check_group(&c, &fleet->groups[i]);
	return rc;
}
