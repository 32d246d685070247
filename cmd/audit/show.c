/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl audit show: who changed what, when. */
#include <string.h>
#include <time.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "store/store.h"

struct show {
	int64_t last;
	const char *since, *subject, *who;
	unsigned outcome;	/* enum store_outcome; 0: any */
	bool all;
};

static const char *const outcome_names[] = {"any", "begun", "done", "failed", "not_known", NULL};

static const struct cli_param options[] = {
	CLI_OPT_INT(struct show, last, 'n', "last", "N", 1, INT64_MAX, NULL, "Only the newest N of those entries"),
	CLI_OPT_STRING(struct show, since, 0, "since", "TIME", NULL,
		       "Only entries since then: 2026-11-24T08:30:00Z, 2026-11-24, or so long ago: 90m, 12h"),
	CLI_OPT_STRING(struct show, subject, 0, "subject", "NAME", NULL,
		       "Only what was done to this: payments, hsm-1"),
	CLI_OPT_STRING(struct show, who, 0, "who", "USER", NULL, "Only what this user did, also by sudo"),
	CLI_OPT_CHOICE(struct show, outcome, 0, "outcome", outcome_names, "any",
		       "Only deeds that ended so; begun: that have no end"),
	CLI_OPT_FLAG(struct show, all, 'a', "all", "Also the entries with which deeds began that ended"),
	CLI_END
};
static const struct cli_param args[] = {CLI_END};

/* As entries write it, so that texts can be compared. */
static int parse_since(const char *text, char ret[static CLOCK_TEXT], struct err *err)
{
	static const char *const formats[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"};
	int64_t ago;

	if (str_duration_ms(text, &ago)) {
		clock_format(clock_utc_ms() - ago, ret);
		return 0;
	}
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm tm = {0};
		const char *end = strptime(text, formats[i], &tm);

		if (!end || *end)
			continue;
		clock_format((int64_t)timegm(&tm) * 1000, ret);
		return 0;
	}
	err_set(err, ERR_USAGE, "'%s' is no time", text);
	return err_hint(err, "write 2026-11-24T08:30:00Z, 2026-11-24, or how long ago: 90m, 12h");
}

/* "device hsm-1" is about hsm-1 too. */
static bool is_about(const char *subject, const char *name)
{
	const char *word = subject ? strrchr(subject, ' ') : NULL;

	return str_eq(subject, name) || (word && str_eq(word + 1, name));
}

static bool matches(const struct store_audit_entry *entry, const struct show *a, const char *since)
{
	return (!a->since || strcmp(entry->time, since) >= 0) && (!a->subject || is_about(entry->subject, a->subject)) &&
	       (!a->who || str_eq(entry->user, a->who) || str_eq(entry->sudo_user, a->who)) &&
	       (!a->outcome || entry->outcome == a->outcome);
}

/* People see "root (alice)" where programs see two fields. */
static int name_both(struct store_audit_entry *entry, struct err *err)
{
	char *both = entry->sudo_user ? mem_printf("%s (%s)", entry->user, entry->sudo_user) : NULL;

	if (!entry->sudo_user)
		return 0;
	if (!both)
		return err_no_memory(err);
	free(entry->user);
	entry->user = both;
	return 0;
}

/* "failed: why" before the rest: a row may be cut at its end. NULL: nothing to say. New memory. */
static int say_outcome(const struct store *store, const struct store_audit_entry *entry, char **ret)
{
	bool failed = entry->outcome == STORE_FAILED;

	*ret = NULL;
	if (entry->outcome == STORE_BEGUN)
		*ret = mem_strdup(store_deed_goes_on(store, entry) ? "begun, goes on" : "begun, has no end");
	else if (failed || entry->outcome == STORE_NOT_KNOWN)
		*ret = mem_printf("%s: %s", failed ? "failed" : "not known", entry->reason ? entry->reason : "no reason given");
	else
		return 0;
	return *ret ? 0 : -ERR_NO_MEMORY;
}

static int tell_outcome(const struct store *store, struct store_audit_entry *entry, struct err *err)
{
	owned(mem) char *word = NULL;
	char *both;

	if (say_outcome(store, entry, &word) < 0)
		return err_no_memory(err);
	if (!word)
		return 0;
	both = entry->detail ? mem_printf("%s (%s)", word, entry->detail) : own_take(word);
	if (!both)
		return err_no_memory(err);
	free(entry->detail);
	entry->detail = both;
	return 0;
}

/* Keeps the entries that were asked for, in their order. */
static int choose(const struct store *store, struct store_audit_trail *trail, const struct show *a, bool table,
		  struct err *err)
{
	char since[CLOCK_TEXT] = "";
	size_t kept = 0;
	int rc = a->since ? parse_since(a->since, since, err) : 0;

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < trail->n_entries; i++) {
		struct store_audit_entry *entry = &trail->entries[i];

		if (!matches(entry, a, since)) {
			json_release(&store_audit_entry_type, entry);
			continue;
		}
		if (table && rc == 0)
			rc = name_both(entry, err);
		if (table && rc == 0)
			rc = tell_outcome(store, entry, err);
		trail->entries[kept++] = *entry;
	}
	trail->n_entries = kept;
	return rc;
}

/* The newest entries as a document of their own; they are still the trail's. */
static int print(struct cli *cli, const struct store_audit_trail *trail, int64_t last, struct err *err)
{
	struct store_audit_trail part = *trail;

	if (last && (size_t)last < part.n_entries) {
		part.entries += part.n_entries - (size_t)last;
		part.n_entries = (size_t)last;
	}
	return cli_emit(cli, &store_audit_trail_type, &part, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct show *a = data;
	owned(store) struct store *store = NULL;
	struct store_audit_trail trail = {0};
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	if (rc == 0)
		rc = store_audit_read(store, &trail, err);
	if (rc < 0)
		return rc;
	if (!a->all)
		rc = store_audit_fold(&trail, err);
	if (rc == 0)
		rc = choose(store, &trail, a, cli->globals.output != CLI_JSON, err);
	if (rc == 0)
		rc = print(cli, &trail, a->last, err);
	json_release(&store_audit_trail_type, &trail);
	return rc;
}

const struct cli_command audit_show_command = {
	.name = "show", .summary = "Print the trail, oldest entry first",
	.options = options, .args = args, .args_size = sizeof(struct show),
	.output = &store_audit_trail_type, .run = run,
};
