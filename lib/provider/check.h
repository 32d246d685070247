/* SPDX-License-Identifier: Apache-2.0 */
/* check - what stands in the way of a desired fleet. Private to lib/provider. */
#ifndef PROVIDER_CHECK_H
#define PROVIDER_CHECK_H

struct err;
struct fleet;

/* Everything that can be known before anything is changed. Names all problems; the
 * code is that of the first. */
int provider_check(const struct fleet *have, const struct fleet *desired, struct err *err);

#endif
