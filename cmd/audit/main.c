/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "audit/group.h"

int main(int argc, char **argv)
{
	return cli_main(&audit_group, argc, argv);
}
