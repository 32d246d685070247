/* SPDX-License-Identifier: Apache-2.0 */
/* port - where an appliance listens: "ADDRESS:PORT", IPv4. */
#ifndef MEMBER_PORT_H
#define MEMBER_PORT_H

struct err;

enum { PORT_TEXT = 64 };

/* Take it, port 0 being any free one, without listening yet: whoever connects is refused. A port that is taken so can
 * be bound by others who do it this way, and one of them can listen; nobody gets it for the asking. ret_text: where
 * that is. ERR_IN_USE when somebody listens there. */
int port_bind(const char *address, int *ret_fd, char ret_text[static PORT_TEXT], struct err *err);

/* The descriptor is closed when that fails. */
int port_listen(int fd, const char *address, struct err *err);

#endif
