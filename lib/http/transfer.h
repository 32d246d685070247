/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer - one request on its way, once. Private to lib/http.
 *
 * Made and freed by the caller's thread; between client_run()'s begin and end the
 * client's thread has it.
 */
#ifndef HTTP_TRANSFER_H
#define HTTP_TRANSFER_H

#include <stdbool.h>

#include <curl/curl.h>

#include "http/http.h"
#include "http/url.h"

/* What of the settings of a client its transfers need. */
struct transfer_settings {
	char *user_agent, *ca_file;
	bool allow_loopback;
};

enum transfer_state { TRANSFER_NEW, TRANSFER_RUNNING, TRANSFER_DONE };

struct transfer {
	CURL *easy;
	struct curl_slist *headers;
	const struct http_request *request;
	struct url url;
	struct http_answer *answer;	/* the caller's, filled as it comes */

	bool sent;		/* the request may have left */
	bool resent;		/* libcurl wanted to send it again and was not allowed to */
	bool no_memory;
	size_t header_len;	/* bytes of headers so far */
	bool headers_end;	/* the line behind them was seen */
	const char *refusal;	/* why the rest of the answer was not taken; a literal */
	CURLcode result;
	char reason[CURL_ERROR_SIZE];

	/* The client's. */
	struct transfer *next;
	enum transfer_state state;
	bool leave;
	int event;
};

/* ERR_INVALID and ERR_DENIED: requests that must not be sent. */
int transfer_check(const struct transfer_settings *settings, const struct http_request *request, struct url *ret,
		   struct err *err);

/* request and answer are borrowed. */
int transfer_init(struct transfer *t, const struct transfer_settings *settings, const struct http_request *request,
		  struct http_answer *answer, struct err *err);
void transfer_release(struct transfer *t);
OWN_DEFINE_RELEASE(transfer)

/*
 * After it ran: fill in status and headers, or say what went wrong. *ret_transient: the
 * same may go well another time. err.retry tells what the peer may have got.
 */
int transfer_finish(struct transfer *t, bool *ret_transient, struct err *err);

#endif
