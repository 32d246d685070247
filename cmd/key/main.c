/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "key/group.h"

int main(int argc, char **argv)
{
	return cli_main(&key_group, argc, argv);
}
