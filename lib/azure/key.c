/* SPDX-License-Identifier: Apache-2.0 */
/* Signing with a key that never leaves its token. */
#include "azure/key.h"

#include <stdlib.h>
#include <string.h>

#include "base/cred.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "member/library.h"
#include "member/member.h"
#include "p11/rv.h"
#include "p11/uri.h"

enum { SLOTS_MAX = 256, LIMIT_MS = 30000 };

struct azure_key {
	struct p11_uri uri;
	struct library *library;
	struct member *member;
	char *about;
};

void azure_key_free(struct azure_key *key)
{
	if (!key)
		return;
	member_free(key->member);
	library_free(key->library);
	p11_uri_release(&key->uri);
	free(key->about);
	free(key);
}

const char *azure_key_about(const struct azure_key *key)
{
	return key->about;
}

static int read_uri(const char *text, struct p11_uri *ret, struct err *err)
{
	int rc = p11_uri_parse(text, ret, err);

	if (rc < 0)
		return rc;
	if (ret->type && !str_eq(ret->type, "private"))
		return err_set(err, ERR_INVALID, "a key that signs has 'type' private, not %s", ret->type);
	if (ret->module_path || ret->module_name)
		return 0;
	err_set(err, ERR_INVALID, "the pkcs11: URI names no library");
	return err_hint(err, "add ?module-path=/PATH/TO/LIBRARY.so");
}

static char *library_path(const struct p11_uri *uri)
{
	return uri->module_path ? mem_strdup(uri->module_path) : mem_printf("lib%s.so", uri->module_name);
}

/* ---- the token ---- */

static int find_token(const struct azure_key *key, CK_TOKEN_INFO *ret, struct err *err)
{
	CK_FUNCTION_LIST *functions = library_functions(key->library);
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG count = SLOTS_MAX;
	CK_RV rv = functions->C_GetSlotList(CK_TRUE, slots, &count);
	unsigned found = 0;

	if (rv != CKR_OK)
		return p11_rv_err(err, rv, "C_GetSlotList");
	for (CK_ULONG i = 0; i < count; i++) {
		CK_TOKEN_INFO info;

		if (functions->C_GetTokenInfo(slots[i], &info) != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED) ||
		    !p11_uri_names(&key->uri, slots[i], &info))
			continue;
		*ret = info;
		found++;
	}
	if (found == 0)
		return err_set(err, ERR_NOT_FOUND, "no token is as the pkcs11: URI says");
	if (found > 1) {
		err_set(err, ERR_AMBIGUOUS, "%u tokens are as the pkcs11: URI says", found);
		return err_hint(err, "name one by 'token' or 'serial'");
	}
	return 0;
}

static int open_member(struct azure_key *key, const char *path, struct err *err)
{
	char label[33], serial[17];
	struct member_config config = {
		.name = label, .link = FLEET_LINK_MODULE, .module = path, .serial = serial,
		.connect_ms = LIMIT_MS, .answer_ms = LIMIT_MS, .call_ms = LIMIT_MS,
	};
	CK_TOKEN_INFO info;
	int rc = find_token(key, &info, err);

	if (rc < 0)
		return rc;
	library_text(info.label, sizeof(info.label), label);
	library_text(info.serialNumber, sizeof(info.serialNumber), serial);
	key->about = mem_printf("token '%s'", label);
	return key->about ? member_open(&config, &key->member, err) : err_no_memory(err);
}

/* A bare path is what other programs write there. */
static int read_pin(const char *source, const struct secret *pin, struct secret **ret, struct err *err)
{
	owned(mem) char *reference = NULL;

	if (!source)
		return pin ? secret_dup(pin, ret, err) : 0;
	reference = mem_printf("%s%s", *source == '/' ? "file:" : "", source);
	return reference ? cred_read(reference, "PIN of the token", ret, err) : err_no_memory(err);
}

static int log_in(struct azure_key *key, const struct secret *pin, struct err *err)
{
	struct secret *ours = NULL;
	int rc = read_pin(key->uri.pin_source, pin, &ours, err);

	if (rc == 0 && ours)
		member_set_pin(key->member, ours);
	return rc;
}

/* ---- the key ---- */

static int find_key(const struct azure_key *key, struct member_channel *channel, CK_OBJECT_HANDLE *ret, struct err *err)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_KEY_TYPE type = CKK_RSA;
	CK_ATTRIBUTE template[4] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)}};
	owned(mem) CK_OBJECT_HANDLE *handles = NULL;
	CK_ULONG n = 2, count = 0;
	int rc;

	if (key->uri.object)
		template[n++] = (CK_ATTRIBUTE){CKA_LABEL, key->uri.object, strlen(key->uri.object)};
	if (key->uri.id)
		template[n++] = (CK_ATTRIBUTE){CKA_ID, key->uri.id, key->uri.id_len};
	rc = member_find(channel, template, n, &handles, &count, err);
	if (rc < 0)
		return rc;
	if (count == 0) {
		err_set(err, ERR_NOT_FOUND, "no private RSA key on %s is as the pkcs11: URI says", key->about);
		return err_hint(err, "without a PIN (pin-source) a token hides its private keys");
	}
	if (count > 1) {
		err_set(err, ERR_AMBIGUOUS, "%lu private RSA keys on %s are as the pkcs11: URI says", count,
			key->about);
		return err_hint(err, "name one by 'object' or 'id'");
	}
	*ret = handles[0];
	return 0;
}

static int check_key(struct azure_key *key, struct err *err)
{
	struct member_channel *channel;
	CK_OBJECT_HANDLE handle;
	int rc = member_acquire(key->member, &channel, err);

	if (rc < 0)
		return rc;
	rc = find_key(key, channel, &handle, err);
	member_release(channel);
	return rc;
}

int azure_key_open(const char *uri, const struct secret *pin, struct azure_key **ret, struct err *err)
{
	owned(azure_key) struct azure_key *key = mem_new(struct azure_key);
	owned(mem) char *path = NULL;
	int rc = key ? read_uri(uri, &key->uri, err) : err_no_memory(err);

	if (rc < 0)
		return rc;
	path = library_path(&key->uri);
	rc = path ? library_open(path, &key->library, err) : err_no_memory(err);
	if (rc == 0)
		rc = open_member(key, path, err);
	if (rc == 0)
		rc = log_in(key, pin, err);
	if (rc == 0)
		rc = check_key(key, err);
	if (rc < 0)
		return rc;
	*ret = own_take(key);
	return 0;
}

static int sign(const struct azure_key *key, struct member_channel *channel, const CK_MECHANISM *mechanism,
		const void *data, size_t len, uint8_t *ret, size_t *ret_len, struct err *err)
{
	CK_SESSION_HANDLE session = member_session(channel);
	CK_OBJECT_HANDLE handle;
	CK_ULONG room = *ret_len;
	struct p11_call calls[2];
	int rc = find_key(key, channel, &handle, err);

	if (rc < 0)
		return rc;
	calls[0] = p11_init(P11_C_SignInit, session, mechanism, handle);
	calls[1] = p11_transform(P11_C_Sign, session, data, len, ret, &room);
	rc = member_run(channel, calls, 2, err);
	if (rc == 0)
		*ret_len = room;
	return rc;
}

int azure_key_sign(void *key, enum assertion_algorithm algorithm, const void *data, size_t len, uint8_t *ret,
		   size_t *ret_len, struct err *err)
{
	CK_RSA_PKCS_PSS_PARAMS pss = {.hashAlg = CKM_SHA256, .mgf = CKG_MGF1_SHA256, .sLen = 32};
	CK_MECHANISM mechanism = {.mechanism = CKM_SHA256_RSA_PKCS};
	const struct azure_key *k = key;
	struct member_channel *channel;
	int rc;

	if (algorithm == ASSERTION_PS256)
		mechanism = (CK_MECHANISM){CKM_SHA256_RSA_PKCS_PSS, &pss, sizeof(pss)};
	rc = member_acquire(k->member, &channel, err);
	if (rc < 0)
		return rc;
	rc = sign(k, channel, &mechanism, data, len, ret, ret_len, err);
	member_release(channel);
	return rc;
}
