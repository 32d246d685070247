/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "verify/group.h"

int main(int argc, char **argv)
{
	return cli_main(&verify_group, argc, argv);
}
