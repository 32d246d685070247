/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk - the one way from what a fleet is to what it should be.
 *
 * Planning and applying take the same steps in the same order: a plan counts
 * them on a copy, apply carries each out and commits it. Private to lib/provider.
 */
#ifndef PROVIDER_WALK_H
#define PROVIDER_WALK_H

#include "provider/provider.h"

enum { CHANGE_DETAIL = 256 };

struct change {
	enum change_kind kind;
	const char *noun;		/* "device", "datacenter", "azure" */
	const char *name;
	char detail[CHANGE_DETAIL];
	struct fleet_device *device;	/* in the fleet that is walked; NULL for a datacenter */
};

struct walk {
	struct store *store;
	struct fleet *fleet;		/* changed step by step into what is desired */
	const struct fleet *desired;
	/* Before the step shows in the fleet's list (destroy), or behind it (others);
	 * may be NULL. */
	int (*carry_out)(struct walk *walk, const struct change *change, struct err *err);
	/* Between what is added and what is dropped; may be NULL. */
	int (*settle)(struct walk *walk, struct err *err);
	/* A device that could not be carried out and is as it was: 0 goes on with the others. NULL: stop. */
	int (*failed)(struct walk *walk, const char *device, const struct err *why, struct err *err);
	bool incomplete;		/* one failed: nothing is dropped */
	/* The step is done and the fleet says so. */
	int (*record)(struct walk *walk, const struct change *change, struct err *err);
};

int walk_run(struct walk *walk, struct err *err);

/* Remove a device, or a datacenter, from the fleet's list. */
void walk_forget_device(struct fleet *fleet, size_t i);
void walk_forget_datacenter(struct fleet *fleet, size_t i);

#endif
