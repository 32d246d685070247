/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inherit - what a child of fork() must not keep.
 *
 * A host forks as it likes, and its children know nothing of us: a connection
 * that they hold open outlives the one who made it, and whatever they do with it
 * garbles the parent's. Descriptors that are noted here are closed in every child,
 * at once. (Secrets look after themselves, base/secret.h; exec() closes what is
 * O_CLOEXEC, which all of ours are.)
 *
 * Thread-safe; a child may call anything here.
 */
#ifndef BASE_INHERIT_H
#define BASE_INHERIT_H

/* Take note of fd. Without memory for the note it stays open in children. */
void inherit_not(int fd);
/* Close fd and forget it. */
void inherit_close(int fd);

/* Run what in every child. what does only what a signal handler may do. */
void inherit_on_fork(void (*what)(void));

#endif
