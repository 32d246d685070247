/* SPDX-License-Identifier: Apache-2.0 */
/* folder - the directory behind a store. Private to lib/store. */
#ifndef STORE_FOLDER_H
#define STORE_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "crypto/digest.h"
#include "store/store.h"

struct lock;
struct lock_request;

enum { STORE_WAIT_MS = 5000, STORE_DOCUMENT_MAX = 16 << 20 };

struct store {
	char *path;
	char *document, *next, *trail, *lock, *locks;	/* paths of files in it, and of a folder */
	char head[SHA256_TEXT];		/* of the newest entry we wrote; "" = none */
};

/* Append the document's bytes: 1, or 0 when there is none yet. */
int store_document(const struct store *store, struct buf *ret, struct err *err);

/* The document on disk: revision 0 and digest "" when there is none. */
struct store_state {
	int64_t revision;
	char digest[SHA256_TEXT];
};
int store_look(const struct store *store, struct store_state *ret, struct err *err);

/* ERR_DENIED unless this user may write the folder. */
int store_check_writable(const struct store *store, struct err *err);

/* Take a lock in locks/, whose folder is made: as request says, but for its path, which is that of name. */
int store_take(const struct store *store, const char *name, const struct lock_request *request, struct lock **ret,
	       struct err *err);

/* Make renames and new files in the folder last. */
int store_sync(const struct store *store, struct err *err);

#endif
