/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "drill/group.h"

int main(int argc, char **argv)
{
	return cli_main(&drill_group, argc, argv);
}
