/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks that know their size, so that they can be zeroed. */
#include "http/heap.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/err.h"

struct block {
	size_t size;
	max_align_t data[];
};

static struct block *block_of(void *data)
{
	return (struct block *)((char *)data - offsetof(struct block, data));
}

static void *zeroed(size_t count, size_t size)
{
	size_t wanted, all;
	struct block *b;

	if (__builtin_mul_overflow(count, size, &wanted) || __builtin_add_overflow(wanted, sizeof(*b), &all))
		return NULL;
	b = calloc(1, all);
	if (!b)
		return NULL;
	b->size = wanted;
	return b->data;
}

static void *get(size_t size)
{
	return zeroed(1, size);
}

static void give_back(void *data)
{
	struct block *b;

	if (!data)
		return;
	b = block_of(data);
	explicit_bzero(b, sizeof(*b) + b->size);
	free(b);
}

/* realloc() would leave the old bytes where it moves them from. */
static void *change(void *data, size_t size)
{
	void *moved = get(size);

	if (!moved || !data)
		return moved;
	memcpy(moved, data, size < block_of(data)->size ? size : block_of(data)->size);
	give_back(data);
	return moved;
}

static char *copy(const char *text)
{
	size_t size = strlen(text) + 1;
	char *data = get(size);

	return data ? memcpy(data, text, size) : NULL;
}

static CURLcode started;

static void start(void)
{
	started = curl_global_init_mem(CURL_GLOBAL_DEFAULT, get, give_back, change, copy, zeroed);
}

int heap_start(struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start);
	if (started != CURLE_OK)
		return err_set(err, ERR_FAILED, "cannot start libcurl: %s", curl_easy_strerror(started));
	return 0;
}
