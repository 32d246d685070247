/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl audit repair: a trail that can be gone on with. */
#include <stdio.h>

#include "admin.h"
#include "audit/audit.h"
#include "base/err.h"
#include "cli/cli.h"
#include "store/store.h"

struct repair {
	bool anew;
};

static const struct cli_param options[] = {
	CLI_OPT_FLAG(struct repair, anew, 0, "new-chain",
		     "Where the chain is broken further up: put the trail aside, and begin another that names it"),
	CLI_END
};
static const struct cli_param none[] = {CLI_END};

struct result {
	bool repaired, new_chain;
	int64_t entries, cut;
	char *kept, *sha256, *detail;
};

static const struct json_field fields[] = {
	JSON_F_BOOL(struct result, repaired, JSON_COLUMN, "something was to be mended, and is"),
	JSON_F_BOOL(struct result, new_chain, JSON_COLUMN, "another trail was begun"),
	JSON_F_INT(struct result, entries, JSON_COLUMN, 0, INT64_MAX, "entries of the trail that held"),
	JSON_F_INT(struct result, cut, JSON_COLUMN, 0, INT64_MAX, "bytes that were taken out of it"),
	JSON_F_STRING(struct result, kept, JSON_NULLABLE | JSON_COLUMN, "file that these bytes are kept in"),
	JSON_F_STRING(struct result, sha256, JSON_NULLABLE, "their SHA-256, as the new entry has it"),
	JSON_F_STRING(struct result, detail, JSON_NULLABLE | JSON_COLUMN, "what was wrong"),
	JSON_F_END
};
static const struct json_type result_type = {
	.schema = "audit-repair", .summary = "What was mended of the audit trail",
	.size = sizeof(struct result), .fields = fields,
};

static int confirm(struct cli *cli, const struct repair *a, const struct store_repair *seen, struct err *err)
{
	char question[900];

	if (seen->damage == STORE_WHOLE || (seen->damage == STORE_CHAIN_BROKEN && !a->anew))
		return 0;
	cli_say(cli, "%s", seen->why);
	if (seen->damage == STORE_END_BROKEN)
		snprintf(question, sizeof(question), "cut off %lld bytes behind entry %lld, and keep them beside the trail?",
			 (long long)seen->bytes, (long long)seen->entries);
	else
		snprintf(question, sizeof(question), "put the trail of %lld bytes aside, and begin another?",
			 (long long)seen->bytes);
	return cli_confirm(cli, question, NULL, err);
}

static int print(struct cli *cli, const struct store *store, struct store_repair *repair, struct err *err)
{
	bool mended = repair->damage != STORE_WHOLE;
	const struct result result = {
		.repaired = mended, .new_chain = repair->damage == STORE_CHAIN_BROKEN,
		.entries = repair->entries, .cut = repair->bytes, .kept = repair->kept,
		.sha256 = mended ? repair->digest : NULL, .detail = mended ? repair->why : NULL,
	};

	if (!mended)
		cli_say(cli, "nothing to repair");
	return admin_emit(cli, store, &result_type, &result, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct repair *a = data;
	owned(store) struct store *store = NULL;
	owned(store_repair) struct store_repair seen = {0}, repair = {0};
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	if (rc == 0)
		rc = store_audit_look(store, &seen, err);
	if (rc == 0)
		rc = confirm(cli, a, &seen, err);
	if (rc == 0)
		rc = store_audit_repair(store, a->anew, &repair, err);
	return rc < 0 ? rc : print(cli, store, &repair, err);
}

const struct cli_command audit_repair_command = {
	.name = "repair", .summary = "Mend a trail that cannot be gone on with; what goes is kept beside it",
	.flags = CLI_DESTROYS | CLI_CHANGES, .options = options, .args = none, .args_size = sizeof(struct repair),
	.output = &result_type, .run = run,
};
