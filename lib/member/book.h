/* SPDX-License-Identifier: Apache-2.0 */
/*
 * book - what a host remembers of its token, for those who share it.
 *
 * There is one for each token that somebody hosts: the appliance's; one that all links of a
 * process to a slot have together; one for each member of a simulation. It is lost with the
 * host, and knows of three things:
 *
 * Steps. While a batch with a call of P11_STEP is carried out for one guest, none of another's
 * is: what it looked at first is still so when it writes, and libraries that fail now and then
 * when objects are made side by side (SoftHSM) are spared that. Key pairs, which take long, are made beside it, and keys
 * are used beside it. Who has waited for BOOK_WAIT_MS is told that the host is busy; nothing was done.
 *
 * Ages. An object counts from when it was made through this host; any other from when the
 * host began, or, where others write past it (shared), from when somebody first asked. So
 * the age is never more than the true one, but for what is put on the token behind the back
 * of a host that is not shared.
 *
 * Leases. A name is somebody's for a time, until its guest leaves at the latest. Numbers of
 * grants never repeat, and go on rising over restarts unless the host's UTC clock is set back.
 *
 * Thread-safe. Order of locks: the step first, then those of logins, owners and the library;
 * the book's own one is taken last, and nothing is called under it.
 */
#ifndef MEMBER_BOOK_H
#define MEMBER_BOOK_H

#include <stdbool.h>

#include "base/own.h"
#include "p11/call.h"

struct book;
struct err;

enum { BOOK_WAIT_MS = 2000, BOOK_AGES_MAX = 16384, BOOK_LEASES_MAX = 64 };

/* Who asks: the one that leases belong to, and which of the objects that the token shows it may see. */
struct book_guest {
	const void *who;
	bool (*sees)(const void *who, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object);	/* NULL = all */
};

/* shared: others write to the token past this host. */
int book_new(CK_FUNCTION_LIST *functions, CK_SLOT_ID slot, bool shared, struct book **ret, struct err *err);
void book_free(struct book *book);
OWN_DEFINE(book)

/* p11_execute(), those of P11_WHERE_HOST too; what is made and destroyed is noted. */
CK_RV book_execute(struct book *book, const struct book_guest *guest, struct p11_call *call);
/* A guest leaves: its leases end. */
void book_leave(struct book *book, const void *who);

typedef CK_RV (*book_visitor)(void *data, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object);
/* Each object that a template matches, whoever may see it. What is not CKR_OK ends the walk, and is the result. */
CK_RV book_each(struct book *book, const CK_ATTRIBUTE *template, CK_ULONG count, book_visitor each, void *data);

bool book_is_step(const struct p11_call *calls, size_t count);
/* CKR_OK, or CKR_SESSION_COUNT: too many others write. */
CK_RV book_begin(struct book *book);
void book_end(struct book *book);

#endif
