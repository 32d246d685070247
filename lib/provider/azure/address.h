/* SPDX-License-Identifier: Apache-2.0 */
/* address - IPv4 ranges of networks (RFC 4632) and what Azure wants of them. */
#ifndef PROVIDER_AZURE_ADDRESS_H
#define PROVIDER_AZURE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

struct err;

struct address_range {
	uint32_t first, last;	/* host byte order, both inside */
	unsigned bits;		/* length of the prefix */
};

/* "10.2.0.0/16"; ERR_INVALID also for bits behind the prefix ("10.2.0.1/16") with the right
 * range as hint. */
int address_range_read(const char *text, struct address_range *ret, struct err *err);
int address_read(const char *text, uint32_t *ret, struct err *err);
/* a.b.c.d and its terminator. */
enum { ADDRESS_TEXT = 16 };
void address_text(uint32_t address, char ret[static ADDRESS_TEXT]);

bool address_overlap(const struct address_range *a, const struct address_range *b);
bool address_within(const struct address_range *inner, const struct address_range *outer);
/* Azure keeps the first four and the last address of each subnet. */
bool address_usable(uint32_t address, const struct address_range *subnet);

#endif
