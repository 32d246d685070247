/* SPDX-License-Identifier: Apache-2.0 */
/* script-objects - sessions, objects, secret keys, wrapping, and what policies forbid. */
#ifndef TESTS_FAKE_SCRIPT_OBJECTS_H
#define TESTS_FAKE_SCRIPT_OBJECTS_H

#include "say.h"

static void sessions(struct side *a)
{
	CK_SESSION_HANDLE other = 0, ro = 0;
	CK_SESSION_INFO info = {0};

	say(a, "open parallel", a->f->C_OpenSession(a->slot, CKF_RW_SESSION, NULL, NULL, &other));
	say(a, "open", a->f->C_OpenSession(a->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &a->s));
	say(a, "open ro", a->f->C_OpenSession(a->slot, CKF_SERIAL_SESSION, NULL, NULL, &ro));
	say(a, "open at no slot", a->f->C_OpenSession(4711, CKF_SERIAL_SESSION, NULL, NULL, &other));
	say(a, "wrong pin", a->f->C_Login(a->s, CKU_USER, (CK_BYTE *)"9999", 4));
	say(a, "no session", a->f->C_Login(4711, CKU_USER, (CK_BYTE *)"1234", 4));
	say(a, "login", a->f->C_Login(a->s, CKU_USER, (CK_BYTE *)"1234", 4));
	say(a, "login twice", a->f->C_Login(ro, CKU_USER, (CK_BYTE *)"1234", 4));
	say(a, "login twice, wrong pin", a->f->C_Login(ro, CKU_USER, (CK_BYTE *)"9999", 4));
	say(a, "context login without a need", a->f->C_Login(a->s, CKU_CONTEXT_SPECIFIC, (CK_BYTE *)"1234", 4));
	say(a, "session info", a->f->C_GetSessionInfo(a->s, &info));
	say_number(a, "state", info.state);
	say(a, "session info ro", a->f->C_GetSessionInfo(ro, &info));
	say_number(a, "state ro", info.state);
	CK_ATTRIBUTE record[] = {NUM(CKA_CLASS, data_class), NUM(CKA_TOKEN, yes), TEXT(CKA_VALUE, "x")};

	say(a, "token object in a ro session", a->f->C_CreateObject(ro, record, COUNT(record), &other));
	say(a, "close ro", a->f->C_CloseSession(ro));
	say(a, "close again", a->f->C_CloseSession(ro));
}

static void data_objects(struct side *a)
{
	CK_ATTRIBUTE record[] = {NUM(CKA_CLASS, data_class), NUM(CKA_TOKEN, yes),
				 NUM(CKA_PRIVATE, yes),	     TEXT(CKA_APPLICATION, "hsmctl"),
				 TEXT(CKA_LABEL, "record"),  TEXT(CKA_VALUE, "content")};
	CK_ATTRIBUTE odd[] = {NUM(CKA_CLASS, data_class), TEXT(CKA_ID, "an id")};
	CK_ATTRIBUTE label = TEXT(CKA_LABEL, "renamed"), token = NUM(CKA_TOKEN, no);
	CK_OBJECT_HANDLE object = 0, copy = 0, other = 0;
	CK_BYTE room[3];
	CK_ATTRIBUTE small[] = {{CKA_VALUE, room, sizeof(room)}, {CKA_LABEL, NULL, 0}, {CKA_MODULUS, NULL, 0}};

	say(a, "data", a->f->C_CreateObject(a->s, record, COUNT(record), &object));
	tell(a, "data", object);
	say(a, "data without a class", a->f->C_CreateObject(a->s, record + 1, COUNT(record) - 1, &other));
	say(a, "data with an id", a->f->C_CreateObject(a->s, odd, COUNT(odd), &other));
	say(a, "small", a->f->C_GetAttributeValue(a->s, object, small, 3));
	for (size_t i = 0; i < COUNT(small); i++)
		say_number(a, "small length", small[i].ulValueLen);
	say(a, "rename", a->f->C_SetAttributeValue(a->s, object, &label, 1));
	say(a, "set token", a->f->C_SetAttributeValue(a->s, object, &token, 1));
	say_number(a, "found by label", count_of(a, &label, 1));
	say_number(a, "found by old label", count_of(a, &record[4], 1));
	say(a, "copy", a->f->C_CopyObject(a->s, object, &token, 1, &copy));
	tell(a, "copy", copy);
	say_number(a, "found both", count_of(a, &label, 1));
	say(a, "destroy", a->f->C_DestroyObject(a->s, object));
	say(a, "destroy again", a->f->C_DestroyObject(a->s, object));
	say(a, "read destroyed", a->f->C_GetAttributeValue(a->s, object, small, 1));
	say(a, "destroy copy", a->f->C_DestroyObject(a->s, copy));
}

static void guarded_objects(struct side *a)
{
	CK_ATTRIBUTE fixed[] = {NUM(CKA_CLASS, data_class), NUM(CKA_MODIFIABLE, no), NUM(CKA_COPYABLE, no),
				NUM(CKA_DESTROYABLE, no), TEXT(CKA_VALUE, "x")};
	CK_ATTRIBUTE label = TEXT(CKA_LABEL, "renamed"), copyable = NUM(CKA_COPYABLE, yes);
	CK_OBJECT_HANDLE object = 0, copy = 0;

	say(a, "fixed", a->f->C_CreateObject(a->s, fixed, COUNT(fixed), &object));
	tell(a, "fixed", object);
	say(a, "change fixed", a->f->C_SetAttributeValue(a->s, object, &label, 1));
	say(a, "make fixed copyable", a->f->C_SetAttributeValue(a->s, object, &copyable, 1));
	say(a, "copy fixed", a->f->C_CopyObject(a->s, object, &label, 1, &copy));
	say(a, "destroy fixed", a->f->C_DestroyObject(a->s, object));
}

/* What replication makes of a domain key. */
static CK_OBJECT_HANDLE domain_key(struct side *a)
{
	CK_ATTRIBUTE t[] = {NUM(CKA_CLASS, secret_class),
			    NUM(CKA_KEY_TYPE, aes_type),
			    NUM(CKA_TOKEN, yes),
			    NUM(CKA_PRIVATE, yes),
			    NUM(CKA_SENSITIVE, yes),
			    NUM(CKA_EXTRACTABLE, yes),
			    NUM(CKA_WRAP, yes),
			    NUM(CKA_UNWRAP, yes),
			    NUM(CKA_ENCRYPT, no),
			    NUM(CKA_DECRYPT, no),
			    TEXT(CKA_LABEL, "hsmctl domain"),
			    {CKA_ID, ID, 16},
			    NUM(CKA_VALUE_LEN, len32)};
	CK_OBJECT_HANDLE key = 0;

	say(a, "domain", generate(a, CKM_AES_KEY_GEN, t, COUNT(t), &key));
	tell(a, "domain", key);
	return key;
}

static void secret_keys(struct side *a, CK_OBJECT_HANDLE domain)
{
	CK_ATTRIBUTE t[] = {NUM(CKA_CLASS, secret_class), NUM(CKA_KEY_TYPE, aes_type), NUM(CKA_TOKEN, no),
			    NUM(CKA_EXTRACTABLE, yes),	  TEXT(CKA_LABEL, "a key"),    {CKA_ID, ID, 16},
			    NUM(CKA_VALUE_LEN, len16)};
	CK_ATTRIBUTE bare[] = {NUM(CKA_VALUE_LEN, len16)}, odd[] = {NUM(CKA_VALUE_LEN, len16), {CKA_VALUE, ID, 16}};
	CK_ATTRIBUTE other_class[] = {NUM(CKA_CLASS, private_class), NUM(CKA_VALUE_LEN, len16)};
	CK_ULONG len17 = 17;
	CK_ATTRIBUTE odd_len[] = {NUM(CKA_VALUE_LEN, len17)};
	CK_MECHANISM pad = {CKM_AES_KEY_WRAP_PAD, NULL, 0}, kwp = {CKM_AES_KEY_WRAP_KWP, NULL, 0},
		     ecb = {CKM_AES_ECB, NULL, 0};
	CK_BYTE blob[128], clear[16] = "sixteen bytes ..", here[64], there[64];
	CK_ULONG len = sizeof(blob), none = 0, here_len = sizeof(here), there_len = sizeof(there);
	CK_OBJECT_HANDLE key = 0, copy = 0, other = 0;

	say(a, "aes", generate(a, CKM_AES_KEY_GEN, t, COUNT(t), &key));
	tell(a, "aes", key);
	say(a, "aes by default", generate(a, CKM_AES_KEY_GEN, bare, 1, &other));
	tell(a, "aes by default", other);
	say(a, "generic by default", generate(a, CKM_GENERIC_SECRET_KEY_GEN, bare, 1, &other));
	tell(a, "generic by default", other);
	say(a, "aes without a length", generate(a, CKM_AES_KEY_GEN, t, COUNT(t) - 1, &other));
	say(a, "aes of odd length", generate(a, CKM_AES_KEY_GEN, odd_len, 1, &other));
	say(a, "aes with a value", generate(a, CKM_AES_KEY_GEN, odd, 2, &other));
	say(a, "aes of another class", generate(a, CKM_AES_KEY_GEN, other_class, 2, &other));
	CK_ATTRIBUTE other_type[] = {NUM(CKA_KEY_TYPE, generic_type), NUM(CKA_VALUE_LEN, len16)};

	say(a, "aes of another type", generate(a, CKM_AES_KEY_GEN, other_type, 2, &other));
	say(a, "generate by a digest", generate(a, CKM_SHA256, bare, 1, &other));

	say(a, "wrap length", a->f->C_WrapKey(a->s, &pad, domain, key, NULL, &none));
	say_number(a, "wrap length", none);
	none = 3;
	say(a, "wrap into too little", a->f->C_WrapKey(a->s, &pad, domain, key, blob, &none));
	say(a, "wrap", a->f->C_WrapKey(a->s, &pad, domain, key, blob, &len));
	say_number(a, "wrapped", len);
	say(a, "unwrap", a->f->C_UnwrapKey(a->s, &pad, domain, blob, len, t, COUNT(t) - 1, &copy));
	tell(a, "unwrapped", copy);
	say(a, "unwrap with a length", a->f->C_UnwrapKey(a->s, &pad, domain, blob, len, t, COUNT(t), &other));
	say(a, "unwrap without a class", a->f->C_UnwrapKey(a->s, &pad, domain, blob, len, t + 1, 3, &other));
	say(a, "unwrap without a type", a->f->C_UnwrapKey(a->s, &pad, domain, blob, len, t, 1, &other));
	CK_ATTRIBUTE check[] = {t[0], t[1], TEXT(CKA_CHECK_VALUE, "abc")};

	say(a, "unwrap with a check value", a->f->C_UnwrapKey(a->s, &pad, domain, blob, len, check, 3, &other));
	CK_ATTRIBUTE fixed_first[] = {t[0], t[1], NUM(CKA_MODIFIABLE, no), TEXT(CKA_LABEL, "fixed"), t[2]};
	CK_ATTRIBUTE fixed_last[] = {t[0], t[1], TEXT(CKA_LABEL, "fixed"), t[2], NUM(CKA_MODIFIABLE, no)};

	say(a, "unwrap fixed and then named", a->f->C_UnwrapKey(a->s, &pad, domain, blob, len, fixed_first, 5, &other));
	say(a, "unwrap named and then fixed", a->f->C_UnwrapKey(a->s, &pad, domain, blob, len, fixed_last, 5, &other));
	tell(a, "unwrapped fixed", other);
	CK_ATTRIBUTE made_fixed[] = {NUM(CKA_MODIFIABLE, no), NUM(CKA_VALUE_LEN, len16), TEXT(CKA_LABEL, "fixed")};

	say(a, "generate fixed and then named", generate(a, CKM_AES_KEY_GEN, made_fixed, 3, &other));
	say(a, "unwrap cut", a->f->C_UnwrapKey(a->s, &pad, domain, blob, len - 3, t, 2, &other));
	blob[5] ^= 1;
	say(a, "unwrap damaged", a->f->C_UnwrapKey(a->s, &pad, domain, blob, len, t, 2, &other));
	say(a, "kwp", a->f->C_WrapKey(a->s, &kwp, domain, key, blob, &len));
	len = sizeof(blob);
	say(a, "wrap to mistake", a->f->C_WrapKey(a->s, &pad, domain, key, blob, &len));
	CK_ATTRIBUTE mistaken[] = {NUM(CKA_CLASS, private_class), NUM(CKA_KEY_TYPE, ec_type), NUM(CKA_TOKEN, no)};

	say(a, "unwrap as private", a->f->C_UnwrapKey(a->s, &pad, domain, blob, len, mistaken, 3, &other));
	say(a, "encrypt here", encrypt(a, &ecb, key, clear, 16, here, &here_len));
	say(a, "encrypt there", encrypt(a, &ecb, copy, clear, 16, there, &there_len));
	say_number(a, "the same", here_len == there_len && memcmp(here, there, here_len) == 0);
	here_len = sizeof(here);
	say(a, "encrypt with the domain key", encrypt(a, &ecb, domain, clear, 16, here, &here_len));
	say(a, "encrypt fifteen bytes", encrypt(a, &ecb, key, clear, 15, here, &here_len));
	say(a, "wrap under no key", a->f->C_WrapKey(a->s, &pad, 4711, key, blob, &len));
	say(a, "wrap no key", a->f->C_WrapKey(a->s, &pad, domain, 4711, blob, &len));
	say(a, "unwrap under no key", a->f->C_UnwrapKey(a->s, &pad, 4711, blob, 24, t, 2, &other));
}

static void policies(struct side *a, CK_OBJECT_HANDLE domain)
{
	CK_MECHANISM_TYPE only[] = {CKM_AES_ECB};
	CK_ATTRIBUTE closed[] = {NUM(CKA_VALUE_LEN, len16), NUM(CKA_EXTRACTABLE, no), NUM(CKA_SENSITIVE, yes)};
	CK_ATTRIBUTE trusted[] = {NUM(CKA_VALUE_LEN, len16), NUM(CKA_EXTRACTABLE, yes),
				  NUM(CKA_WRAP_WITH_TRUSTED, yes)};
	CK_ATTRIBUTE limited[] = {
	    NUM(CKA_VALUE_LEN, len16), NUM(CKA_EXTRACTABLE, yes), {CKA_ALLOWED_MECHANISMS, only, sizeof(only)}};
	CK_ATTRIBUTE by_user[] = {NUM(CKA_VALUE_LEN, len16), NUM(CKA_TRUSTED, yes)};
	CK_ATTRIBUTE open = NUM(CKA_EXTRACTABLE, yes), shut = NUM(CKA_EXTRACTABLE, no), bare = NUM(CKA_SENSITIVE, no),
		     wrapless = NUM(CKA_WRAP, no), local = NUM(CKA_LOCAL, yes), wwt = NUM(CKA_WRAP_WITH_TRUSTED, yes);
	CK_MECHANISM pad = {CKM_AES_KEY_WRAP_PAD, NULL, 0}, ecb = {CKM_AES_ECB, NULL, 0};
	CK_MECHANISM cbc = {CKM_AES_CBC_PAD, ID, 16};
	CK_BYTE blob[64], clear[16] = {0};
	CK_ULONG len = sizeof(blob);
	CK_OBJECT_HANDLE key = 0;

	say(a, "closed", generate(a, CKM_AES_KEY_GEN, closed, COUNT(closed), &key));
	tell(a, "closed", key);
	say(a, "wrap closed", a->f->C_WrapKey(a->s, &pad, domain, key, blob, &len));
	say(a, "open closed", a->f->C_SetAttributeValue(a->s, key, &open, 1));
	say(a, "bare closed", a->f->C_SetAttributeValue(a->s, key, &bare, 1));
	say(a, "set local", a->f->C_SetAttributeValue(a->s, key, &local, 1));
	say(a, "set wrap with trusted", a->f->C_SetAttributeValue(a->s, key, &wwt, 1));
	say(a, "take wrap", a->f->C_SetAttributeValue(a->s, key, &wrapless, 1));
	say(a, "wrap with it", a->f->C_WrapKey(a->s, &pad, key, domain, blob, &len));
	say(a, "for trusted ones", generate(a, CKM_AES_KEY_GEN, trusted, COUNT(trusted), &key));
	say(a, "wrap that", a->f->C_WrapKey(a->s, &pad, domain, key, blob, &len));
	say(a, "shut it", a->f->C_SetAttributeValue(a->s, key, &shut, 1));
	tell(a, "shut", key);
	say(a, "trusted by the user", generate(a, CKM_AES_KEY_GEN, by_user, COUNT(by_user), &key));
	say(a, "limited", generate(a, CKM_AES_KEY_GEN, limited, COUNT(limited), &key));
	tell(a, "limited", key);
	len = sizeof(blob);
	say(a, "limited, as allowed", encrypt(a, &ecb, key, clear, 16, blob, &len));
	say(a, "limited, otherwise", encrypt(a, &cbc, key, clear, 16, blob, &len));
	say(a, "wrap limited", a->f->C_WrapKey(a->s, &pad, domain, key, blob, &len));
	say(a, "wrap with limited", a->f->C_WrapKey(a->s, &pad, key, domain, blob, &len));
}

/* Templates as values, in the steps by which they are read. */
static void templates(struct side *a)
{
	CK_MECHANISM_TYPE only[] = {CKM_AES_ECB};
	CK_ATTRIBUTE inner[] = {
	    TEXT(CKA_LABEL, "inner"), NUM(CKA_SENSITIVE, yes), {CKA_ALLOWED_MECHANISMS, only, sizeof(only)}};
	CK_ATTRIBUTE deeper[] = {{CKA_UNWRAP_TEMPLATE, inner, sizeof(inner)}};
	CK_ATTRIBUTE both[] = {NUM(CKA_VALUE_LEN, len16),
			       {CKA_WRAP_TEMPLATE, inner, sizeof(inner)},
			       {CKA_UNWRAP_TEMPLATE, inner, 2 * sizeof(inner[0])}};
	CK_ATTRIBUTE deep[] = {NUM(CKA_VALUE_LEN, len16), {CKA_UNWRAP_TEMPLATE, deeper, sizeof(deeper)}};
	CK_ATTRIBUTE empty[] = {NUM(CKA_VALUE_LEN, len16), {CKA_UNWRAP_TEMPLATE, NULL, 0}};
	CK_ATTRIBUTE no_list[] = {NUM(CKA_VALUE_LEN, len16), {CKA_ALLOWED_MECHANISMS, NULL, 0}};
	CK_ATTRIBUTE derive[] = {NUM(CKA_VALUE_LEN, len16), {CKA_DERIVE_TEMPLATE, inner, sizeof(inner)}};
	CK_ATTRIBUTE read[3] = {0}, value = {CKA_WRAP_TEMPLATE, read, sizeof(read)};
	CK_BYTE room[3][16];
	CK_OBJECT_HANDLE key = 0;

	say(a, "templates", generate(a, CKM_AES_KEY_GEN, both, COUNT(both), &key));
	tell(a, "templates", key);
	say(a, "read types", a->f->C_GetAttributeValue(a->s, key, &value, 1));
	for (size_t i = 0; i < COUNT(read); i++) {
		say_number(a, "inner type", read[i].type);
		say_number(a, "inner length", read[i].ulValueLen);
		read[i].pValue = room[i];
	}
	say(a, "read values", a->f->C_GetAttributeValue(a->s, key, &value, 1));
	say_number(a, "the label", memcmp(room[0], "inner", 5) == 0);
	say_number(a, "the list", memcmp(room[2], only, sizeof(only)) == 0);
	value.ulValueLen = sizeof(read[0]);
	say(a, "too short an array", a->f->C_GetAttributeValue(a->s, key, &value, 1));
	say(a, "a template too deep", generate(a, CKM_AES_KEY_GEN, deep, 2, &key));
	say(a, "an empty template", generate(a, CKM_AES_KEY_GEN, empty, 2, &key));
	tell(a, "empty template", key);
	say(a, "a list of nothing", generate(a, CKM_AES_KEY_GEN, no_list, 2, &key));
	say(a, "for derivation", generate(a, CKM_AES_KEY_GEN, derive, 2, &key));
}

static void created_keys(struct side *a)
{
	CK_DATE date = {{'2', '0', '3', '0'}, {'0', '1'}, {'0', '1'}};
	CK_ATTRIBUTE aes[] = {NUM(CKA_CLASS, secret_class), NUM(CKA_KEY_TYPE, aes_type), NUM(CKA_TOKEN, no),
			      NUM(CKA_SENSITIVE, no),	    NUM(CKA_EXTRACTABLE, yes),	 {CKA_VALUE, ID, 16}};
	CK_ATTRIBUTE dated = {CKA_START_DATE, &date, sizeof(date)};
	CK_OBJECT_HANDLE key = 0;

	say(a, "created aes", a->f->C_CreateObject(a->s, aes, COUNT(aes), &key));
	tell(a, "created aes", key);
	say(a, "date", a->f->C_SetAttributeValue(a->s, key, &dated, 1));
	tell(a, "dated", key);
	CK_ATTRIBUTE fixed[] = {aes[0], aes[1], NUM(CKA_MODIFIABLE, no), aes[5], TEXT(CKA_LABEL, "fixed")};

	say(a, "created fixed and then named", a->f->C_CreateObject(a->s, fixed, COUNT(fixed), &key));
	tell(a, "created fixed", key);
	say(a, "created aes without a value", a->f->C_CreateObject(a->s, aes, COUNT(aes) - 1, &key));
	say(a, "created aes without a type", a->f->C_CreateObject(a->s, aes, 1, &key));
}

#endif
