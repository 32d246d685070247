/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors from one process to another. */
#include "base/pass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"

struct parcel {
	char byte;
	struct iovec bytes;
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} rights;
	struct msghdr message;
};

static void prepare(struct parcel *p)
{
	*p = (struct parcel){.bytes = {&p->byte, 1}};
	p->message = (struct msghdr){
		.msg_iov = &p->bytes, .msg_iovlen = 1,
		.msg_control = &p->rights, .msg_controllen = sizeof(p->rights),
	};
}

int pass_send(int over, int fd, struct err *err)
{
	struct parcel p;

	prepare(&p);
	p.rights.head = (struct cmsghdr){CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(&p.rights.head), &fd, sizeof(fd));
	if (sendmsg(over, &p.message, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
		return 0;
	return err_set(err, ERR_UNREACHABLE, "it takes no connection: %s", strerror(errno));
}

bool pass_receive(int over, int *ret_fd)
{
	struct parcel p;
	ssize_t n;

	prepare(&p);
	do
		n = recvmsg(over, &p.message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*ret_fd = -1;
	if (n == 1 && CMSG_FIRSTHDR(&p.message) && p.rights.head.cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(&p.rights.head), sizeof(*ret_fd));
	return n == 1;
}
