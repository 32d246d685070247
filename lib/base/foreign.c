/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that may not be there, read through a pipe: the kernel says EFAULT where we would die. */
#include "base/foreign.h"

#include <fcntl.h>
#include <stdbool.h>
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

/* Is the piece of memory there that at lies in? One byte of it tells, and no more are touched. */
static bool is_there(const int through[2], const char *at)
{
	char byte;

	return write(through[1], at, 1) == 1 && read(through[0], &byte, 1) == 1;
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
	for (size_t i = 0; i < size; i++) {
		const char *at = (const char *)from + i;

		if ((i == 0 || (uintptr_t)at % STEP == 0) && !is_there(through, at))
			return err_set(err, ERR_INVALID, "what should be a text cannot be read");
		ret[i] = *at;
		if (!ret[i])
			return check_text(ret, err);
	}
	return err_set(err, ERR_INVALID, "what should be a text of less than %zu bytes has no end", size);
}
