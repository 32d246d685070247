/* SPDX-License-Identifier: Apache-2.0 */
/* client - the thread that drives all transfers of one struct http. Private to lib/http. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "http/http.h"
#include "http/transfer.h"

/* Let it run to its end: 0, then transfer_finish() tells how it went; or a cancel code,
 * after which the transfer is no longer touched. */
int client_run(struct http *http, struct transfer *t, struct err *err);

const struct transfer_settings *client_settings(const struct http *http);

/* Milliseconds that pause in seconds takes here. */
int64_t client_pause_ms(const struct http *http, double seconds);

#endif
