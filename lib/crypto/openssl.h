/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openssl - how this room uses OpenSSL inside processes that may use it too.
 *
 * Everything runs in a library context of our own, with the built-in default
 * provider: the host's openssl.cnf, providers and engines do not reach us and
 * ours do not reach the host. Two things cannot be kept apart: OpenSSL reads
 * openssl.cnf into the host's context at first use, as in any OpenSSL program
 * (forbidding it would forbid it to the host), and SSL_CTX_new() applies its
 * "system_default" section; tls_context.c therefore states every setting itself.
 *
 * Private to lib/crypto.
 */
#ifndef CRYPTO_OPENSSL_H
#define CRYPTO_OPENSSL_H

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/own.h"

struct err;

/* Our library context, made at first use and never freed; NULL without memory,
 * which every OpenSSL function takes for the host's. */
OSSL_LIB_CTX *openssl_context(void);

/* First statement of each function that outsiders call: what OpenSSL notes in
 * the thread's error queue until the end of the block is dropped again, what
 * the host has there stays. */
#define OPENSSL_ENTER()                                                        \
	__attribute__((cleanup(openssl_leave), unused)) int openssl_entered_ = openssl_enter()

int openssl_enter(void);
void openssl_leave(int *entered);

/* The same for a handshake, in which OpenSSL empties the queue: what the host has
 * there is put aside and put back. */
#define OPENSSL_ENTER_HANDSHAKE()                                              \
	__attribute__((cleanup(openssl_put_back)))                             \
	struct openssl_aside openssl_aside_;                                   \
	openssl_put_aside(&openssl_aside_)

struct openssl_aside {
	size_t n;
	struct {
		unsigned long code;
		char text[100];
	} errors[16];	/* as many as OpenSSL keeps */
};

void openssl_put_aside(struct openssl_aside *aside);
void openssl_put_back(struct openssl_aside *aside);

/* code (ERR_NO_MEMORY when that was the reason): "what: OpenSSL's reason". */
int openssl_error(struct err *err, int code, const char *what);

#define OPENSSL_OWN(type, release)                                             \
	static inline void own_##type(type **p)                                \
	{                                                                      \
		release(*p);                                                   \
	}

OPENSSL_OWN(ASN1_OCTET_STRING, ASN1_OCTET_STRING_free)
OPENSSL_OWN(BIGNUM, BN_free)
OPENSSL_OWN(BIO, BIO_free)
OPENSSL_OWN(ECDSA_SIG, ECDSA_SIG_free)
OPENSSL_OWN(EVP_MD_CTX, EVP_MD_CTX_free)
OPENSSL_OWN(EVP_PKEY, EVP_PKEY_free)
OPENSSL_OWN(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
OPENSSL_OWN(GENERAL_NAMES, GENERAL_NAMES_free)
OPENSSL_OWN(OSSL_PARAM, OSSL_PARAM_free)
OPENSSL_OWN(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
OPENSSL_OWN(X509, X509_free)
OPENSSL_OWN(X509_EXTENSION, X509_EXTENSION_free)

/* Bytes that OpenSSL allocated. */
static inline void own_openssl(void *p)
{
	OPENSSL_free(*(void **)p);
}

#endif
