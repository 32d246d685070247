/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provider - makes, breaks and unmakes devices of one kind, or adopts what is there.
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
struct inventory;
struct observer;
struct provider_layout;
struct store;

/* What is known of a device without asking its token. */
enum device_state {
	DEVICE_ABSENT,	/* does not exist */
	DEVICE_PARTIAL,	/* half made; apply finishes it */
	DEVICE_STOPPED,
	DEVICE_RUNNING,
	DEVICE_MADE,	/* exists elsewhere, by the store's word; 'provision show' asks */
	DEVICE_ADOPTED,	/* was there before, by the store's word */
	DEVICE_UNKNOWN,	/* could not be looked at; no provider says so */
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
	const char *makes;	/* for people: "softhsm appliance" */
	bool adopts;		/* its tokens were there before and stay: start, stop, fault and heal are NULL */
	bool zeroise;		/* only a device's own administrator can take the keys off it */
	/* Makes all devices of a fleet at once, with what they need; apply, start, stop,
	 * destroy are then NULL. See provider/layout.h. NULL: device by device. */
	int (*layout)(const struct provider_layout **ret, struct err *err);
	/* ERR_MISSING (SoftHSM not installed), ERR_INVALID (more than one partition) …:
	 * everything that can be known before anything is changed. */
	int (*check)(const struct fleet *fleet, const struct fleet_device *device, struct err *err);
	/* ERR_INVALID: it cannot be made in a store of this absolute path. NULL: anywhere. */
	int (*check_place)(const char *store_path, const struct fleet_device *device, struct err *err);
	int (*state)(struct store *store, const struct fleet_device *device, enum device_state *ret, struct err *err);
	/* Ask its token whether it is still the one, without logging in. NULL: state is enough. */
	int (*look)(struct store *store, const struct fleet_device *device, struct err *err);
	/* Make it exist, initialised and running; fills the device's partitions in. */
	int (*apply)(struct store *store, struct fleet *fleet, struct fleet_device *device,
		     struct observer *observer, struct err *err);
	/* Start it; the link's address may change. */
	int (*start)(struct store *store, struct fleet_device *device, struct err *err);
	int (*stop)(struct store *store, const struct fleet_device *device, struct err *err);
	/* Stop it and remove all it has, secrets included; of one that was adopted nothing. */
	int (*destroy)(struct store *store, const struct fleet_device *device, struct err *err);
	/* Break it on purpose; ret_command says what was done, for the evidence
	 * ("kill -KILL 1234"). heal undoes it: continues or starts it again. */
	int (*fault)(struct store *store, const struct fleet_device *device, enum fault_kind kind,
		     char *ret_command, size_t size, struct err *err);
	int (*heal)(struct store *store, struct fleet_device *device, struct err *err);
};

extern const struct provider provider_softhsm, provider_existing;
extern const struct provider provider_azure_dedicated_hsm, provider_azure_cloud_hsm;

/* How a command proves to a cloud who it is: options of the command line; a member that is NULL
 * or false is found in the environment. Identifiers and references, no secrets. */
struct provider_access {
	const char *credential;		/* kind of credential: "managed-identity"; NULL = look for one */
	const char *subscription, *tenant, *client;
	const char *secret_source;	/* reference (base/cred.h) */
	const char *certificate;	/* file or pkcs11: URI */
	const char *certificate_chain;
	const char *password_source;	/* of the certificate's file */
	const char *token_file;
	bool rs256, send_chain;
};

/* Of one command. */
struct provider_call {
	struct store *store;
	struct observer *observer;		/* may be NULL */
	const struct provider_access *access;	/* may be NULL */
	bool zeroised;				/* the user states that devices to be removed hold no keys */
};

/* The provider of a device; ERR_INVALID when its datacentre names an unknown one. */
int provider_of(const struct fleet *fleet, const struct fleet_device *device,
		const struct provider **ret, struct err *err);

/* Are the tokens of its devices made by others? Then documents may say how they are reached. */
bool provider_is_foreign(const struct provider *provider);
/* ERR_UNSUPPORTED unless it is ours to start and to stop. */
int provider_check_power(const struct provider *provider, const struct fleet_device *device, struct err *err);

/* ---- a plan: what apply would do ---- */

enum change_kind { CHANGE_CREATE, CHANGE_START, CHANGE_UPDATE, CHANGE_DESTROY, CHANGE_ADOPT, CHANGE_RELEASE };
extern const char *const change_kind_names[];	/* "create", "start", "update", "destroy", "adopt", "release" */

struct provider_change {
	unsigned kind;
	char *subject;	/* "device hsm-east-1", "datacenter east-1", "group payments" */
	char *detail;	/* "softhsm appliance in east-1 (region east)" */
};

/* What must be put right before apply can begin. */
struct provider_problem {
	char *subject;		/* "region east", "quota" */
	char *text;
	char *hint;		/* NULL */
	int64_t code;		/* enum err_code; not written */
};

/* schema "plan" */
struct provider_plan {
	char *fleet;
	int64_t revision;	/* of the store it was made against */
	struct provider_problem *problems;
	size_t n_problems;
	struct provider_change *changes;
	size_t n_changes;
	bool ends_hsms;		/* a change deletes an HSM that only its administrator can zeroise */
};
struct json_type;
extern const struct json_type provider_plan_type;

void provider_plan_release(struct provider_plan *plan);
OWN_DEFINE_RELEASE(provider_plan)

/* Append a change, or a problem. */
int provider_plan_add(struct provider_plan *plan, enum change_kind kind, const char *subject,
		      const char *detail, struct err *err);
int provider_plan_problem(struct provider_plan *plan, const char *subject, const struct err *problem,
			  struct err *err);
/* 0 without problems, else the first one, and how many more there are. */
int provider_plan_check(const struct provider_plan *plan, struct err *err);

/* Could its devices be made in a store of this absolute path? Asked before there is one. */
int provider_check_place(const struct fleet *desired, const char *store_path, struct err *err);

/* A copy of desired with what it leaves to the store or the command, as which it is planned and applied. */
int provider_complete(const struct provider_call *call, const struct fleet *desired, struct fleet **ret,
		      struct err *err);

/*
 * Compare desired with what the store has and what is running. Checks all
 * devices first and names every problem. A device that serves in a group and is
 * missing from desired is refused with ERR_IN_USE. groups of desired are looked
 * at only if it has_groups. What stands in the way in a cloud goes into the plan's
 * problems. ret is zeroed by the caller.
 */
int provider_plan_make(const struct provider_call *call, const struct fleet *desired, struct provider_plan *ret,
		       struct err *err);

/*
 * Carry desired out, committing each whole step to the store: device by device, and
 * the devices of a cloud at once. Kill it anywhere and run it again: it continues.
 * A device that cannot be made, started or removed keeps no other from its turn: it
 * stays in the store as it was and goes into the failures of ret, which are none when
 * all was done. Nothing is destroyed when something else could not be made.
 * seen: the plan that somebody saw, NULL = nobody. exactly: it must still be what is to be done; otherwise nothing
 * else may be destroyed than it says: ERR_CHANGED.
 */
int provider_apply(const struct provider_call *call, const struct fleet *desired, const struct provider_plan *seen,
		   bool exactly, struct inventory *ret, struct err *err);

/* Destroy every device of the store. ERR_IN_USE while groups exist. */
int provider_destroy(const struct provider_call *call, struct err *err);

/* ERR_CONFIRM when device (NULL: one of the fleet's) exists, holds keys that only its administrator can take
 * off, and the call does not state that this was done. */
int provider_check_zeroised(const struct provider_call *call, const struct fleet *fleet, const char *device,
			    struct err *err);

/* May device (NULL: all of the fleet) be destroyed? ERR_IN_USE while it serves in a group, ERR_NOT_FOUND. */
int provider_check_free(const struct fleet *fleet, const char *device, struct err *err);

/* Destroy one device. ERR_IN_USE while it serves in a group. */
int provider_decommission(const struct provider_call *call, const char *device, struct err *err);

#endif
