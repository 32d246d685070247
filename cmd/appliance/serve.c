/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl appliance serve: the daemon behind one local device. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "cli/cli.h"
#include "appliance/appliance.h"
#include "member/appliance.h"

struct serve {
	const char *name, *library, *serial, *listen, *pki, *pid_file, *tokens, *guard;
};

static const struct cli_param options[] = {
	{.kind = CLI_STRING, .name = "name", .value = "DEVICE", .flags = CLI_REQUIRED,
	 .offset = CLI_FIELD_(struct serve, name, const char *),
	 .summary = "Name of the device; its certificate is DEVICE.pem in --pki"},
	{.kind = CLI_STRING, .name = "library", .value = "PATH", .flags = CLI_REQUIRED | CLI_FILES,
	 .offset = CLI_FIELD_(struct serve, library, const char *), .summary = "PKCS#11 library to host"},
	{.kind = CLI_STRING, .name = "pki", .value = "FOLDER", .flags = CLI_REQUIRED | CLI_FILES,
	 .offset = CLI_FIELD_(struct serve, pki, const char *), .summary = "Folder with ca.pem, DEVICE.pem and DEVICE.key"},
	{.kind = CLI_STRING, .name = "pid-file", .value = "PATH", .flags = CLI_REQUIRED | CLI_FILES,
	 .offset = CLI_FIELD_(struct serve, pid_file, const char *),
	 .summary = "Locked while the daemon runs; holds its pid and address"},
	CLI_OPT_STRING(struct serve, serial, 0, "serial", "SERIAL", NULL, "Token to serve, when the library has several"),
	{.kind = CLI_STRING, .name = "listen", .value = "ADDRESS:PORT", .fallback = "127.0.0.1:0",
	 .offset = CLI_FIELD_(struct serve, listen, const char *), .summary = "Where to listen; port 0 is any free one"},
	CLI_OPT_FILE(struct serve, tokens, 0, "tokens", "FOLDER", "SoftHSM's token folder, to guard and to watch"),
	CLI_OPT_FILE(struct serve, guard, 0, "guard", "FOLDER", "Where copies of token.object are kept"),
	CLI_END
};
static const struct cli_param args[] = {CLI_END};

/* ---- what the shell that started it leaves behind ---- */

/* A PIN may stand in a variable of any name. It is overwritten where it stands, for
 * that is what others are shown in /proc/PID/environ. */
static void forget_environment(void)
{
	char **to = environ;

	for (char **from = environ; *from; from++) {
		if (proc_daemon_keeps(*from))
			*to++ = *from;
		else
			explicit_bzero(*from, strlen(*from));
	}
	*to = NULL;
}

/* Descriptors of whoever started it: those of ours are all close-on-exec, and what was inherited is not. Of the
 * standard ones it writes to two, and reads nothing. */
static int leave_descriptors(struct err *err)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	DIR *folder = null >= 0 && dup2(null, STDIN_FILENO) == STDIN_FILENO ? opendir("/proc/self/fd") : NULL;
	struct dirent *entry;
	int64_t fd;

	if (!folder)
		return err_errno(err, "cannot leave the files of whoever started us");
	while ((entry = readdir(folder)))
		if (str_int(entry->d_name, STDERR_FILENO + 1, INT_MAX, &fd) && !(fcntl((int)fd, F_GETFD) & FD_CLOEXEC))
			close((int)fd);
	closedir(folder);
	if (null != STDIN_FILENO)
		close(null);
	return 0;
}

/* Paths as they are meant here, before the working folder is left. */
static int make_absolute(const char **path, char **ret_owned, struct err *err)
{
	if (!*path || **path == '/')
		return 0;
	*ret_owned = file_absolute(*path);
	if (!*ret_owned)
		return err_no_memory(err);
	*path = *ret_owned;
	return 0;
}

/* SoftHSM is told by a variable where its configuration is. */
static int settle_softhsm(struct err *err)
{
	const char *path = getenv("SOFTHSM2_CONF");
	owned(mem) char *absolute = NULL;
	int rc = make_absolute(&path, &absolute, err);

	return absolute && setenv("SOFTHSM2_CONF", absolute, 1) < 0 ? err_no_memory(err) : rc;
}

static int leave_folder(struct appliance_config *config, struct err *err)
{
	const char **paths[] = {&config->tls_folder, &config->pid_file, &config->tokens, &config->guard,
				&config->library};
	static char *made[sizeof(paths) / sizeof(paths[0])];	/* as long as the daemon */
	/* A library without a slash is looked for by the loader. */
	size_t n = sizeof(paths) / sizeof(paths[0]) - (strchr(config->library, '/') ? 0 : 1);
	int rc = settle_softhsm(err);

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = make_absolute(paths[i], &made[i], err);
	if (rc == 0 && chdir("/") < 0)
		rc = err_errno(err, "cannot leave the working folder");
	return rc;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct serve *a = data;
	struct appliance_config config = {
		.name = a->name, .library = a->library, .serial = a->serial, .address = a->listen,
		.tls_folder = a->pki, .pid_file = a->pid_file, .tokens = a->tokens, .guard = a->guard,
	};
	int rc = leave_folder(&config, err);

	if (rc == 0)
		rc = leave_descriptors(err);
	if (rc < 0)
		return rc;
	forget_environment();
	log_to_fd(STDERR_FILENO, cli->globals.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	return appliance_watch(&config, err);
}

const struct cli_command appliance_serve_command = {
	.name = "serve", .summary = "Run the daemon in the foreground until SIGTERM",
	.options = options, .args = args, .args_size = sizeof(struct serve), .run = run,
};
