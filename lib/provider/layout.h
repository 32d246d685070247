/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout - a provider that makes a whole fleet at once.
 *
 * In a cloud devices need networks, gateways and names, and take long; so they are
 * made together, what is independent in parallel. The store knows first: what is to
 * exist is committed before it is made, so that whatever a killed run leaves behind
 * belongs to the fleet and is found again.
 *
 * The layout of the clouds lies in a library of its own, which is loaded when a fleet
 * has devices in one (provider/cloud.c).
 */
#ifndef PROVIDER_LAYOUT_H
#define PROVIDER_LAYOUT_H

#include "provider/provider.h"

struct buf;
struct inventory;

/* Backups of a device's keys by the cloud itself. */
struct provider_backup {
	const char *container;	/* URL of where it goes or comes from */
	const char *id;		/* of the backup to restore; NULL: make one */
	bool activated;		/* restore even into a device that is in use */
};

/* schema "backup" */
struct provider_backup_result {
	char *device, *container, *id, *state, *started, *ended;
};
extern const struct json_type provider_backup_type;

/* What an import reads. */
struct provider_import {
	const char *resource_group;	/* NULL: the only one that holds devices */
	const char *name;		/* of the fleet; NULL: the one its HSMs are marked with, else the resource group's */
};

/* Called after each device is made and filled in; commits. */
struct provider_step {
	int (*record)(struct provider_step *step, const char *subject, const char *detail, struct err *err);
};

struct provider_layout {
	/* Put into desired what the document leaves to the store (which has have) or to the command: the
	 * subscription. */
	int (*complete)(const struct provider_call *call, const struct fleet *have, struct fleet *desired,
			struct err *err);
	/* Append all problems and every change that the document's own comparison does not show. */
	int (*plan)(const struct provider_call *call, const struct fleet *have, const struct fleet *desired,
		    struct provider_plan *ret, struct err *err);
	/* Make all that desired says; fills the devices of fleet in, which is what the store will hold
	 * and may have more of them. May be repeated. */
	int (*apply)(const struct provider_call *call, const struct fleet *desired, struct fleet *fleet,
		     struct provider_step *step, struct err *err);
	/* Unmake what have and earlier runs made and keep (NULL = nothing) does not name. */
	int (*remove)(const struct provider_call *call, const struct fleet *have, const struct fleet *keep,
		      struct err *err);
	/* Unmake one device of the fleet, and what serves it alone. */
	int (*decommission)(const struct provider_call *call, const struct fleet *fleet,
			    const struct fleet_device *device, struct err *err);
	/* Ask the cloud: states, what it says of devices, which steps their administrators still have to do. */
	int (*look)(const struct provider_call *call, const struct fleet *fleet, struct inventory *inventory,
		    struct err *err);
	/* The layout as a template: "arm", "bicep". Asks nobody. */
	int (*export_template)(const struct fleet *fleet, const char *format, struct buf *ret, struct err *err);
	/* A fleet document of what is there. */
	int (*import)(const struct provider_call *call, const struct provider_import *what, struct fleet **ret,
		      struct err *err);
	int (*backup)(const struct provider_call *call, const struct fleet *fleet, const struct fleet_device *device,
		      const struct provider_backup *what, struct provider_backup_result *ret, struct err *err);
};

/* The layout of the clouds, loaded at the first call. ERR_MISSING: the library is not there. */
int provider_cloud_layout(const struct provider_layout **ret, struct err *err);

/* The layout that fleet's devices need, NULL when they need none. */
int provider_layout_of(const struct fleet *fleet, const struct provider_layout **ret, struct err *err);

#endif
