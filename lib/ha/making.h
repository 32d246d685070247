/* SPDX-License-Identifier: Apache-2.0 */
/* making - calls that make objects, from what they ask for (request.c) to what there is (pieces.c, make.c). Private to
 * lib/ha. */
#ifndef HA_MAKING_H
#define HA_MAKING_H

#include "ha/internal.h"
#include "p11/object.h"
#include "replica/key.h"

/* A call that makes something. */
struct making {
	struct ha_session *session;
	struct p11_call *call;
	struct key_request request;
	struct record base;		/* what it is made of: a key that it is derived from, or the original of a copy */
	size_t base_part;
	CK_OBJECT_HANDLE *out[RECORD_OBJECTS_MAX];	/* where the handles go, by template */
};

void making_release(struct making *making);
OWN_DEFINE_RELEASE(making)

/* ---- request.c ---- */
/* What the call asks for, if it may: what a token would say of it, before anything is done. *ret_token: for the group. */
CK_RV making_read(struct making *m, bool *ret_token);
/* Of a pair for the group: does the session want the public half for itself? */
bool making_splits(const struct making *m);
/* Is there nothing in it that is kept from its users (record_is_all)? */
bool making_is_open(const struct making *m);
/* Does no member have to say what becomes of it? */
bool making_is_known(const struct making *m);
/* The call with these templates in the place of its own, and its handles to ours. */
struct p11_call making_call(const struct making *m, const struct p11_attrs *templates,
			    CK_OBJECT_HANDLE out[RECORD_OBJECTS_MAX]);

/* ---- pieces.c ---- */
/* What a session's own object is: what applications see of it, and what it is made of again. */
struct piece {
	struct record record;
	struct ha_local *local;
	CK_OBJECT_HANDLE there;		/* on the member that made it; CK_INVALID_HANDLE = none did */
};

/* One, or the two halves of a pair. */
struct pieces {
	struct piece list[RECORD_OBJECTS_MAX];
	struct member_channel *channel;	/* to the one that made them; NULL = nobody */
};
void pieces_release(struct pieces *pieces);
OWN_DEFINE_RELEASE(pieces)

/* Make them. */
CK_RV pieces_make(struct making *m, struct pieces *ret);
/* An object that the session has of what is known of it, and nobody made. */
CK_RV pieces_know(struct making *m, const struct p11_attrs *attrs, size_t index);
/* Into the index, and the handles to the application. */
CK_RV pieces_publish(struct making *m, struct pieces *pieces);
/* Nobody is to have them: where they were made they go. */
void pieces_destroy(const struct pieces *pieces);

#endif
