/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl partition show: what one token says of itself. */
#include "base/clock.h"
#include "base/err.h"
#include "member/library.h"
#include "member/member.h"
#include "partition/partition.h"

struct show {
	const char *partition;
};

static const struct cli_param options[] = {CLI_END};
static const struct cli_param args[] = {
	CLI_ARG(struct show, partition, "DEVICE[/PARTITION]", admin_complete_partitions, CLI_REQUIRED,
		"Partition to show; a device with one partition needs no second part"),
	CLI_END
};

static const char *const state_names[] = {"up", "down", NULL};

/* Strings are borrowed. */
struct token_view {
	char *device, *partition, *serial, *address;
	unsigned state;
	double latency_ms;
	char *label, *manufacturer, *model;
	int64_t free_private_bytes, free_public_bytes;
	bool pin_set;
	char *detail;
};

static const struct json_field fields[] = {
	JSON_F_STRING(struct token_view, device, JSON_REQUIRED | JSON_COLUMN, "device it is on"),
	JSON_F_STRING(struct token_view, partition, JSON_REQUIRED | JSON_COLUMN, "name of the partition"),
	JSON_F_STRING(struct token_view, serial, JSON_NULLABLE | JSON_COLUMN, "serial number of the token"),
	JSON_F_STRING(struct token_view, address, JSON_NULLABLE | JSON_COLUMN, "where it is reached"),
	JSON_F_ENUM(struct token_view, state, JSON_REQUIRED | JSON_COLUMN, state_names,
		    "up: it was reached and answered"),
	JSON_F_NUMBER(struct token_view, latency_ms, JSON_NULLABLE | JSON_COLUMN,
		      "time to connect and be answered"),
	JSON_F_STRING(struct token_view, label, JSON_NULLABLE | JSON_COLUMN, "label of the token"),
	JSON_F_STRING(struct token_view, manufacturer, JSON_NULLABLE | JSON_COLUMN, "who made it"),
	JSON_F_STRING(struct token_view, model, JSON_NULLABLE | JSON_COLUMN, "its model"),
	JSON_F_INT(struct token_view, free_private_bytes, JSON_NULLABLE | JSON_COLUMN, 0, INT64_MAX,
		   "room for private objects; null when it does not tell"),
	JSON_F_INT(struct token_view, free_public_bytes, JSON_NULLABLE, 0, INT64_MAX,
		   "room for public objects; null when it does not tell"),
	JSON_F_BOOL(struct token_view, pin_set, JSON_COLUMN, "it has a user PIN"),
	JSON_F_STRING(struct token_view, detail, JSON_NULLABLE | JSON_COLUMN, "why it is down"),
	JSON_F_END
};
static const struct json_type token_type = {
	.schema = "partition", .summary = "A partition and its token",
	.size = sizeof(struct token_view), .fields = fields,
};

static int64_t known(CK_ULONG value)
{
	return value == CK_UNAVAILABLE_INFORMATION ? -1 : (int64_t)value;
}

struct texts {
	char label[33], manufacturer[33], model[17];
};

static void view_info(const CK_TOKEN_INFO *info, struct texts *texts, struct token_view *ret)
{
	library_text(info->label, sizeof(info->label), texts->label);
	library_text(info->manufacturerID, sizeof(info->manufacturerID), texts->manufacturer);
	library_text(info->model, sizeof(info->model), texts->model);
	ret->label = texts->label;
	ret->manufacturer = texts->manufacturer;
	ret->model = texts->model;
	ret->free_private_bytes = known(info->ulFreePrivateMemory);
	ret->free_public_bytes = known(info->ulFreePublicMemory);
	ret->pin_set = (info->flags & CKF_USER_PIN_INITIALIZED) != 0;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct show *a = data;
	owned(partition_look) struct partition_look look = {0};
	int64_t begin = clock_now_ns();
	struct texts texts;
	CK_TOKEN_INFO info;
	struct token_view view = {.latency_ms = -1, .free_private_bytes = -1, .free_public_bytes = -1};
	int rc = partition_look_open(cli, a->partition, &look, err), probed;

	if (rc < 0)
		return rc;
	probed = member_probe(look.member, &info, err);
	view.device = look.device->name;
	view.partition = look.partition->name;
	view.serial = look.partition->serial;
	view.address = look.partition->link.address;
	view.state = probed < 0;
	if (probed == 0) {
		view.latency_ms = (double)((clock_now_ns() - begin) / 10000) / 100;
		view_info(&info, &texts, &view);
	} else {
		view.detail = err->message;
	}
	rc = cli_emit(cli, &token_type, &view, err);
	return rc < 0 ? rc : probed;
}

const struct cli_command partition_show_command = {
	.name = "show", .summary = "Ask one token about itself",
	.options = options, .args = args, .args_size = sizeof(struct show),
	.output = &token_type, .run = run,
};
