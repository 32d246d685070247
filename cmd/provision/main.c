/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "provision/group.h"

int main(int argc, char **argv)
{
	return cli_main(&provision_group, argc, argv);
}
