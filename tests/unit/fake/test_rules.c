/* SPDX-License-Identifier: Apache-2.0 */
/* The table of attributes against SoftHSM: who has them, what is read, set, and taken in templates. */
#include "../base/temp.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "p11/object.h"
#include "p11/rv.h"
#include "softhsm.h"

enum { READ = 1, SET = 2, MAKE = 4 };

/* Where SoftHSM 2.6.1 answers otherwise, and why. */
static const struct {
	CK_ATTRIBUTE_TYPE type;
	unsigned classes, what;
	const char *why;
} permitted[] = {
	{CKA_UNIQUE_ID, P11_ALL, SET | MAKE, "it does not know this attribute of v3.0"},
	{CKA_DERIVE_TEMPLATE, P11_HIDDEN, READ | SET | MAKE, "it does not know this one either"},
	{CKA_SUBPRIME_BITS, P11_DOMAIN, SET, "it knows this one of no domain parameters"},
	{CKA_PUBLIC_KEY_INFO, P11_PRIVATE, SET, "it believes whatever it is told"},
	{CKA_WRAP_WITH_TRUSTED, P11_HIDDEN, SET, "it lets nobody make it true later"},
	{CKA_CHECK_VALUE, P11_SECRET, SET | MAKE, "whether it is the right one, only a token can tell"},
};

static bool is_permitted(CK_ATTRIBUTE_TYPE type, unsigned class, unsigned what)
{
	for (size_t i = 0; i < COUNT(permitted); i++)
		if (permitted[i].type == type && (permitted[i].classes & class) && (permitted[i].what & what))
			return true;
	return false;
}

static size_t asked, wrong;

static void compare(const char *title, const struct p11_attr_info *info, unsigned class, unsigned what, CK_RV softhsm,
		    CK_RV ours)
{
	asked++;
	if (softhsm == ours || is_permitted(info->type, class, what))
		return;
	print_error("%s, %s, %s: SoftHSM %s, ours %s\n", title, info->name, what == READ ? "read" : what == SET ? "set" : "made",
		    p11_rv_name(softhsm), p11_rv_name(ours));
	wrong++;
}

/* ---- objects ---- */

static unsigned class_of(const struct p11_attrs *attrs)
{
	static const unsigned bits[] = {P11_DATA, P11_CERTIFICATE, P11_PUBLIC, P11_PRIVATE, P11_SECRET, 0, P11_DOMAIN};

	return bits[p11_attrs_ulong(attrs, CKA_CLASS, CKO_HW_FEATURE)];
}

/* What SoftHSM shows of one attribute. */
static CK_RV read_one(const struct side *a, CK_OBJECT_HANDLE object, const struct p11_attr_info *info, struct p11_attrs *ret)
{
	CK_BYTE room[4096];
	CK_ATTRIBUTE value = {info->type, room, info->kind == P11_ATTR_TEMPLATE ? 0 : sizeof(room)};
	CK_RV rv = a->f->C_GetAttributeValue(a->s, object, &value, 1);

	p11_attrs_remove(ret, info->type);
	if (rv == CKR_OK)
		assert_int_equal(p11_attrs_set(ret, info->type, room, value.ulValueLen, NULL), 0);
	return rv;
}

static void read_all(const struct side *a, const char *title, CK_OBJECT_HANDLE object, struct p11_attrs *ret)
{
	static const CK_ATTRIBUTE_TYPE first[] = {CKA_CLASS, CKA_KEY_TYPE, CKA_CERTIFICATE_TYPE, CKA_SENSITIVE, CKA_EXTRACTABLE};

	for (size_t i = 0; i < COUNT(first); i++)
		read_one(a, object, p11_attr_info(first[i]), ret);
	for (const struct p11_attr_info *info = p11_attr_table; info->name; info++) {
		CK_RV rv = read_one(a, object, info, ret);
		CK_ATTRIBUTE value = {info->type, NULL, 0};

		compare(title, info, class_of(ret), READ, rv, p11_object_read(ret, &value));
	}
}

static void set_one(const struct side *a, const char *title, CK_OBJECT_HANDLE object, const struct p11_attr_info *info,
		    CK_ATTRIBUTE *item, struct p11_attrs *attrs)
{
	CK_RV rv = a->f->C_SetAttributeValue(a->s, object, item, 1);

	compare(title, info, class_of(attrs), SET, rv, p11_object_may_set(attrs, item));
	if (rv == CKR_OK)
		read_one(a, object, info, attrs);
}

/* A good value of each kind. */
static CK_ATTRIBUTE value_of(const struct p11_attr_info *info, bool truth)
{
	static CK_MECHANISM_TYPE list[] = {CKM_AES_ECB};
	static CK_ATTRIBUTE inner[] = {NUM(CKA_SENSITIVE, yes)};
	static CK_DATE date = {{'2', '0', '3', '0'}, {'0', '1'}, {'0', '1'}};
	const CK_ATTRIBUTE values[] = {
		[P11_ATTR_BYTES] = {info->type, ID, 3},	      [P11_ATTR_BOOL] = {info->type, truth ? &yes : &no, 1},
		[P11_ATTR_ULONG] = NUM(info->type, len16),    [P11_ATTR_ULONGS] = {info->type, list, sizeof(list)},
		[P11_ATTR_DATE] = {info->type, &date, sizeof(date)}, [P11_ATTR_TEMPLATE] = {info->type, inner, sizeof(inner)},
	};

	return values[info->kind];
}

static void set_all(const struct side *a, const char *title, CK_OBJECT_HANDLE object, struct p11_attrs *attrs)
{
	for (const struct p11_attr_info *info = p11_attr_table; info->name; info++) {
		CK_ATTRIBUTE on = value_of(info, true), off = value_of(info, false);

		set_one(a, title, object, info, &on, attrs);
		if (info->kind == P11_ATTR_BOOL)
			set_one(a, title, object, info, &off, attrs);
	}
}

static void probe(const struct side *a, const char *title, CK_OBJECT_HANDLE object)
{
	owned(p11_attrs) struct p11_attrs attrs = {0};

	read_all(a, title, object, &attrs);
	set_all(a, title, object, &attrs);
}

static void created(const struct side *a, const char *title, CK_ATTRIBUTE *items, CK_ULONG count)
{
	CK_OBJECT_HANDLE object = 0;

	assert_int_equal(a->f->C_CreateObject(a->s, items, count, &object), CKR_OK);
	assert_int_equal(p11_object_check(P11_CREATE, (struct p11_object){(CK_ULONG)-1, (CK_ULONG)-1}, items, count), CKR_OK);
	probe(a, title, object);
}

static void objects(const struct side *a)
{
	static CK_OBJECT_CLASS certificate_class = CKO_CERTIFICATE, domain_class = CKO_DOMAIN_PARAMETERS;
	static CK_CERTIFICATE_TYPE x509 = CKC_X_509;
	static CK_KEY_TYPE dsa = CKK_DSA, dh = CKK_DH, des3 = CKK_DES3;
	static CK_BYTE big[128] = {0xff, 1, 2, 3};
#define BIG(type) {type, big, sizeof(big)}
	CK_ATTRIBUTE data[] = {NUM(CKA_CLASS, data_class)};
	CK_ATTRIBUTE certificate[] = {NUM(CKA_CLASS, certificate_class), NUM(CKA_CERTIFICATE_TYPE, x509), BIG(CKA_SUBJECT),
				      BIG(CKA_VALUE)};
	CK_ATTRIBUTE open[] = {NUM(CKA_CLASS, secret_class), NUM(CKA_KEY_TYPE, aes_type), NUM(CKA_SENSITIVE, no),
			       NUM(CKA_EXTRACTABLE, yes), {CKA_VALUE, ID, 16}};
	CK_ATTRIBUTE generic[] = {NUM(CKA_CLASS, secret_class), NUM(CKA_KEY_TYPE, generic_type), NUM(CKA_SENSITIVE, yes),
				  NUM(CKA_EXTRACTABLE, yes), {CKA_VALUE, ID, 16}};
	CK_ATTRIBUTE triple[] = {NUM(CKA_CLASS, secret_class), NUM(CKA_KEY_TYPE, des3), NUM(CKA_SENSITIVE, no),
				 NUM(CKA_EXTRACTABLE, no), {CKA_VALUE, big, 24}};
	CK_ATTRIBUTE dsa_public[] = {NUM(CKA_CLASS, public_class), NUM(CKA_KEY_TYPE, dsa), BIG(CKA_PRIME),
				     BIG(CKA_SUBPRIME), BIG(CKA_BASE), BIG(CKA_VALUE)};
	CK_ATTRIBUTE dsa_private[] = {NUM(CKA_CLASS, private_class), NUM(CKA_KEY_TYPE, dsa), BIG(CKA_PRIME),
				      BIG(CKA_SUBPRIME), BIG(CKA_BASE), BIG(CKA_VALUE), NUM(CKA_SENSITIVE, yes)};
	CK_ATTRIBUTE dh_public[] = {NUM(CKA_CLASS, public_class), NUM(CKA_KEY_TYPE, dh), BIG(CKA_PRIME), BIG(CKA_BASE),
				    BIG(CKA_VALUE)};
	CK_ATTRIBUTE dh_private[] = {NUM(CKA_CLASS, private_class), NUM(CKA_KEY_TYPE, dh), BIG(CKA_PRIME), BIG(CKA_BASE),
				     BIG(CKA_VALUE), NUM(CKA_SENSITIVE, no), NUM(CKA_EXTRACTABLE, yes)};
	CK_ATTRIBUTE dsa_domain[] = {NUM(CKA_CLASS, domain_class), NUM(CKA_KEY_TYPE, dsa), BIG(CKA_PRIME),
				     BIG(CKA_SUBPRIME), BIG(CKA_BASE)};
	CK_ATTRIBUTE dh_domain[] = {NUM(CKA_CLASS, domain_class), NUM(CKA_KEY_TYPE, dh), BIG(CKA_PRIME), BIG(CKA_BASE)};

	created(a, "data", data, COUNT(data));
	created(a, "certificate", certificate, COUNT(certificate));
	created(a, "open aes", open, COUNT(open));
	created(a, "generic", generic, COUNT(generic));
	created(a, "des3", triple, COUNT(triple));
	created(a, "dsa public", dsa_public, COUNT(dsa_public));
	created(a, "dsa private", dsa_private, COUNT(dsa_private));
	created(a, "dh public", dh_public, COUNT(dh_public));
	created(a, "dh private", dh_private, COUNT(dh_private));
	created(a, "dsa domain", dsa_domain, COUNT(dsa_domain));
	created(a, "dh domain", dh_domain, COUNT(dh_domain));
}

static void pairs(const struct side *a)
{
	CK_MECHANISM ec = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, rsa = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
	CK_ULONG bits = 1024;
	CK_ATTRIBUTE curve[] = {{CKA_EC_PARAMS, P256, sizeof(P256)}}, size[] = {NUM(CKA_MODULUS_BITS, bits)};
	CK_OBJECT_HANDLE public = 0, private = 0;

	assert_int_equal(a->f->C_GenerateKeyPair(a->s, &ec, curve, 1, NULL, 0, &public, &private), CKR_OK);
	probe(a, "ec public", public);
	probe(a, "ec private", private);
	assert_int_equal(a->f->C_GenerateKeyPair(a->s, &rsa, size, 1, NULL, 0, &public, &private), CKR_OK);
	probe(a, "rsa public", public);
	probe(a, "rsa private", private);
}

/* ---- templates ---- */

/* Each attribute in a template that is good without it. */
static void templates(const struct side *a)
{
	static const struct p11_object unknown = {(CK_ULONG)-1, (CK_ULONG)-1}, aes = {CKO_SECRET_KEY, CKK_AES};

	for (const struct p11_attr_info *info = p11_attr_table; info->name; info++)
		for (int truth = 0; truth <= (info->kind == P11_ATTR_BOOL); truth++) {
			CK_ATTRIBUTE item = value_of(info, truth), generated[] = {NUM(CKA_VALUE_LEN, len16), item};
			CK_ATTRIBUTE data[] = {NUM(CKA_CLASS, data_class), item};
			CK_ATTRIBUTE key[] = {NUM(CKA_CLASS, secret_class), NUM(CKA_KEY_TYPE, aes_type), {CKA_VALUE, ID, 16}, item};
			CK_OBJECT_HANDLE object = 0;
			CK_ULONG n;

			if (info->type == CKA_CLASS || info->type == CKA_KEY_TYPE)
				continue;
			n = info->type == CKA_VALUE_LEN ? 1 : 2;
			compare("aes generated", info, P11_SECRET, MAKE, generate(a, CKM_AES_KEY_GEN, generated, n, &object),
				p11_object_check(P11_GENERATE, aes, generated, n));
			compare("data created", info, P11_DATA, MAKE, a->f->C_CreateObject(a->s, data, 2, &object),
				p11_object_check(P11_CREATE, unknown, data, 2));
			n = info->type == CKA_VALUE ? 3 : 4;
			compare("aes created", info, P11_SECRET, MAKE, a->f->C_CreateObject(a->s, key, n, &object),
				p11_object_check(P11_CREATE, unknown, key, n));
		}
}

static void child(const char *folder)
{
	struct side a = {0};

	if (!softhsm_begin(folder, &a) ||
	    a.f->C_OpenSession(a.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &a.s) != CKR_OK ||
	    a.f->C_Login(a.s, CKU_USER, (CK_BYTE *)"1234", 4) != CKR_OK)
		_exit(2);
	objects(&a);
	pairs(&a);
	templates(&a);
	print_message("%zu answers, %zu differ without a reason\n", asked, wrong);
	_exit(wrong > 0 || asked < 2000);
}

static void softhsm_keeps_to_the_table(void **state)
{
	int status;
	pid_t pid;

	if (!file_exists(SOFTHSM))
		skip();
	pid = fork();
	if (pid == 0)
		child(*state);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		temp_test(softhsm_keeps_to_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
