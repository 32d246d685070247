/* SPDX-License-Identifier: Apache-2.0 */
/* One key, one member. */
#include "replica/copy.h"

#include "base/err.h"
#include "crypto/digest.h"
#include "member/member.h"
#include "p11/rv.h"
#include "replica/domain.h"
#include "replica/key.h"
#include "replica/prove.h"

int copy_destroy(struct replica_site *site, CK_OBJECT_HANDLE object, struct err *err)
{
	struct p11_call call = p11_C_DestroyObject(member_session(site->channel), object);
	int rc = object ? member_call(site->channel, &call, 1, NULL, err) : 0;

	if (rc < 0 || !object || call.rv == CKR_OK || call.rv == CKR_OBJECT_HANDLE_INVALID)
		return rc;
	p11_rv_err(err, call.rv, "C_DestroyObject");
	return err_wrap(err, "'%s'", site->of->name);
}

int copy_destroy_objects(struct replica_site *site, const struct census_copy *copy, struct err *err)
{
	int rc = 0;

	for (size_t o = 0; o < RECORD_OBJECTS_MAX && rc == 0; o++)
		rc = copy_destroy(site, copy->objects[o], err);
	for (size_t i = 0; i < copy->surplus && rc == 0; i++)
		rc = copy_destroy(site, copy->surplus_handles[i], err);
	return rc;
}

/* What the token there knows no restriction of; it is asked of the domain key. */
static int leave_out(struct replica_site *to, struct p11_attrs *template, struct err *err)
{
	if (!to->domain)
		return err_set(err, ERR_UNSUPPORTED, "'%s' has not the domain key of the group", to->of->name);
	return key_leave_out(to->channel, to->domain, &to->of->holds, template, err);
}

int copy_public(struct replica_site *to, const struct record *record, CK_OBJECT_HANDLE old, struct err *err)
{
	owned(p11_attrs) struct p11_attrs template = {0};
	CK_OBJECT_HANDLE made;
	struct p11_call call;
	int rc = key_replica_template(record, 1, &template, err);

	if (rc == 0)
		rc = leave_out(to, &template, err);
	if (rc < 0)
		return rc;
	call = p11_C_CreateObject(member_session(to->channel), template.items, template.count, &made);
	rc = member_run(to->channel, &call, 1, err);
	return rc < 0 ? rc : copy_destroy(to, old, err);
}

static int carry_and_prove(struct replica_site *from, CK_OBJECT_HANDLE key, struct replica_site *to,
			   const struct record *record, CK_OBJECT_HANDLE *ret_made, struct err *err)
{
	owned(p11_attrs) struct p11_attrs template = {0};
	CK_OBJECT_HANDLE made;
	uint8_t challenge[16];
	struct proof proof;
	struct err ignored;
	int rc = key_replica_template(record, 0, &template, err);

	if (rc == 0)
		rc = leave_out(to, &template, err);
	if (rc == 0)
		rc = crypto_random(challenge, sizeof(challenge), err);
	if (rc == 0)
		rc = domain_carry(from, key, to, template.items, template.count, &made, err);
	if (rc < 0)
		return rc;
	rc = prove_key(to, made, record, challenge, &proof, err);
	if (rc < 0 && to->channel)
		copy_destroy(to, made, &ignored);
	if (rc == 0 && ret_made)
		*ret_made = made;
	return rc;
}

int copy_key(struct replica_site *from, CK_OBJECT_HANDLE key, struct replica_site *to,
	     const struct record *record, const struct census_copy *old, CK_OBJECT_HANDLE *ret_made, struct err *err)
{
	int rc = carry_and_prove(from, key, to, record, ret_made, err);

	if (rc == 0 && record->n_objects > 1)
		rc = copy_public(to, record, CK_INVALID_HANDLE, err);
	return rc == 0 && old ? copy_destroy_objects(to, old, err) : rc;
}

int copy_record(struct replica_site *to, const struct record *record, const struct census_copy *old,
		const struct graves *graves, struct err *err)
{
	const struct record *before = old ? old->record : NULL;
	struct record_base base = {.graves = graves};

	if (before && record_newer(before, record))
		return err_set(err, ERR_CHANGED, "'%s' has a newer version of the key", to->of->name);
	if (before && record_same_version(before, record) && !old->n_stale)
		return 0;
	if (before)
		base.old[base.n_old++] = old->record_handle;
	for (size_t i = 0; old && i < old->n_stale; i++)
		base.old[base.n_old++] = old->stale[i];
	return record_put(to->channel, record, &base, NULL, err);
}

int copy_destroy_all(struct replica_site *site, const struct census_copy *copy, struct err *err)
{
	int rc = copy_destroy_objects(site, copy, err);

	if (rc == 0)
		rc = copy_destroy(site, copy->record_handle, err);
	for (size_t i = 0; i < copy->n_stale && rc == 0; i++)
		rc = copy_destroy(site, copy->stale[i], err);
	return rc;
}
