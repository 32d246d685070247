/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl audit verify: is the trail whole? */
#include "audit/audit.h"
#include "base/err.h"
#include "base/observer.h"
#include "base/str.h"
#include "cli/cli.h"
#include "crypto/digest.h"
#include "store/store.h"

struct verify {
	const char *noted;
};

static const struct cli_param options[] = {
	CLI_OPT_STRING(struct verify, noted, 0, "head", "HASH", NULL, "A head that was printed before; it must be in the trail"),
	CLI_END
};
static const struct cli_param none[] = {CLI_END};

struct result {
	bool whole;
	int64_t entries, unfinished;
	char *head;
	char *detail;
};

static const struct json_field fields[] = {
	JSON_F_BOOL(struct result, whole, JSON_COLUMN, "every entry follows from the one before"),
	JSON_F_INT(struct result, entries, JSON_NULLABLE | JSON_COLUMN, 0, INT64_MAX,
		   "entries in the trail; null when it is not whole"),
	JSON_F_INT(struct result, unfinished, JSON_NULLABLE | JSON_COLUMN, 0, INT64_MAX,
		   "deeds that were begun and have no end, though nobody is at work on them; null when it is not whole"),
	JSON_F_STRING(struct result, head, JSON_NULLABLE | JSON_COLUMN,
		      "hash of the newest entry; keep it elsewhere, for --head"),
	JSON_F_STRING(struct result, detail, JSON_NULLABLE | JSON_COLUMN, "what does not match"),
	JSON_F_END
};
static const struct json_type result_type = {
	.schema = "audit-verify", .summary = "Whether the audit trail is whole",
	.size = sizeof(struct result), .fields = fields,
};

static int check_hash(const char *hash, struct err *err)
{
	uint8_t digest[SHA256_LEN];

	if (!hash || str_unhex(hash, digest, sizeof(digest)))
		return 0;
	err_set(err, ERR_USAGE, "'%s' is no hash", hash);
	return err_hint(err, "give the head that 'hsmctl audit verify' printed");
}

/* Whoever began them died, or could not write the end. That is no fault of the trail. */
static int count_unfinished(struct cli *cli, struct store *store, int64_t *ret, struct err *err)
{
	struct store_audit_trail trail = {0};
	int rc = store_audit_read(store, &trail, err);

	*ret = 0;
	if (rc == 0)
		rc = store_audit_fold(&trail, err);
	for (size_t i = 0; rc == 0 && i < trail.n_entries; i++) {
		const struct store_audit_entry *entry = &trail.entries[i];

		if (entry->outcome != STORE_BEGUN || store_deed_goes_on(store, entry))
			continue;
		observer_note(cli->observer, "entry %lld: '%s' of '%s' was begun at %s and has no end", (long long)entry->number,
			      entry->action, entry->subject ? entry->subject : "", entry->time);
		++*ret;
	}
	json_release(&store_audit_trail_type, &trail);
	return rc;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct verify *a = data;
	owned(store) struct store *store = NULL;
	struct result result = {0};
	char head[SHA256_TEXT];
	struct err why = {0};
	int rc = check_hash(a->noted, err), found;

	if (rc == 0)
		rc = store_open(cli_store_url(cli), 0, &store, err);
	if (rc < 0)
		return rc;
	found = store_audit_verify(store, a->noted, head, &why);
	if (found < 0 && found != -ERR_DIFFERENT) {
		*err = why;
		return found;
	}
	result.unfinished = -1;
	if (found >= 0)
		rc = count_unfinished(cli, store, &result.unfinished, err);
	if (rc < 0)
		return rc;
	result.whole = found >= 0;
	result.entries = found >= 0 ? found : -1;
	result.head = found > 0 ? head : NULL;
	result.detail = found >= 0 ? NULL : why.message;
	rc = cli_emit(cli, &result_type, &result, err);
	if (rc == 0 && found < 0) {
		*err = why;
		rc = found;
	}
	return rc;
}

const struct cli_command audit_verify_command = {
	.name = "verify", .summary = "Check the chain of hashes; status 3 when it does not match",
	.options = options, .args = none, .args_size = sizeof(struct verify),
	.output = &result_type, .run = run,
};
