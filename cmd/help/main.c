/* SPDX-License-Identifier: Apache-2.0 */
#include "help/group.h"

int main(int argc, char **argv)
{
	return cli_main(&help_group, argc, argv);
}
