/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl ha export: what applications are told of a group's token, and what they need of the store. */
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "ha/bundle.h"
#include "ha/verbs.h"

struct export {
	const char *group, *bundle, *owner;
	unsigned format;
};

enum { FORMAT_P11_KIT, FORMAT_OPENSSL, FORMAT_JSON };
static const char *const formats[] = {"p11-kit", "openssl", "json", NULL};

static const struct cli_param options[] = {
	CLI_OPT_CHOICE(struct export, format, 0, "format", formats, "p11-kit", "For whom the lines are that are printed"),
	CLI_OPT_FILE(struct export, bundle, 0, "bundle", "DIR",
		     "Write what one application needs into this folder, or renew it there"),
	CLI_OPT_STRING(struct export, owner, 0, "owner", "USER", NULL, "With --bundle: who is to read it"),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct export, group, "GROUP", admin_complete_groups, CLI_REQUIRED, "Group that applications use"),
	CLI_END
};

struct exported {
	char *group, *module, *store, *uri, *owner;
};
static const struct json_field fields[] = {
	JSON_F_STRING(struct exported, group, JSON_COLUMN, "the group, and the label of its token"),
	JSON_F_STRING(struct exported, module, JSON_COLUMN, "the PKCS#11 module that applications load"),
	JSON_F_STRING(struct exported, store, JSON_COLUMN, "for HSMCTL_STORE, or store= at C_Initialize"),
	JSON_F_STRING(struct exported, uri, JSON_COLUMN, "the token (RFC 7512)"),
	JSON_F_STRING(struct exported, owner, JSON_COLUMN | JSON_OMIT, "who may read the folder beside root"),
	JSON_F_END
};
static const struct json_type exported_type = {
	.schema = "group-exported", .summary = "What applications are told of a group", .size = sizeof(struct exported),
	.fields = fields,
};

/* Group names are names: nothing in them has to be escaped. */
static int describe(struct store *store, const struct export *a, struct exported *ret, struct err *err)
{
	*ret = (struct exported){
		.group = mem_strdup(a->group),
		.module = admin_module_path(),
		.store = a->bundle ? file_absolute(a->bundle) : mem_strdup(store_path(store)),
		.uri = mem_printf("pkcs11:token=%s", a->group),
		.owner = a->owner ? mem_strdup(a->owner) : NULL,
	};
	return ret->group && ret->module && ret->store && ret->uri && (!a->owner || ret->owner) ? 0 : err_no_memory(err);
}

static int print_lines(struct cli *cli, unsigned format, const struct exported *e, struct err *err)
{
	owned(buf) struct buf text = {.max = 64 << 10};

	if (format == FORMAT_P11_KIT)
		buf_printf(&text,
			   "# /etc/pkcs11/modules/hsmctl.module\n"
			   "module: %s\n"
			   "x-init-reserved: store=%s\n",
			   e->module, e->store);
	else
		buf_printf(&text,
			   "# Keys are named by %s;object=LABEL;type=private\n"
			   "openssl_conf = hsmctl\n"
			   "[hsmctl]\n"
			   "engines = hsmctl_engines\n"
			   "[hsmctl_engines]\n"
			   "pkcs11 = hsmctl_pkcs11\n"
			   "[hsmctl_pkcs11]\n"
			   "engine_id = pkcs11\n"
			   "MODULE_PATH = %s\n"
			   "INIT_ARGS = store=%s\n"
			   "init = 0\n",
			   e->uri, e->module, e->store);
	return text.bad ? err_no_memory(err) : cli_write(cli, (const char *)text.data, text.len, err);
}

/* Nobody else writes the group, or another bundle of it, meanwhile. */
static int write_bundle(struct cli *cli, const struct export *a, struct store *store, struct err *err)
{
	const struct store_subject subject = {.kind = STORE_GROUP, .name = a->group};
	owned(store_lock) struct store_lock *lock = NULL;
	owned(store_deed) struct store_deed *deed = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	struct fleet_group *group;
	struct bundle_owner owner;
	int rc = bundle_owner_find(a->owner, &owner, err);

	if (rc == 0)
		rc = store_lock(store, &subject, 1, "ha export", cli->observer, &lock, err);
	if (rc == 0)
		rc = store_read(store, &fleet, err);
	if (rc == 0)
		rc = fleet_find_group(fleet, a->group, &group, err);
	if (rc == 0)
		rc = store_deed_begin(store, "ha export", a->group, a->owner ? a->owner : "", &deed, err);
	if (rc < 0)
		return rc;
	rc = bundle_write(store_path(store), fleet, group, a->bundle, &owner, err);
	store_deed_end(deed, NULL, rc, err);
	return rc;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct export *a = data;
	owned(store) struct store *store = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	struct fleet_group *group;
	struct exported exported = {0};
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	if (a->owner && !a->bundle)
		return err_set(err, ERR_USAGE, "--owner is for --bundle");
	if (rc == 0)
		rc = store_read(store, &fleet, err);
	if (rc == 0)
		rc = fleet_find_group(fleet, a->group, &group, err);
	if (rc == 0 && a->bundle)
		rc = write_bundle(cli, a, store, err);
	if (rc == 0)
		rc = describe(store, a, &exported, err);
	if (rc == 0 && (a->bundle || a->format == FORMAT_JSON))
		rc = admin_emit(cli, store, &exported_type, &exported, err);
	else if (rc == 0)
		rc = print_lines(cli, a->format, &exported, err);
	json_release(&exported_type, &exported);
	return rc;
}

const struct cli_command ha_export_command = {
	.name = "export", .summary = "Tell applications how to find a group's token", .flags = CLI_CHANGES,
	.options = options, .args = args, .args_size = sizeof(struct export), .output = &exported_type, .run = run,
};
