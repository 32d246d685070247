/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fleet - the document: what should exist.
 *
 * Datacentres, devices, their partitions (a partition is a token) with the
 * link that reaches them, HA groups with members and policy. It never holds a
 * secret, only references (base/cred.h). The same type is read from the FILE
 * of an administrator (comments allowed, links may be missing: the provider
 * fills them in) and kept by the store.
 */
#ifndef FLEET_FLEET_H
#define FLEET_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/own.h"
#include "json/type.h"

struct err;

extern const char *const fleet_provider_names[];	/* "softhsm" */

enum fleet_role { FLEET_ACTIVE, FLEET_STANDBY };
extern const char *const fleet_role_names[];	/* "active", "standby" */

/* How a token is reached. */
enum fleet_link_kind {
	FLEET_LINK_NONE,	/* not provisioned yet */
	FLEET_LINK_TLS,		/* an appliance across the network */
	FLEET_LINK_MODULE,	/* a PKCS#11 library in this process */
};
extern const char *const fleet_link_names[];	/* "none", "tls", "module" */

struct fleet_link {
	unsigned kind;
	char *address;		/* tls: "127.0.0.1:41234" or "[::1]:41234" */
	char *certificate;	/* tls: SHA-256 of the peer's certificate, hex */
	char *module;		/* module: path of the library */
};

struct fleet_partition {
	char *name;		/* unique in its device */
	char *serial;		/* CKA token serial; the identity of the token */
	char *pin_source;	/* user PIN */
	char *so_pin_source;
	struct fleet_link link;
};

struct fleet_device {
	char *name;
	char *datacenter;
	char *module;		/* softhsm: library the appliance hosts; NULL = find it */
	struct fleet_partition *partitions;
	size_t n_partitions;
};

struct fleet_datacenter {
	char *name;
	char *region;
	char *provider;		/* one of fleet_provider_names */
};

struct fleet_member {
	char *device;
	char *partition;
	unsigned role;
	char *transport;	/* pinned fingerprint of its transport key, hex SHA-256 */
	int64_t epoch;		/* of joining; a member that returns older is not trusted */
};

struct fleet_policy {
	int64_t min_members;		/* a write succeeds on this many members … */
	int64_t min_datacenters;	/* … in this many datacentres; 0 = the default */
	int64_t connect_ms;		/* longest connection set-up */
	int64_t answer_ms;		/* longest silence of a peer that owes an answer */
	int64_t call_ms;		/* longest call, heartbeats or not */
	bool allow_unreplicated;	/* accept keys that members cannot carry over */
};

struct fleet_group {
	char *name;
	char *serial;		/* of the virtual token: 16 characters, fixed at birth */
	char *domain;		/* CKA_ID of the domain key, hex */
	char *pin_source;
	struct fleet_policy policy;
	struct fleet_member *members;
	size_t n_members;
};

struct fleet {
	char *name;
	int64_t revision;	/* counted by the store; 0 in an administrator's FILE */
	struct fleet_datacenter *datacenters;
	size_t n_datacenters;
	struct fleet_device *devices;
	size_t n_devices;
	struct fleet_group *groups;
	size_t n_groups;
	bool has_groups;	/* the document had a "groups" section, even an empty one */
};

extern const struct json_type fleet_type;	/* schema "fleet" */

/*
 * flags: JSON_COMMENTS for an administrator's FILE. Read, put in defaults (a
 * device without partitions gets one with the device's name; a member of a
 * device with one partition need not name it), then check what a table cannot:
 * references between parts, a partition that is twice a member, two partitions
 * with one serial, providers, credential references (their text is never
 * repeated: it may be a PIN), links, policy within the group's size.
 * ERR_INVALID "SOURCE:LINE: …".
 */
int fleet_read(const char *text, size_t len, const char *source, unsigned flags,
	       struct fleet **ret, struct err *err);
int fleet_read_file(const char *path, unsigned flags, struct fleet **ret, struct err *err);
int fleet_write(const struct fleet *fleet, struct buf *ret, struct err *err);
int fleet_copy(const struct fleet *fleet, struct fleet **ret, struct err *err);
struct fleet *fleet_new(void);
void fleet_free(struct fleet *fleet);
OWN_DEFINE(fleet)

/* Look-ups return parts of the fleet, or NULL. */
struct fleet_datacenter *fleet_datacenter(const struct fleet *fleet, const char *name);
struct fleet_device *fleet_device(const struct fleet *fleet, const char *name);
struct fleet_partition *fleet_partition(const struct fleet_device *device, const char *name);
struct fleet_group *fleet_group(const struct fleet *fleet, const char *name);

/* The same with ERR_NOT_FOUND, a hint at the nearest name and the list command. */
int fleet_find_device(const struct fleet *fleet, const char *name,
		      struct fleet_device **ret, struct err *err);
int fleet_find_group(const struct fleet *fleet, const char *name,
		     struct fleet_group **ret, struct err *err);

/* "DEVICE" (which then has one partition; ERR_AMBIGUOUS otherwise) or
 * "DEVICE/PARTITION". */
int fleet_locate(const struct fleet *fleet, const char *where, struct fleet_device **ret_device,
		 struct fleet_partition **ret_partition, struct err *err);

/* Take a group out of the document. */
void fleet_remove_group(struct fleet *fleet, struct fleet_group *group);

/* The group a partition serves in, NULL when none. partition NULL: any of the device's. */
struct fleet_group *fleet_group_of(const struct fleet *fleet, const char *device,
				   const char *partition);

/* Name of a member for people: the device, with "/partition" when it has several. */
const char *fleet_member_name(const struct fleet *fleet, const struct fleet_member *member,
			      char *text, size_t size);

/* The group's policy with defaults put in: min_members = min(2, members),
 * min_datacenters = 2 where the members span several, else 1; connect 2000,
 * answer 1000, call 60000 ms. */
struct fleet_policy fleet_group_policy(const struct fleet *fleet, const struct fleet_group *group);

/* Assign a copy of value to an owned string. */
int fleet_set(char **field, const char *value, struct err *err);

#endif
