/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "device/group.h"

int main(int argc, char **argv)
{
	return cli_main(&device_group, argc, argv);
}
