/* SPDX-License-Identifier: Apache-2.0 */
/* From an HSM in Azure to a device of the document, in a datacenter. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/observer.h"
#include "base/str.h"
#include "provider/azure/import_private.h"

/* What the document leaves out, because it is what hsmctl makes. */
static const char usual_dedicated[] = "SafeNet Luna Network HSM A790", usual_cloud[] = "Standard_B1",
		  usual_scope[] = "TenantReuse";

/* ---- the private endpoint of a cluster ---- */

static const char *connected_by(const struct json_tree *connection)
{
	return json_tree_text(connection, "properties.privateEndpoint.id");
}

static bool is_approved(const struct json_tree *connection)
{
	const char *status = json_tree_text(connection, "properties.privateLinkServiceConnectionState.status");

	return status && arm_state_is(status, "Approved");
}

/* The endpoint that hsmctl makes for a cluster of that name. */
static bool has_our_name(const struct import_hsm *hsm, const char *endpoint)
{
	const char *slash = strrchr(endpoint, '/'), *name = import_name_of(hsm->live);
	size_t len = strlen(name);

	return slash && strncasecmp(slash + 1, name, len) == 0 && strcasecmp(slash + 1 + len, "-endpoint") == 0;
}

/* Of several: ours, else one that is approved, else the first. */
static const char *choose_endpoint(const struct import_hsm *hsm)
{
	const struct json_tree *connections = json_tree_get(hsm->live, "properties.privateEndpointConnections");
	const char *chosen = NULL;
	int best = -1;

	for (size_t i = 0; i < json_tree_count(connections); i++) {
		const struct json_tree *connection = json_tree_at(connections, i);
		const char *id = connected_by(connection);
		int worth = !id ? -1 : has_our_name(hsm, id) ? 2 : is_approved(connection);

		if (worth > best) {
			best = worth;
			chosen = id;
		}
	}
	return chosen;
}

int import_endpoint(struct import *m, struct import_hsm *hsm, struct err *err)
{
	int rc = 0;

	if (hsm->kind != AZURE_CLOUD_HSM)
		return 0;
	hsm->endpoint_id = choose_endpoint(hsm);
	if (hsm->endpoint_id)
		rc = import_read(m, hsm->endpoint_id, AZURE_PRIVATE_ENDPOINT, &hsm->endpoint, err);
	if (rc < 0)
		return rc;
	hsm->our_endpoint = hsm->endpoint && has_our_name(hsm, hsm->endpoint_id) && import_is_ours(m, hsm->endpoint);
	return 0;
}

/* An endpoint with names in a zone says its addresses there. */
static int endpoint_address(struct import *m, const struct import_hsm *hsm, char **ret, struct err *err)
{
	static const char in_zone[] = "0.properties.privateDnsZoneConfigs.0.properties.recordSets.0.ipAddresses.0";
	const char *address = json_tree_text(hsm->endpoint, "properties.customDnsConfigs.0.ipAddresses.0");
	owned(mem) char *list = mem_printf("%s/privateDnsZoneGroups", hsm->endpoint_id);
	owned(json_tree) struct json_tree *groups = NULL;
	int rc = list ? 0 : err_no_memory(err);

	if (rc == 0 && !address) {
		rc = arm_list(m->session.arm, list, azure_api(m->fleet, AZURE_ZONE_GROUP), &groups, err);
		address = json_tree_text(groups, in_zone);
	}
	return rc < 0 ? rc : fleet_set(ret, address, err);
}

/* ---- the datacenter ---- */

static bool datacenter_taken(const struct fleet *fleet, const char *name)
{
	return fleet_datacenter(fleet, name) != NULL;
}

static int add_datacenter(struct import *m, const struct fleet_datacenter *what, const char *suffix, const char **ret,
			  struct err *err)
{
	owned(mem) char *wanted = mem_printf("%s-%s", what->region, suffix);
	owned(mem) char *name = wanted ? import_make_name(m->fleet, wanted, datacenter_taken) : NULL;
	struct fleet_datacenter *datacenter =
		name ? json_append(&m->fleet->datacenters, &m->fleet->n_datacenters, sizeof(*datacenter)) : NULL;
	int rc = datacenter ? fleet_set(&datacenter->name, name, err) : err_no_memory(err);

	if (rc == 0)
		rc = fleet_set(&datacenter->region, what->region, err);
	if (rc == 0)
		rc = fleet_set(&datacenter->provider, what->provider, err);
	if (rc == 0)
		rc = fleet_set(&datacenter->stamp, what->stamp, err);
	if (rc == 0)
		rc = fleet_set(&datacenter->zone, what->zone, err);
	if (rc == 0)
		*ret = datacenter->name;
	return rc;
}

/* Devices in one stamp or zone fail together. */
static int dedicated_datacenter(struct import *m, const struct import_hsm *hsm, const char *region, const char **ret,
				struct err *err)
{
	const char *zone = json_tree_text(hsm->live, "zones.0");
	const char *stamp = zone ? NULL : json_tree_text(hsm->live, "properties.stampId");
	const struct fleet_datacenter what = {
		.region = (char *)(uintptr_t)region, .provider = (char *)(uintptr_t)"azure-dedicated-hsm",
		.stamp = (char *)(uintptr_t)stamp, .zone = (char *)(uintptr_t)zone,
	};

	for (size_t i = 0; i < m->fleet->n_datacenters; i++) {
		const struct fleet_datacenter *d = &m->fleet->datacenters[i];

		if (str_eq(d->region, region) && str_eq(d->provider, what.provider) && str_eq(d->stamp, stamp) &&
		    str_eq(d->zone, zone)) {
			*ret = d->name;
			return 0;
		}
	}
	return add_datacenter(m, &what, zone ? zone : stamp, ret, err);
}

/* A cluster has HSMs of its own, wherever in the region they stand. */
static int cloud_datacenter(struct import *m, const char *device, const char *region, const char **ret, struct err *err)
{
	const struct fleet_datacenter what = {
		.region = (char *)(uintptr_t)region, .provider = (char *)(uintptr_t)"azure-cloud-hsm",
	};

	return add_datacenter(m, &what, device, ret, err);
}

/* ---- the device ---- */

static bool device_taken(const struct fleet *fleet, const char *name)
{
	return fleet_device(fleet, name) != NULL;
}

/* Only what is not as usual. */
static int set_unusual(char **field, const char *value, const char *usual, struct err *err)
{
	return !value || str_eq(value, usual) ? 0 : fleet_set(field, value, err);
}

static int describe_dedicated(const struct import_hsm *hsm, struct fleet_azure_device *ret, struct err *err)
{
	int rc = set_unusual(&ret->sku, json_tree_text(hsm->live, "sku.name"), usual_dedicated, err);

	if (rc < 0)
		return rc;
	return fleet_set(&ret->address,
			 json_tree_text(hsm->live, "properties.networkProfile.networkInterfaces.0.privateIpAddress"),
			 err);
}

static int describe_cluster(struct import *m, const struct import_hsm *hsm, struct fleet_azure_device *ret,
			    struct err *err)
{
	int rc = set_unusual(&ret->sku, json_tree_text(hsm->live, "sku.name"), usual_cloud, err);

	if (rc == 0)
		rc = set_unusual(&ret->name_scope,
				 json_tree_text(hsm->live, "properties.autoGeneratedDomainNameLabelScope"), usual_scope,
				 err);
	if (rc == 0)
		rc = fleet_set(&ret->identity,
			       json_tree_name(json_tree_get(hsm->live, "identity.userAssignedIdentities"), 0), err);
	if (rc == 0 && hsm->endpoint_id && !hsm->our_endpoint)
		rc = fleet_set(&ret->endpoint, hsm->endpoint_id, err);
	if (rc == 0 && hsm->endpoint)
		rc = endpoint_address(m, hsm, &ret->address, err);
	return rc;
}

static int describe(struct import *m, const struct import_hsm *hsm, struct fleet_device *ret, struct err *err)
{
	const char *name = import_name_of(hsm->live);
	int rc = str_eq(name, ret->name) ? 0 : fleet_set(&ret->azure.name, name, err);

	if (rc == 0)
		rc = fleet_set(&ret->azure.id, json_tree_text(hsm->live, "id"), err);
	if (rc < 0)
		return rc;
	return hsm->kind == AZURE_DEDICATED_HSM ? describe_dedicated(hsm, &ret->azure, err)
						: describe_cluster(m, hsm, &ret->azure, err);
}

static void tell(const struct import *m, const struct import_hsm *hsm)
{
	const char *noun = azure_kinds[hsm->kind].noun, *name = import_name_of(hsm->live),
		   *state = arm_state(hsm->live);

	if (!arm_state_is(state, "Succeeded"))
		observer_note(m->call->observer, "%s %s is in state %s", noun, name, state);
	if (hsm->kind == AZURE_CLOUD_HSM && !hsm->endpoint_id)
		observer_note(m->call->observer, "%s %s has no private endpoint: the document needs a network for it",
			      noun, name);
}

int import_device(struct import *m, const struct import_hsm *hsm, const char *region, struct err *err)
{
	struct fleet *fleet = m->fleet;
	owned(mem) char *name = import_make_name(fleet, import_name_of(hsm->live), device_taken);
	struct fleet_device *device = name ? json_append(&fleet->devices, &fleet->n_devices, sizeof(*device)) : NULL;
	const char *datacenter = NULL;
	int rc = device ? fleet_set(&device->name, name, err) : err_no_memory(err);

	if (rc == 0 && hsm->kind == AZURE_DEDICATED_HSM)
		rc = dedicated_datacenter(m, hsm, region, &datacenter, err);
	else if (rc == 0)
		rc = cloud_datacenter(m, name, region, &datacenter, err);
	if (rc == 0)
		rc = fleet_set(&device->datacenter, datacenter, err);
	if (rc == 0)
		rc = describe(m, hsm, device, err);
	tell(m, hsm);
	return rc;
}
