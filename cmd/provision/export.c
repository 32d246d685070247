/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl provision export: the layout in Azure as a template for pipelines. */
#include "base/err.h"
#include "provider/layout.h"
#include "provision/provision.h"

struct export {
	const char *file;
	unsigned format;
};

static const char *const formats[] = {"arm", "bicep", NULL};

static const struct cli_param options[] = {
	CLI_OPT_CHOICE(struct export, format, 0, "format", formats, "arm", "Kind of template"),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct export, file, "FILE", NULL, CLI_FILES, "Fleet document; without it what the store holds"),
	CLI_END
};

static int read_fleet(struct cli *cli, const char *file, struct fleet **ret, struct err *err)
{
	owned(store) struct store *store = NULL;
	owned(wish) struct wish wish = {0};
	int rc;

	if (file) {
		rc = provision_read(file, &wish, err);
		*ret = own_take(wish.fleet);
		return rc;
	}
	rc = store_open(cli_store_url(cli), 0, &store, err);
	return rc < 0 ? rc : store_read(store, ret, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct export *a = data;
	owned(fleet) struct fleet *fleet = NULL;
	owned(buf) struct buf text = {.max = 16 << 20};
	const struct provider_layout *layout = NULL;
	int rc = read_fleet(cli, a->file, &fleet, err);

	if (rc == 0)
		rc = provider_layout_of(fleet, &layout, err);
	if (rc == 0 && !fleet->name) {
		err_set(err, ERR_NOT_FOUND, "the store holds no fleet");
		return err_hint(err, "name a FILE");
	}
	if (rc == 0 && !layout)
		return err_set(err, ERR_UNSUPPORTED, "fleet '%s' has nothing in Azure: there is no template for it",
			       fleet->name);
	if (rc == 0)
		rc = layout->export_template(fleet, formats[a->format], &text, err);
	return rc < 0 ? rc : cli_write(cli, (const char *)text.data, text.len, err);
}

const struct cli_command provision_export_command = {
	.name = "export", .summary = "Print the layout in Azure as a template",
	.options = options, .args = args, .args_size = sizeof(struct export), .run = run,
};
