/* SPDX-License-Identifier: Apache-2.0 */
/* pass - descriptors that one process hands to another over a local stream socket, a byte with each. */
#ifndef BASE_PASS_H
#define BASE_PASS_H

#include <stdbool.h>

struct err;

/* At once or never: ERR_UNREACHABLE when the other end has gone, or is not taking any. fd stays open here. */
int pass_send(int over, int fd, struct err *err);
/* Wait for the next, which is O_CLOEXEC; *ret_fd is -1 when it was lost on the way. False: the other end has gone. */
bool pass_receive(int over, int *ret_fd);

#endif
