/* SPDX-License-Identifier: Apache-2.0 */
/* seeds FOLDER: what targets begin with, one good input of each kind, into FOLDER/TARGET. Run it when a form changes. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "../unit/p11/stage.h"
#include "base/err.h"
#include "base/mem.h"
#include "fuzz.h"
#include "member/frame.h"
#include "replica/record.h"
#include "replica/view.h"
#include "shape.h"

enum { SEED_MAX = 16 << 10 };
#define FIRST (((CK_ULONG)1 << 32) + 1)	/* the first session of the fake token, and its first object */

static const char *folder;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	(void)data;
	(void)len;
	return 0;
}

static void save(const char *target, const struct buf *seed, const char *fmt, ...)
{
	char name[64], path[4096];
	va_list ap;
	FILE *file;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	HOLDS(buf_check(seed, NULL) == 0);
	snprintf(path, sizeof(path), "%s/%s", folder, target);
	HOLDS(mkdir(path, 0777) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/%s/%s", folder, target, name);
	file = fopen(path, "we");
	HOLDS(file && fwrite(seed->data, 1, seed->len, file) == seed->len && fclose(file) == 0);
}

static void put_u16(struct buf *buf, size_t v)
{
	buf_put_u8(buf, (uint8_t)(v >> 8));
	buf_put_u8(buf, (uint8_t)v);
}

/* ---- calls ---- */

/* Of each kind of parameter one. */
static const struct { const char *name; CK_MECHANISM mechanism; } mechanisms[] = {
	{"none", {CKM_ECDSA, NULL, 0}},
	{"iv", {CKM_AES_CBC_PAD, (void *)"0123456789abcdef", 16}},
	{"data8", {CKM_DES_CBC_ENCRYPT_DATA, &(CK_DES_CBC_ENCRYPT_DATA_PARAMS){"0123456", (void *)"01234567", 8},
		   sizeof(CK_DES_CBC_ENCRYPT_DATA_PARAMS)}},
	{"pss", {CKM_SHA256_RSA_PKCS_PSS, &(CK_RSA_PKCS_PSS_PARAMS){CKM_SHA256, CKG_MGF1_SHA256, 32},
		 sizeof(CK_RSA_PKCS_PSS_PARAMS)}},
	{"gcm", {CKM_AES_GCM, &(CK_GCM_PARAMS){(void *)"0123456789ab", 12, 96, (void *)"aad", 3, 128}, sizeof(CK_GCM_PARAMS)}},
	{"ctr", {CKM_AES_CTR, &(CK_AES_CTR_PARAMS){128, "0123456789abcde"}, sizeof(CK_AES_CTR_PARAMS)}},
	{"ecdh", {CKM_ECDH1_DERIVE, &(CK_ECDH1_DERIVE_PARAMS){CKD_NULL, 0, NULL, 4, (void *)"\4\2xy"},
		  sizeof(CK_ECDH1_DERIVE_PARAMS)}},
	{"string", {CKM_AES_ECB_ENCRYPT_DATA, &(CK_KEY_DERIVATION_STRING_DATA){(void *)"data", 4},
		    sizeof(CK_KEY_DERIVATION_STRING_DATA)}},
	{"data", {CKM_AES_CBC_ENCRYPT_DATA, &(CK_AES_CBC_ENCRYPT_DATA_PARAMS){"0123456789abcde", (void *)"0123456789abcdef", 16},
		  sizeof(CK_AES_CBC_ENCRYPT_DATA_PARAMS)}},
	{"object", {CKM_CONCATENATE_BASE_AND_KEY, &(CK_OBJECT_HANDLE){7}, sizeof(CK_OBJECT_HANDLE)}},
};
enum { MECHANISMS = sizeof(mechanisms) / sizeof(mechanisms[0]) };

static void requests(void)
{
	owned(buf) struct buf seed = {.max = SEED_MAX};
	struct p11_call calls[2];
	struct stage stages[2];

	for (int fn = 0; fn < P11_FN_MAX; fn++, buf_clear(&seed)) {
		calls[0] = make(fn, &stages[0]);
		p11_encode_request(&seed, calls, 1);
		save("request", &seed, "%s", p11_fn_table[fn].name);
	}
	for (int i = 0; i < MECHANISMS; i++, buf_clear(&seed)) {
		calls[0] = p11_init(P11_C_SignInit, FIRST, (CK_MECHANISM *)&mechanisms[i].mechanism, 2);
		calls[1] = make(P11_C_Sign, &stages[1]);
		p11_encode_request(&seed, calls, 2);
		save("request", &seed, "fused-%s", mechanisms[i].name);
	}
}

/* Arguments are of the target's own making: of each function some, at random. */
static void calls(void)
{
	uint32_t state = 5;

	for (uint8_t fn = 0; fn < P11_FN_MAX; fn++) {
		owned(buf) struct buf seed = {.max = SEED_MAX};

		buf_put_u8(&seed, fn);
		for (int i = 0; i < 300; i++) {
			state = state * 1664525 + 1013904223;
			buf_put_u8(&seed, (uint8_t)(1 + (state >> 24) % 199));
		}
		save("call", &seed, "%s", p11_fn_table[fn].name);
	}
}

static void put_ask(struct buf *seed, const uint8_t *fns, const uint8_t *rooms, size_t count, struct shape *ret)
{
	buf_put_u8(seed, (uint8_t)(count - 1));
	for (size_t i = 0; i < count; i++) {
		buf_put_u8(seed, fns[i]);
		buf_put_u8(seed, rooms[i]);
		shape_add(ret, fns[i], rooms[i]);
	}
}

static const struct { const char *name; uint8_t room; CK_RV rv; } answers[] = {
	{"good", 62, CKR_OK}, {"wide", 179, CKR_OK}, {"question", 5, CKR_OK}, {"null", 255, CKR_OK},
	{"small", 62, CKR_BUFFER_TOO_SMALL}, {"secret", 134, CKR_ATTRIBUTE_SENSITIVE}, {"held", 62, CKR_FUNCTION_REJECTED},
};
enum { ANSWERS = sizeof(answers) / sizeof(answers[0]) };

static bool has_results(int fn)
{
	enum p11_arg_kind last = P11_ARG_END;

	for (int n = 0; n < P11_ARGS_MAX && p11_fn_table[fn].args[n] != P11_ARG_END; n++)
		last = p11_fn_table[fn].args[n];
	return last == P11_ARG_ATTRS || last >= P11_ARG_OUT;
}

static void replies(void)
{
	owned(buf) struct buf seed = {.max = SEED_MAX};

	for (uint8_t fn = 0; fn < P11_FN_MAX; fn++)
		for (int i = 0; has_results(fn) && i < ANSWERS; i++, buf_clear(&seed)) {
			owned(shape) struct shape shape = {0};

			put_ask(&seed, &fn, &answers[i].room, 1, &shape);
			shape_answer(&shape, answers[i].rv);
			p11_encode_reply(&seed, shape.calls, 1);
			save("reply", &seed, "%s-%s", p11_fn_table[fn].name, answers[i].name);
		}
}

/* ---- hosts ---- */

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_OBJECT_CLASS data_class = CKO_DATA, secret_class = CKO_SECRET_KEY;
static CK_KEY_TYPE aes = CKK_AES;
static CK_ULONG sixteen = 16;
static CK_ATTRIBUTE data_object[] = {{CKA_CLASS, &data_class, sizeof(data_class)}, {CKA_TOKEN, &yes, 1},
				     {CKA_PRIVATE, &no, 1}, {CKA_LABEL, (void *)"note", 4}, {CKA_VALUE, (void *)"text", 4}};
static CK_ATTRIBUTE aes_key[] = {{CKA_CLASS, &secret_class, sizeof(secret_class)}, {CKA_KEY_TYPE, &aes, sizeof(aes)},
				 {CKA_TOKEN, &no, 1}, {CKA_ENCRYPT, &yes, 1}, {CKA_DECRYPT, &yes, 1}, {CKA_SIGN, &yes, 1},
				 {CKA_WRAP, &yes, 1}, {CKA_DERIVE, &yes, 1}, {CKA_EXTRACTABLE, &yes, 1},
				 {CKA_VALUE_LEN, &sixteen, sizeof(sixteen)}};
static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static CK_ATTRIBUTE ec_public[] = {{CKA_EC_PARAMS, p256, sizeof(p256)}, {CKA_TOKEN, &no, 1}};
static CK_ATTRIBUTE ec_private[] = {{CKA_TOKEN, &no, 1}, {CKA_SIGN, &yes, 1}, {CKA_DERIVE, &yes, 1}};

static void put_batch(struct buf *seed, const struct p11_call *calls, size_t count)
{
	owned(buf) struct buf body = {.max = SEED_MAX};

	p11_encode_request(&body, calls, count);
	put_u16(seed, body.len);
	buf_put(seed, body.data, body.len);
}
#define BATCH(seed, ...) put_batch(seed, (struct p11_call[]){__VA_ARGS__}, sizeof((struct p11_call[]){__VA_ARGS__}) / sizeof(struct p11_call))

static void guests(void)
{
	owned(buf) struct buf seed = {.max = SEED_MAX};
	CK_MECHANISM gcm = mechanisms[4].mechanism, gen = {CKM_AES_KEY_GEN, NULL, 0}, pair = {CKM_EC_KEY_PAIR_GEN, NULL, 0},
		     ecdsa = {CKM_ECDSA, NULL, 0}, sha = {CKM_SHA256, NULL, 0}, wrap = {CKM_AES_KEY_WRAP_PAD, NULL, 0};
	CK_OBJECT_HANDLE object, other, list[8];
	CK_ULONG count, len = 200;
	CK_BYTE out[200];
	struct p11_lease lease;
	struct stage stage;
	CK_ATTRIBUTE values[] = {{CKA_LABEL, out, 40}, {CKA_VALUE, out, 40}, {CKA_UNWRAP_TEMPLATE, NULL, 0}};
	CK_SESSION_HANDLE s = FIRST;

	for (int how = 0; how <= 2; how += 2, buf_clear(&seed)) {
		buf_put_u8(&seed, (uint8_t)how);
		BATCH(&seed, p11_X_Absent(s, data_object, 4), p11_C_CreateObject(s, data_object, 5, &object));
		BATCH(&seed, p11_C_FindObjectsInit(s, data_object, 1), p11_C_FindObjects(s, list, 8, &count), p11_C_FindObjectsFinal(s));
		BATCH(&seed, p11_C_GetAttributeValue(s, FIRST, values, 3), p11_X_Age(s, FIRST, &count));
		BATCH(&seed, p11_C_DestroyObject(s, FIRST));
		save("guest", &seed, "data-%d", how);
	}
	buf_put_u8(&seed, 2);
	BATCH(&seed, p11_C_GenerateKey(s, &gen, aes_key + 2, 8, &object));
	BATCH(&seed, p11_init(P11_C_EncryptInit, s, &gcm, FIRST), p11_transform(P11_C_Encrypt, s, out, 30, out, &len));
	BATCH(&seed, p11_init(P11_C_EncryptInit, s, &gcm, FIRST));
	BATCH(&seed, p11_C_WrapKey(s, &wrap, FIRST, FIRST, out, &len));
	BATCH(&seed, p11_C_CopyObject(s, FIRST, data_object + 3, 1, &object), p11_C_SetAttributeValue(s, FIRST, data_object + 3, 1));
	save("guest", &seed, "aes");
	buf_clear(&seed);
	buf_put_u8(&seed, 2);
	BATCH(&seed, p11_C_GenerateKeyPair(s, &pair, ec_public, 2, ec_private, 3, &object, &other));
	BATCH(&seed, p11_init(P11_C_SignInit, s, &ecdsa, FIRST + 1), p11_transform(P11_C_Sign, s, out, 32, out, &len));
	BATCH(&seed, p11_C_CloseSession(s), p11_C_CloseSession(s + 1));
	save("guest", &seed, "pair");
	buf_clear(&seed);
	buf_put_u8(&seed, 2);
	BATCH(&seed, p11_X_Lease(s, "name", 4, "holder", 6, 60000, 0, &lease));
	BATCH(&seed, p11_X_Lease(s + 1, "name", 4, "other", 5, 60000, 1, &lease));
	BATCH(&seed, p11_C_DigestInit(s, &sha), p11_transform(P11_C_Digest, s, "abc", 3, out, &len));
	BATCH(&seed, p11_C_Logout(s));
	BATCH(&seed, p11_C_Login(s, CKU_USER, "1234", 4), p11_C_Login(s, CKU_USER, "4321", 4));
	save("guest", &seed, "lease");
	for (int fn = 0; fn < P11_FN_MAX; fn++) {
		struct p11_call call = make(fn, &stage);

		buf_clear(&seed);
		if (p11_fn_table[fn].args[0] == P11_ARG_SESSION)
			call.args[0].number = s;
		for (int n = 1; n < P11_ARGS_MAX && p11_fn_table[fn].args[n] != P11_ARG_END; n++)
			if (p11_fn_table[fn].args[n] == P11_ARG_OBJECT)
				call.args[n].number = FIRST;
		buf_put_u8(&seed, 2);
		BATCH(&seed, p11_C_CreateObject(s, data_object, 5, &object));
		put_batch(&seed, &call, 1);
		save("guest", &seed, "%s", p11_fn_table[fn].name);
	}
}

/* ---- frames, and what members hear ---- */

static void put_frame(struct buf *seed, unsigned kind, const struct buf *body)
{
	buf_put_u8(seed, (uint8_t)kind);
	put_u16(seed, body->len);
	buf_put(seed, body->data, body->len);
}

static void put_welcome(struct buf *seed, uint8_t version)
{
	owned(buf) struct buf body = {.max = SEED_MAX};

	buf_put_u8(&body, version);
	buf_put_u64(&body, 4711);
	buf_put_bytes(&body, "fa4e000000000000", 16);
	buf_put_bytes(&body, "hsm-east-1", 10);
	if (version >= FRAME_VERSION_INSTANCE)
		buf_put_u8(&body, 0);
	put_frame(seed, FRAME_WELCOME, &body);
}

static void put_reply(struct buf *seed, const struct p11_call *calls, size_t count)
{
	owned(buf) struct buf body = {.max = SEED_MAX};

	buf_put_u64(&body, 3);
	p11_encode_reply(&body, calls, count);
	put_frame(seed, FRAME_REPLY, &body);
}

static void links(void)
{
	const struct buf empty = {0};
	owned(buf) struct buf seed = {.max = SEED_MAX};

	for (uint8_t fn = 0; fn < P11_FN_MAX; fn += 3, buf_clear(&seed)) {
		uint8_t fns[] = {fn, (uint8_t)((fn + 1) % P11_FN_MAX), (uint8_t)((fn + 2) % P11_FN_MAX)}, rooms[] = {62, 179, 30};
		owned(shape) struct shape shape = {0};

		buf_put_u8(&seed, fn & 4);
		put_ask(&seed, fns, rooms, 3, &shape);
		put_welcome(&seed, fn & 4 ? 2 : FRAME_VERSION);
		shape_answer(&shape, CKR_OK);
		put_frame(&seed, FRAME_BEAT, &empty);
		put_reply(&seed, shape.calls, 3);
		put_reply(&seed, shape.calls, 3);
		save("link", &seed, "calls-%u", fn);
	}
}

/* A member opens a session, logs in, and asks for the handles of all records, then for what each of them says. */
static void readers(const struct buf *record)
{
	owned(buf) struct buf seed = {.max = SEED_MAX};
	CK_SESSION_HANDLE session = FIRST;
	CK_OBJECT_HANDLE handles[8] = {5};
	CK_ULONG one = 1, none = 0;
	CK_ATTRIBUTE values[] = {{CKA_LABEL, (void *)"hsmctl record 30313233343536373839616263646566", 46},
				 {CKA_VALUE, record->data, record->len}, {CKA_PRIVATE, &yes, 1}};
	struct p11_call open = p11_C_OpenSession(0, 6, &session), login = p11_C_Login(session, CKU_USER, "1234", 4);
	struct p11_call found[] = {p11_C_FindObjectsInit(session, NULL, 0), p11_C_FindObjects(session, handles, 8, &one),
				   p11_C_FindObjectsFinal(session)};
	struct p11_call nothing[] = {found[0], p11_C_FindObjects(session, handles, 8, &none), found[2]};
	struct p11_call read = p11_C_GetAttributeValue(session, 5, values, 3);

	open.rv = login.rv = read.rv = CKR_OK;
	for (int i = 0; i < 3; i++)
		found[i].rv = nothing[i].rv = CKR_OK;
	buf_put_u8(&seed, 2);
	buf_put_u8(&seed, 0);
	put_welcome(&seed, FRAME_VERSION);
	put_reply(&seed, &open, 1);
	put_reply(&seed, &login, 1);
	put_reply(&seed, found, 3);
	put_reply(&seed, found, 3);
	put_reply(&seed, &read, 1);
	put_reply(&seed, nothing, 3);
	save("link", &seed, "records");
}

static void frames(void)
{
	static const uint8_t lens[] = {0, 8, 200};
	owned(buf) struct buf seed = {.max = SEED_MAX}, all = {.max = SEED_MAX};

	for (unsigned kind = FRAME_HELLO; kind <= FRAME_REFUSED; kind++, buf_clear(&seed)) {
		for (int i = 0; i < (kind == FRAME_BEAT ? 1 : 3); i++) {
			buf_put_u32(&seed, lens[i]);
			buf_put_u8(&seed, (uint8_t)kind);
			memset(buf_reserve(&seed, lens[i]), 'x', lens[i]);
			seed.len += lens[i];
		}
		buf_put(&all, seed.data, seed.len);
		save("frame", &seed, "kind-%u", kind);
	}
	save("frame", &all, "all");
}

/* ---- memos ---- */

static void save_memo(struct buf *sealed, const char *name)
{
	struct buf seed = *sealed;

	seed.len -= 32;	/* without the digest */
	save("memo", &seed, "%s", name);
}

static void memos(void)
{
	static const uint8_t uid[] = "0123456789abcdef";
	owned(record) struct record record = {.state = RECORD_LIVE, .counter = 3, .time_ms = 1700000000000, .n_objects = 2,
					      .check_len = 4};
	owned(buf) struct buf live = {.max = SEED_MAX}, gone = {.max = SEED_MAX}, view = {.max = SEED_MAX},
			      graves = {.max = SEED_MAX};
	struct view marks = {.count = 2};
	struct err err = {0};

	memcpy(record.uid, uid, UID_LEN);
	HOLDS(p11_attrs_merge(&record.objects[0], aes_key, 10, &err) == 0);
	HOLDS(p11_attrs_merge(&record.objects[1], data_object, 5, &err) == 0);
	HOLDS(record_encode(&record, &live, &err) == 0);
	save_memo(&live, "record-live");
	readers(&live);
	record.state = RECORD_DELETED;
	HOLDS(record_encode(&record, &gone, &err) == 0);
	save_memo(&gone, "record-deleted");
	for (size_t i = 0; i < 2; i++) {
		snprintf(marks.of[i].name, sizeof(marks.of[i].name), "hsm-%zu", i);
		marks.of[i].mark = (struct view_mark){.counter = 7, .state = i ? VIEW_OUT : VIEW_CURRENT};
	}
	HOLDS(view_encode(&marks, &view, &err) == 0);
	save_memo(&view, "view");
	buf_put(&graves, "hsmctl-graves", 13);
	buf_put_u8(&graves, 1);
	buf_put_u32(&graves, 2);
	buf_put(&graves, uid, GRAVE_LEN);
	buf_put(&graves, uid, GRAVE_LEN);
	save("memo", &graves, "graves");
}

/* ---- texts ---- */

static void texts(const char *target, const char *const *list)
{
	for (int i = 0; list[i]; i++) {
		owned(buf) struct buf seed = {.max = SEED_MAX};

		buf_put_str(&seed, list[i]);
		save(target, &seed, "text-%d", i);
	}
}

static const char *const uris[] = {
	"pkcs11:token=payments;object=login;type=private?module-path=/usr/lib/x.so&pin-source=file:/etc/pin",
	"pkcs11:manufacturer=ours;serial=00ff;model=one;id=%00%01%ff?module-name=hsmctl", "pkcs11:", "pkcs11:?",
	"pkcs11:object=a%20b%3b;type=secret-key", "pkcs11:slot-id=1?pin-value=1234", "exec:[\"vault\",\"read\",\"x\"]",
	"exec:/usr/bin/pin", "file:/etc/pin", "env:PIN", "prompt:", NULL,
};

static const char *const documents[] = {
	"{\"name\":\"f\",\"datacenters\":[{\"name\":\"d\",\"region\":\"r\",\"provider\":\"softhsm\"}],\"devices\":[{\"name\":\"x\","
	"\"datacenter\":\"d\",\"partitions\":[{\"name\":\"p\",\"pin_source\":\"env:PIN\",\"link\":{\"kind\":\"worker\","
	"\"module\":\"/x.so\",\"environment\":{\"A\":\"b\"}}},{\"name\":\"q\"}]},{\"name\":\"y\",\"datacenter\":\"d\"}],"
	"\"groups\":[{\"name\":\"g\",\"pin_source\":\"file:/p\",\"policy\":{\"min_members\":1,\"stale_members\":\"serve\"},"
	"\"members\":[{\"device\":\"x\",\"partition\":\"p\",\"role\":\"active\"},{\"device\":\"y\",\"role\":\"standby\"}]}]}",
	"// a comment\n{\"name\": \"f\", /* and another */ \"datacenters\": [], \"devices\": []}",
	"{\"a\":[1,-2.5e3,true,null,\"\\u00e9\\n\\ud83d\\ude00\"],\"error\":{\"code\":\"x\",\"message\":\"y\"}}", NULL,
};

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seeds FOLDER\n");
		return 2;
	}
	folder = argv[1];
	requests();
	calls();
	replies();
	guests();
	frames();
	links();
	memos();
	texts("uri", uris);
	texts("fleet", documents);
	return 0;
}
