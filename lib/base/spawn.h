/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn - a program of ours beside a process that is somebody else's, who must not notice.
 *
 * Whoever started it is its parent for no moment that counts: the host gets no SIGCHLD, its wait for any child never
 * meets it, and its handlers of fork() do not run. Threads, small stacks, closed standard streams and any handling of
 * signals in the host make no difference.
 */
#ifndef BASE_SPAWN_H
#define BASE_SPAWN_H

struct err;

enum { SPAWN_FD = 3 };	/* what the program finds fd as */

/*
 * Run argv[0] (absolute) with exactly this environment (NULL-terminated) in a session of its own. It has fd as
 * SPAWN_FD, /dev/null as standard streams, no other descriptor, and every signal blocked: it sees to its signals
 * itself. *ret_pidfd, the caller's to close, is readable once it has ended; nobody has to wait for it. ERR_MISSING when
 * there is no such program. Thread-safe.
 */
int spawn_aside(const char *const *argv, const char *const *env, int fd, int *ret_pidfd, struct err *err);

#endif
