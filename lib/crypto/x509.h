/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x509 - reading certificates and their keys, and what a certificate says.
 *
 * Private to lib/crypto.
 */
#ifndef CRYPTO_X509_H
#define CRYPTO_X509_H

#include <stdbool.h>

#include "crypto/cert.h"
#include "crypto/openssl.h"

/* The common name of X.520 has at most 64 characters of up to 4 bytes. */
enum { X509_NAME_TEXT = 64 * 4 + 1 };

/* A PEM file. ERR_NOT_FOUND; ERR_INVALID when it holds no certificate (or
 * key); ERR_NOT_OURS when others can write it (or read the key). */
int x509_read(const char *path, X509 **ret, struct err *err);
int x509_read_key(const char *path, EVP_PKEY **ret, struct err *err);

/* The one role it carries; CERT_ROLE_NONE for none, several, or an unknown one. */
enum cert_role x509_role(const X509 *cert);

/* Its one CN as UTF-8; false when there is none, several, or a zero inside. */
bool x509_name(const X509 *cert, char ret[static X509_NAME_TEXT]);

/* SHA-256 of its DER form, hex. */
int x509_fingerprint(const X509 *cert, char ret[static SHA256_TEXT], struct err *err);

#endif
