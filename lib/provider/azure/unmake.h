/* SPDX-License-Identifier: Apache-2.0 */
/* unmake - taking resources away: what others need goes last, and nothing that is not the fleet's. */
#ifndef PROVIDER_AZURE_UNMAKE_H
#define PROVIDER_AZURE_UNMAKE_H

#include "provider/azure/find.h"

/* Unmake them; whole: the resource group too, when we made it and nothing is left in it. ERR_CONFIRM for
 * dedicated HSMs unless the call states that they are zeroised. */
int azure_unmake(struct azure_session *session, const struct fleet *fleet, const struct azure_finds *doomed,
		 bool whole, struct err *err);

#endif
