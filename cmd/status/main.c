/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "status/group.h"

int main(int argc, char **argv)
{
	return cli_main(&status_group, argc, argv);
}
