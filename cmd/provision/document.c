/* SPDX-License-Identifier: Apache-2.0 */
/* Documents that provision takes: fleets, and plans that were kept in a file. */
#include <string.h>

#include "admin.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "provider/inventory.h"
#include "provision/provision.h"

enum { FILE_MAX = 16 << 20, HEAD = 120 };

struct kept_plan {
	struct provider_plan plan;
	struct fleet desired;
};

static const struct json_field fields[] = {
	JSON_F_OBJECT(struct kept_plan, plan, JSON_REQUIRED, provider_plan_type, "what would be done"),
	JSON_F_OBJECT(struct kept_plan, desired, JSON_REQUIRED, fleet_type, "the document it was made from"),
	JSON_F_END
};
static const struct json_type kept_plan_type = {
	.schema = "plan-file", .summary = "A plan and its document",
	.size = sizeof(struct kept_plan), .fields = fields,
};

int provision_keep(const char *path, const struct provider_plan *plan, const struct fleet *desired,
		   struct err *err)
{
	owned(buf) struct buf text = {.max = FILE_MAX};
	struct kept_plan kept = {.plan = *plan, .desired = *desired};
	int rc;

	/* Groups were found to be as the document says; the revision holds them so. */
	kept.desired.groups = NULL;
	kept.desired.n_groups = 0;
	rc = json_write(&kept_plan_type, &kept, true, &text, err);
	return rc < 0 ? rc : file_write(path, text.data, text.len, 0600, err);
}

/* Through the fleet's own reader: it knows defaults and checks. */
static int recheck(const struct fleet *fleet, const char *path, struct fleet **ret, struct err *err)
{
	owned(buf) struct buf text = {.max = FILE_MAX};
	int rc = fleet_write(fleet, &text, err);

	return rc < 0 ? rc : fleet_read((const char *)text.data, text.len, path, 0, ret, err);
}

void wish_release(struct wish *wish)
{
	fleet_free(wish->fleet);
	if (wish->plan)
		provider_plan_release(wish->plan);
	free(wish->plan);
	*wish = (struct wish){0};
}

static int read_plan(const struct buf *text, const char *path, struct wish *ret, struct err *err)
{
	struct kept_plan kept = {0};
	int rc = json_read(&kept_plan_type, (const char *)text->data, text->len, path, 0, &kept, err);

	if (rc < 0)
		return rc;
	rc = recheck(&kept.desired, path, &ret->fleet, err);
	ret->plan = rc == 0 ? mem_new(struct provider_plan) : NULL;
	if (rc == 0 && !ret->plan)
		rc = err_no_memory(err);
	if (rc == 0)
		rc = json_copy(&provider_plan_type, &kept.plan, ret->plan, err);
	json_release(&kept_plan_type, &kept);
	return rc;
}

/* Plans are written by us, and begin with their name. */
static bool looks_like_plan(const struct buf *text)
{
	static const char name[] = "\"hsmctl/plan-file/";

	return text->len && memmem(text->data, text->len < HEAD ? text->len : HEAD, name, sizeof(name) - 1);
}

int provision_read(const char *path, struct wish *ret, struct err *err)
{
	owned(buf) struct buf text = {.max = FILE_MAX};
	int rc = file_read(path, &text, err);

	if (rc < 0)
		return rc;
	if (looks_like_plan(&text))
		return read_plan(&text, path, ret, err);
	return fleet_read((const char *)text.data, text.len, path, JSON_COMMENTS, &ret->fleet, err);
}

int provision_open(const struct cli *cli, const struct wish *wish, struct store **ret, struct err *err)
{
	owned(mem) char *path = NULL;
	int rc = store_locate(cli_store_url(cli), &path, err);

	if (rc == 0)
		rc = provider_check_place(wish->fleet, path, err);
	return rc < 0 ? rc : store_open(cli_store_url(cli), STORE_CREATE, ret, err);
}

static int emit(struct cli *cli, const struct store *store, const struct inventory *inventory, bool steps, struct err *err)
{
	struct inventory shown = *inventory;
	size_t left = 0;
	int rc;

	for (size_t i = 0; i < inventory->n_steps; i++)
		left += inventory->steps[i].state != STEP_DONE;
	if (!steps && cli->globals.output != CLI_JSON)
		shown.n_steps = 0;
	rc = admin_emit(cli, store, &inventory_type, &shown, err);
	if (rc == 0 && left && !shown.n_steps)
		cli_say(cli, "%zu steps are left to the administrators of the devices (see 'hsmctl provision show')", left);
	return rc;
}

int provision_print(struct cli *cli, const struct provider_call *call, bool steps, struct inventory *inventory,
		    struct err *err)
{
	owned(fleet) struct fleet *fleet = NULL;
	int rc = store_read(call->store, &fleet, err);

	if (rc == 0)
		rc = inventory_look(call, fleet, inventory, err);
	return rc < 0 ? rc : emit(cli, call->store, inventory, steps, err);
}
