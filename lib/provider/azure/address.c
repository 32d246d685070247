/* SPDX-License-Identifier: Apache-2.0 */
/* Reads IPv4 addresses and ranges, and compares them. */
#include "provider/azure/address.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

enum { ADDRESS_BITS = 32, KEPT_FIRST = 4, KEPT_LAST = 1, SHOWN = 60 };

/* Up to three digits; a zero before others would be read as octal elsewhere. */
static const char *read_octet(const char *p, uint32_t *ret)
{
	size_t digits = strspn(p, "0123456789");
	uint32_t value = 0;

	if (!digits || digits > 3 || (*p == '0' && digits > 1))
		return NULL;
	for (size_t i = 0; i < digits; i++)
		value = value * 10 + (uint32_t)(p[i] - '0');
	*ret = value;
	return value <= 255 ? p + digits : NULL;
}

/* What stands behind the address, NULL when there is none. */
static const char *read_quad(const char *text, uint32_t *ret)
{
	const char *p = text;
	uint32_t address = 0, octet = 0;

	for (int i = 0; p && i < 4; i++) {
		if (i && *p++ != '.')
			return NULL;
		p = read_octet(p, &octet);
		address = address << 8 | octet;
	}
	if (p)
		*ret = address;
	return p;
}

static uint32_t mask(unsigned bits)
{
	return bits ? UINT32_MAX << (ADDRESS_BITS - bits) : 0;
}

static int no_address(const char *text, struct err *err)
{
	const char *slash = strchr(text, '/');

	err_set(err, ERR_INVALID, "'%.*s' is no IPv4 address", SHOWN, text ? text : "");
	if (strchr(text, ':'))
		return err_hint(err, "the networks of HSMs are IPv4: write four numbers, as in 10.2.1.5");
	if (slash)
		return err_hint(err, "one address is wanted here, not a range: leave '%.20s' out", slash);
	return err_hint(err, "write four numbers from 0 to 255 without leading zeros, as in 10.2.1.5");
}

int address_read(const char *text, uint32_t *ret, struct err *err)
{
	uint32_t address;
	const char *end = read_quad(text, &address);

	if (!end || *end)
		return no_address(text, err);
	*ret = address;
	return 0;
}

static int no_range(const char *text, struct err *err)
{
	err_set(err, ERR_INVALID, "'%.*s' is no IPv4 address range", SHOWN, text);
	return err_hint(err, "write four numbers from 0 to 255, a slash and the length of the prefix: 10.2.0.0/16");
}

static int no_prefix(const char *text, uint32_t address, struct err *err)
{
	char range[ADDRESS_TEXT];
	unsigned bits = 8;

	/* The largest range that begins there, within what people use. */
	while (bits < ADDRESS_BITS && (address & ~mask(bits)))
		bits += 8;
	address_text(address, range);
	err_set(err, ERR_INVALID, "'%.*s' is no address range: it has no prefix length", SHOWN, text);
	return err_hint(err, "write the length behind a slash: %s/%u", range, bits);
}

static int bits_behind(const char *text, const struct address_range *range, struct err *err)
{
	char first[ADDRESS_TEXT];

	address_text(range->first, first);
	err_set(err, ERR_INVALID, "'%.*s' does not begin where a range of its length begins", SHOWN, text);
	return err_hint(err, "write %s/%u", first, range->bits);
}

int address_range_read(const char *text, struct address_range *ret, struct err *err)
{
	struct address_range range;
	uint32_t address;
	const char *end = read_quad(text, &address);
	int64_t bits;

	if (end && !*end)
		return no_prefix(text, address, err);
	if (!end || *end != '/' || (end[1] == '0' && end[2]) || !str_int(end + 1, 0, ADDRESS_BITS, &bits))
		return no_range(text, err);
	range.bits = (unsigned)bits;
	range.first = address & mask(range.bits);
	range.last = range.first | ~mask(range.bits);
	if (range.first != address)
		return bits_behind(text, &range, err);
	*ret = range;
	return 0;
}

void address_text(uint32_t address, char ret[static ADDRESS_TEXT])
{
	snprintf(ret, ADDRESS_TEXT, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
		 address & 255);
}

bool address_overlap(const struct address_range *a, const struct address_range *b)
{
	return a->first <= b->last && b->first <= a->last;
}

bool address_within(const struct address_range *inner, const struct address_range *outer)
{
	return outer->first <= inner->first && inner->last <= outer->last;
}

bool address_usable(uint32_t address, const struct address_range *subnet)
{
	return address >= subnet->first && address <= subnet->last && address - subnet->first >= KEPT_FIRST &&
	       subnet->last - address >= KEPT_LAST;
}
