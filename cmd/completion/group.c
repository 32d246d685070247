/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl completion: prints the shims that let a shell ask for candidates. */
#include "completion/group.h"

#include <string.h>

/* The file as it stands in completions/. */
extern const char completion_bash[];
__asm__(".pushsection .rodata\n"
	".global completion_bash\n"
	"completion_bash:\n"
	".incbin \"completions/hsmctl.bash\"\n"
	".byte 0\n"
	".popsection\n");

static int run_bash(struct cli *cli, const void *args, struct err *err)
{
	(void)args;
	return cli_write(cli, completion_bash, strlen(completion_bash), err);
}

static const struct cli_command bash_command = {
	.name = "bash",
	.summary = "Print the completion for bash",
	.run = run_bash,
};

static const struct cli_command *const commands[] = {&bash_command, NULL};

const struct cli_group completion_group = {
	.name = "completion",
	.summary = "Print what makes a shell complete hsmctl's words",
	.commands = commands,
};
