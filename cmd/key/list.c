/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl key list, key show: keys of a group and who lists them. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cli/cli.h"
#include "key/key.h"

struct list {
	const char *group, *label, *id;
};

static const struct cli_param none[] = {CLI_END};
static const struct cli_param list_args[] = {
	CLI_ARG(struct list, group, "GROUP", admin_complete_groups, CLI_REQUIRED, "Group whose keys to list"),
	CLI_END
};
static const struct cli_param show_options[] = {
	CLI_OPT_STRING(struct list, id, 0, "id", "HEX", NULL, "CKA_ID, when several keys have the label"),
	CLI_END
};
static const struct cli_param show_args[] = {
	CLI_ARG(struct list, group, "GROUP", admin_complete_groups, CLI_REQUIRED, "Group of the key"),
	CLI_ARG(struct list, label, "LABEL", key_complete_labels, CLI_REQUIRED, "Label of the key"),
	CLI_END
};

struct rows {
	struct key_view *keys;
	size_t n_keys;
	char **not_asked;
	size_t n_not_asked;
};
static const struct json_field fields[] = {
	JSON_F_LIST(struct rows, keys, JSON_COLUMN, key_view_type, "live keys by label and id; a pair is one key"),
	JSON_F_STRINGS(struct rows, not_asked, 0, "members that are away: what they have is not known"),
	JSON_F_END
};
static const struct json_type rows_type = {
	.schema = "keys", .summary = "The keys of a group", .size = sizeof(struct rows), .fields = fields,
};

static int fill(const struct key_look *look, const struct census_key *key, struct key_view *view, struct err *err)
{
	uint32_t have = key_look_sites(look, key), asked = replica_sites_up(&look->sites);
	int rc = key_view_fill(view, key->truth, &look->sites, have, err);

	return rc < 0 ? rc : key_names(&look->sites, asked & ~have, &view->missing_on, &view->n_missing_on, err);
}

static int by_label_and_id(const void *a, const void *b)
{
	const struct key_view *left = a, *right = b;
	int order = strcmp(left->label, right->label);

	return order ? order : strcmp(left->id, right->id);
}

static int fill_rows(const struct key_look *look, struct rows *rows, struct err *err)
{
	int rc = key_names(&look->sites, ~replica_sites_up(&look->sites), &rows->not_asked, &rows->n_not_asked, err);

	for (size_t k = 0; rc == 0 && k < look->census.n_keys; k++) {
		const struct census_key *key = &look->census.keys[k];
		struct key_view *row;

		if (!key_look_is_live(key))
			continue;
		row = json_append(&rows->keys, &rows->n_keys, sizeof(*row));
		rc = row ? fill(look, key, row, err) : err_no_memory(err);
	}
	if (rc == 0 && rows->n_keys)
		qsort(rows->keys, rows->n_keys, sizeof(*rows->keys), by_label_and_id);
	return rc;
}

/* What is not known must not look like what is not there. */
static void note_absent(struct cli *cli, const struct key_look *look)
{
	key_note(cli, &look->sites, ~replica_sites_up(&look->sites), "away, so not asked:", "");
}

static int list(struct cli *cli, const void *data, struct err *err)
{
	const struct list *a = data;
	owned(key_look) struct key_look look = {0};
	struct rows rows = {0};
	int rc = key_look_open(cli, a->group, &look, err);

	if (rc == 0)
		rc = fill_rows(&look, &rows, err);
	if (rc == 0)
		rc = cli_emit(cli, &rows_type, &rows, err);
	if (rc == 0)
		note_absent(cli, &look);
	json_release(&rows_type, &rows);
	return rc;
}

static int show(struct cli *cli, const void *data, struct err *err)
{
	const struct list *a = data;
	owned(key_look) struct key_look look = {0};
	const struct census_key *key;
	struct key_view view = {0};
	int rc = key_look_open(cli, a->group, &look, err);

	if (rc == 0)
		rc = key_look_find(&look, a->label, a->id, &key, err);
	if (rc == 0)
		rc = fill(&look, key, &view, err);
	if (rc == 0)
		rc = cli_emit(cli, &key_document_type, &view, err);
	if (rc == 0)
		note_absent(cli, &look);
	json_release(&key_view_type, &view);
	return rc;
}

const struct cli_command key_list_command = {
	.name = "list", .summary = "List the keys of a group, and who lacks them",
	.options = none, .args = list_args, .args_size = sizeof(struct list), .output = &rows_type, .run = list,
};
const struct cli_command key_show_command = {
	.name = "show", .summary = "Show one key",
	.options = show_options, .args = show_args, .args_size = sizeof(struct list), .output = &key_document_type, .run = show,
};
