/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl completion: prints the shims that let a shell ask for candidates. */
#include "completion/group.h"

#include <string.h>

/* The file as it stands in completions/. */
#define SHIM(shell)                                                            \
	extern const char completion_##shell[];                                \
	__asm__(".pushsection .rodata\n"                                       \
		".global completion_" #shell "\n"                              \
		"completion_" #shell ":\n"                                     \
		".incbin \"completions/hsmctl." #shell "\"\n"                  \
		".byte 0\n"                                                    \
		".popsection\n");                                              \
	static int run_##shell(struct cli *cli, const void *args, struct err *err) \
	{                                                                      \
		(void)args;                                                    \
		return cli_write(cli, completion_##shell, strlen(completion_##shell), err); \
	}                                                                      \
	static const struct cli_command shell##_command = {                    \
		.name = #shell, .summary = "Print the completion for " #shell, .run = run_##shell, \
	}

SHIM(bash);
SHIM(zsh);
SHIM(fish);

static const struct cli_command *const commands[] = {&bash_command, &zsh_command, &fish_command, NULL};

const struct cli_group completion_group = {
	.name = "completion",
	.summary = "Print what makes a shell complete hsmctl's words",
	.commands = commands,
};
