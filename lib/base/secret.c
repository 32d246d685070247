/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets in pages of their own. */
#include "base/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

enum { SECRET_MAX = 65536 };

static size_t pages(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len + page) / page * page;
}

int secret_new(const void *data, size_t len, struct secret **ret, struct err *err)
{
	struct secret *s;

	if (len > SECRET_MAX)
		return err_set(err, ERR_INVALID, "a secret of more than 64 KiB");
	s = mem_new(struct secret);
	if (!s)
		return err_no_memory(err);
	s->data = mmap(NULL, pages(len), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->data == MAP_FAILED) {
		free(s);
		return err_no_memory(err);
	}
	/* A small RLIMIT_MEMLOCK must not stop the work. */
	(void)mlock(s->data, pages(len));
	(void)madvise(s->data, pages(len), MADV_DONTDUMP);
	/* What a host forks for has no use for our PINs. */
	(void)madvise(s->data, pages(len), MADV_WIPEONFORK);
	if (len)
		memcpy(s->data, data, len);
	s->len = len;
	*ret = s;
	return 0;
}

int secret_random(size_t chars, struct secret **ret, struct err *err)
{
	static const char alphabet[] =
		"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789";
	owned(secret) struct secret *s = NULL;
	static const char blank[256];
	int rc;

	if (chars > sizeof(blank))
		return err_set(err, ERR_INVALID, "a random secret of more than 256 characters");
	rc = secret_new(blank, chars, &s, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < chars;) {
		uint8_t byte;

		if (getrandom(&byte, 1, 0) != 1) {
			if (errno == EINTR)
				continue;
			return err_errno(err, "cannot read random bytes");
		}
		/* Bytes past the last whole multiple would favour early letters. */
		if (byte < 256 - 256 % (sizeof(alphabet) - 1))
			s->data[i++] = (uint8_t)alphabet[byte % (sizeof(alphabet) - 1)];
	}
	*ret = own_take(s);
	return 0;
}

int secret_dup(const struct secret *secret, struct secret **ret, struct err *err)
{
	return secret_new(secret->data, secret->len, ret, err);
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	unsigned difference = a->len != b->len;

	for (size_t i = 0; i < a->len && i < b->len; i++)
		difference |= (unsigned)(a->data[i] ^ b->data[i]);
	return difference == 0;
}

void secret_free(struct secret *secret)
{
	if (!secret)
		return;
	explicit_bzero(secret->data, secret->len);
	munmap(secret->data, pages(secret->len));
	free(secret);
}
