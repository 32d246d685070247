/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch - a fleet document that is read again when it was written anew.
 *
 * For processes that live long. A document is replaced as a whole, so what stat() says of the file tells. Not
 * thread-safe.
 */
#ifndef FLEET_WATCH_H
#define FLEET_WATCH_H

#include <sys/stat.h>

#include "base/own.h"

struct err;
struct fleet;

struct fleet_watch {
	char *path;
	struct stat seen;	/* of what was read last */
	struct stat unread;	/* of what could not be read for a while, and somebody was told */
};

/* Of the document in that folder. Nothing was read yet. */
int fleet_watch_init(struct fleet_watch *watch, const char *folder, struct err *err);
void fleet_watch_release(struct fleet_watch *watch);
OWN_DEFINE_RELEASE(fleet_watch)

/*
 * 1 and what it says when it is another one than the last time; 0 when it is not, or is not there. A document that cannot
 * be read, or is not ours (file_check_ours), fails once: it is tried again when it is another one. Where memory or
 * descriptors ran out, or a disk failed (ERR_IO), it is tried again each time.
 */
int fleet_watch_read(struct fleet_watch *watch, struct fleet **ret, struct err *err);

/* What was read last could not be made use of: it is read again. */
void fleet_watch_again(struct fleet_watch *watch);

#endif
