/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at the keys of a group. */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "key/key.h"
#include "replica/key.h"

static const struct json_field view_fields[] = {
	JSON_F_STRING(struct key_view, label, JSON_COLUMN, "CKA_LABEL as applications see it"),
	JSON_F_STRING(struct key_view, id, JSON_COLUMN, "CKA_ID as applications see it, hex"),
	JSON_F_STRING(struct key_view, type, JSON_COLUMN, "key type"),
	JSON_F_STRING(struct key_view, class, 0, "private (a pair) or secret"),
	JSON_F_INT(struct key_view, replicas, JSON_COLUMN, 0, 0, "members that list it"),
	JSON_F_INT(struct key_view, members, JSON_COLUMN, 0, 0, "members of the group"),
	JSON_F_END
};
const struct json_type key_view_type = {.summary = "A key", .size = sizeof(struct key_view), .fields = view_fields};

const struct json_type key_document_type = {
	.schema = "key", .summary = "A key", .size = sizeof(struct key_view), .fields = view_fields,
};

int key_view_fill(struct key_view *view, const struct record *record, int64_t replicas, int64_t members, struct err *err)
{
	const CK_ATTRIBUTE *id = p11_attrs_find(&record->objects[0], CKA_ID);
	char label[256];

	view->label = mem_strdup(record_label(record, label, sizeof(label)));
	view->id = mem_zalloc(id ? 2 * id->ulValueLen + 1 : 1);
	view->type = mem_strdup(key_kind_of(record));
	view->class = mem_strdup(key_class_of(record));
	view->replicas = replicas;
	view->members = members;
	if (!view->label || !view->id || !view->type || !view->class)
		return err_no_memory(err);
	if (id)
		str_hex(id->pValue, id->ulValueLen, view->id);
	return 0;
}

void key_look_release(struct key_look *look)
{
	census_release(&look->census);
	replica_sites_release(&look->sites);
	admin_release(&look->admin);
}

int key_look_open(struct cli *cli, const char *group, struct key_look *ret, struct err *err)
{
	int rc = admin_open(cli, group, &ret->admin, err);

	if (rc == 0)
		rc = replica_sites_open(ret->admin.set, UINT32_MAX, &ret->sites, err);
	if (rc == 0)
		rc = census_take(&ret->sites, NULL, &ret->census, err);
	if (rc == 0 && !replica_sites_up(&ret->sites)) {
		err_set(err, ERR_UNREACHABLE, "no member of '%s' can be reached", group);
		return err_hint(err, "hsmctl status %s", group);
	}
	return rc;
}

int64_t key_look_replicas(const struct key_look *look, const struct census_key *key)
{
	int64_t replicas = 0;

	for (size_t s = 0; s < look->sites.count; s++)
		replicas += look->sites.sites[s].channel && key->copies[s].objects[0] != CK_INVALID_HANDLE;
	return replicas;
}

int key_look_find(const struct key_look *look, const char *label, const char *id, const struct census_key **ret,
		  struct err *err)
{
	const struct census_key *found = NULL;
	size_t count = 0;

	for (size_t k = 0; k < look->census.n_keys; k++) {
		const struct census_key *key = &look->census.keys[k];
		struct key_view view = {0};
		bool match;

		if (!key->truth || key->truth->state != RECORD_LIVE)
			continue;
		if (key_view_fill(&view, key->truth, 0, 0, err) < 0)
			return err_no_memory(err);
		match = strcmp(view.label, label) == 0 && (!id || strcmp(view.id, id) == 0);
		json_release(&key_view_type, &view);
		if (!match)
			continue;
		found = key;
		count++;
	}
	if (count == 0) {
		err_set(err, ERR_NOT_FOUND, "no key '%s' in group '%s'", label, look->admin.group->name);
		return err_hint(err, "hsmctl key list %s", look->admin.group->name);
	}
	if (count > 1) {
		err_set(err, ERR_AMBIGUOUS, "%zu keys are called '%s'", count, label);
		return err_hint(err, "name one with --id; hsmctl key list %s", look->admin.group->name);
	}
	*ret = found;
	return 0;
}
