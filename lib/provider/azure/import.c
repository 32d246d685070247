/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a fleet document of the HSMs that a subscription holds. */
#include "provider/azure/import.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "azure/cloud.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/observer.h"
#include "base/str.h"
#include "provider/azure/compare.h"
#include "provider/azure/import_private.h"

enum { NAME_MAX_LEN = 63, DOCUMENT_MAX = 16 << 20 };

/* ---- ids and names ---- */

const char *import_name_of(const struct json_tree *live)
{
	const char *name = json_tree_text(live, "name");

	return name ? name : "";
}

char *import_part(const char *id, const char *word)
{
	size_t len = strlen(word);

	for (const char *slash = id ? strchr(id, '/') : NULL; slash; slash = strchr(slash + 1, '/'))
		if (strncasecmp(slash + 1, word, len) == 0 && slash[1 + len] == '/')
			return mem_strndup(slash + len + 2, strcspn(slash + len + 2, "/"));
	return NULL;
}

char *import_parent(const char *id)
{
	size_t len = id ? strlen(id) : 0;

	for (int words = 0; words < 2 && len; words++)
		while (len && id[--len] != '/')
			;
	return len ? mem_strndup(id, len) : NULL;
}

bool import_is_ours(const struct import *m, const struct json_tree *live)
{
	owned(mem) char *group = import_part(json_tree_text(live, "id"), "resourceGroups");

	return group && strcasecmp(group, m->group) == 0 && azure_is_ours(live, m->name);
}

char *import_location(const char *location)
{
	char *text = mem_strdup(location ? location : "");
	size_t n = 0;

	for (const char *c = text; c && *c; c++)
		if (*c != ' ')
			text[n++] = (char)tolower((unsigned char)*c);
	if (text)
		text[n] = 0;
	return text;
}

static void clean(char text[static NAME_MAX_LEN + 1], const char *from)
{
	size_t n = 0;

	for (; *from && n < NAME_MAX_LEN; from++) {
		char c = (char)tolower((unsigned char)*from);
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (plain || (n && strchr("-_.", c)))
			text[n++] = c;
		else if (n)
			text[n++] = '-';
	}
	text[n] = 0;
	if (!n)
		strcpy(text, "hsm");
}

char *import_make_name(const struct fleet *fleet, const char *text, import_taken *taken)
{
	char base[NAME_MAX_LEN + 1], name[NAME_MAX_LEN + 1];

	clean(base, text);
	strcpy(name, base);
	for (unsigned i = 2; taken && taken(fleet, name); i++)
		snprintf(name, sizeof(name), "%.50s-%u", base, i);
	return mem_strdup(name);
}

/* ---- reading ---- */

int import_read(struct import *m, const char *id, enum azure_kind_name kind, struct json_tree **ret, struct err *err)
{
	struct err found = {0};
	int rc = arm_get(m->session.arm, id, azure_api(m->fleet, kind), ret, &found);

	if (rc > 0)
		return rc;
	/* It may be somebody else's: what is known of it is its id. */
	if (rc == 0 || rc == -ERR_DENIED) {
		observer_note(m->call->observer, "%s %s %s: the document holds no more than its id",
			      azure_kinds[kind].noun, id, rc ? "may not be read" : "does not exist");
		return 0;
	}
	*err = found;
	return err_wrap(err, "cannot read %s %s", azure_kinds[kind].noun, id);
}

/* ---- whose fleet ---- */

static const char *mark_of(const struct import_hsm *hsm)
{
	return json_tree_text(json_tree_member(json_tree_get(hsm->live, "tags"), azure_fleet_tag), "");
}

/* The one mark there is: 1, or 0 when there is none. */
static int only_mark(const struct import *m, const char **ret, struct err *err)
{
	const char *mark = NULL;

	for (size_t i = 0; i < m->n_hsms; i++) {
		const char *other = mark_of(&m->hsms[i]);

		if (other && mark && !str_eq(mark, other)) {
			err_set(err, ERR_AMBIGUOUS, "resource group '%s' holds HSMs of the fleets '%s' and '%s'",
				m->group, mark, other);
			return err_hint(err, "choose one with --name");
		}
		mark = mark ? mark : other;
	}
	*ret = mark;
	return mark != NULL;
}

static int choose_name(struct import *m, const char *wanted, struct err *err)
{
	const char *mark = NULL;
	int rc = 0;

	if (wanted && !str_is_name(wanted))
		return err_set(err, ERR_USAGE, "'%s' is no name for a fleet: a-z, 0-9, '-', '_', '.', at most 63",
			       wanted);
	if (!wanted)
		rc = only_mark(m, &mark, err);
	if (rc < 0)
		return rc;
	m->name = wanted ? mem_strdup(wanted) : import_make_name(NULL, mark ? mark : m->group, NULL);
	if (!m->name)
		return err_no_memory(err);
	return fleet_set(&m->fleet->name, m->name, err);
}

static void release_hsm(struct import_hsm *hsm)
{
	json_tree_free(hsm->live);
	json_tree_free(hsm->endpoint);
}

/* What another fleet has is not taken from it. */
static int leave_others(struct import *m, struct err *err)
{
	owned(mem) char *other = NULL;

	for (size_t i = m->n_hsms; i-- > 0;) {
		const char *mark = mark_of(&m->hsms[i]);

		if (!mark || str_eq(mark, m->name))
			continue;
		observer_note(m->call->observer, "%s %s is left out: it belongs to the fleet '%s'",
			      azure_kinds[m->hsms[i].kind].noun, import_name_of(m->hsms[i].live), mark);
		free(other);
		other = mem_strdup(mark);
		release_hsm(&m->hsms[i]);
		json_remove(&m->hsms, &m->n_hsms, sizeof(*m->hsms), i);
	}
	if (m->n_hsms)
		return 0;
	err_set(err, ERR_NOT_FOUND, "resource group '%s' holds no HSM that fleet '%s' can have", m->group, m->name);
	return other ? err_hint(err, "give --name %s", other) : -ERR_NOT_FOUND;
}

/* ---- tags ---- */

static int add_tag(struct import *m, const char *name, const char *value, struct err *err)
{
	struct fleet_azure *azure = &m->fleet->azure;
	struct json_pair *tag;

	tag = json_append(&azure->tags, &azure->n_tags, sizeof(*tag));
	if (!tag)
		return err_no_memory(err);
	tag->name = mem_strdup(name);
	tag->value = mem_strdup(value);
	return tag->name && tag->value ? 0 : err_no_memory(err);
}

/* The tags that hsmctl keeps, in the order in which it lists them. */
static int kept_tags(struct import *m, const struct json_tree *tags, struct err *err)
{
	const char *at = json_tree_text(json_tree_member(tags, azure_names_tag), "");
	int rc = 0;

	while (rc == 0 && at && *at) {
		size_t len = strcspn(at, ",");
		owned(mem) char *name = mem_strndup(at, len);
		const char *value = name ? json_tree_text(json_tree_member(tags, name), "") : NULL;

		if (!name)
			return err_no_memory(err);
		if (value)
			rc = add_tag(m, name, value, err);
		at += len + (at[len] == ',');
	}
	return rc;
}

static bool on_all(const struct import *m, const char *name, const char *value)
{
	for (size_t i = 0; i < m->n_hsms; i++) {
		const struct json_tree *tags = json_tree_get(m->hsms[i].live, "tags");

		if (!str_eq(json_tree_text(json_tree_member(tags, name), ""), value))
			return false;
	}
	return true;
}

/* May a document have it? Some names are reserved, and the list of names has commas. */
static bool is_plain(const char *name)
{
	static const char *const reserved[] = {"microsoft", "azure", "windows", "hsmctl-", NULL};

	for (size_t i = 0; reserved[i]; i++)
		if (strncasecmp(name, reserved[i], strlen(reserved[i])) == 0)
			return false;
	for (const char *c = name; *c; c++)
		if (*c == ',' || (unsigned char)*c < 0x20)
			return false;
	return true;
}

static int common_tags(struct import *m, struct err *err)
{
	const struct json_tree *tags = json_tree_get(m->hsms[0].live, "tags");
	int rc = 0;

	for (size_t i = 0; rc == 0 && json_tree_kind(tags) == JSON_TREE_OBJECT && i < json_tree_count(tags); i++) {
		const char *name = json_tree_name(tags, i), *value = json_tree_text(json_tree_at(tags, i), "");

		if (!value || !on_all(m, name, value))
			continue;
		if (is_plain(name))
			rc = add_tag(m, name, value, err);
		else if (!str_starts(name, "hsmctl-"))
			observer_note(m->call->observer,
				      "the tag '%s' is left out: its name is one that no document can have", name);
	}
	return rc;
}

static int import_tags(struct import *m, struct err *err)
{
	for (size_t i = 0; i < m->n_hsms; i++)
		if (azure_is_ours(m->hsms[i].live, m->name))
			return kept_tags(m, json_tree_get(m->hsms[i].live, "tags"), err);
	return common_tags(m, err);
}

/* ---- the document ---- */

/* Which of the clouds the environment chose: the one tokens are asked for. */
static int set_cloud(struct import *m, struct err *err)
{
	owned(azure_cloud) struct azure_cloud chosen = {0};
	int rc = azure_cloud_init(-1, &chosen, err);

	for (unsigned i = 0; rc == 0 && fleet_azure_cloud_names[i]; i++) {
		owned(azure_cloud) struct azure_cloud cloud = {0};

		rc = azure_cloud_init((int)i, &cloud, err);
		if (rc == 0 && str_eq(cloud.audience, chosen.audience))
			m->fleet->azure.cloud = i;
	}
	return rc;
}

static int set_home(struct import *m, struct err *err)
{
	struct fleet_azure *azure = &m->fleet->azure;
	int rc = set_cloud(m, err);

	if (rc == 0)
		rc = fleet_set(&azure->subscription, m->subscription, err);
	if (rc == 0 && m->call->access && m->call->access->tenant)
		rc = fleet_set(&azure->tenant, m->call->access->tenant, err);
	return rc < 0 ? rc : fleet_set(&azure->resource_group, m->group, err);
}

/* Where the resource group is; said only where it is not where the first HSMs are. */
static int set_location(struct import *m, struct err *err)
{
	struct fleet_azure *azure = &m->fleet->azure;
	owned(mem) char *id = azure_group_id(m->fleet), *location = NULL;
	owned(json_tree) struct json_tree *live = NULL;
	int rc = id ? import_read(m, id, AZURE_GROUP, &live, err) : err_no_memory(err);

	if (rc <= 0)
		return rc;
	location = import_location(json_tree_text(live, "location"));
	if (!location)
		return err_no_memory(err);
	if (!*location || (azure->n_regions && str_eq(azure->regions[0].location, location)))
		return 0;
	return fleet_set(&azure->location, location, err);
}

/* Those that decide what a region's subnets are come first. */
static int rank(const struct import_hsm *hsm)
{
	if (hsm->kind == AZURE_DEDICATED_HSM)
		return 0;
	return hsm->our_endpoint ? 1 : hsm->endpoint ? 2 : 3;
}

static int add_devices(struct import *m, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->n_hsms; i++)
		rc = import_endpoint(m, &m->hsms[i], err);
	for (int turn = 0; rc == 0 && turn <= 3; turn++)
		for (size_t i = 0; rc == 0 && i < m->n_hsms; i++) {
			const char *region;

			if (rank(&m->hsms[i]) != turn)
				continue;
			rc = import_region(m, &m->hsms[i], &region, err);
			if (rc == 0)
				rc = import_device(m, &m->hsms[i], region, err);
		}
	return rc;
}

/* Through the reader: it puts in defaults, and finds what makes no document. */
static int reread(const struct fleet *fleet, struct fleet **ret, struct err *err)
{
	owned(buf) struct buf text = {.max = DOCUMENT_MAX};
	int rc = fleet_write(fleet, &text, err);

	return rc < 0 ? rc : fleet_read((const char *)text.data, text.len, "what was found in Azure", 0, ret, err);
}

static int import(struct import *m, const struct provider_import *what, struct err *err)
{
	int rc = azure_session_open(m->call, NULL, &m->session, err);

	if (rc == 0)
		rc = import_find(m, what->resource_group, err);
	if (rc == 0)
		rc = choose_name(m, what->name, err);
	if (rc == 0)
		rc = leave_others(m, err);
	if (rc == 0)
		rc = set_home(m, err);
	if (rc == 0)
		rc = add_devices(m, err);
	if (rc == 0)
		rc = import_tags(m, err);
	if (rc == 0)
		rc = import_connection(m, err);
	return rc < 0 ? rc : set_location(m, err);
}

static void release(struct import *m)
{
	for (size_t i = 0; i < m->n_hsms; i++)
		release_hsm(&m->hsms[i]);
	for (size_t i = 0; i < m->n_places; i++) {
		struct import_place *place = &m->places[i];

		free(place->region);
		free(place->network);
		free(place->hsm_subnet);
		free(place->client_subnet);
		json_tree_free(place->live);
	}
	for (size_t i = 0; i < m->n_gateway_groups; i++)
		free(m->gateway_groups[i]);
	free(m->gateway_groups);
	free(m->hsms);
	free(m->places);
	json_tree_free(m->gateways);
	free(m->group);
	free(m->name);
	fleet_free(m->fleet);
	azure_session_release(&m->session);
}

static int check_subscription(const char *subscription, struct err *err)
{
	if (!subscription) {
		err_set(err, ERR_INVALID, "no subscription is named");
		return err_hint(err, "give --subscription ID, or set AZURE_SUBSCRIPTION_ID");
	}
	if (strspn(subscription, "0123456789abcdefABCDEF-") == strlen(subscription))
		return 0;
	err_set(err, ERR_INVALID, "'%s' is no id of a subscription", subscription);
	return err_hint(err, "az account list shows the ids");
}

int azure_import(const struct provider_call *call, const struct provider_import *what, struct fleet **ret,
		 struct err *err)
{
	struct import m = {.call = call, .subscription = azure_subscription(call, NULL), .fleet = fleet_new()};
	int rc = m.fleet ? check_subscription(m.subscription, err) : err_no_memory(err);

	if (rc == 0)
		rc = import(&m, what, err);
	if (rc == 0)
		rc = reread(m.fleet, ret, err);
	release(&m);
	return rc;
}
