/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin - what several commands begin with: the store, a group, its members.
 *
 * Linked into every subcommand; holds no policy of its own.
 */
#ifndef CMD_ADMIN_H
#define CMD_ADMIN_H

#include "fleet/fleet.h"
#include "replica/set.h"
#include "store/store.h"

struct cli;
struct cli_completion;
struct err;

/* Everything a command on one group works with; all owned. */
struct admin {
	struct store *store;
	struct store_lock *lock;	/* NULL: others may work on the group too */
	struct fleet *fleet;
	struct fleet_group *group;	/* of fleet */
	struct replica_set *set;	/* logged in, not connected */
};
void admin_release(struct admin *admin);
OWN_DEFINE_RELEASE(admin)

/* Open the store, find the group, read its PIN. */
int admin_open(const struct cli *cli, const char *group, struct admin *ret, struct err *err);
/* The same, and nobody else works on the group meanwhile; others are shown doing. ERR_LOCKED. */
int admin_open_alone(const struct cli *cli, const char *group, const char *doing, struct admin *ret, struct err *err);

/* Write down in the store which members missed writes, or do no longer, when the members know more of that than it does: a
 * witness that outlives them; and the transport keys that a sync made. */
int admin_keep_marks(struct admin *admin, struct err *err);

/* Print a result, with the head of the trail when the command wrote to it through this store. */
int admin_emit(struct cli *cli, const struct store *store, const struct json_type *type, const void *data,
	       struct err *err);

/* The PKCS#11 module that goes with this program: the one beside it in a tree as it was built, else where it is
 * installed. New memory, NULL without. */
char *admin_module_path(void);

/* Print the devices of the store, without asking anybody. */
int admin_print_devices(struct cli *cli, struct store *store, struct err *err);

/* Say of each device (NULL: all) of a fleet that was adopted and has left it that its token was not touched. */
void admin_tell_released(struct cli *cli, const struct fleet *before, const char *device);

/* Live completers. */
void admin_complete_groups(struct cli *cli, struct cli_completion *c);
void admin_complete_devices(struct cli *cli, struct cli_completion *c);
/* DEVICE[/PARTITION]: the part behind the slash where a device has several, or when one is typed. */
void admin_complete_partitions(struct cli *cli, struct cli_completion *c);
/* Of these, partitions of no group that the line does not give as --member or --standby yet. */
void admin_complete_free(struct cli *cli, struct cli_completion *c);
/* Of these, the active members of the group given by --group. */
void admin_complete_active(struct cli *cli, struct cli_completion *c);
/* Kinds of credentials for clouds. */
void admin_complete_credentials(struct cli *cli, struct cli_completion *c);

#endif
