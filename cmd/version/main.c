/* SPDX-License-Identifier: Apache-2.0 */
#include "version/group.h"

int main(int argc, char **argv)
{
	return cli_main(&version_group, argc, argv);
}
