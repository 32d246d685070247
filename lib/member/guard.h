/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard - keeps SoftHSM's token.object from being lost.
 *
 * SoftHSM rewrites it in place during C_Login and never fsyncs; a SIGKILL in
 * between can leave it empty, and then there is no token. The guard keeps an
 * fsynced copy beside the token folder: taken before each real login, put back
 * at start when the original became shorter than the copy.
 */
#ifndef MEMBER_GUARD_H
#define MEMBER_GUARD_H

struct err;

/* For each TOKENS/UUID/token.object and GUARD/UUID. guard NULL: nothing. */
int guard_restore(const char *tokens, const char *guard, struct err *err);
int guard_save(const char *tokens, const char *guard, struct err *err);

#endif
