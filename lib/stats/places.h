/* SPDX-License-Identifier: Apache-2.0 */
/*
 * places - the folders in which statistics lie.
 *
 * Whoever uses a store of its own has them there; others may not write it. /run/hsmctl/applications is for all users of
 * a host, where its administrator made it (root's, and sticky). $XDG_RUNTIME_DIR/hsmctl is a user's own. A bundle comes
 * last: nobody looks into it but who works with it. HSMCTL_STATISTICS names a folder instead of all of these; "off": none.
 */
#ifndef STATS_PLACES_H
#define STATS_PLACES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum { STATS_PLACES = 3 };
#define STATS_HOST_FOLDER "/run/hsmctl/applications"

struct stats_place {
	char path[PATH_MAX];
	unsigned makes;	/* so many of its last parts are made, when they are not there */
};

/* In the order in which they are tried; how many. store may be NULL. */
size_t stats_places(const char *store, bool bundle, struct stats_place ret[static STATS_PLACES]);

/* Open the folder for writing into it, or -1: it is not there, a symbolic link, or somebody else could put other files
 * in the place of ours. */
int stats_place_open(const struct stats_place *place);

#endif
