/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreign - memory of which somebody else says that it holds something.
 *
 * A pointer that an application hands over may lead nowhere. Following it
 * would end the application; asking the kernel does not.
 */
#ifndef BASE_FOREIGN_H
#define BASE_FOREIGN_H

#include <stddef.h>

struct err;

/*
 * Copy the zero-terminated text at from into ret. ERR_INVALID when it cannot be
 * read, does not end within size bytes, or holds control characters.
 */
int foreign_text(const void *from, char *ret, size_t size, struct err *err);

#endif
