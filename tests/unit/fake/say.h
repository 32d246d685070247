/* SPDX-License-Identifier: Apache-2.0 */
/* say - answers written down, one line each, so that two sides can be compared. */
#ifndef TESTS_FAKE_SAY_H
#define TESTS_FAKE_SAY_H

#include "p11/attr.h"
#include "p11/rv.h"
#include "side.h"

static void say(const struct side *a, const char *title, CK_RV rv)
{
	fprintf(a->out, "%s: %s\n", title, p11_rv_name(rv));
}

static void say_number(const struct side *a, const char *title, CK_ULONG number)
{
	fprintf(a->out, "%s: %ld\n", title, (long)number);
}

/* Values that are random by nature: only their length is the same. */
static bool by_chance(CK_ATTRIBUTE_TYPE type)
{
	static const CK_ATTRIBUTE_TYPE random[] = {CKA_MODULUS, CKA_EC_POINT, CKA_CHECK_VALUE, CKA_VALUE};

	for (size_t i = 0; i < COUNT(random); i++)
		if (type == random[i])
			return true;
	return type >= CKA_PRIVATE_EXPONENT && type <= CKA_COEFFICIENT;
}

static void tell_one(const struct side *a, const char *title, CK_OBJECT_HANDLE object, const struct p11_attr_info *info)
{
	CK_BYTE room[4096];
	bool nested = info->kind == P11_ATTR_TEMPLATE;
	CK_ATTRIBUTE value = {info->type, nested ? NULL : room, nested ? 0 : sizeof(room)};
	CK_RV rv = a->f->C_GetAttributeValue(a->s, object, &value, 1);

	if (rv == CKR_OK && info->type >= CKA_PRIVATE_EXPONENT && info->type <= CKA_COEFFICIENT)
		value.ulValueLen = 0;
	fprintf(a->out, "%s %s: %s %ld ", title, info->name, p11_rv_name(rv), (long)value.ulValueLen);
	for (CK_ULONG i = 0; rv == CKR_OK && !nested && i < value.ulValueLen && !by_chance(info->type); i++)
		fprintf(a->out, "%02x", room[i]);
	fputc('\n', a->out);
}

static void tell(const struct side *a, const char *title, CK_OBJECT_HANDLE object)
{
	for (const struct p11_attr_info *info = p11_attr_table; info->name; info++)
		tell_one(a, title, object, info);
}

#endif
