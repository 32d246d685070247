/* SPDX-License-Identifier: Apache-2.0 */
/* From a command line to an exit status. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "cli/emit.h"
#include "cli/globals.h"
#include "cli/parse.h"

/*
 * A closed 0, 1 or 2 would be the number of the next file opened, and results
 * would be written into it. These stand-ins refuse to be used instead; programs
 * we start inherit them, hence no O_CLOEXEC.
 */
static void hold_standard_files(void)
{
	static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};

	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)open("/dev/null", modes[fd]);
}

/* A program with HSMCTL_DEBUG alone says it where its user looks. */
static void start_logging(const struct cli_globals *globals)
{
	if (globals->verbose || (secure_getenv("HSMCTL_DEBUG") && !secure_getenv("HSMCTL_LOG")))
		log_to_stderr(LOG_LEVEL_INFO);
	log_from_environment();
	log_default_stderr();
}

/*
 * What came of a run that was cancelled in its midst says nothing, be it another error or a result that
 * was not printed yet; and only --timeout gives the code timeout, not a wait of ours that was too short.
 */
static int conclude(const struct cli *cli, int r, struct err *err)
{
	struct err why = {0};
	int cancelled = cancel_check(&why);

	if (r < 0 && cancelled < 0 && r != cancelled && !cli->emitted) {
		*err = why;
		return cancelled;
	}
	if (r == -ERR_TIMEOUT && cancelled == 0)
		err->code = ERR_UNREACHABLE;
	return r < 0 ? -(int)err->code : 0;
}

static int run_command(struct cli *cli, const void *args, struct err *err)
{
	int64_t timeout = cli->globals.timeout_ms;
	int r;

	start_logging(&cli->globals);
	cancel_install(timeout ? clock_now_ms() + timeout : 0);
	r = cli->command->run(cli, args, err);
	if (r < 0 && err->code != (enum err_code)-r)
		err_set(err, (enum err_code)-r, "%s", err_code_text((enum err_code)-r));
	return conclude(cli, r, err);
}

static int perform(struct cli *cli, const struct cli_group *group, bool environment, int argc,
		   char **argv, struct progress *progress, struct err *err)
{
	owned(mem) void *args = NULL;
	int r = cli_parse(cli, group, environment, argc, argv, &args, err);

	progress_init(progress, &cli->globals);
	cli->observer = &progress->observer;
	if (r < 0) {
		cli->globals.output =
			cli_parse_wants_json(argc, argv, cli->globals.output == CLI_JSON) ? CLI_JSON : CLI_TABLE;
		return r;
	}
	if (cli->globals.help)
		return cli_print_help(group, cli->command, err);
	if (cli->globals.version)
		return cli_print_version(cli, err);
	return run_command(cli, args, err);
}

/* Does text begin with a command, "key list"? */
static bool begins_command(const struct cli_group *const *groups, const char *text)
{
	char word[64];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(text, " ';,)"), text);
	return cli_find_group(groups, word) != NULL;
}

void cli_as_typed(const struct cli *cli, char *text)
{
	static const char program[] = "hsmctl ", help[] = "--help'";

	for (char *at = text; cli->groups && (at = strstr(at, program));) {
		char *rest = at + strlen(program);

		if (str_starts(rest, help)) {
			memmove(at, "help'", strlen("help'"));
			memmove(at + strlen("help'"), rest + strlen(help), strlen(rest + strlen(help)) + 1);
		} else if (begins_command(cli->groups, rest)) {
			memmove(at, rest, strlen(rest) + 1);
		} else {
			at = rest;
		}
	}
}

int cli_conclude(struct cli *cli, struct err *err)
{
	progress_clear(cli->observer);
	if (err->code == ERR_OK && (fflush(stdout) != 0 || ferror(stdout)))
		err_errno(err, "cannot write to stdout");
	if (err->code == ERR_OK)
		return cli->status;
	if (cli->globals.output == CLI_JSON && !cli->emitted)
		(void)cli_emit_error(cli, err);
	cli_as_typed(cli, err->message);
	cli_as_typed(cli, err->hint);
	if (*err->hint)
		fprintf(stderr, "hsmctl: %s (%s)\n", err->message, err->hint);
	else
		fprintf(stderr, "hsmctl: %s\n", err->message);
	return err_exit_status(err->code);
}

int cli_main(const struct cli_group *group, int argc, char **argv)
{
	struct cli cli = {.group = group};
	struct progress progress;
	struct err err = {0};

	proc_guard();
	hold_standard_files();
	signal(SIGPIPE, SIG_IGN);
	/* What a run tried in vain before it succeeded is no error. */
	if (perform(&cli, group, true, argc > 0 ? argc - 1 : 0, argv + 1, &progress, &err) >= 0)
		err_clear(&err);
	return cli_conclude(&cli, &err);
}

/* argv without its word at index, in new memory. */
static char **without(int argc, char **argv, int index)
{
	char **rest = mem_zalloc((size_t)argc * sizeof(*rest) + 1);

	for (int i = 0, n = 0; rest && i < argc; i++)
		if (i != index)
			rest[n++] = argv[i];
	return rest;
}

static int run_words(struct cli *cli, const struct cli_group *const *groups, int argc, char **argv,
		     struct progress *progress, struct err *err)
{
	int at = cli_find_word(argc, argv);
	const struct cli_group *group;
	owned(mem) char **rest = NULL;

	if (at == argc) {
		err_set(err, ERR_USAGE, "no command given");
		return err_hint(err, "see 'hsmctl --help'");
	}
	group = cli_find_group(groups, argv[at]);
	if (!group && argv[at][0] == '-')
		return err_set(err, ERR_USAGE, "unknown option '%s'", argv[at]);
	if (!group)
		return cli_no_group(groups, argv[at], at + 1 < argc ? argv[at + 1] : NULL, err);
	rest = without(argc, argv, at);
	if (!rest)
		return err_no_memory(err);
	return perform(cli, group, false, argc - 1, rest, progress, err);
}

int cli_run_line(const struct cli_group *const *groups, const struct cli_globals *defaults,
		 int argc, char **argv)
{
	struct cli cli = {.globals = *defaults, .lines = true, .groups = groups};
	struct progress progress;
	struct err err = {0};
	/* Lines are often pasted from pages. */
	bool program = argc > 0 && strcmp(argv[0], "hsmctl") == 0;

	if (run_words(&cli, groups, argc - program, argv + program, &progress, &err) >= 0)
		err_clear(&err);
	return cli_conclude(&cli, &err);
}

void cli_state_path(const char *name, char *ret, size_t size)
{
	const char *state = secure_getenv("XDG_STATE_HOME"), *home = secure_getenv("HOME");
	const struct passwd *user;

	if (state && *state == '/') {
		snprintf(ret, size, "%s/%s", state, name);
		return;
	}
	user = home && *home ? NULL : getpwuid(geteuid());
	snprintf(ret, size, "%s/.local/state/%s", user ? user->pw_dir : home && *home ? home : "",
		 name);
}

const char *cli_store_url(const struct cli *cli)
{
	static char folder[PATH_MAX];

	if (cli->globals.store)
		return cli->globals.store;
	if (geteuid() == 0)
		return "/var/lib/hsmctl";
	cli_state_path("hsmctl", folder, sizeof(folder));
	return folder;
}
