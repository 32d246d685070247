/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cert - the small certificate authority of one fleet.
 *
 * Keys are EC P-256, files are PEM. A certificate carries its role as a
 * subjectAltName URI "urn:hsmctl:role:ROLE" and its subject name as CN; both ends of a
 * connection check the role of the other beside the chain. Appliance
 * certificates also carry 127.0.0.1, ::1 and localhost.
 */
#ifndef CRYPTO_CERT_H
#define CRYPTO_CERT_H

#include "crypto/digest.h"

struct err;

enum cert_role { CERT_ROLE_NONE, CERT_ROLE_APPLIANCE, CERT_ROLE_ADMIN, CERT_ROLE_APPLICATION };
extern const char *const cert_role_names[];	/* "none", "appliance", "admin", "application" */

/* Make FOLDER/ca.pem (10 years) and ca.key (0600); leaves a whole pair alone.
 * A certificate without its key, or the reverse, is made anew; a damaged file is
 * ERR_INVALID, because a new CA would lock everybody out. Callers hold a lock. */
int cert_authority_make(const char *folder, const char *fleet_name, struct err *err);

/* Make FOLDER/NAME.pem and NAME.key (0600) signed by the CA there (2 years).
 * Leaves a whole pair of this CA, name and role alone until it expires. name: a
 * str_is_name() other than "ca". ERR_NOT_FOUND without a CA. */
int cert_issue(const char *folder, const char *name, enum cert_role role, struct err *err);

/* The same in another folder, for somebody else: FOLDER/NAME.pem and NAME.key, by the authority of AUTHORITY, and
 * AUTHORITY's ca.pem beside them. holder: its subject's name, where it is not NAME. */
int cert_issue_to(const char *authority, const char *folder, const char *name, const char *holder, enum cert_role role,
		  struct err *err);

/* SHA-256 of the DER form of the certificate in a PEM file, hex. */
int cert_fingerprint(const char *path, char ret[static SHA256_TEXT], struct err *err);

#endif
