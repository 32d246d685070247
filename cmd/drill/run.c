/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl drill run: break, measure, judge. */
#include "drill/run.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "crypto/digest.h"
#include "drill/scenario.h"
#include "drill/verbs.h"
#include "drill/workload.h"

enum { PAGE_MAX = 16 << 20, RANDOM_SEED = -1 };

struct run {
	const char *scenario, *group, *report, *module;
	struct cli_strings targets;
	int64_t duration_ms, threads, seed, rto_ms, max_latency_ms;
	bool force;
};

static void complete_scenarios(struct cli *cli, struct cli_completion *c)
{
	(void)cli;
	for (size_t i = 0; drill_scenarios[i].name; i++)
		cli_candidate(c, drill_scenarios[i].name);
}

static const struct cli_param options[] = {
	{.kind = CLI_STRING, .letter = 'g', .name = "group", .value = "GROUP", .flags = CLI_REQUIRED,
	 .complete = admin_complete_groups, .offset = CLI_FIELD_(struct run, group, const char *),
	 .summary = "Group to break members of"},
	{.kind = CLI_DURATION, .letter = 'd', .name = "duration", .value = "TIME", .min = DRILL_MIN_MS, .max = 86400000,
	 .fallback = "30s", .offset = CLI_FIELD_(struct run, duration_ms, int64_t),
	 .summary = "Length of the run; a third each before, during and after the fault"},
	CLI_OPT_STRINGS(struct run, targets, 0, "target", "DEVICE", admin_complete_active,
			"Member to break, several together; the first active one unless given"),
	CLI_OPT_INT(struct run, threads, 0, "threads", "N", 1, DRILL_THREADS_MAX, "2", "Application threads"),
	CLI_OPT_INT(struct run, seed, 0, "seed", "N", RANDOM_SEED, INT64_C(1) << 53, "-1",
		    "Choice of keys and inputs; -1 is any"),
	CLI_OPT_DURATION(struct run, rto_ms, 0, "rto", "TIME", "5s",
			 "Objective: longest time without a completed operation"),
	CLI_OPT_DURATION(struct run, max_latency_ms, 0, "max-latency", "TIME", NULL,
			 "Objective: no operation takes longer; none unless given"),
	CLI_OPT_FILE(struct run, report, 0, "report", "FILE", "Write the report there as one HTML page"),
	CLI_OPT_FLAG(struct run, force, 0, "force",
		     "Run also when replicas are not in sync or only standby members are left"),
	CLI_OPT_FILE(struct run, module, 0, "module", "PATH", "PKCS#11 module to use; hsmctl's own unless given"),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct run, scenario, "SCENARIO", complete_scenarios, CLI_REQUIRED, "One of 'hsmctl drill list'"),
	CLI_END
};

/* Known before the drill, not after it: is there a folder we may write into? */
static int check_report(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	owned(mem) char *folder = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
	struct stat st;

	if (!folder)
		return err_no_memory(err);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return err_set(err, ERR_USAGE, "'%s' is a folder", path);
	return access(folder, W_OK) == 0 ? 0 : err_errno(err, "cannot write '%s'", path);
}

static int choose_seed(int64_t wanted, int64_t *ret, struct err *err)
{
	uint32_t random;
	int rc;

	*ret = wanted;
	if (wanted != RANDOM_SEED)
		return 0;
	rc = crypto_random(&random, sizeof(random), err);
	*ret = (int64_t)random;
	return rc;
}

static int write_page(const struct drill_report *report, const char *path, struct err *err)
{
	owned(buf) struct buf page;
	int rc;

	buf_init(&page, PAGE_MAX);
	rc = drill_report_html(report, &page, err);
	return rc < 0 ? rc : file_write(path, page.data, page.len, 0644, err);
}

/* An interrupted drill has a report too; what ended it decides the status. */
static int show(struct cli *cli, const struct run *a, const struct drill_report *report, int rc, struct err *err)
{
	struct err later = {0};
	int shown = a->report ? write_page(report, a->report, &later) : 0;

	cancel_shield();
	if (cli_emit(cli, &drill_report_type, report, shown < 0 ? NULL : &later) < 0)
		shown = shown < 0 ? shown : -(int)later.code;
	cancel_unshield();
	if (rc == 0 && shown < 0)
		*err = later;
	return rc < 0 ? rc : shown;
}

static int drill(struct cli *cli, const struct run *a, struct store *store, struct drill_report *report, struct err *err)
{
	owned(mem) char *beside = a->module ? NULL : admin_module_path();
	struct drill_config config = {
		.scenario = a->scenario, .group = a->group, .targets = a->targets.items, .n_targets = a->targets.count,
		.module = a->module ? a->module : beside,
		.duration_ms = a->duration_ms, .threads = a->threads,
		.limits = {a->rto_ms, a->max_latency_ms}, .force = a->force,
	};
	int rc = a->report ? check_report(a->report, err) : 0;

	if (rc == 0)
		rc = choose_seed(a->seed, &config.seed, err);
	if (rc < 0)
		return rc;
	rc = drill_run(store, &config, cli->observer, report, err);
	return report->id ? show(cli, a, report, rc, err) : rc;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct run *a = data;
	owned(store) struct store *store = NULL;
	struct drill_report report;
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	if (rc < 0)
		return rc;
	drill_report_init(&report);
	rc = drill(cli, a, store, &report, err);
	json_release(&drill_report_type, &report);
	return rc;
}

const struct cli_command drill_run_command = {
	.name = "run", .summary = "Break a member under load, heal it, measure and judge",
	.options = options, .args = args, .args_size = sizeof(struct run), .output = &drill_report_type, .run = run,
};
