/* SPDX-License-Identifier: Apache-2.0 */
/* types - what fleet.h does not show of the tables. Private to lib/fleet. */
#ifndef FLEET_TYPES_H
#define FLEET_TYPES_H

#include "json/type.h"

/* A document whose "groups" section is absent, which says less than an empty one. */
extern const struct json_type fleet_type_without_groups;
extern const struct json_type fleet_group_type, fleet_policy_type;

#endif
