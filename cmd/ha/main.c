/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "ha/group.h"

int main(int argc, char **argv)
{
	return cli_main(&ha_group, argc, argv);
}
