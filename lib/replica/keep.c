/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that are nothing but their record (record_is_all): data, certificates, public keys by themselves. */
#include "replica/write.h"

#include "base/err.h"
#include "base/log.h"
#include "member/member.h"
#include "replica/outcome.h"

/* What the sites have of it. */
struct keeping {
	CK_OBJECT_HANDLE records[SET_MAX];
	uint32_t have, unknown;		/* unknown: no answer, and no word about the deed */
	struct err refusal;		/* the first that was no member's fault */
};

static void put_on_all(struct replica_sites *sites, const struct record *record, struct keeping *ret)
{
	const struct record_base base = {.fresh = true};

	for (size_t i = 0; i < sites->count; i++) {
		struct replica_site *site = &sites->sites[i];
		struct err why = {0};

		if (!site->channel)
			continue;
		if (record_put(site->channel, record, &base, &ret->records[i], &why) == 0) {
			ret->have |= 1u << i;
			log_info("replica", "'%s' took the write", site->of->name);
			continue;
		}
		if (member_broken(site->channel))
			ret->unknown |= 1u << i;
		if (!outcome_members_fault(&why) && !ret->refusal.code)
			ret->refusal = why;
		outcome_failed(site, &why);
	}
}

/* Too few took it: nobody keeps it. What cannot be taken back comes about with the next sync. */
static int take_back(struct replica_sites *sites, const struct record *record, struct keeping *keeping, struct err *err)
{
	for (size_t i = 0; i < sites->count; i++) {
		struct replica_site *site = &sites->sites[i];
		struct err ignored;

		if ((keeping->have & 1u << i) && site->channel &&
		    record_withdraw(site->channel, keeping->records[i], record->uid, &ignored) == 0)
			keeping->have &= ~(1u << i);
	}
	if (keeping->have | keeping->unknown) {
		err_set(err, ERR_NOT_KNOWN, "it is not known whether the object was made: members went away with it");
		return err_hint(err, "hsmctl sync %s", sites->set->name);
	}
	if (keeping->refusal.code)
		*err = keeping->refusal;
	return -(int)err->code;
}

int replica_keep(struct replica_sites *sites, const struct p11_attrs *attrs, struct record *ret, uint32_t *ret_mask,
		 struct err *err)
{
	owned(record) struct record record = {.n_objects = 1};
	struct keeping keeping = {0};
	int rc = outcome_begin(sites, err);

	if (rc == 0)
		rc = record_draw(&record, !p11_attrs_bool(attrs, CKA_PRIVATE, true), err);
	if (rc == 0)
		rc = p11_attrs_merge(&record.objects[0], attrs->items, attrs->count, err);
	if (rc == 0)
		rc = record_advance(&record, RECORD_LIVE, err);
	if (rc < 0)
		return rc;
	put_on_all(sites, &record, &keeping);
	if (replica_policy_check(sites, keeping.have, err) < 0)
		return take_back(sites, &record, &keeping, err);
	*ret_mask = keeping.have;
	rc = outcome_settle(sites, ret_mask, 0, "the object was made", err);
	if (rc < 0)
		return rc;
	*ret = record;
	record = (struct record){0};
	return 0;
}
