/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict on a group's replicas. */
#include "replica/verify.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "replica/key.h"

const char *const replica_verdict_names[] = {"in_sync", "diverged", "unknown", NULL};

static const struct json_field member_fields[] = {
	JSON_F_STRING(struct replica_report_member, name, JSON_COLUMN, "device, with its partition when it has several"),
	JSON_F_ENUM(struct replica_report_member, role, JSON_COLUMN, fleet_role_names, "active or standby"),
	JSON_F_STRING(struct replica_report_member, datacenter, JSON_COLUMN, "datacentre of the device"),
	JSON_F_STRING(struct replica_report_member, region, JSON_COLUMN, "region of the datacentre"),
	JSON_F_BOOL(struct replica_report_member, reachable, JSON_COLUMN, "it answered during the whole run"),
	JSON_F_INT(struct replica_report_member, keys, JSON_NULLABLE | JSON_COLUMN, 0, 0,
		   "live keys listed there; null when it was not reached"),
	JSON_F_BOOL(struct replica_report_member, behind, 0,
		    "something is wrong there that a sync puts right; after a sync: that it did not"),
	JSON_F_STRING(struct replica_report_member, detail, JSON_NULLABLE, "why it was not reached"),
	JSON_F_END
};
const struct json_type replica_report_member_type = {
	.summary = "A member", .size = sizeof(struct replica_report_member), .fields = member_fields,
};

static const struct json_field key_fields[] = {
	JSON_F_STRING(struct replica_report_key, label, JSON_NULLABLE | JSON_COLUMN, "CKA_LABEL as applications see it"),
	JSON_F_STRING(struct replica_report_key, id, JSON_NULLABLE, "CKA_ID as applications see it, hex"),
	JSON_F_STRING(struct replica_report_key, class, JSON_NULLABLE, "private or secret"),
	JSON_F_STRING(struct replica_report_key, type, JSON_NULLABLE | JSON_COLUMN, "key type"),
	JSON_F_END
};
const struct json_type replica_report_key_type = {
	.summary = "A key", .size = sizeof(struct replica_report_key), .fields = key_fields,
};

static const struct json_field finding_fields[] = {
	JSON_F_STRING(struct replica_report_finding, member, JSON_COLUMN, "member where it was found"),
	JSON_F_OBJECT(struct replica_report_finding, key, JSON_COLUMN, replica_report_key_type, "key it is about"),
	JSON_F_ENUM(struct replica_report_finding, kind, JSON_COLUMN, finding_kind_names, "what is wrong"),
	JSON_F_STRING(struct replica_report_finding, detail, JSON_COLUMN, "in words"),
	JSON_F_END
};
static const struct json_type finding_type = {
	.summary = "A finding", .size = sizeof(struct replica_report_finding), .fields = finding_fields,
};

static const struct json_field proofs_fields[] = {
	JSON_F_INT(struct replica_proofs, attempted, JSON_COLUMN, 0, 0, "keys on members that were challenged"),
	JSON_F_INT(struct replica_proofs, passed, JSON_COLUMN, 0, 0, "that answered rightly"),
	JSON_F_INT(struct replica_proofs, failed, JSON_COLUMN, 0, 0, "that did not"),
	JSON_F_END
};
static const struct json_type proofs_type = {
	.summary = "Proofs; one is one key on one member", .size = sizeof(struct replica_proofs), .fields = proofs_fields,
};

static const struct json_field report_fields[] = {
	JSON_F_STRING(struct replica_report, group, JSON_COLUMN, "the group"),
	JSON_F_ENUM(struct replica_report, verdict, JSON_COLUMN, replica_verdict_names,
		    "in_sync: all reached, all proven, nothing found; diverged: something was found; unknown: the rest"),
	JSON_F_INT(struct replica_report, keys, JSON_COLUMN, 0, 0, "live keys of the group; a key pair is one"),
	JSON_F_INT(struct replica_report, objects, JSON_COLUMN | JSON_OMIT, 0, 0,
		   "its other objects: certificates, data, public keys by themselves"),
	JSON_F_LIST(struct replica_report, members, JSON_COLUMN, replica_report_member_type, "members"),
	JSON_F_OBJECT(struct replica_report, proofs, JSON_COLUMN, proofs_type, "proofs"),
	JSON_F_LIST(struct replica_report, findings, JSON_COLUMN, finding_type, "what is wrong"),
	JSON_F_END
};
const struct json_type replica_report_type = {
	.schema = "verify", .summary = "Verdict on the replicas of a group",
	.size = sizeof(struct replica_report), .fields = report_fields,
};

static char *hex_of(const CK_ATTRIBUTE *attribute)
{
	char *hex = attribute && attribute->ulValueLen ? mem_zalloc(2 * attribute->ulValueLen + 1) : NULL;

	if (hex)
		str_hex(attribute->pValue, attribute->ulValueLen, hex);
	return hex;
}

static void describe_key(struct replica_report_key *ret, const struct p11_attrs *attrs, const char *type)
{
	ret->label = key_label(attrs);
	ret->id = hex_of(p11_attrs_find(attrs, CKA_ID));
	ret->class = mem_strdup(p11_class_name(p11_attrs_ulong(attrs, CKA_CLASS, CK_UNAVAILABLE_INFORMATION)));
	ret->type = mem_strdup(type);
}

static void describe_finding(struct replica_report_finding *ret, const struct replica_sites *sites,
			     const struct census *census, const struct finding *finding)
{
	const struct record *face = finding->key != NO_KEY ? census_face(census, &census->keys[finding->key]) : NULL;

	ret->member = mem_strdup(sites->sites[finding->site].of->name);
	ret->kind = finding->kind;
	ret->detail = mem_strdup(finding->detail);
	if (face)
		describe_key(&ret->key, &face->objects[0], key_kind_of(face));
	else if (finding->key == NO_KEY && finding->stray != NO_KEY)
		describe_key(&ret->key, &census->strays[finding->stray].attrs,
			     p11_key_type_name(p11_attrs_ulong(&census->strays[finding->stray].attrs, CKA_KEY_TYPE,
							       CK_UNAVAILABLE_INFORMATION)));
}

/* Does it speak against the group, or only say that not all is known, or what policy allows? */
static bool speaks_against(const struct finding *f, const struct fleet_policy *policy)
{
	if (f->kind == FINDING_EXTRA && f->remedy == REMEDY_LEAVE)
		return false;
	return f->kind != FINDING_UNREACHABLE && f->kind != FINDING_NOT_UNDERSTOOD &&
	       (f->kind != FINDING_NOT_REPLICABLE || !policy->allow_unreplicated);
}

static enum replica_verdict judge(const struct examination *x, const struct replica_sites *sites, enum verify_mode mode)
{
	struct fleet_policy policy = replica_set_policy(sites->set);
	size_t members = (size_t)__builtin_popcount(sites->members);
	bool all_known = replica_sites_up(sites) == sites->members;

	for (size_t i = 0; i < x->n_findings; i++) {
		if (speaks_against(&x->findings[i], &policy))
			return VERDICT_DIVERGED;
		all_known = all_known && x->findings[i].kind != FINDING_NOT_UNDERSTOOD;
	}
	return all_known && mode == VERIFY_ALL && !x->skipped && !x->failed &&
			       x->passed + x->excused == x->live_keys * members &&
			       x->sealed == x->live_objects * members
		       ? VERDICT_IN_SYNC
		       : VERDICT_UNKNOWN;
}

static int fill_members(struct replica_report_member **members, size_t *count, const struct replica_sites *sites,
			const struct examination *x)
{
	for (size_t i = 0; i < sites->count; i++) {
		const struct replica_member *of = sites->sites[i].of;
		struct replica_report_member *m;

		if (!(sites->members & 1u << i))
			continue;
		m = json_append(members, count, sizeof(*m));
		if (!m)
			return -ERR_NO_MEMORY;
		m->name = mem_strdup(of->name);
		m->datacenter = mem_strdup(of->datacenter);
		m->region = mem_strdup(of->region);
		m->role = of->role;
		m->reachable = sites->sites[i].channel != NULL;
		m->keys = m->reachable ? (int64_t)x->site_keys[i] : -1;
		m->behind = examination_behind(x, i);
		m->detail = m->reachable ? NULL : mem_strdup(sites->sites[i].err.message);
	}
	return 0;
}

int replica_report_fill(struct replica_report *report, const struct replica_sites *sites,
			const struct census *census, const struct examination *x, enum verify_mode mode,
			struct err *err)
{
	report->group = mem_strdup(sites->set->name);
	report->verdict = judge(x, sites, mode);
	report->keys = (int64_t)x->live_keys;
	report->objects = (int64_t)x->live_objects;
	report->proofs = (struct replica_proofs){(int64_t)x->attempted, (int64_t)x->passed, (int64_t)x->failed};
	if (fill_members(&report->members, &report->n_members, sites, x) < 0)
		return err_no_memory(err);
	for (size_t i = 0; i < x->n_findings; i++) {
		struct replica_report_finding *f = json_append(&report->findings, &report->n_findings, sizeof(*f));

		if (!f)
			return err_no_memory(err);
		describe_finding(f, sites, census, &x->findings[i]);
	}
	return 0;
}

int replica_verify(struct replica_set *set, enum verify_mode mode, struct observer *observer,
		   struct replica_report *ret, struct err *err)
{
	owned(replica_sites) struct replica_sites sites = {0};
	owned(census) struct census census = {0};
	owned(examination) struct examination x = {0};
	int rc = replica_sites_open(set, UINT32_MAX, &sites, err);

	if (rc == 0)
		rc = census_take(&sites, NULL, &census, err);
	if (rc == 0)
		rc = examine(&sites, &census, mode, observer, &x, err);
	return rc < 0 ? rc : replica_report_fill(ret, &sites, &census, &x, mode, err);
}

int replica_verdict_err(enum replica_verdict verdict, const char *group, struct err *err)
{
	if (verdict == VERDICT_DIVERGED) {
		err_set(err, ERR_DIFFERENT, "the replicas of '%s' have diverged", group);
		return err_hint(err, "hsmctl sync %s", group);
	}
	if (verdict == VERDICT_UNKNOWN) {
		err_set(err, ERR_UNREACHABLE, "the verdict on '%s' is unknown: not everything was checked", group);
		return err_hint(err, "hsmctl status %s", group);
	}
	return 0;
}
