/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl key delete: a key and its public half, on all members, for good. */
#include <stdio.h>

#include "base/err.h"
#include "cli/cli.h"
#include "key/key.h"
#include "replica/write.h"

struct delete {
	const char *group, *label, *id;
	bool force;
};

static const struct cli_param options[] = {
	CLI_OPT_STRING(struct delete, id, 0, "id", "HEX", NULL, "CKA_ID, when several keys have the label"),
	CLI_OPT_FLAG(struct delete, force, 0, "force", "Also a key whose maker said that it is not destroyed"),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct delete, group, "GROUP", admin_complete_groups, CLI_REQUIRED, "Group of the key"),
	CLI_ARG(struct delete, label, "LABEL", key_complete_labels, CLI_REQUIRED, "Label of the key"),
	CLI_END
};

/* Delete it and say what of it was done. */
static int destroy(struct key_look *look, const struct census_key *key, const struct delete *a, struct key_view *view,
		   uint32_t *ret_left, struct err *err)
{
	owned(store_deed) struct store_deed *deed = NULL;
	uint32_t had = key_look_sites(look, key), took = 0;
	int rc = store_deed_begin(look->admin.store, "key delete", a->group, a->label, &deed, err);

	if (rc < 0)
		return rc;
	rc = replica_destroy(&look->sites, key->truth, &took, err);
	if (rc == 0)
		rc = admin_keep_marks(&look->admin, err);
	store_deed_end(deed, NULL, rc, err);
	*ret_left = ~took;
	if (rc == 0)
		rc = key_view_fill(view, key->truth, &look->sites, had & took, err);
	return rc < 0 ? rc : key_names(&look->sites, *ret_left, &view->still_on, &view->n_still_on, err);
}

static int check_destroyable(const struct delete *a, const struct record *record, struct err *err)
{
	if (a->force || key_is_destroyable(record))
		return 0;
	err_set(err, ERR_DENIED, "'%s' was made as a key that is not destroyed (CKA_DESTROYABLE)", a->label);
	return err_hint(err, "--force deletes it all the same");
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct delete *a = data;
	owned(key_look) struct key_look look = {0};
	const struct census_key *key;
	struct key_view view = {0};
	uint32_t left = 0;
	char question[300];
	int rc = key_look_open(cli, a->group, &look, err);

	if (rc == 0)
		rc = key_look_find(&look, a->label, a->id, &key, err);
	if (rc == 0)
		rc = check_destroyable(a, key->truth, err);
	snprintf(question, sizeof(question), "delete key '%.100s' from every member of '%.64s', for good?", a->label, a->group);
	if (rc == 0)
		rc = cli_confirm(cli, question, NULL, err);
	if (rc == 0)
		rc = destroy(&look, key, a, &view, &left, err);
	if (rc == 0)
		rc = admin_emit(cli, look.admin.store, &key_document_type, &view, err);
	json_release(&key_view_type, &view);
	if (rc == 0)
		key_note(cli, &look.sites, left, "the key is still on", "; the next sync removes it there");
	return rc;
}

const struct cli_command key_delete_command = {
	.name = "delete", .summary = "Delete a key from every member, for good", .flags = CLI_DESTROYS | CLI_CHANGES,
	.options = options, .args = args, .args_size = sizeof(struct delete), .output = &key_document_type, .run = run,
};
