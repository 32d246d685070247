/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the fields of a live resource that are not as they should be. */
#include "provider/azure/compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "azure/arm.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/azure/layout.h"

enum { PATH_TEXT = 200, VALUE_TEXT = 80, SHOWN = 70 };

struct comparison {
	const struct azure_node *node;
	struct azure_drift *drift;	/* NULL: only whether there is a difference */
	bool differs;
};

/* A value as a person reads it. */
static void show(const struct json_tree *value, char ret[static VALUE_TEXT])
{
	const char *text;
	size_t len;

	switch (json_tree_kind(value)) {
	case JSON_TREE_ABSENT:
		snprintf(ret, VALUE_TEXT, "absent");
		break;
	case JSON_TREE_STRING:
		text = json_tree_text(value, "");
		len = strlen(text);
		/* Ids differ at their ends. */
		if (len > SHOWN && *text == '/')
			snprintf(ret, VALUE_TEXT, "'…%s'", text + len - SHOWN);
		else
			snprintf(ret, VALUE_TEXT, "'%.*s'", SHOWN, text);
		break;
	case JSON_TREE_BOOL:
		snprintf(ret, VALUE_TEXT, "%s", json_tree_bool(value, "", false) ? "true" : "false");
		break;
	case JSON_TREE_LIST:
		snprintf(ret, VALUE_TEXT, "a list of %zu", json_tree_count(value));
		break;
	case JSON_TREE_OBJECT:
		snprintf(ret, VALUE_TEXT, "an object");
		break;
	default:
		snprintf(ret, VALUE_TEXT, "%" PRId64, json_tree_int(value, "", 0));
	}
}

static void note(char text[static AZURE_DRIFT_TEXT], size_t *count, const char *path, const struct json_tree *want,
		 const struct json_tree *have)
{
	char should[VALUE_TEXT], is[VALUE_TEXT];
	size_t len = strlen(text);

	show(want, should);
	show(have, is);
	snprintf(text + len, AZURE_DRIFT_TEXT - len, "%s%s is %s, should be %s", len ? "; " : "", path, is, should);
	err_mask(text);
	++*count;
}

static void differ(struct comparison *c, const char *path, const struct json_tree *want, const struct json_tree *have)
{
	c->differs = true;
	if (c->drift && c->node->kind == AZURE_CLOUD_HSM && str_starts(path, "identity")) {
		c->drift->identity = true;
		note(c->drift->changes_text, &c->drift->changes, path, want, have);
	} else if (c->drift)
		note(c->drift->fields_text, &c->drift->fields, path, want, have);
}

static bool ignored(const struct comparison *c, const char *path)
{
	const char *const *paths = azure_kinds[c->node->kind].ignored;

	for (; paths && *paths; paths++)
		if (str_eq(*paths, path))
			return true;
	return false;
}

static bool same_text(const char *path, const char *a, const char *b)
{
	if (str_eq(path, "location"))
		return azure_same_location(a, b);
	return str_eq(a, b) || (strncasecmp(a, "/subscriptions/", 15) == 0 && strcasecmp(a, b) == 0);
}

/* Of a list none: what Azure says need not be an object. */
static size_t members(const struct json_tree *object)
{
	return json_tree_kind(object) == JSON_TREE_OBJECT ? json_tree_count(object) : 0;
}

/* The member of that name; ids in names count in any case, and references under both names
 * that versions have for them. */
static const struct json_tree *member(const struct json_tree *object, const char *name)
{
	const struct json_tree *found = json_tree_member(object, name);

	if (!found && str_eq(name, "id"))
		found = json_tree_member(object, "resourceId");
	if (!found && str_eq(name, "resourceId"))
		found = json_tree_member(object, "id");
	if (!found && str_eq(name, "addressPrefix"))
		found = json_tree_at(json_tree_member(object, "addressPrefixes"), 0);
	for (size_t i = 0; !found && *name == '/' && i < members(object); i++)
		if (strcasecmp(json_tree_name(object, i), name) == 0)
			return json_tree_at(object, i);
	return found;
}

static void compare(struct comparison *c, const char *path, const struct json_tree *want,
		    const struct json_tree *have);

static void compare_object(struct comparison *c, const char *path, const struct json_tree *want,
			   const struct json_tree *have)
{
	/* An empty one is there, or it is not. */
	if (!json_tree_count(want) && json_tree_kind(have) != JSON_TREE_OBJECT)
		differ(c, path, want, have);
	for (size_t i = 0; i < json_tree_count(want); i++) {
		const char *name = json_tree_name(want, i);
		char inner[PATH_TEXT];

		snprintf(inner, sizeof(inner), "%s%s%s", path, *path ? "." : "", name);
		if (!ignored(c, inner) && !str_eq(inner, "tags") && !str_eq(inner, "name"))
			compare(c, inner, json_tree_at(want, i), member(have, name));
	}
}

static bool found_in(const struct comparison *c, const char *path, const struct json_tree *want,
		     const struct json_tree *list)
{
	for (size_t i = 0; i < json_tree_count(list); i++) {
		struct comparison quiet = {.node = c->node};

		compare(&quiet, path, want, json_tree_at(list, i));
		if (!quiet.differs)
			return true;
	}
	return false;
}

static void compare_list(struct comparison *c, const char *path, const struct json_tree *want,
			 const struct json_tree *have)
{
	bool alone = json_tree_count(want) == 1 && json_tree_count(have) == 1;

	for (size_t i = 0; i < json_tree_count(want); i++) {
		const struct json_tree *element = json_tree_at(want, i);
		char inner[PATH_TEXT];

		snprintf(inner, sizeof(inner), "%s.%zu", path, i);
		if (alone)
			compare(c, inner, element, json_tree_at(have, 0));
		else if (!found_in(c, inner, element, have))
			differ(c, inner, element, NULL);
	}
}

static void compare(struct comparison *c, const char *path, const struct json_tree *want,
		    const struct json_tree *have)
{
	enum json_tree_kind kind = json_tree_kind(want);

	if (kind == JSON_TREE_OBJECT)
		compare_object(c, path, want, have);
	else if (kind == JSON_TREE_LIST)
		compare_list(c, path, want, have);
	else if (kind == JSON_TREE_STRING) {
		const char *is = json_tree_text(have, "");

		if (!is || !same_text(path, json_tree_text(want, ""), is))
			differ(c, path, want, have);
	} else if (!json_tree_equal(want, have))
		differ(c, path, want, have);
}

/* ---- tags: their names are the same in any case, their values are not ---- */

static const struct json_tree *tag(const struct json_tree *tags, const char *name)
{
	for (size_t i = 0; i < members(tags); i++)
		if (strcasecmp(json_tree_name(tags, i), name) == 0)
			return json_tree_at(tags, i);
	return NULL;
}

/* Is name one that we kept, by the list the resource itself carries? */
static bool kept_by_us(const struct json_tree *tags, const char *name)
{
	const char *list = json_tree_text(tag(tags, azure_names_tag), "");
	size_t len = strlen(name);

	if (strcasecmp(name, azure_names_tag) == 0)
		return true;
	for (const char *at = list; at && *at; at += *at == ',') {
		size_t word = strcspn(at, ",");

		if (word == len && strncasecmp(at, name, len) == 0)
			return true;
		at += word;
	}
	return false;
}

static void compare_tags(const struct azure_node *node, const struct json_tree *live, struct azure_drift *drift)
{
	const struct json_tree *want = json_tree_get(node->body, "tags"), *have = json_tree_get(live, "tags");
	char path[PATH_TEXT];

	for (size_t i = 0; i < json_tree_count(want); i++) {
		const char *name = json_tree_name(want, i);
		const struct json_tree *is = tag(have, name);

		snprintf(path, sizeof(path), "tags.%s", name);
		if (!json_tree_equal(json_tree_at(want, i), is))
			note(drift->changes_text, &drift->changes, path, json_tree_at(want, i), is);
	}
	for (size_t i = 0; i < members(have); i++) {
		const char *name = json_tree_name(have, i);

		snprintf(path, sizeof(path), "tags.%s", name);
		if (kept_by_us(have, name) && !tag(want, name))
			note(drift->changes_text, &drift->changes, path, NULL, json_tree_at(have, i));
	}
}

int azure_tags_wanted(const struct azure_node *node, const struct json_tree *live, struct json_tree **ret,
		      struct err *err)
{
	const struct json_tree *want = json_tree_get(node->body, "tags"), *have = json_tree_get(live, "tags");
	owned(json_tree) struct json_tree *tags = json_tree_object();
	int rc = tags ? 0 : err_no_memory(err);

	for (size_t i = 0; rc == 0 && i < members(have); i++)
		if (!kept_by_us(have, json_tree_name(have, i)) && !tag(want, json_tree_name(have, i)))
			rc = json_tree_set_member(tags, json_tree_name(have, i),
						  json_tree_copy(json_tree_at(have, i)), err);
	for (size_t i = 0; rc == 0 && i < json_tree_count(want); i++)
		rc = json_tree_set_member(tags, json_tree_name(want, i), json_tree_copy(json_tree_at(want, i)), err);
	if (rc == 0)
		*ret = own_take(tags);
	return rc;
}

const char *azure_address_of(enum azure_kind_name kind, const struct json_tree *live)
{
	switch (kind) {
	case AZURE_DEDICATED_HSM:
		return json_tree_text(live, "properties.networkProfile.networkInterfaces.0.privateIpAddress");
	case AZURE_PRIVATE_ENDPOINT:
		return json_tree_text(live, "properties.customDnsConfigs.0.ipAddresses.0");
	case AZURE_ZONE_GROUP:
		/* The endpoint is silent once a zone knows. */
		return json_tree_text(live, "properties.privateDnsZoneConfigs.0.properties.recordSets.0.ipAddresses.0");
	default:
		return NULL;
	}
}

static int hint_again(const struct azure_node *node, struct err *err)
{
	if (node->device)
		return err_hint(err, "what keys it has are lost by it: hsmctl device decommission %s, then apply again",
				node->device->name);
	return err_hint(err, "remove it in Azure, then apply again");
}

int azure_check_state(const struct azure_node *node, const struct json_tree *live, struct err *err)
{
	const char *state = arm_state(live), *why = json_tree_text(live, "properties.statusMessage");

	if (!arm_state_final(state) || arm_state_is(state, "Succeeded"))
		return 0;
	err_set(err, ERR_FAILED, "it is in state %s%s%s", state, why ? ": " : "", why ? why : "");
	return hint_again(node, err);
}

int azure_check_fields(const struct azure_node *node, const struct azure_drift *drift, struct err *err)
{
	if (!drift->fields)
		return 0;
	err_set(err, ERR_UNSUPPORTED, "%s; that is not changed once it is made", drift->fields_text);
	if (node->device)
		return err_hint(err, "write what is there into the document; or, which loses its keys, "
				     "hsmctl device decommission %s, then apply again", node->device->name);
	return err_hint(err, "write what is there into the document, or remove it in Azure and apply again");
}

bool azure_may_put_again(const struct azure_node *node, const struct json_tree *live)
{
	struct azure_drift drift;

	if (!azure_kinds[node->kind].put_again || node->external || !arm_state_is(arm_state(live), "Failed"))
		return false;
	azure_compare(node, live, &drift);
	return !drift.fields;
}

bool azure_is_dead_end(const struct azure_node *node, const struct json_tree *live)
{
	const char *state = json_tree_text(live, "properties.peeringState");

	return node->kind == AZURE_PEERING && state && arm_state_is(state, "Disconnected");
}

const char *azure_owner(const struct json_tree *live)
{
	return json_tree_text(tag(json_tree_get(live, "tags"), azure_fleet_tag), "");
}

bool azure_is_ours(const struct json_tree *live, const char *fleet)
{
	return str_eq(azure_owner(live), fleet);
}

bool azure_is_our_group(const struct json_tree *live, const char *fleet)
{
	return str_eq(json_tree_text(tag(json_tree_get(live, "tags"), azure_group_tag), ""), fleet);
}

int azure_check_owner(const struct azure_node *node, const struct json_tree *live, const char *fleet,
		      struct err *err)
{
	const char *id = node->device ? node->device->azure.id : NULL, *other = azure_owner(live);

	if (!azure_kinds[node->kind].tagged || node->external || azure_is_ours(live, fleet) ||
	    (!other && id && strcasecmp(id, node->id) == 0))
		return 0;
	if (other)
		err_set(err, ERR_EXISTS, "%s exists already and belongs to the fleet '%s'", node->label, other);
	else
		err_set(err, ERR_EXISTS, "%s exists already, and is not marked as this fleet's", node->label);
	return err_hint(err, "give it the tag %s=%s to hand it over, or choose other names", azure_fleet_tag, fleet);
}

void azure_compare(const struct azure_node *node, const struct json_tree *live, struct azure_drift *ret)
{
	struct comparison c = {.node = node, .drift = ret};

	*ret = (struct azure_drift){0};
	if (!node->body)
		return;
	compare(&c, "", node->body, live);
	if (azure_kinds[node->kind].tagged)
		compare_tags(node, live, ret);
}
