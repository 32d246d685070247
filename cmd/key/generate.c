/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl key generate: a new key on the members of a group. */
#include <stdio.h>

#include "base/err.h"
#include "base/observer.h"
#include "cli/cli.h"
#include "key/key.h"
#include "replica/key.h"
#include "replica/write.h"

struct generate {
	const char *group, *label, *option;
	unsigned type;
	bool duplicate;
};

static const struct cli_param options[] = {
	{.kind = CLI_CHOICE, .letter = 't', .name = "type", .names = key_kind_names, .flags = CLI_REQUIRED,
	 .offset = CLI_FIELD_(struct generate, type, unsigned), .summary = "Kind of key"},
	CLI_OPT_STRING(struct generate, option, 'l', "label", "LABEL", NULL, "Another way to give LABEL"),
	CLI_OPT_FLAG(struct generate, duplicate, 0, "allow-duplicate", "Make it also when the group has a key of that label"),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct generate, group, "GROUP", admin_complete_groups, CLI_REQUIRED, "Group that gets the key"),
	CLI_ARG(struct generate, label, "LABEL", NULL, 0, "CKA_LABEL of the new key: text of at most 255 bytes"),
	CLI_END
};

static int choose_label(const struct generate *a, const char **ret, struct err *err)
{
	if (a->label && a->option)
		return err_set(err, ERR_USAGE, "either LABEL or --label, not both");
	if (!a->label && !a->option) {
		err_set(err, ERR_USAGE, "LABEL is missing");
		return err_hint(err, "hsmctl key generate %s LABEL --type %s, or --label LABEL", a->group, key_kind_names[a->type]);
	}
	*ret = a->label ? a->label : a->option;
	return key_label_check(*ret, err);
}

static int check_new(const struct key_look *look, const char *group, const char *label, struct err *err)
{
	const struct census_key *same;
	int rc = key_look_find(look, label, NULL, &same, err);

	if (rc == 0 || rc == -ERR_AMBIGUOUS) {
		err_set(err, ERR_EXISTS, "group '%s' has a key '%s' already", group, label);
		return err_hint(err, "--allow-duplicate makes another; hsmctl key show %s LABEL", group);
	}
	return rc == -ERR_NOT_FOUND ? 0 : rc;
}

/* From the look whether there is one to the moment when there is, the label is this command's. */
static int reserve(struct cli *cli, struct key_look *look, const struct generate *a, const char *label, struct err *err)
{
	const struct store_subject subject = {.kind = STORE_KEY, .name = a->group, .label = label};
	char doing[200];

	snprintf(doing, sizeof(doing), "key generate %.64s %.100s", a->group, label);
	return store_lock(look->admin.store, &subject, 1, doing, cli->observer, &look->admin.lock, err);
}

static int open_group(struct cli *cli, struct key_look *look, const struct generate *a, const char *label, struct err *err)
{
	int rc = admin_open(cli, a->group, &look->admin, err);

	if (rc == 0 && !a->duplicate)
		rc = reserve(cli, look, a, label, err);
	if (rc == 0)
		rc = key_look_read(cli, look, err);
	return rc < 0 || a->duplicate ? rc : check_new(look, a->group, label, err);
}

static int generate(struct key_look *look, const struct key_request *request, const struct generate *a, const char *label,
		    struct record *record, uint32_t *ret_mask, struct err *err)
{
	owned(store_deed) struct store_deed *deed = NULL;
	int rc = store_deed_begin(look->admin.store, "key generate", a->group, label, &deed, err);

	if (rc < 0)
		return rc;
	rc = replica_generate(&look->sites, request, record, ret_mask, err);
	if (rc == 0)
		rc = admin_keep_marks(&look->admin, err);
	store_deed_end(deed, NULL, rc, err);
	return rc;
}

static int make(struct key_look *look, const struct generate *a, const char *label, struct key_view *view,
		uint32_t *ret_missing, struct err *err)
{
	owned(key_request) struct key_request request = {0};
	owned(record) struct record record = {0};
	uint32_t mask = 0;
	int rc = key_request_kind(a->type, label, &request, err);

	if (rc == 0)
		rc = generate(look, &request, a, label, &record, &mask, err);
	*ret_missing = ~mask;
	if (rc == 0)
		rc = key_view_fill(view, &record, &look->sites, mask, err);
	return rc < 0 ? rc : key_names(&look->sites, *ret_missing, &view->missing_on, &view->n_missing_on, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct generate *a = data;
	owned(key_look) struct key_look look = {0};
	struct key_view view = {0};
	const char *label = NULL;
	uint32_t missing = 0;
	int rc = choose_label(a, &label, err);

	if (rc == 0)
		rc = open_group(cli, &look, a, label, err);
	if (rc < 0)
		return rc;
	observer_step(cli->observer, label, "making the key and its replicas", 0, 0);
	rc = make(&look, a, label, &view, &missing, err);
	if (rc == 0)
		rc = admin_emit(cli, look.admin.store, &key_document_type, &view, err);
	if (rc == 0)
		key_note(cli, &look.sites, missing, "the key is not yet on", "; the next sync brings it there");
	json_release(&key_view_type, &view);
	return rc;
}

const struct cli_command key_generate_command = {
	.name = "generate", .summary = "Make a key and bring it to every member", .flags = CLI_CHANGES,
	.options = options, .args = args, .args_size = sizeof(struct generate), .output = &key_document_type, .run = run,
};
