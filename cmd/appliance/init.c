/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl appliance init: make the token, in a process of its own. */
#include "base/cred.h"
#include "base/err.h"
#include "cli/cli.h"
#include "appliance/appliance.h"
#include "member/appliance.h"

struct init {
	const char *library, *label, *so_pin_source, *pin_source;
};

static const struct cli_param options[] = {
	{.kind = CLI_STRING, .name = "library", .value = "PATH", .flags = CLI_REQUIRED | CLI_FILES,
	 .offset = CLI_FIELD_(struct init, library, const char *), .summary = "PKCS#11 library"},
	{.kind = CLI_STRING, .name = "label", .value = "LABEL", .flags = CLI_REQUIRED,
	 .offset = CLI_FIELD_(struct init, label, const char *), .summary = "Label of the token"},
	{.kind = CLI_STRING, .name = "so-pin-source", .value = "REFERENCE", .flags = CLI_REQUIRED,
	 .offset = CLI_FIELD_(struct init, so_pin_source, const char *), .summary = "Where the SO PIN comes from"},
	{.kind = CLI_STRING, .name = "pin-source", .value = "REFERENCE", .flags = CLI_REQUIRED,
	 .offset = CLI_FIELD_(struct init, pin_source, const char *), .summary = "Where the user PIN comes from"},
	CLI_END
};
static const struct cli_param args[] = {CLI_END};

struct result {
	char *label, *serial;
};

static const struct json_field fields[] = {
	JSON_F_STRING(struct result, label, JSON_COLUMN, "label of the token"),
	JSON_F_STRING(struct result, serial, JSON_COLUMN, "serial number the token has"),
	JSON_F_END
};
static const struct json_type result_type = {
	.schema = "token", .summary = "A token that was made", .size = sizeof(struct result), .fields = fields,
};

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct init *a = data;
	owned(secret) struct secret *so_pin = NULL, *pin = NULL;
	char serial[17];
	struct result result = {.label = (char *)a->label, .serial = serial};
	int rc = cred_read(a->so_pin_source, "SO PIN", &so_pin, err);

	if (rc == 0)
		rc = cred_read(a->pin_source, "user PIN", &pin, err);
	if (rc == 0)
		rc = appliance_init_token(a->library, a->label, so_pin, pin, serial, err);
	return rc < 0 ? rc : cli_emit(cli, &result_type, &result, err);
}

const struct cli_command appliance_init_command = {
	.name = "init", .summary = "Make a token; used by the softhsm provider", .flags = CLI_HIDDEN,
	.options = options, .args = args, .args_size = sizeof(struct init), .output = &result_type, .run = run,
};
