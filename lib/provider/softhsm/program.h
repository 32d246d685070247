/* SPDX-License-Identifier: Apache-2.0 */
/* program - where a program of ours is. */
#ifndef PROVIDER_SOFTHSM_PROGRAM_H
#define PROVIDER_SOFTHSM_PROGRAM_H

struct err;

/* Its path in new memory: beside this one, or where programs are installed.
 * ERR_MISSING. */
int softhsm_program(const char *name, char **ret, struct err *err);

#endif
