/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl appliance serve: the daemon behind one local device. */
#include <unistd.h>

#include "base/log.h"
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

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct serve *a = data;
	const struct appliance_config config = {
		.name = a->name, .library = a->library, .serial = a->serial, .address = a->listen,
		.tls_folder = a->pki, .pid_file = a->pid_file, .tokens = a->tokens, .guard = a->guard,
	};

	log_to_fd(STDERR_FILENO, cli->globals.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	return appliance_serve(&config, err);
}

const struct cli_command appliance_serve_command = {
	.name = "serve", .summary = "Run the daemon in the foreground until SIGTERM",
	.options = options, .args = args, .args_size = sizeof(struct serve), .run = run,
};
