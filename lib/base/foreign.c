/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that may not be there, read through a pipe: the kernel says EFAULT where we would die. */
#include "base/foreign.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

enum { STEP = 256 };	/* divides a page: a piece is there or it is not */

static void close_two(int (*fds)[2])
{
	for (int i = 0; i < 2; i++)
		if ((*fds)[i] >= 0)
			close((*fds)[i]);
}

/* The bytes from at to the next multiple of STEP, at most room of them. */
static ssize_t read_piece(const int pipe[2], uintptr_t at, char *ret, size_t room)
{
	size_t len = STEP - at % STEP;
	ssize_t n = write(pipe[1], (const void *)at, len < room ? len : room);

	return n > 0 ? read(pipe[0], ret, (size_t)n) : -1;
}

static int check_text(const char *text, struct err *err)
{
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return err_set(err, ERR_INVALID, "what should be a text holds control characters");
	return 0;
}

int foreign_text(const void *from, char *ret, size_t size, struct err *err)
{
	__attribute__((cleanup(close_two))) int through[2] = {-1, -1};

	if (pipe2(through, O_CLOEXEC) < 0)
		return err_errno(err, "cannot make a pipe");
	for (size_t at = 0; at < size;) {
		ssize_t n = read_piece(through, (uintptr_t)from + at, ret + at, size - at);

		if (n <= 0)
			return err_set(err, ERR_INVALID, "what should be a text cannot be read");
		if (memchr(ret + at, 0, (size_t)n))
			return check_text(ret, err);
		at += (size_t)n;
	}
	return err_set(err, ERR_INVALID, "what should be a text of less than %zu bytes has no end", size);
}
