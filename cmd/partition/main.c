/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "partition/group.h"

int main(int argc, char **argv)
{
	return cli_main(&partition_group, argc, argv);
}
