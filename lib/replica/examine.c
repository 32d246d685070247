/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with the replicas of a group. */
#include "replica/examine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/observer.h"
#include "crypto/digest.h"
#include "replica/prove.h"

enum { SAMPLE_EVERY = 10 };

const char *const finding_kind_names[] = {"missing", "extra", "conflict", "attribute", "unusable",
					  "duplicate", "deleted", "not_replicable", "unreachable", NULL};
const char *const verify_mode_names[] = {"none", "sample", "all", NULL};

void examination_release(struct examination *examination)
{
	free(examination->findings);
	free(examination->proven);
	*examination = (struct examination){0};
}

__attribute__((format(printf, 6, 7)))
static int add(struct examination *x, enum finding_kind kind, size_t site, long key, long stray, const char *fmt, ...)
{
	va_list ap;

	if (x->n_findings == x->cap_findings) {
		size_t cap = x->cap_findings ? x->cap_findings * 2 : 32;
		struct finding *grown = mem_grow(x->findings, x->cap_findings, cap, sizeof(*grown));

		if (!grown)
			return -ERR_NO_MEMORY;
		x->findings = grown;
		x->cap_findings = cap;
	}
	struct finding *finding = &x->findings[x->n_findings++];

	*finding = (struct finding){.kind = kind, .site = site, .key = key, .stray = stray};
	va_start(ap, fmt);
	vsnprintf(finding->detail, sizeof(finding->detail), fmt, ap);
	va_end(ap);
	return 0;
}

/* A key that should be gone: deleted, or never finished. */
static int examine_gone(struct examination *x, const struct census_key *key, size_t site, long index, bool all_here)
{
	const struct census_copy *copy = &key->copies[site];
	bool creating = key->truth->state == RECORD_CREATING;
	bool left = copy->objects[0] || copy->objects[1] || copy->surplus;

	/* A member that is away may hold the live record. */
	if (creating && (key->truth->lease_ms > clock_utc_ms() || !all_here))
		return 0;
	if (creating && (left || copy->record))
		return add(x, FINDING_DELETED, site, index, NO_KEY, "left over from a creation that was not finished");
	if (left)
		return add(x, FINDING_DELETED, site, index, NO_KEY, "the key was deleted, but is still here");
	return 0;
}

static int examine_listing(struct examination *x, const struct census_key *key, size_t site, long index)
{
	const struct census_copy *copy = &key->copies[site];
	const char *attribute;
	int rc = 0;

	if (!copy->objects[0])
		rc = add(x, FINDING_MISSING, site, index, NO_KEY, copy->objects[1] ? "only its public half is here"
										   : "the key is not here");
	else if (key->truth->n_objects > 1 && !copy->objects[1])
		rc = add(x, FINDING_MISSING, site, index, NO_KEY, "its public half is not here");
	else if (!copy->record)
		rc = add(x, FINDING_MISSING, site, index, NO_KEY, "its record is not here");
	else if (!record_same_version(copy->record, key->truth))
		rc = add(x, FINDING_ATTRIBUTE, site, index, NO_KEY, "its record is older than on other members");
	if (rc == 0 && copy->surplus)
		rc = add(x, FINDING_DUPLICATE, site, index, NO_KEY, "%zu objects too many", copy->surplus);
	for (size_t o = 0; o < key->truth->n_objects && rc == 0; o++)
		if (copy->objects[o] && !census_copy_matches(copy, key->truth, o, &attribute))
			rc = add(x, FINDING_ATTRIBUTE, site, index, NO_KEY, "%s differs", attribute);
	return rc;
}

static bool same_proof(const struct proof *a, const struct proof *b)
{
	return a->len == b->len && memcmp(a->value, b->value, a->len) == 0;
}

/* The value that more than half of the sites agree on, NULL when there is none. */
static const struct proof *majority(const struct proof *proofs, uint32_t mask, size_t count)
{
	size_t voters = (size_t)__builtin_popcount(mask);

	for (size_t i = 0; i < count; i++) {
		size_t votes = 0;

		for (size_t j = 0; j < count; j++)
			votes += (mask & 1u << i) && (mask & 1u << j) && same_proof(&proofs[i], &proofs[j]);
		if (2 * votes > voters)
			return &proofs[i];
	}
	return NULL;
}

/* Copies that passed by themselves must also agree. Where no side outnumbers
 * the other nobody is a source: a person must decide. */
static int compare_proofs(struct examination *x, struct replica_sites *sites, const struct proof *proofs, long index)
{
	uint32_t mask = x->proven[index];
	const struct proof *agreed = majority(proofs, mask, sites->count);
	int rc = 0;

	for (size_t s = 0; s < sites->count && rc == 0; s++) {
		if (!(mask & 1u << s) || (agreed && same_proof(&proofs[s], agreed)))
			continue;
		x->proven[index] &= ~(1u << s);
		x->passed--;
		x->failed++;
		rc = agreed ? add(x, FINDING_UNUSABLE, s, index, NO_KEY,
				  "it answers a challenge otherwise than other members")
			    : add(x, FINDING_CONFLICT, s, index, NO_KEY,
				  "members answer a challenge in different ways, and none is outnumbered");
	}
	return rc;
}

static int prove_on_all(struct examination *x, struct replica_sites *sites, const struct census_key *key,
			const uint8_t *challenge, long index, struct err *err)
{
	struct proof proofs[SET_MAX] = {0};
	int rc = 0;

	for (size_t s = 0; s < sites->count && rc == 0; s++) {
		struct replica_site *site = &sites->sites[s];
		struct err why = {0};

		if (!site->channel || !key->copies[s].objects[0])
			continue;
		x->attempted++;
		rc = prove_key(site, key->copies[s].objects[0], key->truth, challenge, &proofs[s], &why);
		if (rc == 0) {
			x->passed++;
			x->proven[index] |= 1u << s;
		} else if (rc == -ERR_DIFFERENT || rc == -ERR_TOKEN || rc == -ERR_INVALID) {
			x->failed++;
			rc = add(x, FINDING_UNUSABLE, s, index, NO_KEY, "%.190s", why.message);
		} else if (rc != -ERR_NO_MEMORY) {
			x->failed++;
			replica_site_lost(site, &why);
			rc = 0;
		}
		if (rc == 0)
			rc = cancel_check(err);
	}
	return rc < 0 ? rc : compare_proofs(x, sites, proofs, index);
}

static int examine_live(struct examination *x, struct replica_sites *sites, const struct census *census,
			long index, enum verify_mode mode, const uint8_t *challenge, struct err *err)
{
	const struct census_key *key = &census->keys[index];
	int rc = 0;

	x->live_keys++;
	for (size_t s = 0; s < sites->count && rc == 0; s++) {
		if (!sites->sites[s].channel)
			continue;
		x->site_keys[s] += key->copies[s].objects[0] != CK_INVALID_HANDLE;
		rc = examine_listing(x, key, s, index);
	}
	if (rc < 0)
		return rc;
	if (mode == VERIFY_NONE || (mode == VERIFY_SAMPLE && index % SAMPLE_EVERY != 0)) {
		x->skipped++;
		return 0;
	}
	return prove_on_all(x, sites, key, challenge, index, err);
}

/* A key made behind our back; its label may clash with one of ours. */
static int examine_stray(struct examination *x, const struct census *census, long index)
{
	const struct census_stray *stray = &census->strays[index];
	const CK_ATTRIBUTE *label = p11_attrs_find(&stray->attrs, CKA_LABEL);
	char text[80];

	p11_attrs_text(&stray->attrs, CKA_LABEL, text, sizeof(text));
	/* Public keys by themselves are adopted with their private halves or not at all. */
	if (p11_attrs_ulong(&stray->attrs, CKA_CLASS, 0) == CKO_PUBLIC_KEY)
		return 0;
	for (size_t k = 0; k < census->n_keys && label && label->ulValueLen; k++) {
		const struct record *truth = census->keys[k].truth;

		if (truth && truth->state == RECORD_LIVE && p11_attrs_match(&truth->objects[0], label, 1))
			return add(x, FINDING_CONFLICT, stray->site, NO_KEY, index,
				   "a key without a record has the label of a live key");
	}
	return add(x, FINDING_EXTRA, stray->site, NO_KEY, index, "a key without a record");
}

int examine(struct replica_sites *sites, const struct census *census, enum verify_mode mode,
	    struct observer *observer, struct examination *ret, struct err *err)
{
	bool all_here = replica_sites_up(sites) == (1ull << sites->count) - 1;
	uint8_t challenge[16];
	int rc = crypto_random(challenge, sizeof(challenge), err);

	*ret = (struct examination){.proven = mem_zalloc((census->n_keys + 1) * sizeof(uint32_t))};
	if (!ret->proven)
		return err_no_memory(err);
	for (size_t k = 0; k < census->n_keys && rc == 0; k++) {
		const struct census_key *key = &census->keys[k];

		if (key->truth && key->truth->state == RECORD_LIVE) {
			observer_step(observer, sites->set->name, "proving keys", k, census->n_keys);
			rc = examine_live(ret, sites, census, (long)k, mode, challenge, err);
			continue;
		}
		for (size_t s = 0; key->truth && s < sites->count && rc == 0; s++)
			if (sites->sites[s].channel)
				rc = examine_gone(ret, key, s, (long)k, all_here);
	}
	for (size_t i = 0; i < census->n_strays && rc == 0; i++)
		if (sites->sites[census->strays[i].site].channel)
			rc = examine_stray(ret, census, (long)i);
	for (size_t s = 0; s < sites->count && rc == 0; s++)
		if (sites->sites[s].channel && !sites->sites[s].domain)
			rc = add(ret, FINDING_MISSING, s, NO_KEY, NO_KEY, "the group's domain key is not here");
	/* Last: a site may have been lost on the way. */
	for (size_t s = 0; s < sites->count && rc == 0; s++)
		if (!sites->sites[s].channel)
			rc = add(ret, FINDING_UNREACHABLE, s, NO_KEY, NO_KEY, "%.190s", sites->sites[s].err.message);
	if (rc == -ERR_NO_MEMORY)
		err_no_memory(err);
	if (rc < 0)
		examination_release(ret);
	return rc;
}
