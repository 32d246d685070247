/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps - what the administrator of an HSM does once Azure has made it.
 *
 * Azure makes the device and no more: passwords, partitions, certificates, users are set with the
 * vendor's tools. One list for each kind of device, in the order in which it is done, with what to
 * type and what can be seen of it from this host: ports, names, the state of the cluster, and the
 * token through its vendor's library. No step is tried, and nobody logs in: a wrong PIN counts.
 */
#ifndef PROVIDER_AZURE_STEPS_H
#define PROVIDER_AZURE_STEPS_H

#include <stdbool.h>
#include <stddef.h>

#include "json/tree.h"
#include "provider/inventory.h"

struct err;
struct fleet_device;

/* A device that exists; all borrowed. */
struct azure_seen {
	const struct fleet_device *device;
	bool dedicated;			/* else a Cloud HSM cluster */
	const char *address;		/* where it is managed, NULL = not known */
	bool out_of_reach;		/* nothing is sent to its addresses, nor are its names looked up */
	const struct json_tree *live;	/* the resource, NULL = it could not be read */
};

/* Append the lists of all of them. Looks at all at once and takes up to ten seconds when a library does
 * not answer; no other thread may run. Cancel codes and ERR_NO_MEMORY only. */
int azure_steps_add(const struct azure_seen *seen, size_t n, struct inventory *inventory, struct err *err);

#endif
