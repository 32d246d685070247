/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - what the files of the fake token share.
 *
 * entry.c locks a token and calls; everything else works on a token that is locked. Names: token_ for what a token
 * is and has, object_ for objects, session_ for sessions and logins, crypt_ for computations on bytes.
 */
#ifndef FAKE_INTERNAL_H
#define FAKE_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "fake/token.h"
#include "p11/attr.h"
#include "p11/call.h"
#include "p11/mech.h"

enum { FAKE_PRIMES = 16, FAULTS_MAX = 16, SHUNNED_MAX = 16, PIN_MAX = 64, OUT_MAX = 1 << 20 };
extern const char *const fake_primes[FAKE_PRIMES][2];

struct session;
struct evp_pkey_st;

struct object {
	CK_OBJECT_HANDLE handle;
	uint64_t number;		/* order of birth, for the object's life */
	struct session *owner;		/* of a session object, NULL = token object */
	struct p11_attrs attrs;		/* all of them, secret ones too */
	struct evp_pkey_st *rsa;	/* made at first use */
};

enum activity {
	IDLE, FINDING, ENCRYPTING, DECRYPTING, SIGNING, VERIFYING, DIGESTING,
	MESSAGE_ENCRYPTING, MESSAGE_DECRYPTING, MESSAGE_SIGNING, MESSAGE_VERIFYING,
};

struct operation {
	enum activity activity;
	struct p11_mechanism mechanism;
	CK_OBJECT_HANDLE key;
	bool parts;			/* an Update was called */
	bool ask_again;			/* CKA_ALWAYS_AUTHENTICATE, and the PIN was not given yet */
	struct buf input;
	CK_OBJECT_HANDLE *found;
	CK_ULONG n_found, next;
};

struct session {
	struct session *next;
	struct token *token;
	CK_SESSION_HANDLE handle;
	CK_FLAGS flags;
	struct operation op;
};

enum who { NOBODY, USER, OFFICER };

struct fault {
	enum p11_fn fn;
	unsigned countdown;		/* 0 = none */
	CK_RV rv;
	enum fake_when when;
};

struct token {
	pthread_mutex_t lock;
	CK_SLOT_ID slot;
	CK_UTF8CHAR label[32], serial[16];
	CK_BYTE pin[PIN_MAX];
	CK_ULONG pin_len;			/* 0: the first that is given becomes it */
	enum who who;
	struct session *sessions;
	CK_SESSION_HANDLE last_session;
	struct object **objects;	/* by handle, ascending */
	size_t count, cap;
	CK_OBJECT_HANDLE last_handle;
	uint64_t last_number, changes, random;
	struct fault faults[FAULTS_MAX];
	CK_ULONG refused[SHUNNED_MAX], lacking[SHUNNED_MAX];	/* mechanisms, attributes */
	size_t n_refused, n_lacking, limit;
	unsigned lies;
	bool litters, vendors, messages;
	unsigned long calls[P11_FN_MAX + 1];	/* the last: functions that are not in the enum */
};

/* ---- token.c ---- */
struct token *token_of(CK_SLOT_ID slot);	/* NULL = no such slot */
size_t token_total(void);
bool token_ready(bool *set);			/* C_Initialize was called; set: change it */
void token_random(struct token *token, void *ret, size_t len);
bool token_refuses(const struct token *token, CK_MECHANISM_TYPE type);
bool token_lacks(const struct token *token, CK_ATTRIBUTE_TYPE type);
void token_restart(struct token *token);
void token_clear(struct token *token);		/* no object, no session */
/* Another name, serial and random numbers made of it, and the PIN of whoever comes first. */
void token_rename(struct token *token, const char *label);
CK_RV token_fault(struct token *token, enum p11_fn fn, enum fake_when when, CK_RV rv);

/* ---- session.c ---- */
struct session *session_find(struct token *token, CK_SESSION_HANDLE handle);
CK_RV session_open(struct token *token, CK_FLAGS flags, CK_SESSION_HANDLE *ret);
CK_RV session_close(struct session *session);
void session_close_all(struct token *token);
void session_info(const struct session *session, CK_SESSION_INFO *ret);
CK_RV session_login(struct session *session, CK_USER_TYPE type, const CK_BYTE *pin, CK_ULONG len);
CK_RV session_logout(struct session *session);
CK_RV session_set_pin(struct session *session, const CK_BYTE *pin, CK_ULONG len);
CK_RV session_may_read(const struct session *session, const struct object *object);
CK_RV session_may_write(const struct session *session, const struct object *object);
void operation_end(struct operation *op);

/* ---- rule.c ---- */
enum way { CREATE, GENERATE, UNWRAP, DERIVE, COPY, SET };
bool rule_has(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type);
bool rule_hides(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type);
/* Values for all that such an object has and attrs lacks. */
CK_RV rule_fill(struct p11_attrs *attrs);
/* Is a template of the object's class and type? */
CK_RV rule_agrees(const struct p11_attrs *attrs, const CK_ATTRIBUTE *items, CK_ULONG count);
/* A template over an object that is made or changed, as far as it may. */
CK_RV rule_apply(struct p11_attrs *attrs, enum way way, bool officer, const CK_ATTRIBUTE *items, CK_ULONG count);

/* ---- object.c ---- */
struct object *object_new(CK_OBJECT_CLASS class, CK_KEY_TYPE type);
void object_free(struct object *object);
OWN_DEFINE(object)
bool object_flag(const struct object *object, CK_ATTRIBUTE_TYPE type);
CK_ULONG object_number(const struct object *object, CK_ATTRIBUTE_TYPE type);
const CK_ATTRIBUTE *object_value(const struct object *object, CK_ATTRIBUTE_TYPE type);	/* never NULL */
CK_RV object_set(struct object *object, CK_ATTRIBUTE_TYPE type, const void *value, size_t len);
CK_RV object_set_flag(struct object *object, CK_ATTRIBUTE_TYPE type, bool value);
CK_RV object_set_number(struct object *object, CK_ATTRIBUTE_TYPE type, CK_ULONG value);
struct object *object_find(const struct token *token, CK_OBJECT_HANDLE handle);
/* May this session make it, and is there room? Takes it over when so. */
CK_RV object_insert(struct session *session, struct object **object, CK_OBJECT_HANDLE *ret);
CK_RV object_keep(struct token *token, struct object **object, CK_OBJECT_HANDLE *ret);
void object_remove(struct token *token, size_t index);
void object_drop_owned(struct token *token, const struct session *owner);
/* New handles, for private objects or for all, higher than any before. */
void object_renumber(struct token *token, bool private_only);
/* A template over an object that is being made; with litter, a refused one is left lying (and taken). */
CK_RV object_apply(struct session *session, struct object **object, enum way way, const CK_ATTRIBUTE *items,
		   CK_ULONG count);
CK_RV object_create(struct session *session, const CK_ATTRIBUTE *items, CK_ULONG count, CK_OBJECT_HANDLE *ret);
CK_RV object_copy(struct session *session, CK_OBJECT_HANDLE from, const CK_ATTRIBUTE *items, CK_ULONG count,
		  CK_OBJECT_HANDLE *ret);
CK_RV object_destroy(struct session *session, CK_OBJECT_HANDLE handle);
CK_RV object_get(struct session *session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *items, CK_ULONG count);
CK_RV object_change(struct session *session, CK_OBJECT_HANDLE handle, const CK_ATTRIBUTE *items, CK_ULONG count);
CK_RV find_start(struct session *session, const CK_ATTRIBUTE *items, CK_ULONG count);
CK_RV find_next(struct session *session, CK_OBJECT_HANDLE *ret, CK_ULONG room, CK_ULONG *ret_count);
CK_RV find_end(struct session *session);

/* ---- make.c ---- */
CK_RV make_check_value(struct object *secret);
CK_RV make_key(struct session *session, const CK_MECHANISM *mechanism, const CK_ATTRIBUTE *items, CK_ULONG count,
	       CK_OBJECT_HANDLE *ret);
CK_RV make_pair(struct session *session, const CK_MECHANISM *mechanism, const CK_ATTRIBUTE *open, CK_ULONG n_open,
		const CK_ATTRIBUTE *hidden, CK_ULONG n_hidden, CK_OBJECT_HANDLE *ret_open,
		CK_OBJECT_HANDLE *ret_hidden);

/* ---- wrap.c ---- */
CK_RV wrap_key(struct session *session, const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE wrapping,
	       CK_OBJECT_HANDLE key, CK_BYTE *out, CK_ULONG *out_len);
CK_RV unwrap_key(struct session *session, const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE unwrapping,
		 const CK_BYTE *blob, CK_ULONG len, const CK_ATTRIBUTE *items, CK_ULONG count,
		 CK_OBJECT_HANDLE *ret);

/* ---- derive.c ---- */
CK_RV derive_key(struct session *session, const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE base,
		 const CK_ATTRIBUTE *items, CK_ULONG count, CK_OBJECT_HANDLE *ret);

/* ---- pkcs8.c: a private key's PrivateKeyInfo (RFC 5208) from its attributes, and back ---- */
CK_RV pkcs8_write(const struct object *key, struct buf *ret);
CK_RV pkcs8_read(struct object *key, const uint8_t *der, size_t len);

/* ---- operate.c ---- */
const CK_MECHANISM_TYPE *operate_mechanisms(size_t *ret_count);
bool operate_knows(const struct token *token, CK_MECHANISM_TYPE type, CK_FLAGS use);
/* May this key do that by this mechanism? */
CK_RV operate_permits(const struct session *session, const struct object *key, CK_ATTRIBUTE_TYPE use,
		      CK_MECHANISM_TYPE type);
/* The same, and has it the right type and size? NULL = there is none. */
CK_RV operate_check_key(const struct session *session, enum activity activity, const CK_MECHANISM *m,
			const struct object *key);
/* One signature of all that is in; is one right for all that went into the operation? */
CK_RV operate_sign(struct object *key, CK_MECHANISM_TYPE type, const struct buf *in, struct buf *ret);
CK_RV operate_check(struct object *key, const struct operation *op, const CK_BYTE *signature, CK_ULONG len);
CK_RV operate_start(struct session *session, enum activity activity, const CK_MECHANISM *mechanism,
		    CK_OBJECT_HANDLE key);
CK_RV operate_add(struct session *session, enum activity activity, const CK_BYTE *in, CK_ULONG len);
/* The operation in one call, or with in = NULL and last its end behind parts. */
CK_RV operate_whole(struct session *session, enum activity activity, bool last, const CK_BYTE *in, CK_ULONG len,
		    CK_BYTE *out, CK_ULONG *out_len);
CK_RV operate_verify(struct session *session, bool last, const CK_BYTE *in, CK_ULONG len,
		     const CK_BYTE *signature, CK_ULONG signature_len);
/* Hand a result out by the rules of PKCS#11 v3.0 section 5.2. */
CK_RV operate_give(const void *result, size_t len, CK_BYTE *out, CK_ULONG *out_len);

/* ---- message.c ---- */
/* Of these (CKF_MESSAGE_SIGN …), what it can do by this mechanism. */
CK_FLAGS message_uses(const struct token *token, CK_MECHANISM_TYPE type);
CK_RV message_start(struct session *session, enum activity activity, const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);
CK_RV message_end(struct session *session, enum activity activity);
/* The tag is in the parameter; so is an IV of the token's. */
CK_RV message_crypt(struct session *session, enum activity activity, CK_GCM_MESSAGE_PARAMS *param, CK_ULONG param_len,
		    const CK_BYTE *aad, CK_ULONG aad_len, const CK_BYTE *in, CK_ULONG len, CK_BYTE *out, CK_ULONG *out_len);
CK_RV message_sign(struct session *session, const CK_BYTE *in, CK_ULONG len, CK_BYTE *out, CK_ULONG *out_len);
CK_RV message_verify(struct session *session, const CK_BYTE *in, CK_ULONG len, const CK_BYTE *mac, CK_ULONG mac_len);

/* ---- crypt.c: results are added to ret ---- */
CK_RV crypt_digest(CK_MECHANISM_TYPE type, const uint8_t *in, size_t len, struct buf *ret);
size_t crypt_mac_len(CK_MECHANISM_TYPE type);
CK_RV crypt_mac(CK_MECHANISM_TYPE type, const CK_ATTRIBUTE *key, const uint8_t *in, size_t len, struct buf *ret);
CK_RV crypt_cipher(const CK_MECHANISM *mechanism, bool encrypt, const CK_ATTRIBUTE *key, const uint8_t *in,
		   size_t len, struct buf *ret);
/* The digest that an RSA signature begins with, else 0. */
CK_MECHANISM_TYPE crypt_digest_of(CK_MECHANISM_TYPE type);

/* ---- curve.c ---- */
struct curve;
const struct curve *curve_of(const CK_ATTRIBUTE *params);	/* NULL = unknown */
size_t curve_len(const struct curve *curve);			/* bytes of a coordinate */
/* CKA_EC_POINT of a private value, which is brought into range. */
CK_RV curve_point(const struct curve *curve, uint8_t *value, struct buf *ret);
/* The coordinate that two sides agree on: of a private value, and of the other one's point, bare or as in CKA_EC_POINT. */
CK_RV curve_agree(const struct curve *curve, const CK_ATTRIBUTE *value, const uint8_t *point, size_t len, struct buf *ret);
CK_RV curve_sign(const struct curve *curve, const CK_ATTRIBUTE *value, const uint8_t *in, size_t len, struct buf *ret);
/* CKR_OK, CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE. */
CK_RV curve_verify(const struct curve *curve, const CK_ATTRIBUTE *point, const uint8_t *in, size_t len,
		   const uint8_t *signature, size_t signature_len);

/* ---- rsa.c ---- */
CK_RV rsa_make(CK_ULONG bits, struct object *open, struct object *hidden);
CK_RV rsa_sign(struct object *key, CK_MECHANISM_TYPE type, const uint8_t *in, size_t len, struct buf *ret);
CK_RV rsa_verify(struct object *key, CK_MECHANISM_TYPE type, const uint8_t *in, size_t len,
		 const uint8_t *signature, size_t signature_len);
CK_RV rsa_crypt(struct object *key, const CK_MECHANISM *mechanism, bool encrypt, const uint8_t *in, size_t len,
		struct buf *ret);
void rsa_free(struct evp_pkey_st *key);
void rsa_begin(uint64_t seed);	/* which of the primes is next */

#endif
