/* SPDX-License-Identifier: Apache-2.0 */
/* failure - libcurl's codes as errors of ours. Private to lib/http. */
#ifndef HTTP_FAILURE_H
#define HTTP_FAILURE_H

#include <stdbool.h>

struct err;
struct transfer;

/* Why a transfer that ended with a code has no answer; *ret_transient as in transfer_finish(). */
int failure_explain(const struct transfer *t, bool *ret_transient, struct err *err);

#endif
