/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem - the one door to the heap.
 *
 * Everything allocated here is zeroed and may be released with free(). Tests
 * set mem_fail_after to make the n-th allocation from now fail.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* 0 = never; n = the n-th next allocation returns NULL. For tests. */
extern unsigned long mem_fail_after;

void *mem_zalloc(size_t size);
/* Grow to count elements of size; new elements are zeroed; NULL leaves p alone. */
void *mem_grow(void *p, size_t old_count, size_t count, size_t size);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t len);	/* at most len characters */
void *mem_dup(const void *data, size_t len);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Is there memory of this process at that address? */
bool mem_is_mapped(const void *at);

#define mem_new(type) ((type *)mem_zalloc(sizeof(type)))

/* owned(mem) char *s: freed at the end of the block, any pointer type. */
static inline void own_mem(void *p)
{
	free(*(void **)p);
}

#endif
