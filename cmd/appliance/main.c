/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "appliance/group.h"

int main(int argc, char **argv)
{
	return cli_main(&appliance_group, argc, argv);
}
