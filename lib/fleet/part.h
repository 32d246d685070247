/* SPDX-License-Identifier: Apache-2.0 */
/*
 * part - a list of parts of a fleet, each of which begins with its name.
 *
 * Private to lib/fleet.
 */
#ifndef FLEET_PART_H
#define FLEET_PART_H

#include <stddef.h>

struct fleet_parts {
	void *items;
	size_t count, size;
};

/* The list f of an owner as parts. */
#define FLEET_PARTS(owner, f)                                                                      \
	((struct fleet_parts){(owner)->f, (owner)->n_##f, sizeof(*(owner)->f)})

/* The part of that name, NULL when there is none. */
void *fleet_part(struct fleet_parts parts, const char *name);

/* The name nearest in spelling, NULL when none is near (or without memory). */
const char *fleet_part_nearest(struct fleet_parts parts, const char *name);

#endif
