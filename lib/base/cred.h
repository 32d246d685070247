/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cred - references to secrets, which is all that documents and options hold.
 *
 *	file:PATH	first line of a file that only its owner can read
 *	env:NAME	an environment variable
 *	exec:PROGRAM	standard output of a program run without arguments
 *	prompt:		asked on the terminal, never echoed
 *
 * In a document the exec form may also be an argument vector; it is kept as
 * exec:["vault","read",…] (JSON is decoded by the fleet, not here).
 */
#ifndef BASE_CRED_H
#define BASE_CRED_H

#include "base/secret.h"

struct err;

/* 0 when the reference is well formed; ERR_INVALID says what is wrong. */
int cred_check(const char *reference, struct err *err);

/* Fetch the secret. what names it in prompts and errors ("user PIN of
 * 'payments'"). ERR_NOT_FOUND, ERR_DENIED (a file others can read), ERR_FAILED. */
int cred_read(const char *reference, const char *what, struct secret **ret, struct err *err);

#endif
