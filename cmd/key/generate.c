/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl key generate: a new key on the members of a group. */
#include "base/err.h"
#include "cli/cli.h"
#include "key/key.h"
#include "replica/key.h"
#include "replica/write.h"

struct generate {
	const char *group, *label;
	unsigned type;
};

static const struct cli_param options[] = {
	{.kind = CLI_CHOICE, .letter = 't', .name = "type", .names = key_kind_names, .flags = CLI_REQUIRED,
	 .offset = CLI_FIELD_(struct generate, type, unsigned), .summary = "Kind of key"},
	{.kind = CLI_STRING, .letter = 'l', .name = "label", .value = "LABEL", .flags = CLI_REQUIRED,
	 .offset = CLI_FIELD_(struct generate, label, const char *), .summary = "CKA_LABEL of the new key"},
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct generate, group, "GROUP", admin_complete_groups, CLI_REQUIRED, "Group that gets the key"),
	CLI_END
};

static int make(struct key_look *look, const struct generate *a, struct key_view *view, struct err *err)
{
	owned(key_request) struct key_request request = {0};
	owned(record) struct record record = {0};
	uint32_t mask = 0;
	int rc = key_request_kind(a->type, a->label, &request, err);

	if (rc == 0)
		rc = replica_generate(&look->sites, &request, &record, &mask, err);
	if (rc == 0)
		rc = store_audit(look->admin.store, "key generate", a->group, a->label, err);
	return rc < 0 ? rc : key_view_fill(view, &record, __builtin_popcount(mask), (int64_t)look->sites.count, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct generate *a = data;
	owned(key_look) struct key_look look = {0};
	const struct census_key *same;
	struct key_view view = {0};
	int rc;

	if (!*a->label)
		return err_set(err, ERR_USAGE, "a key needs a label");
	rc = key_look_open(cli, a->group, &look, err);
	if (rc < 0)
		return rc;
	rc = key_look_find(&look, a->label, NULL, &same, err);
	if (rc == 0 || rc == -ERR_AMBIGUOUS)
		return err_set(err, ERR_EXISTS, "group '%s' has a key '%s' already", a->group, a->label);
	if (rc != -ERR_NOT_FOUND)
		return rc;
	rc = make(&look, a, &view, err);
	if (rc == 0)
		rc = cli_emit(cli, &key_document_type, &view, err);
	json_release(&key_view_type, &view);
	return rc;
}

const struct cli_command key_generate_command = {
	.name = "generate", .summary = "Make a key and bring it to every member",
	.options = options, .args = args, .args_size = sizeof(struct generate), .output = &key_document_type, .run = run,
};
