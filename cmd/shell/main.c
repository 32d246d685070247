/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/group.h"

int main(int argc, char **argv)
{
	return cli_main(&shell_group, argc, argv);
}
