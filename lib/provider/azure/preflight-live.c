/* SPDX-License-Identifier: Apache-2.0 */
/* What only Azure can say to be wrong with a layout. */
#include "provider/azure/preflight.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/azure/preflight_private.h"
#include "provider/azure/tasks.h"

enum { STAMP_QUOTA = 2, REGION_QUOTA = 4, ASKED_ONCE = 5, LIST_TEXT = 160, PLACE = 100 };

static const char provider_api[] = "2021-04-01", feature_api[] = "2021-07-01", identity_api[] = "2023-01-31";
static const char hsm_namespace[] = "Microsoft.HardwareSecurityModules", network_namespace[] = "Microsoft.Network";

/* ---- asking ---- */

/* New, and its position from 1. id is handed over, NULL when there was no memory. */
static size_t ask(struct preflight_live *l, char *id, const char *api, const char *about)
{
	struct preflight_question *q = &l->questions[l->n];

	if (!id && l->p.rc == 0)
		l->p.rc = err_no_memory(l->p.err);
	*q = (struct preflight_question){.session = l->session, .id = id, .api = api, .about = about};
	return ++l->n;
}

static size_t ask_provider(struct preflight_live *l, const char *namespace)
{
	return ask(l, mem_printf("/subscriptions/%s/providers/%s", l->p.fleet->azure.subscription, namespace),
		   provider_api, namespace);
}

static size_t ask_feature(struct preflight_live *l, const char *namespace, const char *feature)
{
	return ask(l, mem_printf("/subscriptions/%s/providers/Microsoft.Features/providers/%s/features/%s",
				 l->p.fleet->azure.subscription, namespace, feature), feature_api, feature);
}

static void ask_dedicated(struct preflight_live *l)
{
	l->hsm_feature = ask_feature(l, hsm_namespace, "AzureDedicatedHSM");
	l->network_feature = ask_feature(l, network_namespace, "AllowBaremetalServers");
	l->list = ask(l, mem_printf("/subscriptions/%s/providers/%s", l->p.fleet->azure.subscription,
				    azure_kinds[AZURE_DEDICATED_HSM].type),
		      azure_api(l->p.fleet, AZURE_DEDICATED_HSM), "the dedicated HSMs of the subscription");
	l->questions[l->list - 1].list = true;
}

static void ask_node(struct preflight_live *l, const struct azure_node *node)
{
	size_t position = ask(l, mem_strdup(node->id), node->api_version, node->label);

	l->questions[position - 1].node = node;
}

static void ask_identity(struct preflight_live *l, const struct fleet_device *device)
{
	size_t position = ask(l, mem_strdup(device->azure.identity), identity_api, "its identity");

	l->questions[position - 1].device = device;
}

static void ask_existing(struct preflight_live *l)
{
	const struct fleet *fleet = l->p.fleet;

	for (size_t i = 0; i < l->layout->n_nodes; i++) {
		const struct azure_node *node = &l->layout->nodes[i];

		if (node->external)
			ask_node(l, node);
	}
	for (size_t i = 0; i < fleet->n_devices; i++) {
		const struct fleet_device *device = &fleet->devices[i];

		if (azure_is_cloud(fleet, device) && preflight_is_id(device->azure.identity))
			ask_identity(l, device);
	}
}

static void ask_all(struct preflight_live *l)
{
	bool dedicated = azure_region_has(l->p.fleet, NULL, AZURE_DEDICATED_HSM);
	bool cloud = azure_region_has(l->p.fleet, NULL, AZURE_CLOUD_HSM);

	l->network = ask_provider(l, network_namespace);
	if (dedicated || cloud)
		l->hsms = ask_provider(l, hsm_namespace);
	if (dedicated)
		ask_dedicated(l);
	ask_existing(l);
}

static bool is_ours(int rc)
{
	return rc == -ERR_NO_MEMORY || cancel_is(rc);
}

/* A question that was refused is a problem, and no reason to leave out the others. */
static int run(struct task *task, struct err *err)
{
	struct preflight_question *q = task->data;
	int rc = q->list ? arm_list(q->session->arm, q->id, q->api, &q->answer, &q->failure)
			 : arm_get(q->session->arm, q->id, q->api, &q->answer, &q->failure);

	if (rc >= 0)
		err_clear(&q->failure);
	if (is_ours(rc))
		*err = q->failure;
	return is_ours(rc) ? rc : 0;
}

static int run_all(struct preflight_live *l)
{
	owned(mem) struct task *tasks = mem_zalloc((l->n + 1) * sizeof(*tasks));

	if (!tasks)
		return err_no_memory(l->p.err);
	for (size_t i = 0; i < l->n; i++)
		tasks[i] = (struct task){.label = l->questions[i].about, .data = &l->questions[i], .run = run};
	return tasks_run(tasks, l->n, NULL, l->p.err);
}

/* ---- what could not be asked ---- */

static void tell_refused(struct preflight_live *l, const struct preflight_question *q)
{
	struct err found = q->failure;

	err_wrap(&found, "cannot ask about %s", q->about);
	if (q->node)
		preflight_tell_of(&l->p, q->node, &found);
	else
		preflight_tell(&l->p, q->device ? "device" : "azure", q->device ? q->device->name : NULL, &found);
}

/* When nothing at all was answered there is one reason for it: no token, no way there, no rights. */
static bool tell_failures(struct preflight_live *l)
{
	size_t failed = 0;

	for (size_t i = 0; i < l->n; i++)
		failed += l->questions[i].failure.code != ERR_OK;
	if (failed == l->n) {
		preflight_tell(&l->p, "azure", NULL, &l->questions[0].failure);
		return true;
	}
	for (size_t i = 0; i < l->n; i++)
		if (l->questions[i].failure.code != ERR_OK)
			tell_refused(l, &l->questions[i]);
	return false;
}

/* The question at a position, when it was asked and answered; NULL. */
static const struct preflight_question *answered(const struct preflight_live *l, size_t position)
{
	return position && l->questions[position - 1].failure.code == ERR_OK ? &l->questions[position - 1] : NULL;
}

/* ---- the subscription ---- */

static bool is_registered(const struct preflight_question *q)
{
	const char *state = q ? json_tree_text(q->answer, "registrationState") : NULL;

	return state && strcasecmp(state, "Registered") == 0;
}

static void check_registration(struct preflight_live *l, size_t position)
{
	const struct preflight_question *q = answered(l, position);
	const char *state = q ? json_tree_text(q->answer, "registrationState") : NULL;
	struct err found = {0};

	if (!q || is_registered(q))
		return;
	err_set(&found, ERR_DENIED, "the subscription is not registered with %s: %.60s", q->about,
		state ? state : "NotRegistered");
	if (state && strcasecmp(state, "Registering") == 0)
		err_hint(&found, "wait until 'az provider show --namespace %s' says Registered", q->about);
	else
		err_hint(&found, "az provider register --namespace %s", q->about);
	preflight_tell(&l->p, "azure", NULL, &found);
}

static void check_feature(struct preflight_live *l, size_t position, const char *namespace)
{
	const struct preflight_question *q = answered(l, position);
	const char *state = q ? json_tree_text(q->answer, "properties.state") : NULL;
	struct err found = {0};

	if (!q || (state && strcasecmp(state, "Registered") == 0))
		return;
	if (state && strcasecmp(state, "Pending") == 0) {
		err_set(&found, ERR_DENIED, "feature %s/%s is Pending: a person at Microsoft has to allow it",
			namespace, q->about);
		err_hint(&found, "wait, or ask at hsmrequest@microsoft.com");
	} else {
		err_set(&found, ERR_DENIED, "the subscription has no feature %s/%s: %.60s", namespace, q->about,
			state ? state : "NotRegistered");
		err_hint(&found, "az feature register --namespace %s --name %s; then ask at hsmrequest@microsoft.com, "
				 "since a person at Microsoft has to allow it", namespace, q->about);
	}
	preflight_tell(&l->p, "azure", NULL, &found);
}

/* ---- what a location offers ---- */

/* Of a provider's answer; NULL when it says nothing of the type. */
static const struct json_tree *offer_of(const struct preflight_question *q, const char *type)
{
	const struct json_tree *types = q ? json_tree_get(q->answer, "resourceTypes") : NULL;
	const char *name = strchr(type, '/') + 1;

	for (size_t i = 0; i < json_tree_count(types); i++) {
		const char *other = json_tree_text(json_tree_at(types, i), "resourceType");

		if (other && strcasecmp(other, name) == 0)
			return json_tree_at(types, i);
	}
	return NULL;
}

/* "East US, West US"; cut where it gets long. */
static void list_text(const struct json_tree *list, char ret[static LIST_TEXT])
{
	size_t used = 0;

	*ret = 0;
	for (size_t i = 0; i < json_tree_count(list); i++) {
		const char *text = json_tree_text(json_tree_at(list, i), "");
		size_t len = text ? strlen(text) : 0;

		if (used + len + 2 > LIST_TEXT - sizeof(", …")) {
			snprintf(ret + used, LIST_TEXT - used, ", …");
			return;
		}
		used += (size_t)snprintf(ret + used, LIST_TEXT - used, "%s%s", used ? ", " : "", text ? text : "");
	}
}

static bool list_has(const struct json_tree *list, const char *text, bool location)
{
	for (size_t i = 0; i < json_tree_count(list); i++) {
		const char *other = json_tree_text(json_tree_at(list, i), "");

		if (other && (location ? azure_same_location(other, text) : strcasecmp(other, text) == 0))
			return true;
	}
	return false;
}

static bool offers(const struct json_tree *offer, const char *location)
{
	const struct json_tree *locations = json_tree_get(offer, "locations");

	return !json_tree_count(locations) || list_has(locations, location, true);
}

static void check_location(struct preflight_live *l, const struct fleet_azure_region *region, enum azure_kind_name kind)
{
	const struct json_tree *offer = offer_of(answered(l, l->hsms), azure_kinds[kind].type);
	char list[LIST_TEXT];
	struct err found = {0};

	if (!azure_region_has(l->p.fleet, region->name, kind) || offers(offer, region->location))
		return;
	list_text(json_tree_get(offer, "locations"), list);
	err_set(&found, ERR_UNSUPPORTED, "there are no %ss in %s", azure_kinds[kind].noun, region->location);
	err_hint(&found, "choose a location that has them: %s", list);
	preflight_tell(&l->p, "region", region->name, &found);
}

static void check_region(struct preflight_live *l, const struct fleet_azure_region *region)
{
	const struct json_tree *offer = offer_of(answered(l, l->network), azure_kinds[AZURE_NETWORK].type);
	struct err found = {0};

	if (offers(offer, region->location)) {
		check_location(l, region, AZURE_DEDICATED_HSM);
		check_location(l, region, AZURE_CLOUD_HSM);
		return;
	}
	err_set(&found, ERR_NOT_FOUND, "Azure has no location '%s' for networks", region->location);
	err_hint(&found, "'az account list-locations' names them all");
	preflight_tell(&l->p, "region", region->name, &found);
}

static void check_version(struct preflight_live *l, size_t position, enum azure_kind_name kind, const char *field)
{
	const struct json_tree *offer = offer_of(answered(l, position), azure_kinds[kind].type);
	const struct json_tree *versions = json_tree_get(offer, "apiVersions");
	const char *version = azure_api(l->p.fleet, kind);
	char list[LIST_TEXT];
	struct err found = {0};

	if (!json_tree_count(versions) || list_has(versions, version, false))
		return;
	list_text(versions, list);
	err_set(&found, ERR_UNSUPPORTED, "%s does not speak api-version %s", azure_kinds[kind].type, version);
	err_hint(&found, "write one of these as \"%s\": %s", field, list);
	preflight_tell(&l->p, "azure", NULL, &found);
}

static void check_versions(struct preflight_live *l)
{
	const struct fleet *fleet = l->p.fleet;

	check_version(l, l->network, AZURE_NETWORK, "network_api");
	if (azure_region_has(fleet, NULL, AZURE_DEDICATED_HSM))
		check_version(l, l->hsms, AZURE_DEDICATED_HSM, "dedicated_hsm_api");
	if (azure_region_has(fleet, NULL, AZURE_CLOUD_HSM))
		check_version(l, l->hsms, AZURE_CLOUD_HSM, "cloud_hsm_api");
}

/* ---- dedicated HSMs that are to be made ---- */

static bool is_listed(const struct preflight_live *l, const struct azure_node *node)
{
	const struct preflight_question *q = answered(l, l->list);

	for (size_t i = 0; q && i < json_tree_count(q->answer); i++) {
		const char *id = json_tree_text(json_tree_at(q->answer, i), "id");

		if (id && strcasecmp(id, node->id) == 0)
			return true;
	}
	return false;
}

static bool is_to_be_made(const struct preflight_live *l, const struct azure_node *node)
{
	return node->kind == AZURE_DEDICATED_HSM && node->device && node->region && !is_listed(l, node);
}

static const struct fleet_datacenter *home_of(const struct preflight_live *l, const struct azure_node *node)
{
	return fleet_datacenter(l->p.fleet, node->device->datacenter);
}

/* Of an earlier node that is to be made in the same datacenter it was told already. */
static bool is_first_there(const struct preflight_live *l, size_t node)
{
	const struct azure_node *nodes = l->layout->nodes;

	for (size_t i = 0; i < node; i++)
		if (is_to_be_made(l, &nodes[i]) && str_eq(nodes[i].device->datacenter, nodes[node].device->datacenter))
			return false;
	return true;
}

/* The zones of a location; NULL when nothing is known. A location that is not among others has none. */
static const struct json_tree *zones_of(const struct json_tree *offer, const char *location, bool *ret_known)
{
	const struct json_tree *mappings = json_tree_get(offer, "zoneMappings");

	*ret_known = json_tree_count(mappings) > 0;
	for (size_t i = 0; i < json_tree_count(mappings); i++) {
		const char *other = json_tree_text(json_tree_at(mappings, i), "location");

		if (other && azure_same_location(other, location))
			return json_tree_get(json_tree_at(mappings, i), "zones");
	}
	return NULL;
}

static void check_zone(struct preflight_live *l, const struct azure_node *node)
{
	const struct json_tree *offer = offer_of(answered(l, l->hsms), azure_kinds[AZURE_DEDICATED_HSM].type);
	const struct fleet_datacenter *datacenter = home_of(l, node);
	const char *location = node->region->location;
	char list[LIST_TEXT];
	struct err found = {0};
	bool known;
	const struct json_tree *zones = zones_of(offer, location, &known);

	list_text(zones, list);
	if (datacenter->stamp && json_tree_count(zones)) {
		err_set(&found, ERR_INVALID, "%s has availability zones: use \"zone\" instead of \"stamp\"", location);
		err_hint(&found, "write \"zone\" with one of: %s", list);
	} else if (datacenter->zone && known && !json_tree_count(zones)) {
		err_set(&found, ERR_INVALID, "%s has no availability zones: use \"stamp\" instead of \"zone\"",
			location);
		err_hint(&found, "write \"stamp\": \"stamp1\" or \"stamp2\"");
	} else if (datacenter->zone && known && !list_has(zones, datacenter->zone, false)) {
		err_set(&found, ERR_INVALID, "%s has no availability zone '%.60s'", location, datacenter->zone);
		err_hint(&found, "write \"zone\" with one of: %s", list);
	}
	if (found.code)
		preflight_tell(&l->p, "datacenter", datacenter->name, &found);
}

static bool same_place(const char *place, const char *stamp, const char *zone)
{
	return str_eq(place, stamp ? stamp : zone);
}

/* place NULL: anywhere in the location. payShield devices have a quota of their own. */
static bool is_counted(const struct json_tree *hsm, const char *location, const char *place)
{
	const char *where = json_tree_text(hsm, "location"), *sku = json_tree_text(hsm, "sku.name");

	if (!where || !azure_same_location(where, location) || (sku && strncasecmp(sku, "payShield", 9) == 0))
		return false;
	return !place || same_place(place, json_tree_text(hsm, "properties.stampId"), json_tree_text(hsm, "zones.0"));
}

static size_t count_existing(const struct preflight_live *l, const char *location, const char *place)
{
	const struct preflight_question *q = answered(l, l->list);
	size_t n = 0;

	for (size_t i = 0; q && i < json_tree_count(q->answer); i++)
		n += is_counted(json_tree_at(q->answer, i), location, place);
	return n;
}

static size_t count_new(const struct preflight_live *l, const char *location, const char *place)
{
	size_t n = 0;

	for (size_t i = 0; i < l->layout->n_nodes; i++) {
		const struct azure_node *node = &l->layout->nodes[i];

		if (is_to_be_made(l, node) && azure_same_location(node->region->location, location))
			n += !place || same_place(place, home_of(l, node)->stamp, home_of(l, node)->zone);
	}
	return n;
}

/* Who has more than the usual quota already has had it raised, and may say so in the document. */
static bool is_over(size_t have, size_t more, size_t quota)
{
	return have <= quota && have + more > quota;
}

static size_t stamp_quota(const struct preflight_live *l)
{
	int64_t said = l->p.fleet->azure.hsms_per_stamp;

	return said ? (size_t)said : STAMP_QUOTA;
}

static size_t region_quota(const struct preflight_live *l)
{
	int64_t said = l->p.fleet->azure.hsms_per_region;

	return said ? (size_t)said : REGION_QUOTA;
}

static void tell_quota(struct preflight_live *l, const char *noun, const char *name, const char *where, size_t have,
		       size_t more, size_t quota)
{
	struct err found = {0};

	err_set(&found, ERR_DENIED, "%zu dedicated HSMs in %s, %zu that exist and %zu to be made, are more than the "
		"quota of %zu", have + more, where, have, more, quota);
	err_hint(&found, "ask Microsoft to raise it and write \"%s\" into the azure section, or spread the devices",
		 noun[0] == 'r' ? "hsms_per_region" : "hsms_per_stamp");
	preflight_tell(&l->p, noun, name, &found);
}

static void check_stamp_quota(struct preflight_live *l, const struct azure_node *node)
{
	const struct fleet_datacenter *datacenter = home_of(l, node);
	const char *location = node->region->location;
	const char *place = datacenter->stamp ? datacenter->stamp : datacenter->zone;
	size_t have = count_existing(l, location, place), more = count_new(l, location, place);
	char where[PLACE];

	snprintf(where, sizeof(where), "%s%s of %s", datacenter->stamp ? "" : "zone ", place, location);
	if (is_over(have, more, stamp_quota(l)))
		tell_quota(l, "datacenter", datacenter->name, where, have, more, stamp_quota(l));
}

static void check_region_quota(struct preflight_live *l, const struct fleet_azure_region *region)
{
	size_t have = count_existing(l, region->location, NULL), more = count_new(l, region->location, NULL);

	if (azure_region_has(l->p.fleet, region->name, AZURE_DEDICATED_HSM) && is_over(have, more, region_quota(l)))
		tell_quota(l, "region", region->name, region->location, have, more, region_quota(l));
}

static void check_dedicated(struct preflight_live *l)
{
	bool any = false;

	for (size_t i = 0; i < l->layout->n_nodes; i++) {
		const struct azure_node *node = &l->layout->nodes[i];

		if (!is_to_be_made(l, node) || !is_first_there(l, i))
			continue;
		any = true;
		check_zone(l, node);
		if (answered(l, l->list))
			check_stamp_quota(l, node);
	}
	if (!any)
		return;
	check_feature(l, l->hsm_feature, hsm_namespace);
	check_feature(l, l->network_feature, network_namespace);
	for (size_t i = 0; answered(l, l->list) && i < l->p.fleet->azure.n_regions; i++)
		check_region_quota(l, &l->p.fleet->azure.regions[i]);
}

/* ---- the whole ---- */

static void check_all(struct preflight_live *l)
{
	if (tell_failures(l))
		return;
	check_registration(l, l->network);
	check_registration(l, l->hsms);
	check_versions(l);
	for (size_t i = 0; i < l->p.fleet->azure.n_regions; i++)
		check_region(l, &l->p.fleet->azure.regions[i]);
	check_dedicated(l);
	preflight_existing(l);
}

int azure_preflight_live(struct azure_session *session, const struct azure_layout *layout,
			 struct provider_plan *plan, struct err *err)
{
	const struct fleet *fleet = layout->fleet;
	size_t most = layout->n_nodes + fleet->n_devices + ASKED_ONCE;
	owned(mem) struct preflight_question *questions = mem_zalloc(most * sizeof(*questions));
	struct preflight_live l = {
		.p = {.fleet = fleet, .plan = plan, .err = err},
		.session = session, .layout = layout, .questions = questions,
	};

	/* That it is missing the document's preflight has told. */
	if (!fleet->azure.subscription)
		return 0;
	if (!questions)
		return err_no_memory(err);
	ask_all(&l);
	if (l.p.rc == 0)
		l.p.rc = run_all(&l);
	if (l.p.rc == 0)
		check_all(&l);
	for (size_t i = 0; i < l.n; i++) {
		free(questions[i].id);
		json_tree_free(questions[i].answer);
	}
	return l.p.rc;
}
