/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap - libcurl's memory, zeroed before it is given back.
 *
 * libcurl copies headers and bodies, which may be tokens and secrets, into buffers
 * of its own. Private to lib/http.
 */
#ifndef HTTP_HEAP_H
#define HTTP_HEAP_H

struct err;

/* Initialise libcurl, once in a process; from any thread. */
int heap_start(struct err *err);

#endif
