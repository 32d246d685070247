/* SPDX-License-Identifier: Apache-2.0 */
/* Heap allocation with a fault to inject. */
#include "base/mem.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

unsigned long mem_fail_after;

static int fails(void)
{
	if (!mem_fail_after || --mem_fail_after > 0)
		return 0;
	errno = ENOMEM;
	return 1;
}

void *mem_zalloc(size_t size)
{
	return fails() ? NULL : calloc(1, size ? size : 1);
}

void *mem_grow(void *p, size_t old_count, size_t count, size_t size)
{
	char *grown;

	if (fails() || (size && count > SIZE_MAX / size))
		return NULL;
	grown = realloc(p, count && size ? count * size : 1);
	if (grown && count > old_count)
		memset(grown + old_count * size, 0, (count - old_count) * size);
	return grown;
}

void *mem_dup(const void *data, size_t len)
{
	void *copy = mem_zalloc(len);

	if (copy && len)
		memcpy(copy, data, len);
	return copy;
}

char *mem_strndup(const char *s, size_t len)
{
	size_t n = strnlen(s, len);
	char *copy = mem_zalloc(n + 1);

	if (copy)
		memcpy(copy, s, n);
	return copy;
}

char *mem_strdup(const char *s)
{
	return mem_strndup(s, strlen(s));
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *text;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	text = len < 0 ? NULL : mem_zalloc((size_t)len + 1);
	if (!text)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(text, (size_t)len + 1, fmt, ap);
	va_end(ap);
	return text;
}

bool mem_is_mapped(const void *at)
{
	uintptr_t page = (uintptr_t)at & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
	unsigned char resident;

	return mincore((void *)page, 1, &resident) == 0;
}
