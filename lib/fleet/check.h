/* SPDX-License-Identifier: Apache-2.0 */
/* check - what must hold between the parts of a fleet. Private to lib/fleet. */
#ifndef FLEET_CHECK_H
#define FLEET_CHECK_H

struct err;
struct fleet;
struct json_lines;

/* Put in the defaults of fleet_read(), then check. Lines are those of fleet. */
int fleet_check(struct fleet *fleet, const struct json_lines *lines, struct err *err);

#endif
