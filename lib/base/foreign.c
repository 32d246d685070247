/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that may not be there: the kernel says EFAULT where we would die. */
#include "base/foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/err.h"

enum { STEP = 256 };	/* divides a page: a piece is there or it is not */

/* Where a sandbox forbids to ask. */
static bool goes_through_a_pipe(const char *at)
{
	int through[2];
	bool ok;

	if (pipe2(through, O_CLOEXEC) < 0)
		return false;
	ok = write(through[1], at, 1) == 1;
	close(through[0]);
	close(through[1]);
	return ok;
}

/* Is the piece of memory there that at lies in? One byte of it tells, and no more are touched. */
static bool is_there(const char *at)
{
	char byte;
	const struct iovec here = {&byte, 1}, there = {(void *)at, 1};

	if (process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1)
		return true;
	return errno != EFAULT && goes_through_a_pipe(at);
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
	for (size_t i = 0; i < size; i++) {
		const char *at = (const char *)from + i;

		if ((i == 0 || (uintptr_t)at % STEP == 0) && !is_there(at))
			return err_set(err, ERR_INVALID, "what should be a text cannot be read");
		ret[i] = *at;
		if (!ret[i])
			return check_text(ret, err);
	}
	return err_set(err, ERR_INVALID, "what should be a text of less than %zu bytes has no end", size);
}
