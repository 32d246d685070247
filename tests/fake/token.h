/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token - a PKCS#11 token of our own: in memory, deterministic, fast, and faulty on demand.
 *
 * fake_functions() serves the slots 0 … FAKE_SLOTS - 1; each is an initialised token by itself: label "fake-N",
 * serial of 16 hex digits, model "fake", user PIN "1234" (any PIN does for the security officer). It behaves as
 * SoftHSM 2.6.1 does wherever replication depends on it; tests/unit/fake holds the two against each other and lists
 * where they may differ. Beyond that: parts of an operation give nothing before its end.
 *
 * One seed is one history: keys and random bytes come from the seed, the slot, and the calls made so far. Signatures
 * are deterministic. Only blobs by RSA with random padding (OAEP, PKCS #1 encryption) differ between two runs, and
 * RSA keys of another size than 2048 bits. There is no clock in it.
 *
 * What follows stands behind the token's back: no login, no rule. Handles are those of the moment. Each function may be
 * called while others use the token; a slot that does not exist is an error of the caller's, and aborts.
 */
#ifndef FAKE_TOKEN_H
#define FAKE_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "p11/attr.h"
#include "p11/call.h"
#include "p11/pkcs11.h"

enum { FAKE_SLOTS = 32 };

/* Never freed. Before the first fake_reset() there is no token. The second is that of PKCS#11 3.0: a
 * CK_FUNCTION_LIST_3_0, as its version says. */
CK_FUNCTION_LIST *fake_functions(void);
CK_FUNCTION_LIST *fake_functions_3_0(void);

/* Begin anew: this many tokens, empty, without faults; initialised as after C_Initialize. */
void fake_reset(size_t tokens, uint64_t seed);

/* Power off and on: sessions, logins and session objects are gone, every object has another handle and place. */
void fake_restart(CK_SLOT_ID slot);

/* All token objects as they are, to come back later (with a restart): a backup that is restored. The caller
 * releases it; it may be restored more than once, and into another slot. */
struct fake_state;
struct fake_state *fake_save(CK_SLOT_ID slot);
void fake_restore(CK_SLOT_ID slot, const struct fake_state *state);
void fake_state_free(struct fake_state *state);

/* Its n newest token objects are gone, as on a disk that was not synced; with a restart. */
void fake_forget(CK_SLOT_ID slot, size_t n);
/* All objects are gone: initialised anew, with the same label and PIN. */
void fake_wipe(CK_SLOT_ID slot);

/* An object torn as SoftHSM tears them: attributes of this type and of higher numbers are lost and read as what an
 * object has by default. CKA_LABEL leaves a hollow key; CKA_EXTRACTABLE takes that and CKA_EC_PARAMS. False = no such
 * object. */
bool fake_tear(CK_SLOT_ID slot, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE first_lost);
/* One value changed; NULL = lost. */
bool fake_change(CK_SLOT_ID slot, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG len);

/* The countdown-th next call of a function (1 = the next) answers rv: FAKE_BEFORE without the deed, FAKE_AFTER with
 * the deed done and its results given. P11_FN_MAX = any function. Up to 16 at a time; fake_heal() ends all that is
 * wrong with a token from here on down. */
enum fake_when { FAKE_BEFORE, FAKE_AFTER };
void fake_fail(CK_SLOT_ID slot, enum p11_fn fn, unsigned countdown, CK_RV rv, enum fake_when when);
void fake_refuse_mechanism(CK_SLOT_ID slot, CK_MECHANISM_TYPE type);
/* It has a vendor's mechanism: SHA-256 HMAC over the bytes of its parameter and what is signed, by keys of 16 bytes and
 * one for each token before this one at least, of 64 bytes less as many at most. */
enum { FAKE_VENDOR_MAC = 0x800000fa };
void fake_offer_vendors(CK_SLOT_ID slot);
/* It does messages: AES-GCM with IVs of the caller's or its own, HMAC and ECDSA. Otherwise it has no such mechanism. */
void fake_offer_messages(CK_SLOT_ID slot);
void fake_lack_attribute(CK_SLOT_ID slot, CK_ATTRIBUTE_TYPE type);
/* Full at so many token objects (CKR_DEVICE_MEMORY); 0 = never. */
void fake_limit(CK_SLOT_ID slot, size_t objects);
/* A sum of what it gets wrong while it answers CKR_OK. */
enum {
	FAKE_LIE_SIGN = 1,	/* signatures and MACs */
	FAKE_LIE_CIPHER = 2,	/* encryption and decryption */
	FAKE_LIE_UNWRAP = 4,	/* another value than the one that was wrapped */
	FAKE_LIE_CREATE = 8,	/* objects that C_CreateObject made are gone at once */
	FAKE_LIE_DESTROY = 16,	/* objects stay */
};
void fake_lie(CK_SLOT_ID slot, unsigned what);
/* As SoftHSM 2.6.1 does: when a template is refused, what was made of it so far is left behind. */
void fake_litter(CK_SLOT_ID slot, bool litters);
void fake_heal(CK_SLOT_ID slot);

/* A token object made behind everybody's back, with CKA_VALUE and the like as given; what is not said is as by
 * default. CK_INVALID_HANDLE without memory. */
CK_OBJECT_HANDLE fake_plant(CK_SLOT_ID slot, const CK_ATTRIBUTE *items, CK_ULONG count);
/* Each token object with all its attributes, secret ones too, eldest handle first; the callback calls nothing here. */
void fake_each(CK_SLOT_ID slot, void (*each)(void *data, CK_OBJECT_HANDLE handle, const struct p11_attrs *attrs),
	       void *data);

/* Counters since fake_reset(): calls of a function, changes to token objects. */
unsigned long fake_calls(CK_SLOT_ID slot, enum p11_fn fn);
uint64_t fake_changes(CK_SLOT_ID slot);

/* Called around each call to a slot, with nothing locked: before it (after = false; what is not CKR_OK is answered
 * instead) and behind it with its result, which it may change. NULL = none. One for all slots. */
typedef CK_RV fake_hook(void *data, CK_SLOT_ID slot, enum p11_fn fn, bool after, CK_RV rv);
void fake_watch(fake_hook *hook, void *data);

#endif
