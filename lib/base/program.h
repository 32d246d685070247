/* SPDX-License-Identifier: Apache-2.0 */
/* program - where a program of ours is. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

struct err;

/*
 * Its path in new memory: beside the file that this code was loaded from, in the libexec/hsmctl of the same tree, or
 * where programs are installed. That file may be a program, or a library or module in somebody else's process: neither
 * PATH nor the environment nor the working folder has a say. ERR_MISSING.
 */
int program_find(const char *name, char **ret, struct err *err);

#endif
