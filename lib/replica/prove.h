/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prove - is the key on this member the key its record speaks of, and does it work?
 *
 * Private keys sign a fresh challenge (or decrypt one encrypted outside), and
 * the result is checked outside with the public key of the record. Secret keys
 * encrypt or MAC two blocks: the anchor, whose result the record holds from
 * the key's birth, and a fresh challenge, whose results must be equal on all members
 * (a member that only repeats what its record says fails that one).
 *
 * A key is tried by a mechanism that it allows. One that may do none of this, or not on this
 * token, is tried by its twin: the same key, wrapped under the domain key and unwrapped on the
 * same member as a session object. Short secrets without a use, and private keys of whose public half nothing is
 * known, are wrapped only: equal keys give equal blobs.
 */
#ifndef REPLICA_PROVE_H
#define REPLICA_PROVE_H

#include "replica/record.h"
#include "replica/sites.h"

struct err;

enum { PROOF_MAX = 64 };

/* What a member made of the fresh challenge; len 0 when the public key decided. */
struct proof {
	uint8_t value[PROOF_MAX];
	size_t len;
};

/*
 * 0 and *ret when the key passed here. ERR_DIFFERENT: it works but is another
 * key, or does not work (err says which). Other codes: could not be told; ERR_UNSUPPORTED: only the domain key would
 * show it, and the site has not that of the group.
 * challenge: the same 16 random bytes for all members. Safe to repeat.
 */
int prove_key(struct replica_site *site, CK_OBJECT_HANDLE key, const struct record *record,
	      const uint8_t challenge[static 16], struct proof *ret, struct err *err);

/* Fill record->check from the member where the key was made. Nothing for keys whose public half is known. */
int prove_anchor(struct replica_site *site, CK_OBJECT_HANDLE key, struct record *record, struct err *err);

/*
 * Is a private or secret key no key at all, what a token lists of an object that it tore? attrs: what can be read of
 * it. 1 when it can do nothing; 0 when it does something, or is not permitted to: then nobody can say that it is
 * nothing, but of an object that has not even a kind (a secret key of type RSA, or of none).
 */
bool prove_has_kind(const struct p11_attrs *attrs);
int prove_hollow(struct replica_site *site, CK_OBJECT_HANDLE key, const struct p11_attrs *attrs, struct err *err);

#endif
