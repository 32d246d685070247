/* SPDX-License-Identifier: Apache-2.0 */
/* Digest and signature of a report. */
#include "base/err.h"
#include "base/str.h"
#include "crypto/digest.h"
#include "crypto/pubkey.h"
#include "drill/exercise.h"
#include "drill/module.h"
#include "fleet/fleet.h"
#include "p11/rv.h"

enum { REPORT_MAX = 16 << 20 };

static const struct drill_key *signing_key(const struct drill_keys *keys)
{
	const struct drill_key *found = NULL;

	for (size_t i = 0; i < keys->count; i++) {
		const struct drill_key *key = &keys->items[i];

		if (key->use == DRILL_SIGNS && (!found || (key->type == CKK_EC && found->type != CKK_EC)))
			found = key;
	}
	return found;
}

static int name_key(struct drill_evidence *e, const struct drill_key *key, struct err *err)
{
	char fingerprint[65];
	int rc = pubkey_fingerprint(key->public, fingerprint, err);

	if (rc == 0)
		rc = fleet_set(&e->public_key, fingerprint, err);
	if (rc == 0)
		rc = fleet_set(&e->key, key->label, err);
	return rc < 0 ? rc : fleet_set(&e->mechanism, drill_key_mechanism(key), err);
}

/* A report that cannot be signed is still a report; its note says why. */
static int sign(struct drill_evidence *e, const struct buf *text, const struct drill_module *module,
		const struct drill_keys *keys, struct err *err)
{
	const struct drill_key *key = signing_key(keys);
	uint8_t signature[DRILL_OUTPUT];
	char hex[2 * DRILL_OUTPUT + 1];
	CK_ULONG len;
	CK_RV rv;
	int rc;

	if (!key)
		return fleet_set(&e->note, "the group has no key that can sign", err);
	rv = drill_key_sign(module, module->session, key, text->data, text->len, signature, &len);
	if (rv != CKR_OK)
		return fleet_set(&e->note, p11_rv_name(rv), err);
	if (!drill_key_verify(key, text->data, text->len, signature, len))
		return fleet_set(&e->note, "the signature does not verify", err);
	str_hex(signature, len, hex);
	rc = fleet_set(&e->signature, hex, err);
	return rc < 0 ? rc : name_key(e, key, err);
}

int drill_evidence(struct drill_report *report, const struct drill_module *module, const struct drill_keys *keys,
		   struct err *err)
{
	owned(buf) struct buf text;
	char digest[SHA256_TEXT];
	int rc;

	buf_init(&text, REPORT_MAX);
	rc = drill_report_canonical(report, &text, err);
	if (rc == 0)
		rc = crypto_sha256_hex(text.data, text.len, digest, err);
	if (rc == 0)
		rc = fleet_set(&report->evidence.sha256, digest, err);
	if (rc < 0)
		return rc;
	if (!module)
		return fleet_set(&report->evidence.note, "the module was not loaded", err);
	return sign(&report->evidence, &text, module, keys, err);
}
