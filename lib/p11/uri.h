/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p11_uri - names of objects on tokens (RFC 7512).
 *
 *	pkcs11:token=payments;object=login;type=private?module-path=/usr/lib/x.so&pin-source=file:/etc/pin
 *
 * Read strictly: an attribute that is unknown, given twice or not acted upon by us is an
 * error, since ignoring it could mean another object than the one that was meant. A
 * PIN inside a URI is refused: URIs are shown and logged.
 */
#ifndef P11_URI_H
#define P11_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/own.h"
#include "p11/pkcs11.h"

struct err;

/* Decoded; NULL what the URI does not say. All owned. */
struct p11_uri {
	char *token, *manufacturer, *serial, *model;	/* of the token, without the blanks behind */
	char *slot_id;					/* decimal */
	char *object;					/* CKA_LABEL */
	char *id;					/* CKA_ID, id_len bytes */
	size_t id_len;
	char *type;					/* private, public, cert, secret-key, data */
	char *module_path, *module_name;
	char *pin_source;				/* as written: file:PATH … */
};
void p11_uri_release(struct p11_uri *uri);
OWN_DEFINE_RELEASE(p11_uri)

/* Into a zeroed struct. ERR_INVALID (also for pin-value, whose value is not repeated),
 * ERR_UNSUPPORTED for attributes of the RFC that we do not act upon; each names the attribute. */
int p11_uri_parse(const char *text, struct p11_uri *ret, struct err *err);

/* Is the token in this slot as the URI says, as far as it says anything of tokens? */
bool p11_uri_names(const struct p11_uri *uri, CK_SLOT_ID slot, const CK_TOKEN_INFO *info);

#endif
