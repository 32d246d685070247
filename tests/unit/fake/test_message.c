/* SPDX-License-Identifier: Apache-2.0 */
/* Messages through the whole of a link: a worker that holds a library with the interface of PKCS#11 3.0, or without. */
#include "beside.h"

#include "base/secret.h"
#include "fleet/fleet.h"
#include "member/member.h"

static const CK_MECHANISM aead = {CKM_AES_GCM, NULL, 0};
static CK_OBJECT_HANDLE k;

static const char *program(void)
{
	static char path[2 * PATH_MAX];

	return beside(path, "libexec/hsmctl/hsmctl-worker");
}

static struct member *open_worker(const char *module)
{
	owned(secret) struct secret *pin = NULL;
	struct member_config config = {.name = "worker", .link = FLEET_LINK_WORKER, .module = module, .program = program(),
				       .connect_ms = 10000, .answer_ms = 10000, .call_ms = 60000};
	struct member *member;

	setenv("FAKE_TOKENS", "1", 1);
	assert_int_equal(member_open(&config, &member, NULL), 0);
	assert_int_equal(secret_new("1234", 4, &pin, NULL), 0);
	member_set_pin(member, own_take(pin));
	return member;
}

static void make_key(struct member_channel *channel)
{
	static CK_BBOOL yes = CK_TRUE;
	static CK_ULONG len = 32;
	CK_ATTRIBUTE template[] = {{CKA_ENCRYPT, &yes, 1}, {CKA_DECRYPT, &yes, 1}, {CKA_VALUE_LEN, &len, sizeof(len)}};
	const CK_MECHANISM make = {CKM_AES_KEY_GEN, NULL, 0};
	struct p11_call call = p11_C_GenerateKey(member_session(channel), &make, template, 3, &k);

	assert_int_equal(member_run(channel, &call, 1, NULL), 0);
}

static CK_FLAGS flags_of(struct member_channel *channel)
{
	CK_MECHANISM_INFO info;
	struct p11_call call = p11_C_GetMechanismInfo(0, CKM_AES_GCM, &info);

	assert_int_equal(member_run(channel, &call, 1, NULL), 0);
	return info.flags & P11_MESSAGE_USES;
}

/* The same by the functions of before: the tag stands behind the ciphertext. */
static void opens_as(struct member_channel *channel, CK_BYTE iv[static 12], const CK_BYTE sealed[static 20], const char *text)
{
	CK_GCM_PARAMS gcm = {iv, 12, 96, (CK_BYTE *)"aad", 3, 128};
	const CK_MECHANISM m = {CKM_AES_GCM, &gcm, sizeof(gcm)};
	CK_SESSION_HANDLE s = member_session(channel);
	CK_BYTE out[32];
	CK_ULONG len = sizeof(out);
	struct p11_call calls[] = {p11_C_DecryptInit(s, &m, k), p11_C_Decrypt(s, sealed, 20, out, &len)};

	assert_int_equal(member_run(channel, calls, 2, NULL), 0);
	assert_int_equal(len, 4);
	assert_memory_equal(out, text, 4);
}

/* The token makes the IV and the tag, and both come to where the caller's parameter leads. */
static void a_message_goes_there_and_back(void **state)
{
	const char *linked = in(*state, "messages.so");
	struct member *member;
	struct member_channel *channel;
	CK_BYTE iv[12] = "four", sealed[20], out[4];
	CK_GCM_MESSAGE_PARAMS p = {iv, 12, 32, CKG_GENERATE_RANDOM, sealed + 4, 128};
	CK_ULONG len = 4;
	CK_SESSION_HANDLE s;

	assert_int_equal(symlink(library(), linked), 0);
	member = open_worker(linked);
	assert_int_equal(member_acquire(member, &channel, NULL), 0);
	s = member_session(channel);
	make_key(channel);
	assert_int_equal(flags_of(channel), CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT);
	struct p11_call calls[] = {p11_C_MessageEncryptInit(s, &aead, k),
				   p11_C_EncryptMessage(s, &p, sizeof(p), "aad", 3, "text", 4, sealed, &len),
				   p11_C_MessageEncryptFinal(s)};
	struct p11_call back[] = {p11_C_MessageDecryptInit(s, &aead, k),
				  p11_C_DecryptMessage(s, &p, sizeof(p), "aad", 3, sealed, 4, out, &len),
				  p11_C_MessageDecryptFinal(s)};

	calls[1].args[1].in = back[1].args[1].in = p11_message_form(CKM_AES_GCM);
	assert_int_equal(member_run(channel, calls, 3, NULL), 0);
	assert_memory_equal(iv, "four", 4);
	assert_memory_not_equal(iv + 4, "\0\0\0\0\0\0\0\0", 8);
	opens_as(channel, iv, sealed, "text");
	assert_int_equal(member_run(channel, back, 3, NULL), 0);
	assert_memory_equal(out, "text", 4);
	/* One that is torn leaves the channel to others. */
	sealed[19] ^= 1;
	assert_int_equal(member_call(channel, back, 3, NULL, NULL), 0);
	assert_int_equal(back[1].rv, CKR_AEAD_DECRYPT_FAILED);
	sealed[19] ^= 1;
	assert_int_equal(member_run(channel, back, 3, NULL), 0);
	member_release(channel);
	member_free(member);
}

static void a_library_of_before_has_none(void **state)
{
	struct member *member = open_worker(library());
	struct member_channel *channel;
	struct p11_call call;

	(void)state;
	assert_int_equal(member_acquire(member, &channel, NULL), 0);
	make_key(channel);
	assert_int_equal(flags_of(channel), 0);
	call = p11_C_MessageEncryptInit(member_session(channel), &aead, k);
	assert_int_equal(member_call(channel, &call, 1, NULL, NULL), 0);
	assert_int_equal(call.rv, CKR_FUNCTION_NOT_SUPPORTED);
	member_release(channel);
	member_free(member);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message_goes_there_and_back, temp_setup, temp_teardown),
		cmocka_unit_test_setup_teardown(a_library_of_before_has_none, temp_setup, temp_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
