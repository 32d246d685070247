/* SPDX-License-Identifier: Apache-2.0 */
/* address - where an appliance listens. */
#ifndef PROVIDER_SOFTHSM_ADDRESS_H
#define PROVIDER_SOFTHSM_ADDRESS_H

struct err;

/* ERR_INVALID for what is no IPv4 ADDRESS:PORT. */
int softhsm_address_check(const char *address, struct err *err);

/* ERR_IN_USE when somebody listens there already. */
int softhsm_address_free(const char *address, struct err *err);

#endif
