/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the HSMs of a subscription, and the resource group that is meant. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/observer.h"
#include "base/str.h"
#include "provider/azure/import_private.h"

enum { KINDS = 2, NAMES_TEXT = 300 };

static const enum azure_kind_name kinds[KINDS] = {AZURE_DEDICATED_HSM, AZURE_CLOUD_HSM};

/* By kind, as above. */
struct listing {
	struct json_tree *of[KINDS];
};

static void listing_release(struct listing *listing)
{
	for (int i = 0; i < KINDS; i++)
		json_tree_free(listing->of[i]);
}
OWN_DEFINE_RELEASE(listing)

static int list_all(struct import *m, struct listing *ret, struct err *err)
{
	int rc = 0;

	for (int i = 0; rc >= 0 && i < KINDS; i++) {
		owned(mem) char *id =
			mem_printf("/subscriptions/%s/providers/%s", m->subscription, azure_kinds[kinds[i]].type);

		observer_step(m->call->observer, m->subscription, "looking for HSMs", (size_t)i, KINDS);
		rc = id ? arm_list(m->session.arm, id, azure_api(m->fleet, kinds[i]), &ret->of[i], err)
			: err_no_memory(err);
	}
	return rc < 0 ? err_wrap(err, "cannot list the HSMs of subscription '%s'", m->subscription) : 0;
}

/* They hold no keys of PKCS#11. */
static bool is_payment(const struct json_tree *hsm)
{
	const char *sku = json_tree_text(hsm, "sku.name");

	return sku && strncasecmp(sku, "payShield", strlen("payShield")) == 0;
}

/* ---- the resource group ---- */

struct groups {
	char **names;
	size_t n;
};

static void groups_release(struct groups *groups)
{
	for (size_t i = 0; i < groups->n; i++)
		free(groups->names[i]);
	free(groups->names);
}
OWN_DEFINE_RELEASE(groups)

static int add_group(struct groups *groups, const struct json_tree *hsm, struct err *err)
{
	owned(mem) char *name = import_part(json_tree_text(hsm, "id"), "resourceGroups");
	char **slot;

	for (size_t i = 0; name && i < groups->n; i++)
		if (strcasecmp(groups->names[i], name) == 0)
			return 0;
	if (!name)
		return err_set(err, ERR_PROTOCOL, "an HSM is in no resource group: '%s'", json_tree_text(hsm, "id"));
	slot = json_append(&groups->names, &groups->n, sizeof(*slot));
	if (!slot)
		return err_no_memory(err);
	*slot = own_take(name);
	return 0;
}

static int find_groups(const struct listing *listing, struct groups *ret, struct err *err)
{
	int rc = 0;

	for (int k = 0; k < KINDS; k++)
		for (size_t i = 0; rc == 0 && i < json_tree_count(listing->of[k]); i++) {
			const struct json_tree *hsm = json_tree_at(listing->of[k], i);

			rc = is_payment(hsm) ? 0 : add_group(ret, hsm, err);
		}
	return rc;
}

static void join_names(const struct groups *groups, char ret[static NAMES_TEXT])
{
	size_t len = 0;

	*ret = 0;
	for (size_t i = 0; i < groups->n && len < NAMES_TEXT; i++)
		len += (size_t)snprintf(ret + len, NAMES_TEXT - len, "%s'%s'", i ? ", " : "", groups->names[i]);
}

static int not_there(const struct import *m, const struct groups *groups, const char *wanted, struct err *err)
{
	char names[NAMES_TEXT];

	join_names(groups, names);
	if (!groups->n) {
		err_set(err, ERR_NOT_FOUND, "subscription '%s' holds no dedicated HSM and no Cloud HSM cluster",
			m->subscription);
		return err_hint(err, "another one is chosen with --subscription");
	}
	err_set(err, ERR_NOT_FOUND, "resource group '%s' holds no dedicated HSM and no Cloud HSM cluster", wanted);
	return err_hint(err, "there are some in %.220s", names);
}

static int choose_group(struct import *m, const struct groups *groups, const char *wanted, struct err *err)
{
	const char *found = !wanted && groups->n == 1 ? groups->names[0] : NULL;
	char names[NAMES_TEXT];

	for (size_t i = 0; wanted && i < groups->n; i++)
		if (strcasecmp(groups->names[i], wanted) == 0)
			found = groups->names[i];
	if (!found && (wanted || !groups->n))
		return not_there(m, groups, wanted, err);
	if (!found) {
		join_names(groups, names);
		err_set(err, ERR_AMBIGUOUS, "there are HSMs in several resource groups: %s", names);
		return err_hint(err, "choose one with --resource-group");
	}
	m->group = mem_strdup(found);
	return m->group ? 0 : err_no_memory(err);
}

/* ---- its HSMs ---- */

static bool is_in(const struct import *m, const struct json_tree *hsm)
{
	owned(mem) char *group = import_part(json_tree_text(hsm, "id"), "resourceGroups");

	return group && strcasecmp(group, m->group) == 0;
}

/* Why it is not taken; NULL: it is. */
static const char *why_not(const struct json_tree *hsm, enum azure_kind_name kind)
{
	if (is_payment(hsm))
		return "it is a payment HSM, which hsmctl does not make";
	if (arm_state_is(arm_state(hsm), "Deleting"))
		return "it is being deleted";
	if (kind == AZURE_DEDICATED_HSM && !json_tree_text(hsm, "properties.stampId") &&
	    !json_tree_text(hsm, "zones.0"))
		return "Azure names neither its stamp nor its zone";
	return NULL;
}

static int add_hsm(struct import *m, enum azure_kind_name kind, const struct json_tree *listed, struct err *err)
{
	owned(json_tree) struct json_tree *live = NULL;
	const char *id = json_tree_text(listed, "id"), *why;
	struct import_hsm *hsm;
	int rc = import_read(m, id, kind, &live, err);

	if (rc <= 0)
		return rc;
	why = why_not(live, kind);
	if (why) {
		observer_note(m->call->observer, "%s %s is left out: %s", azure_kinds[kind].noun, import_name_of(live),
			      why);
		return 0;
	}
	hsm = json_append(&m->hsms, &m->n_hsms, sizeof(*hsm));
	if (!hsm)
		return err_no_memory(err);
	hsm->kind = kind;
	hsm->live = own_take(live);
	return 0;
}

static int add_hsms(struct import *m, const struct listing *listing, struct err *err)
{
	int rc = 0;

	for (int k = 0; k < KINDS; k++)
		for (size_t i = 0; rc == 0 && i < json_tree_count(listing->of[k]); i++) {
			const struct json_tree *hsm = json_tree_at(listing->of[k], i);

			rc = is_in(m, hsm) ? add_hsm(m, kinds[k], hsm, err) : 0;
		}
	if (rc < 0 || m->n_hsms)
		return rc;
	return err_set(err, ERR_NOT_FOUND, "resource group '%s' holds no HSM that can be imported", m->group);
}

int import_find(struct import *m, const char *wanted, struct err *err)
{
	owned(listing) struct listing listing = {0};
	owned(groups) struct groups groups = {0};
	int rc = list_all(m, &listing, err);

	if (rc == 0)
		rc = find_groups(&listing, &groups, err);
	if (rc == 0)
		rc = choose_group(m, &groups, wanted, err);
	return rc < 0 ? rc : add_hsms(m, &listing, err);
}
