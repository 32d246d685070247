/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "sync/group.h"

int main(int argc, char **argv)
{
	return cli_main(&sync_group, argc, argv);
}
