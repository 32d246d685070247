/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with the replicas of a group. */
#include "replica/examine_private.h"

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
#include "member/member.h"
#include "p11/rv.h"
#include "replica/copy.h"
#include "replica/domain.h"
#include "replica/key.h"
#include "replica/prove.h"

enum { SAMPLE_EVERY = 10, WIDE_MARGIN_MS = 3600000 };

const char *const finding_kind_names[] = {
	"missing", "extra", "conflict", "attribute", "unusable", "duplicate", "deleted", "not_replicable", "stale",
	"unreachable", "public_half", "torn", "not_understood", "domain_missing", "domain_torn", "domain_other",
	"domain_twice", "transport", NULL};
const char *const verify_mode_names[] = {"none", "sample", "all", NULL};

void examination_release(struct examination *examination)
{
	free(examination->findings);
	free(examination->proven);
	free(examination->source);
	*examination = (struct examination){0};
}

int examine_add(struct examination *x, enum finding_kind kind, enum remedy remedy, size_t site, long key, long stray,
		const char *fmt, ...)
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

	*finding = (struct finding){.kind = kind, .remedy = remedy, .site = site, .key = key, .stray = stray};
	va_start(ap, fmt);
	vsnprintf(finding->detail, sizeof(finding->detail), fmt, ap);
	va_end(ap);
	return 0;
}

void examination_kept_out(struct examination *examination, uint32_t mask, const char *why)
{
	for (size_t i = 0; i < examination->n_findings; i++) {
		struct finding *f = &examination->findings[i];

		if (f->kind == FINDING_STALE && (mask & 1u << f->site))
			snprintf(f->detail, sizeof(f->detail), "it missed writes; %.180s", why);
	}
}

void examination_caught_up(struct examination *x, uint32_t mask)
{
	size_t left = 0;

	for (size_t i = 0; i < x->n_findings; i++)
		if (x->findings[i].kind != FINDING_STALE || !(mask & 1u << x->findings[i].site))
			x->findings[left++] = x->findings[i];
	x->n_findings = left;
}

bool examination_delays(const struct finding *finding)
{
	return finding->kind != FINDING_EXTRA && finding->kind != FINDING_TRANSPORT;
}

bool examination_behind(const struct examination *examination, size_t site)
{
	for (size_t i = 0; i < examination->n_findings; i++) {
		const struct finding *f = &examination->findings[i];

		if (f->site == site && f->remedy == REMEDY_SYNC && examination_delays(f))
			return true;
	}
	return false;
}

bool examine_lose(struct replica_sites *sites, const struct err *why)
{
	bool lost = false;

	for (size_t s = 0; s < sites->count; s++)
		if (sites->sites[s].channel && member_broken(sites->sites[s].channel)) {
			replica_site_lost(&sites->sites[s], why);
			lost = true;
		}
	return lost;
}

/* ---- objects beside records ---- */

/* What says which key an object is, and whether it can be given away. */
static const CK_ATTRIBUTE_TYPE telling[] = {CKA_KEY_TYPE, CKA_EXTRACTABLE, CKA_MODULUS, CKA_PUBLIC_EXPONENT,
					    CKA_EC_PARAMS, CKA_EC_POINT};
enum { TELLING = sizeof(telling) / sizeof(telling[0]) };

static uint16_t shown_by(const struct p11_attrs *attrs, size_t object)
{
	uint16_t bits = 0;

	for (size_t i = 0; i < TELLING; i++)
		bits |= p11_attrs_find(attrs, telling[i]) ? 1u << (i + object * TELLING) : 0;
	return bits;
}

static void learn_shown(struct examination *x, const struct census *census)
{
	for (size_t k = 0; k < census->n_keys; k++)
		for (size_t s = 0; s < census->n_sites; s++)
			for (size_t o = 0; o < RECORD_OBJECTS_MAX; o++)
				x->shown[s] |= shown_by(&census->keys[k].copies[s].attrs[o], o);
}

/* What the record has, and this object does not show though others there do: a token that lacks it shows it of none. */
static const char *absent(const struct examination *x, const struct census_key *key, size_t site, size_t object)
{
	uint16_t wanted = shown_by(&key->truth->objects[object], object);
	uint16_t lacking = x->shown[site] & wanted & ~shown_by(&key->copies[site].attrs[object], object);

	return lacking ? p11_attr_info(telling[(size_t)__builtin_ctz(lacking) - object * TELLING])->name : NULL;
}

bool examination_whole(const struct examination *examination, const struct census_key *key, size_t site, size_t object,
		       char text[static 64])
{
	const struct census_copy *copy = &key->copies[site];
	const char *attribute = NULL;

	if (!copy->objects[object]) {
		snprintf(text, 64, "it is not here");
		return false;
	}
	if (!census_copy_matches(copy, key->truth, object, &attribute)) {
		snprintf(text, 64, "%.40s differs", attribute);
		return false;
	}
	attribute = absent(examination, key, site, object);
	if (attribute)
		snprintf(text, 64, "%.40s is not there", attribute);
	return !attribute;
}

/* ---- who can give a key ---- */

/* Kinds of which one that was carried speaks for all. */
static uint8_t kind_bit(const struct record *record)
{
	static const CK_KEY_TYPE types[] = {CKK_RSA, CKK_EC, CKK_EC_EDWARDS, CKK_AES, CKK_GENERIC_SECRET};
	CK_KEY_TYPE type = p11_attrs_ulong(&record->objects[0], CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i] == type)
			return (uint8_t)(1u << i);
	return 0;
}

/* Carry it into a session and no further. */
static int try_to_carry(struct replica_site *from, CK_OBJECT_HANDLE key, struct replica_site *to,
			const struct record *record, struct err *err)
{
	owned(p11_attrs) struct p11_attrs template = {0};
	CK_OBJECT_HANDLE made;
	struct err ignored;
	int rc = key_replica_template(record, 0, &template, err);

	if (rc == 0)
		rc = p11_attrs_set_bool(&template, CKA_TOKEN, false, err);
	if (rc == 0)
		rc = domain_carry(from, key, to, template.items, template.count, &made, err);
	if (rc == 0 && to->channel)
		copy_destroy(to, made, &ignored);
	return rc;
}

/* Does one give the key, and the other take it? 1 when nothing speaks against it; 0 when a token refuses, *why tells
 * which. */
static int gives(struct examination *x, struct replica_sites *sites, const struct census_key *key, size_t from,
		 size_t to, struct err *why)
{
	struct replica_site *giver = &sites->sites[from], *taker = &sites->sites[to];
	const struct census_copy *copy = &key->copies[from];
	uint8_t bit = kind_bit(key->truth);
	int rc = 0;

	if ((x->carried[from][to] & bit) && p11_attrs_bool(&copy->attrs[0], CKA_EXTRACTABLE, false))
		return 1;
	rc = domain_gives(giver, copy->objects[0], why);
	if (rc == -ERR_NOT_REPLICABLE) {
		err_wrap(why, "'%s' does not give it away", giver->of->name);
		return 0;
	}
	if (rc == 0 && from != to && taker->channel && taker->domain)
		rc = try_to_carry(giver, copy->objects[0], taker, key->truth, why);
	if (rc == -ERR_TOKEN && p11_rv_class(why->rv) == P11_CALLER) {
		why->code = ERR_NOT_REPLICABLE;
		err_wrap(why, "'%s' does not take it", taker->of->name);
		return 0;
	}
	if (rc == 0)
		x->carried[from][to] |= bit;
	else
		examine_lose(sites, why);
	return rc == -ERR_NO_MEMORY ? rc : giver->channel != NULL;
}

/* Somebody who can give the key to this site, best of those that hold it as its record says. 0 when nobody can; those
 * who lack only the right domain key can, once that is settled. */
static int find_source(struct examination *x, struct replica_sites *sites, const struct census_key *key, long index,
		       size_t to, struct err *why)
{
	bool waiting = false;
	char ignored[64];

	for (int best = 1; best >= 0; best--)
		for (size_t s = 0; s < sites->count; s++) {
			int rc;

			if (!sites->sites[to].channel)
				return 0;
			if (!(x->proven[index] & 1u << s) || !sites->sites[s].channel ||
			    examination_whole(x, key, s, 0, ignored) != (best > 0))
				continue;
			waiting = waiting || !sites->sites[s].domain;
			if (!sites->sites[s].domain)
				continue;
			rc = gives(x, sites, key, s, to, why);
			if (rc > 0)
				x->source[index] = (uint8_t)s;
			if (rc)
				return rc;
		}
	return waiting;
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
		rc = agreed ? examine_add(x, FINDING_UNUSABLE, REMEDY_SYNC, s, index, NO_KEY,
					  "it answers a challenge otherwise than other members")
			    : examine_add(x, FINDING_CONFLICT, REMEDY_PERSON, s, index, NO_KEY,
					  "members answer a challenge in different ways, and none is outnumbered");
	}
	return rc;
}

/* Was the key tried, and found wanting? Other failures say nothing of it. */
static bool failed_proof(int rc)
{
	return rc == -ERR_DIFFERENT || rc == -ERR_TOKEN || rc == -ERR_INVALID;
}

/* Twice, when it fails: once may be a token's trouble of the moment, and who has no copy to learn from would be taken for
 * one that lacks nothing. */
static int prove_copy(struct replica_site *site, const struct census_key *key, CK_OBJECT_HANDLE object,
		      const uint8_t *challenge, struct proof *ret, struct err *why)
{
	int rc = prove_key(site, object, key->truth, challenge, ret, why);

	if (failed_proof(rc) && !member_broken(site->channel))
		rc = prove_key(site, object, key->truth, challenge, ret, why);
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
		rc = prove_copy(site, key, key->copies[s].objects[0], challenge, &proofs[s], &why);
		if (rc == 0) {
			x->passed++;
			x->proven[index] |= 1u << s;
		} else if (failed_proof(rc)) {
			x->failed++;
			rc = examine_add(x, FINDING_UNUSABLE, REMEDY_SYNC, s, index, NO_KEY, "%.190s", why.message);
		} else if (rc == -ERR_UNSUPPORTED) {
			x->skipped++;
			rc = 0;
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

/* ---- one key ---- */

/* A copy that is to be made anew: does anybody give it? Without proofs nobody can say. */
static int remedy_of(struct examination *x, struct replica_sites *sites, const struct census_key *key, long index,
		     size_t site, bool tried, enum remedy *ret, struct err *why)
{
	int rc = tried ? find_source(x, sites, key, index, site, why) : 1;

	*ret = rc > 0 ? REMEDY_SYNC : why->code == ERR_NOT_REPLICABLE ? REMEDY_LEAVE : REMEDY_NONE;
	return rc < 0 ? rc : 0;
}

/* Which nobody can give: that is so by the key's nature, and policy says whether it may be. */
static int not_replicable(struct examination *x, struct replica_sites *sites, long index, size_t site,
			  const struct err *why)
{
	bool allowed = replica_set_policy(sites->set).allow_unreplicated;

	x->excused += allowed;
	return examine_add(x, FINDING_NOT_REPLICABLE, REMEDY_LEAVE, site, index, NO_KEY,
			   "%.120s; the group's policy %s", why->message,
			   allowed ? "allows that" : "wants every key on all members");
}

static int examine_lacking(struct examination *x, struct replica_sites *sites, const struct census_key *key,
			   size_t site, long index, bool tried)
{
	const char *what = key->copies[site].objects[1] ? "only its public half is here" : "the key is not here";
	struct err why = {0};
	enum remedy remedy;
	int rc = remedy_of(x, sites, key, index, site, tried, &remedy, &why);

	if (rc < 0 || !sites->sites[site].channel)
		return rc;
	if (remedy == REMEDY_LEAVE)
		return not_replicable(x, sites, index, site, &why);
	return examine_add(x, FINDING_MISSING, remedy, site, index, NO_KEY, "%s%s", what,
			   remedy == REMEDY_NONE ? ", and nobody who answers has one that passes its proof" : "");
}

/* The private or secret key is here: is it whole, and whole alone? */
static int examine_object(struct examination *x, struct replica_sites *sites, const struct census_key *key, size_t site,
			  long index, bool tried)
{
	const struct census_copy *copy = &key->copies[site];
	enum remedy remedy = REMEDY_SYNC;
	struct err why = {0};
	char text[64];
	int rc = 0;

	if (!examination_whole(x, key, site, 0, text)) {
		rc = remedy_of(x, sites, key, index, site, tried, &remedy, &why);
		if (rc == 0 && sites->sites[site].channel)
			rc = examine_add(x, FINDING_ATTRIBUTE, remedy, site, index, NO_KEY, "%s", text);
	}
	if (rc == 0 && copy->surplus)
		rc = examine_add(x, FINDING_DUPLICATE, REMEDY_SYNC, site, index, NO_KEY, "%zu objects too many",
				 copy->surplus);
	if (rc < 0 || key->truth->n_objects < 2)
		return rc;
	if (!copy->objects[1])
		return examine_add(x, FINDING_MISSING, REMEDY_SYNC, site, index, NO_KEY, "its public half is not here");
	if (examination_whole(x, key, site, 1, text))
		return 0;
	return examine_add(x, FINDING_PUBLIC_HALF, REMEDY_SYNC, site, index, NO_KEY, "%s on its public half", text);
}

/* What lies beside the newest record. */
static int examine_remains(struct examination *x, const struct census_copy *copy, size_t site, long index)
{
	size_t older = copy->n_stale - copy->n_torn;
	int rc = 0;

	if (older)
		rc = examine_add(x, FINDING_DUPLICATE, REMEDY_SYNC, site, index, NO_KEY, "%zu older records too many",
				 older);
	if (rc == 0 && copy->n_torn)
		rc = examine_add(x, FINDING_TORN, REMEDY_SYNC, site, index, NO_KEY, "%zu torn records of the key",
				 copy->n_torn);
	return rc;
}

/* What is all in its record. */
static int examine_record(struct examination *x, const struct census_key *key, size_t site, long index)
{
	const struct census_copy *copy = &key->copies[site];
	int rc = 0;

	if (!copy->record)
		rc = examine_add(x, FINDING_MISSING, REMEDY_SYNC, site, index, NO_KEY, "the object is not here");
	else if (!record_same_version(copy->record, key->truth))
		rc = examine_add(x, FINDING_ATTRIBUTE, REMEDY_SYNC, site, index, NO_KEY,
				 "its record is older than on other members");
	else
		x->sealed++;
	return rc < 0 ? rc : examine_remains(x, copy, site, index);
}

static int examine_records(struct examination *x, const struct replica_sites *sites, const struct census_key *key, long index)
{
	int rc = 0;

	x->live_objects++;
	for (size_t s = 0; s < sites->count && rc == 0; s++)
		if (sites->sites[s].channel)
			rc = examine_record(x, key, s, index);
	return rc;
}

static int examine_copy(struct examination *x, struct replica_sites *sites, const struct census_key *key, size_t site,
			long index, bool tried)
{
	const struct census_copy *copy = &key->copies[site];
	int rc;

	if (!copy->objects[0])
		return examine_lacking(x, sites, key, site, index, tried);
	rc = examine_object(x, sites, key, site, index, tried);
	if (rc == 0 && !copy->record)
		rc = examine_add(x, FINDING_MISSING, REMEDY_SYNC, site, index, NO_KEY, "its record is not here");
	else if (rc == 0 && !record_same_version(copy->record, key->truth))
		rc = examine_add(x, FINDING_ATTRIBUTE, REMEDY_SYNC, site, index, NO_KEY,
				 "its record is older than on other members");
	return rc < 0 ? rc : examine_remains(x, copy, site, index);
}

/* Copies that failed their proof are made anew, if there is anything to make them from. */
static int find_remedies(struct examination *x, struct replica_sites *sites, const struct census_key *key, long index,
			 size_t first)
{
	int rc = 0;

	for (size_t i = first; i < x->n_findings && rc == 0; i++) {
		struct err why = {0};

		if (x->findings[i].kind == FINDING_UNUSABLE && sites->sites[x->findings[i].site].channel)
			rc = remedy_of(x, sites, key, index, x->findings[i].site, true, &x->findings[i].remedy, &why);
	}
	return rc;
}

static int examine_live(struct examination *x, struct replica_sites *sites, const struct census *census, long index,
			enum verify_mode mode, const uint8_t *challenge, struct err *err)
{
	bool tried = mode == VERIFY_ALL || (mode == VERIFY_SAMPLE && index % SAMPLE_EVERY == 0);
	const struct census_key *key = &census->keys[index];
	size_t first = x->n_findings;
	int rc = 0;

	if (record_is_all(key->truth))
		return examine_records(x, sites, key, index);
	x->live_keys++;
	for (size_t s = 0; s < sites->count; s++)
		x->site_keys[s] += sites->sites[s].channel && key->copies[s].objects[0];
	if (tried)
		rc = prove_on_all(x, sites, key, challenge, index, err);
	else
		x->skipped++;
	if (rc == 0)
		rc = find_remedies(x, sites, key, index, first);
	for (size_t s = 0; s < sites->count && rc == 0; s++)
		if (sites->sites[s].channel)
			rc = examine_copy(x, sites, key, s, index, tried);
	return rc;
}

/* How long the record has been there, by the clock of the member's own host, which its maker's does not move. Where no
 * host tells, the time in the record has to do, with a wide margin. */
static bool is_old(struct replica_site *site, CK_OBJECT_HANDLE handle, const struct record *record)
{
	CK_ULONG age = 0;
	struct p11_call call = p11_X_Age(member_session(site->channel), handle, &age);

	if (member_call(site->channel, &call, 1, NULL, NULL) == 0 && call.rv == CKR_OK && age >= LEASE_MS)
		return true;
	return clock_utc_ms() - record->time_ms > WIDE_MARGIN_MS;
}

/* Has nobody finished this creation in all the time that it may take? A member that is away may hold the live record. */
static bool is_forsaken(struct replica_sites *sites, const struct census_key *key, bool all_here)
{
	for (size_t s = 0; all_here && s < sites->count; s++) {
		const struct census_copy *copy = &key->copies[s];

		if (sites->sites[s].channel && copy->record && copy->record_handle &&
		    is_old(&sites->sites[s], copy->record_handle, copy->record))
			return true;
	}
	return false;
}

/* A key that should be gone: deleted, or (forsaken) never finished. */
static int examine_gone(struct examination *x, const struct census_key *key, size_t site, long index, bool forsaken)
{
	const struct census_copy *copy = &key->copies[site];
	bool creating = key->truth->state == RECORD_CREATING;
	bool left = copy->objects[0] || copy->objects[1] || copy->surplus || copy->n_stale > copy->n_torn ||
		    (copy->record && copy->record->state != RECORD_DELETED);

	if (creating)
		return left && forsaken ? examine_add(x, FINDING_DELETED, REMEDY_SYNC, site, index, NO_KEY,
						      "left over from a creation that was not finished")
					: 0;
	if (left)
		return examine_add(x, FINDING_DELETED, REMEDY_SYNC, site, index, NO_KEY, "the key was deleted, but is still here");
	return examine_remains(x, copy, site, index);
}

/* Nobody has a whole record: who knows that all were asked may clear away what is left of torn ones. */
static int examine_remnant(struct examination *x, const struct census_key *key, size_t site, long index, bool all_here)
{
	return key->copies[site].n_torn
		   ? examine_add(x, FINDING_TORN, all_here ? REMEDY_SYNC : REMEDY_NONE, site, index, NO_KEY,
				 "%zu torn records of a key of which nobody who answers has a whole one",
				 key->copies[site].n_torn)
		   : 0;
}

static bool is_unknown(const struct census_key *key, size_t sites)
{
	for (size_t s = 0; s < sites; s++)
		if (key->copies[s].not_understood)
			return true;
	return false;
}

/* What a later version wrote may be a deletion or another key's record: nobody touches a key of which there is such a
 * record anywhere, unless it is known to be deleted. */
static int examine_unknown(struct examination *x, const struct replica_sites *sites, const struct census_key *key,
			   long index)
{
	int rc = 0;

	x->live_keys += key->truth && key->truth->state == RECORD_LIVE;
	x->skipped++;
	for (size_t s = 0; s < sites->count && rc == 0; s++)
		if (sites->sites[s].channel && key->copies[s].not_understood)
			rc = examine_add(x, FINDING_NOT_UNDERSTOOD, REMEDY_LEAVE, s, index, NO_KEY,
					 "a later version of hsmctl wrote its record: it is left as it is");
	return rc;
}

static int examine_key(struct examination *x, struct replica_sites *sites, const struct census *census, long index,
		       enum verify_mode mode, const uint8_t *challenge, struct err *err)
{
	const struct census_key *key = &census->keys[index];
	bool all_here = replica_sites_up(sites) == x->all, unknown = is_unknown(key, census->n_sites), forsaken;
	int rc = unknown ? examine_unknown(x, sites, key, index) : 0;

	if (unknown && (!key->truth || key->truth->state != RECORD_DELETED))
		return rc;
	if (key->truth && key->truth->state == RECORD_LIVE)
		return examine_live(x, sites, census, index, mode, challenge, err);
	forsaken = key->truth && key->truth->state == RECORD_CREATING && is_forsaken(sites, key, all_here);
	for (size_t s = 0; s < sites->count && rc == 0; s++)
		if (sites->sites[s].channel && !key->copies[s].not_understood)
			rc = key->truth ? examine_gone(x, key, s, index, forsaken)
					: examine_remnant(x, key, s, index, all_here);
	return rc;
}

/* ---- strays ---- */

static size_t length_of(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	const CK_ATTRIBUTE *attribute = p11_attrs_find(attrs, type);

	return attribute ? attribute->ulValueLen : 0;
}

/* Of a kind that would be nothing without its modulus, or its curve and point. */
static bool is_empty_half(const struct p11_attrs *attrs)
{
	CK_KEY_TYPE type = p11_attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
	bool public = p11_attrs_ulong(attrs, CKA_CLASS, CKO_PRIVATE_KEY) == CKO_PUBLIC_KEY;

	return (type == CKK_RSA || type == CKK_EC || type == CKK_EC_EDWARDS) && !length_of(attrs, CKA_MODULUS) &&
	       !length_of(attrs, public ? CKA_EC_POINT : CKA_EC_PARAMS);
}

/* Public keys by themselves are adopted with their private halves or not at all. */
static int examine_public(struct examination *x, const struct census *census, long index)
{
	const struct census_stray *stray = &census->strays[index];
	const CK_ATTRIBUTE *id = p11_attrs_find(&stray->attrs, CKA_ID);

	for (size_t i = 0; id && id->ulValueLen && i < census->n_strays; i++) {
		const struct census_stray *other = &census->strays[i];

		if (other->site == stray->site && other->object == 0 && p11_attrs_match(&other->attrs, id, 1))
			return 0;
	}
	if (is_empty_half(&stray->attrs) && !length_of(&stray->attrs, CKA_ID))
		return examine_add(x, FINDING_TORN, REMEDY_SYNC, stray->site, NO_KEY, index,
				   "what is left of a torn public key");
	return length_of(&stray->attrs, CKA_ID) != UID_LEN
		   ? 0
		   : examine_add(x, FINDING_PUBLIC_HALF, REMEDY_PERSON, stray->site, NO_KEY, index,
				 "a public key of no key that any member knows: destroy it, or leave it be");
}

/*
 * SoftHSM, killed while it wrote, lists a torn object as a secret key without label, id and length, as a private key of
 * no curve and without modulus, or as something of which nothing can be read. So does it a key that somebody
 * unwrapped and gave no name: only using it tells (prove_hollow).
 */
static bool looks_torn(const struct p11_attrs *attrs)
{
	CK_OBJECT_CLASS class = p11_attrs_ulong(attrs, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);

	if (!prove_has_kind(attrs))
		return true;
	if (class == CKO_SECRET_KEY)
		return !length_of(attrs, CKA_LABEL) && !length_of(attrs, CKA_ID) &&
		       !p11_attrs_ulong(attrs, CKA_VALUE_LEN, 0);
	return class == CKO_PRIVATE_KEY && is_empty_half(attrs);
}

/* 1: it is the live key of its label, *ret. 0: there is none, or (*ret) one of other material. */
static int same_as(struct replica_sites *sites, const struct census *census, const struct census_stray *stray,
		   const uint8_t *challenge, long *ret)
{
	const CK_ATTRIBUTE *label = p11_attrs_find(&stray->attrs, CKA_LABEL);
	struct replica_site *site = &sites->sites[stray->site];

	*ret = NO_KEY;
	for (size_t k = 0; k < census->n_keys && label && label->ulValueLen && site->channel; k++) {
		const struct record *truth = census->keys[k].truth;
		struct err why = {0};
		struct proof proof;
		int rc;

		if (!truth || truth->state != RECORD_LIVE || !p11_attrs_match(&truth->objects[0], label, 1))
			continue;
		*ret = (long)k;
		rc = prove_key(site, stray->handle, truth, challenge, &proof, &why);
		if (rc == 0 && (truth->n_objects > 1 || truth->check_len))
			return 1;
		examine_lose(sites, &why);
	}
	return 0;
}

/* A key made behind our back; its label may clash with one of ours. */
static int examine_stray(struct examination *x, struct replica_sites *sites, const struct census *census, long index,
			 const uint8_t *challenge)
{
	const struct census_stray *stray = &census->strays[index];
	struct replica_site *site = &sites->sites[stray->site];
	bool all_here = replica_sites_up(sites) == x->all;
	struct err why = {0};
	long key;
	int rc;

	if (census->not_understood & 1u << stray->site)
		return examine_add(
		    x, FINDING_NOT_UNDERSTOOD, REMEDY_LEAVE, stray->site, NO_KEY, index,
		    "a key without a record, on a member where a later version of hsmctl wrote: it is left as it is");
	if (site->of->adopted)
		return examine_add(x, FINDING_EXTRA, REMEDY_LEAVE, stray->site, NO_KEY, index,
				   "the token's own, from outside the group: it is left as it is");
	if (stray->object == 1)
		return examine_public(x, census, index);
	rc = looks_torn(&stray->attrs) ? prove_hollow(site, stray->handle, &stray->attrs, &why) : 0;
	if (rc < 0)
		examine_lose(sites, &why);
	if (rc > 0)
		return examine_add(x, FINDING_TORN, REMEDY_SYNC, stray->site, NO_KEY, index,
				   "what is left of a torn object: no key");
	rc = same_as(sites, census, stray, challenge, &key);
	if (!site->channel)
		return 0;
	if (rc > 0)
		return examine_add(x, FINDING_DUPLICATE, REMEDY_SYNC, stray->site, key, index,
				   "the key once more, without its mark");
	if (key != NO_KEY)
		return examine_add(x, FINDING_CONFLICT, REMEDY_PERSON, stray->site, NO_KEY, index,
				   "a key without a record has the label of a live key");
	/* Its record may be with a member that is away. */
	if (!all_here && length_of(&stray->attrs, CKA_ID) == UID_LEN)
		return examine_add(x, FINDING_EXTRA, REMEDY_NONE, stray->site, NO_KEY, index,
				   "a key of which nobody who answers has a record");
	return examine_add(x, FINDING_EXTRA, REMEDY_SYNC, stray->site, NO_KEY, index, "a key without a record");
}

/* ---- all of it ---- */

static int examine_all(struct examination *x, struct replica_sites *sites, const struct census *census,
		       enum verify_mode mode, struct observer *observer, const uint8_t *challenge, struct err *err)
{
	uint32_t current = views_current(&census->views, sites);
	int rc = examine_domains(sites, census, x, err);

	for (size_t s = 0; s < sites->count && rc == 0; s++)
		if (sites->sites[s].channel && !(current & 1u << s))
			rc = examine_add(x, FINDING_STALE, REMEDY_LEAVE, s, NO_KEY, NO_KEY,
					 "it missed writes, and was not brought up to date since");
	for (size_t k = 0; k < census->n_keys && rc == 0; k++) {
		observer_step(observer, sites->set->name, "proving keys", k, census->n_keys);
		rc = examine_key(x, sites, census, (long)k, mode, challenge, err);
	}
	for (size_t i = 0; i < census->n_strays && rc == 0; i++)
		if (sites->sites[census->strays[i].site].channel)
			rc = examine_stray(x, sites, census, (long)i, challenge);
	/* Last: a site may have been lost on the way. */
	for (size_t s = 0; s < sites->count && rc == 0; s++)
		if (!sites->sites[s].channel)
			rc = examine_add(x, FINDING_UNREACHABLE, REMEDY_LEAVE, s, NO_KEY, NO_KEY, "%.190s",
					 sites->sites[s].err.message);
	return rc;
}

int examine(struct replica_sites *sites, const struct census *census, enum verify_mode mode, struct observer *observer,
	    struct examination *ret, struct err *err)
{
	uint8_t challenge[16];
	int rc = crypto_random(challenge, sizeof(challenge), err);

	*ret = (struct examination){.proven = mem_zalloc((census->n_keys + 1) * sizeof(*ret->proven)),
				    .source = mem_zalloc(census->n_keys + 1),
				    .all = sites->members};
	if (ret->proven && ret->source) {
		memset(ret->source, SET_MAX, census->n_keys + 1);
		learn_shown(ret, census);
		if (rc == 0)
			rc = examine_all(ret, sites, census, mode, observer, challenge, err);
	} else {
		rc = -ERR_NO_MEMORY;
	}
	if (rc == -ERR_NO_MEMORY)
		err_no_memory(err);
	if (rc < 0)
		examination_release(ret);
	return rc;
}
