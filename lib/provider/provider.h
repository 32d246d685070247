/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provider - makes, breaks and unmakes devices of one kind.
 *
 * One interface; the provider of a device is that of its datacentre. Every
 * function may be repeated: what is done already is left alone, what was half
 * done by a killed run is finished. Providers change the part of the fleet they
 * are handed (links, serials, credential references); the caller commits it.
 */
#ifndef PROVIDER_PROVIDER_H
#define PROVIDER_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/own.h"

struct err;
struct fleet;
struct fleet_device;
struct observer;
struct store;

/* What is known of a device without asking its token. */
enum device_state {
	DEVICE_ABSENT,	/* does not exist */
	DEVICE_PARTIAL,	/* half made; apply finishes it */
	DEVICE_STOPPED,
	DEVICE_RUNNING,
};
extern const char *const device_state_names[];

/* What a drill can do to a device. */
enum fault_kind {
	FAULT_CRASH,	/* SIGKILL: the process is gone, its connections reset */
	FAULT_HANG,	/* SIGSTOP: connections stay, nobody answers */
};
extern const char *const fault_kind_names[];	/* "crash", "hang" */

struct provider {
	const char *name;
	/* ERR_MISSING (SoftHSM not installed), ERR_INVALID (more than one partition) …:
	 * everything that can be known before anything is changed. */
	int (*check)(const struct fleet *fleet, const struct fleet_device *device, struct err *err);
	int (*state)(struct store *store, const struct fleet_device *device, enum device_state *ret, struct err *err);
	/* Make it exist, initialised and running; fills the device's partitions in. */
	int (*apply)(struct store *store, struct fleet *fleet, struct fleet_device *device,
		     struct observer *observer, struct err *err);
	/* Start it; the link's address may change. */
	int (*start)(struct store *store, struct fleet_device *device, struct err *err);
	int (*stop)(struct store *store, const struct fleet_device *device, struct err *err);
	/* Stop it and remove all it has, secrets included. */
	int (*destroy)(struct store *store, const struct fleet_device *device, struct err *err);
	/* Break it on purpose; ret_command says what was done, for the evidence
	 * ("kill -KILL 1234"). heal undoes it: continues or starts it again. */
	int (*fault)(struct store *store, const struct fleet_device *device, enum fault_kind kind,
		     char *ret_command, size_t size, struct err *err);
	int (*heal)(struct store *store, struct fleet_device *device, struct err *err);
};

extern const struct provider provider_softhsm;

/* The provider of a device; ERR_INVALID when its datacentre names an unknown one. */
int provider_of(const struct fleet *fleet, const struct fleet_device *device,
		const struct provider **ret, struct err *err);

/* ---- a plan: what apply would do ---- */

enum change_kind { CHANGE_CREATE, CHANGE_START, CHANGE_UPDATE, CHANGE_DESTROY };
extern const char *const change_kind_names[];	/* "create", "start", "update", "destroy" */

struct provider_change {
	unsigned kind;
	char *subject;	/* "device hsm-east-1", "datacenter east-1", "group payments" */
	char *detail;	/* "softhsm appliance in east-1 (region east)" */
};

/* schema "plan" */
struct provider_plan {
	char *fleet;
	int64_t revision;	/* of the store it was made against */
	struct provider_change *changes;
	size_t n_changes;
};
struct json_type;
extern const struct json_type provider_plan_type;

/*
 * Compare desired with what the store has and what is running. Checks all
 * devices first and names every problem. A device that serves in a group and is
 * missing from desired is refused with ERR_IN_USE. groups of desired are looked
 * at only if it has_groups. ret is zeroed by the caller, json_release()d after.
 */
int provider_plan_make(struct store *store, const struct fleet *desired, struct provider_plan *ret, struct err *err);

/*
 * Carry desired out, device by device, committing each whole step to the store.
 * Kill it anywhere and run it again: it continues. A revision in desired that is
 * not 0 must be the store's: ERR_CHANGED.
 */
int provider_apply(struct store *store, const struct fleet *desired, struct observer *observer, struct err *err);

/* Destroy every device of the store. ERR_IN_USE while groups exist. */
int provider_destroy(struct store *store, struct observer *observer, struct err *err);

#endif
