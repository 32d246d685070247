/* SPDX-License-Identifier: Apache-2.0 */
/*
 * role_private - what the parts of role say to each other: role.c has the table and judges what is done with keys,
 * role-memo.c what is done with memos, and what records let be done with the keys they are of.
 *
 * All of it judges a call of a batch, what is before it having been carried out. Within a step nobody else writes.
 */
#ifndef MEMBER_ROLE_PRIVATE_H
#define MEMBER_ROLE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "member/kept.h"
#include "p11/call.h"

struct host;

/* A call of an application, being judged. */
struct asked {
	struct host *host;
	const struct p11_call *calls, *call;	/* the batch, and the one of it */
	const char *why;			/* of a refusal */
};

CK_RV asked_refuse(struct asked *a, CK_RV rv, const char *why);
CK_RV asked_prohibit(struct asked *a, const char *why);
enum kept_kind asked_look(const struct asked *a, CK_OBJECT_HANDLE object, struct kept_seen *ret);

/* Onto the token, from a template that says so. */
CK_RV role_put_memo(struct asked *a, enum kept_kind kind, const struct p11_attrs *template);
/* One of the token's. */
CK_RV role_destroy_memo(struct asked *a, enum kept_kind kind, CK_OBJECT_HANDLE object, const struct kept_seen *seen);

/* Whether the key with this CKA_ID may leave under any other than the domain key, by all its records here. */
bool role_may_leave(const struct asked *a, const CK_ATTRIBUTE *id);
/* A replica with this CKA_ID that can be read. */
CK_RV role_judge_readable(struct asked *a, const CK_ATTRIBUTE *id);

#endif
