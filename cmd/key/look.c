/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at the keys of a group. */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/observer.h"
#include "base/str.h"
#include "cli/cli.h"
#include "key/key.h"
#include "replica/key.h"

enum { NOTE_MAX = 4096, ID_MAX = 256 };

static const struct json_field view_fields[] = {
	JSON_F_STRING(struct key_view, label, JSON_COLUMN, "CKA_LABEL as applications see it"),
	JSON_F_STRING(struct key_view, id, JSON_COLUMN, "CKA_ID as applications see it, hex"),
	JSON_F_STRING(struct key_view, type, JSON_COLUMN, "key type"),
	JSON_F_STRING(struct key_view, class, 0, "private (a pair) or secret"),
	JSON_F_INT(struct key_view, replicas, JSON_COLUMN, 0, 0, "members that list it; of a deletion, that gave it up"),
	JSON_F_INT(struct key_view, members, JSON_COLUMN | JSON_WIDE, 0, 0, "members of the group"),
	JSON_F_STRINGS(struct key_view, missing_on, JSON_COLUMN, "members that lack it, until their next sync"),
	JSON_F_STRINGS(struct key_view, still_on, JSON_OMIT, "of a deletion: members that keep it until their next sync"),
	JSON_F_END
};
const struct json_type key_view_type = {.summary = "A key", .size = sizeof(struct key_view), .fields = view_fields};

const struct json_type key_document_type = {
	.schema = "key", .summary = "A key", .size = sizeof(struct key_view), .fields = view_fields,
};

int key_view_fill(struct key_view *view, const struct record *record, const struct replica_sites *sites, uint32_t have,
		  struct err *err)
{
	const CK_ATTRIBUTE *id = p11_attrs_find(&record->objects[0], CKA_ID);

	view->label = key_label(&record->objects[0]);
	view->id = mem_zalloc(id ? 2 * id->ulValueLen + 1 : 1);
	view->type = mem_strdup(key_kind_of(record));
	view->class = mem_strdup(key_class_of(record));
	view->replicas = __builtin_popcount(have);
	view->members = (int64_t)sites->count;
	if (!view->label || !view->id || !view->type || !view->class)
		return err_no_memory(err);
	if (id)
		str_hex(id->pValue, id->ulValueLen, view->id);
	return 0;
}

int key_names(const struct replica_sites *sites, uint32_t mask, char ***ret, size_t *count, struct err *err)
{
	for (size_t s = 0; s < sites->count; s++) {
		char **name;

		if (!(mask & 1u << s))
			continue;
		name = json_append(ret, count, sizeof(*name));
		if (!name || !(*name = mem_strdup(sites->sites[s].of->name)))
			return err_no_memory(err);
	}
	return 0;
}

void key_note(struct cli *cli, const struct replica_sites *sites, uint32_t mask, const char *before, const char *after)
{
	owned(buf) struct buf names = {.max = NOTE_MAX};

	for (size_t s = 0; s < sites->count; s++)
		if (mask & 1u << s)
			buf_printf(&names, "%s '%s'", names.len ? "," : "", sites->sites[s].of->name);
	if (names.len)
		observer_note(cli->observer, "%s%s%s", before, buf_text(&names), after);
}

void key_look_release(struct key_look *look)
{
	census_release(&look->census);
	replica_sites_release(&look->sites);
	admin_release(&look->admin);
}

int key_look_read(struct cli *cli, struct key_look *look, struct err *err)
{
	const char *group = look->admin.group->name;
	int rc;

	observer_step(cli->observer, group, "reading its keys", 0, 0);
	rc = replica_sites_open(look->admin.set, UINT32_MAX, &look->sites, err);
	if (rc == 0)
		rc = census_take(&look->sites, NULL, &look->census, err);
	if (rc == 0 && !replica_sites_up(&look->sites)) {
		err_set(err, ERR_UNREACHABLE, "no member of '%s' can be reached", group);
		return err_hint(err, "hsmctl status %s", group);
	}
	return rc;
}

int key_look_open(struct cli *cli, const char *group, struct key_look *ret, struct err *err)
{
	int rc = admin_open(cli, group, &ret->admin, err);

	return rc < 0 ? rc : key_look_read(cli, ret, err);
}

uint32_t key_look_sites(const struct key_look *look, const struct census_key *key)
{
	uint32_t have = 0;

	for (size_t s = 0; s < look->sites.count; s++)
		if (look->sites.sites[s].channel && census_is_here(key, s))
			have |= 1u << s;
	return have;
}

bool key_look_is_live(const struct census_key *key)
{
	return key->truth && key->truth->state == RECORD_LIVE && !record_is_all(key->truth);
}

static int read_id(const char *hex, uint8_t id[static ID_MAX], size_t *ret_len, struct err *err)
{
	size_t len = strlen(hex) / 2;

	if (len == 0 || len > ID_MAX || !str_unhex(hex, id, len))
		return err_set(err, ERR_USAGE, "'%.80s' is no id: two hexadecimal digits for each byte", hex);
	*ret_len = len;
	return 0;
}

/* None or several: say which key was asked for. */
static int found(const struct key_look *look, size_t count, const char *label, const char *id, struct err *err)
{
	const char *group = look->admin.group->name;

	if (count == 0) {
		err_set(err, ERR_NOT_FOUND, "no key '%s'%s%.80s%s in group '%s'", label, id ? " with id '" : "", id ? id : "",
			id ? "'" : "", group);
		return err_hint(err, "hsmctl key list %s", group);
	}
	if (count > 1) {
		err_set(err, ERR_AMBIGUOUS, "%zu keys are called '%s'", count, label);
		return err_hint(err, "name one with --id; hsmctl key list %s", group);
	}
	return 0;
}

int key_look_find(const struct key_look *look, const char *label, const char *id, const struct census_key **ret,
		  struct err *err)
{
	uint8_t bytes[ID_MAX];
	CK_ATTRIBUTE wanted[] = {{CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}, {CKA_ID, bytes, 0}};
	size_t count = 0, len = 0;
	int rc = id ? read_id(id, bytes, &len, err) : 0;

	if (rc < 0)
		return rc;
	wanted[1].ulValueLen = len;
	for (size_t k = 0; k < look->census.n_keys; k++) {
		const struct census_key *key = &look->census.keys[k];

		if (!key_look_is_live(key) || !p11_attrs_match(&key->truth->objects[0], wanted, id ? 2 : 1))
			continue;
		*ret = key;
		count++;
	}
	return found(look, count, label, id, err);
}

/* TAB runs no program and asks nobody. */
static bool pin_is_at_hand(struct cli *cli, const char *group)
{
	owned(store) struct store *store = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	struct fleet_group *at;

	return store_open(cli_store_url(cli), 0, &store, NULL) == 0 && store_read(store, &fleet, NULL) == 0 &&
	       fleet_find_group(fleet, group, &at, NULL) == 0 && at->pin_source &&
	       (str_starts(at->pin_source, "file:") || str_starts(at->pin_source, "env:"));
}

void key_complete_labels(struct cli *cli, struct cli_completion *c)
{
	owned(key_look) struct key_look look = {0};
	const char *group = cli_given(c, "GROUP");
	struct err ignored;

	if (!group || !pin_is_at_hand(cli, group) || key_look_open(cli, group, &look, &ignored) < 0)
		return;
	for (size_t k = 0; k < look.census.n_keys; k++) {
		owned(mem) char *label = key_look_is_live(&look.census.keys[k]) ? key_label(&look.census.keys[k].truth->objects[0]) : NULL;

		if (label && *label)
			cli_candidate(c, label);
	}
}
