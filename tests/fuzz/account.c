/* SPDX-License-Identifier: Apache-2.0 */
/* What the heap holds, as the sanitizers tell. */
#include "fuzz.h"

#include <stdatomic.h>
#include <string.h>

/* <sanitizer/allocator_interface.h>, which gcc does not bring. */
size_t __sanitizer_get_allocated_size(const volatile void *p);
size_t __sanitizer_get_current_allocated_bytes(void);
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *p, size_t size),
					      void (*on_free)(const volatile void *p));

static atomic_size_t in_use, peak;
static size_t base;

static void on_malloc(const volatile void *p, size_t size)
{
	size_t now = atomic_fetch_add(&in_use, size) + size, most = atomic_load(&peak);

	while (p && now > most && !atomic_compare_exchange_weak(&peak, &most, now))
		;
}

static void on_free(const volatile void *p)
{
	if (p)
		atomic_fetch_sub(&in_use, __sanitizer_get_allocated_size(p));
}

/* What was taken before main() is given back after it. */
__attribute__((constructor)) static void watch(void)
{
	atomic_store(&in_use, __sanitizer_get_current_allocated_bytes());
	__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
}

size_t account_in_use(void)
{
	return atomic_load(&in_use);
}

void account_begin(void)
{
	base = atomic_load(&in_use);
	atomic_store(&peak, base);
}

size_t account_peak(void)
{
	return atomic_load(&peak) - base;
}

uint8_t *take(struct bytes *in, size_t len, size_t *ret_len)
{
	uint8_t *copy;

	*ret_len = len < in->left ? len : in->left;
	copy = malloc(*ret_len ? *ret_len : 1);
	HOLDS(copy);
	if (*ret_len)
		memcpy(copy, in->at, *ret_len);
	in->at += *ret_len;
	in->left -= *ret_len;
	return copy;
}
