/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of hsmctl partition, and what they share. */
#ifndef CMD_PARTITION_PARTITION_H
#define CMD_PARTITION_PARTITION_H

#include "admin.h"
#include "cli/cli.h"

struct member;
struct tls_context;

extern const struct cli_command partition_list_command, partition_show_command,
	partition_contents_command;

/* One partition and the means to talk to its token; all owned. */
struct partition_look {
	struct store *store;
	struct fleet *fleet;
	struct fleet_device *device;		/* of fleet */
	struct fleet_partition *partition;	/* of device */
	struct tls_context *tls;
	struct member *member;			/* not connected */
};
void partition_look_release(struct partition_look *look);
OWN_DEFINE_RELEASE(partition_look)

/* where: DEVICE or DEVICE/PARTITION. */
int partition_look_open(const struct cli *cli, const char *where, struct partition_look *ret,
			struct err *err);

#endif
