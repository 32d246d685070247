/* SPDX-License-Identifier: Apache-2.0 */
#include "completion/group.h"

#include <string.h>

#include "groups.h"

/* The words to complete may look like options of ours, so they are not parsed. */
int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "__complete") == 0)
		return cli_complete(all_groups, argc - 2, argv + 2);
	return cli_main(&completion_group, argc, argv);
}
