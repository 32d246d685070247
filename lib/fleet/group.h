/* SPDX-License-Identifier: Apache-2.0 */
/* group - what fleet.h does not show of groups. Private to lib/fleet. */
#ifndef FLEET_GROUP_H
#define FLEET_GROUP_H

#include <stddef.h>

struct fleet;
struct fleet_group;

/* In how many datacenters the group's members stand. */
size_t fleet_group_datacenters(const struct fleet *fleet, const struct fleet_group *group);

#endif
