/* SPDX-License-Identifier: Apache-2.0 */
/* open - writes of which it is not known whether they arrived, or how they end. Private to lib/provider/azure. */
#ifndef PROVIDER_AZURE_OPEN_H
#define PROVIDER_AZURE_OPEN_H

#include <stdbool.h>

#include "base/cancel.h"
#include "base/err.h"

/* Only looking at the resource can tell what became of it. */
static inline bool azure_is_open(int rc, const struct err *err)
{
	return (rc == -ERR_UNREACHABLE || rc == -ERR_PROTOCOL) && err->retry == ERR_RETRY_IDEMPOTENT;
}

/* Say to whoever was interrupted that Azure was not; rc is given back. */
static inline int azure_say_goes_on(int rc, struct err *err)
{
	if (cancel_is(rc))
		err_hint(err, "Azure goes on with what was begun; run the command again (with the document, not a kept plan) to continue");
	return rc;
}

#endif
