/* SPDX-License-Identifier: Apache-2.0 */
/* Making objects: for the group, on all its members, or for the session alone. */
#include "ha/making.h"

#include "base/err.h"
#include "member/member.h"
#include "p11/rv.h"
#include "replica/domain.h"
#include "replica/write.h"

/* The original as that member has it, carried to itself under another template: so a copy differs in what it may. */
static int copy_on(struct making *m, struct replica_site *site, const struct p11_attrs *templates, CK_OBJECT_HANDLE *ret,
		   struct err *err)
{
	CK_OBJECT_HANDLE there;
	CK_RV rv = ha_resolve(m->session->group, m->call->args[1].number, site->of->index, site->channel, &there, err);

	if (rv != CKR_OK)
		return err->code ? -(int)err->code : p11_rv_err(err, rv, "C_CopyObject");
	return domain_carry(site, there, site, templates[0].items, templates[0].count, ret, err);
}

static int make_once(struct making *m, struct replica_site *site, const struct p11_attrs templates[RECORD_OBJECTS_MAX],
		     CK_OBJECT_HANDLE ret[RECORD_OBJECTS_MAX], struct err *err)
{
	struct p11_call call = making_call(m, templates, ret);
	int rc;

	if (m->request.copy)
		return copy_on(m, site, templates, ret, err);
	rc = ha_send_on(m->session->group, site->channel, &call, err);
	return rc < 0 || call.rv == CKR_OK ? rc : p11_rv_err(err, call.rv, p11_fn_table[call.fn].name);
}

/* key_maker: a key of the group, on its first member. What it is made of may have another handle there by now; where it is not
 * at all, it is another member's turn. */
static int make_on(void *data, struct replica_site *site, const struct p11_attrs templates[RECORD_OBJECTS_MAX],
		   CK_OBJECT_HANDLE ret[RECORD_OBJECTS_MAX], struct err *err)
{
	struct making *m = data;
	int rc = make_once(m, site, templates, ret, err);

	if (!ha_lacks_object(rc, err))
		return rc;
	ha_forget_handles(m->session->group, m->call, 1, site->of->index);
	rc = make_once(m, site, templates, ret, err);
	return ha_lacks_object(rc, err) ? -(int)(err->code = ERR_DIFFERENT) : rc;
}

/* What is all in its record is first made for nobody, to see what it is. */
static int keep(struct making *m, struct replica_sites *sites, struct record *ret, struct err *err)
{
	owned(pieces) struct pieces pieces = {0};
	CK_RV rv = pieces_make(m, &pieces);
	uint32_t mask;

	if (rv != CKR_OK)
		return p11_rv_err(err, rv, p11_fn_table[m->call->fn].name);
	pieces_destroy(&pieces);
	return replica_keep(sites, &pieces.list[0].record.objects[0], ret, &mask, err);
}

static CK_RV make_for_group(struct making *m)
{
	struct ha_group *group = m->session->group;
	owned(record) struct record record = {0};
	CK_OBJECT_HANDLE handles[RECORD_OBJECTS_MAX] = {0};
	struct replica_sites sites = {0};
	struct err err = {0};
	uint32_t mask;
	CK_RV rv;
	int rc;

	if (m->request.way != P11_GENERATE) {
		m->request.make = make_on;
		m->request.data = m;
	}
	m->request.hides_public = making_splits(m);
	pthread_mutex_lock(&group->write_lock);
	rc = ha_sites_open(group, &sites, &err);
	if (rc == 0)
		rc = making_is_open(m) ? keep(m, &sites, &record, &err)
				: replica_generate(&sites, &m->request, &record, &mask, &err);
	ha_sites_close(group, &sites);
	rv = rc < 0 ? p11_rv_from_err(&err) : ha_index_put(group, &record, handles);
	pthread_mutex_unlock(&group->write_lock);
	for (size_t i = 0; i < m->request.n_templates && rv == CKR_OK; i++)
		*m->out[i] = handles[i];
	return rv == CKR_OK && m->request.hides_public ? pieces_know(m, &record.objects[1], 1) : rv;
}

static CK_RV make_for_session(struct making *m)
{
	owned(pieces) struct pieces pieces = {0};
	CK_RV rv = pieces_make(m, &pieces);

	return rv == CKR_OK ? pieces_publish(m, &pieces) : rv;
}

CK_RV ha_make(struct ha_session *session, struct p11_call *call)
{
	owned(making) struct making m = {.session = session, .call = call};
	bool token = false;
	CK_RV rv = making_read(&m, &token);

	if (rv != CKR_OK)
		return rv;
	return token ? make_for_group(&m) : make_for_session(&m);
}
