/* SPDX-License-Identifier: Apache-2.0 */
/* Objects for a session alone: made on a member, or of what is known, and kept so that any other member can have them. */
#include "ha/making.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "member/member.h"
#include "p11/rv.h"
#include "replica/domain.h"

void pieces_release(struct pieces *pieces)
{
	for (size_t i = 0; i < RECORD_OBJECTS_MAX; i++) {
		record_release(&pieces->list[i].record);
		ha_local_free(pieces->list[i].local);
	}
	member_release(pieces->channel);
	*pieces = (struct pieces){0};
}

/* Without a uid: nobody looks for it by one. */
static int begin_piece(struct making *m, struct piece *ret, struct err *err)
{
	*ret = (struct piece){.record.n_objects = 1, .local = mem_new(struct ha_local)};
	if (!ret->local)
		return err_no_memory(err);
	ret->local->owner = m->session;
	return 0;
}

/* A code that libraries use for everything must come twice, and the domain key may have been made anew. */
static int wrap(struct ha_group *group, struct replica_site *site, CK_OBJECT_HANDLE key, uint8_t *blob, CK_ULONG *len,
		struct err *err)
{
	const CK_ULONG room = *len;
	int rc = domain_wrap(site, key, blob, len, err);
	bool passing = rc == -ERR_TOKEN && p11_rv_class(err->rv) == P11_AMBIGUOUS;

	if (!passing && !ha_lacks_object(rc, err))
		return rc;
	*len = room;
	rc = ha_site_again(group, site, err);
	return rc < 0 ? rc : domain_wrap(site, key, blob, len, err);
}

/* Under the domain key, to be made again. A key that cannot leave, or a member without the domain key: it is where it is,
 * and goes with that. */
static int keep_blob(struct ha_group *group, struct replica_site *site, struct piece *piece, struct err *err)
{
	uint8_t blob[DOMAIN_BLOB_MAX];
	CK_ULONG len = sizeof(blob);
	int rc = wrap(group, site, piece->there, blob, &len, err);

	if (rc == -ERR_TOKEN || rc == -ERR_UNSUPPORTED)
		return 0;
	if (rc < 0)
		return rc;
	/* Of the one that was lost with the member before. */
	free(piece->local->blob);
	piece->local->blob = mem_dup(blob, len);
	piece->local->blob_len = len;
	return piece->local->blob ? 0 : err_no_memory(err);
}

/* What the member made becomes what applications see. */
static int take_piece(struct making *m, struct replica_site *site, size_t index, struct piece *piece, struct err *err)
{
	struct p11_attrs *attrs = &piece->record.objects[0];
	int rc = key_describe(site->channel, piece->there, &m->request, index, piece->record.uid, attrs, err);

	/* The mark of ours is for members alone. */
	if (rc == 0 && !p11_attrs_find(&m->request.templates[index], CKA_ID))
		p11_attrs_remove(attrs, CKA_ID);
	return rc < 0 || record_is_all(&piece->record) ? rc : keep_blob(m->session->group, site, piece, err);
}

static int take_pieces(struct making *m, const CK_OBJECT_HANDLE there[RECORD_OBJECTS_MAX], struct pieces *ret,
		       struct err *err)
{
	struct replica_site site;
	int rc = ha_site(m->session->group, ret->channel, &site, err);

	for (size_t i = 0; i < m->request.n_templates && rc == 0; i++) {
		ret->list[i].there = there[i];
		rc = take_piece(m, &site, i, &ret->list[i], err);
	}
	return rc;
}

/* Nothing of it is known to anybody yet. */
static void destroy_there(struct member_channel *channel, const CK_OBJECT_HANDLE there[RECORD_OBJECTS_MAX])
{
	for (size_t i = 0; i < RECORD_OBJECTS_MAX; i++) {
		struct p11_call call = p11_C_DestroyObject(member_session(channel), there[i]);

		if (there[i] && !member_broken(channel))
			member_call(channel, &call, 1, NULL, NULL);
	}
}

void pieces_destroy(const struct pieces *pieces)
{
	const CK_OBJECT_HANDLE there[] = {pieces->list[0].there, pieces->list[1].there};

	if (pieces->channel)
		destroy_there(pieces->channel, there);
}

/* On any member; one that goes away before all is known of what it made leaves it to another one. */
static CK_RV make_on_any(struct making *m, const struct p11_attrs *templates, struct pieces *ret)
{
	struct ha_group *group = m->session->group;
	CK_RV rv = CKR_DEVICE_REMOVED;

	for (size_t tries = 0; tries < group->set->n_members; tries++) {
		CK_OBJECT_HANDLE there[RECORD_OBJECTS_MAX] = {0};
		struct p11_call call = making_call(m, templates, there);
		struct err err = {0};

		rv = ha_send(group, &call, 1, &ret->channel);
		if (rv != CKR_OK)
			return rv;
		if (take_pieces(m, there, ret, &err) == 0)
			return CKR_OK;
		rv = p11_rv_from_err(&err);
		if (!member_broken(ret->channel)) {
			destroy_there(ret->channel, there);
			return rv;
		}
		ha_member_down(group, ha_member_of(group, ret->channel), &err);
		member_release(ret->channel);
		ret->channel = NULL;
	}
	return rv;
}

static CK_RV make_there(struct making *m, struct pieces *ret)
{
	struct p11_attrs templates[RECORD_OBJECTS_MAX] = {0};
	struct err err = {0};
	CK_RV rv;
	int rc = 0;

	m->request.passing = true;
	for (size_t i = 0; i < m->request.n_templates && rc == 0; i++) {
		rc = key_member_template(&m->request, i, ret->list[i].record.uid, &templates[i], &err);
		if (rc == 0)
			rc = p11_attrs_set_bool(&templates[i], CKA_TOKEN, false, &err);
		/* Nothing else is made without a login; of a public half members want to be told. */
		if (rc == 0 && !ha_logged_in(m->session->group))
			rc = p11_attrs_set_bool(&templates[i], CKA_PRIVATE, false, &err);
	}
	rv = rc < 0 ? p11_rv_from_err(&err) : make_on_any(m, templates, ret);
	for (size_t i = 0; i < RECORD_OBJECTS_MAX; i++)
		p11_attrs_release(&templates[i]);
	return rv;
}

/* A copy of a key: another record of the same blob, from a member that has the original. */
static int copy_blob(struct making *m, struct piece *ret, struct err *err)
{
	struct ha_group *group = m->session->group;
	CK_OBJECT_HANDLE original = m->call->args[1].number;
	CK_OBJECT_CLASS class;
	CK_ATTRIBUTE any = {CKA_CLASS, &class, sizeof(class)};
	struct p11_call ask = p11_C_GetAttributeValue(0, original, &any, 1);
	struct replica_site site;
	struct member_channel *channel = NULL;
	CK_RV rv;
	int rc = 0;

	rc = p11_attrs_merge(&ret->record.objects[0], m->request.templates[0].items, m->request.templates[0].count, err);
	if (rc < 0)
		return rc;
	rv = ha_send(group, &ask, 1, &channel);
	if (rv != CKR_OK)
		return p11_rv_err(err, rv, "C_CopyObject");
	rc = ha_site(group, channel, &site, err);
	if (rc == 0) {
		rv = ha_resolve(group, original, site.of->index, channel, &ret->there, err);
		rc = rv == CKR_OK ? 0 : err->code ? -(int)err->code : p11_rv_err(err, rv, "C_CopyObject");
	}
	if (rc == 0)
		rc = keep_blob(group, &site, ret, err);
	if (rc == 0 && !ret->local->blob)
		rc = p11_rv_err(err, CKR_KEY_UNEXTRACTABLE, "C_CopyObject");
	ret->there = CK_INVALID_HANDLE;
	member_release(channel);
	return rc;
}

static CK_RV publish_one(struct making *m, struct pieces *pieces, size_t index)
{
	struct ha_group *group = m->session->group;
	struct piece *piece = &pieces->list[index];
	CK_RV rv = ha_index_put_local(group, &piece->record, piece->local, m->out[index]);

	piece->local = NULL;
	m->session->has_objects = true;
	if (rv == CKR_OK && piece->there)
		ha_object_is_at(group, *m->out[index], pieces->channel, piece->there);
	return rv;
}

CK_RV pieces_know(struct making *m, const struct p11_attrs *attrs, size_t index)
{
	owned(pieces) struct pieces pieces = {0};
	struct piece *piece = &pieces.list[index];
	struct err err = {0};
	int rc = begin_piece(m, piece, &err);

	if (rc == 0)
		rc = p11_attrs_merge(&piece->record.objects[0], attrs->items, attrs->count, &err);
	if (rc == 0)
		rc = p11_attrs_set_bool(&piece->record.objects[0], CKA_TOKEN, false, &err);
	if (rc < 0)
		return p11_rv_from_err(&err);
	p11_attrs_remove(&piece->record.objects[0], RECORD_GONE);
	return publish_one(m, &pieces, index);
}

/* Of the first n the index has what there is. */
static void withdraw(struct making *m, struct pieces *pieces, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		ha_local_destroy(m->session->group, *m->out[i]);
		pieces->list[i].there = CK_INVALID_HANDLE;
	}
	pieces_destroy(pieces);
}

CK_RV pieces_publish(struct making *m, struct pieces *pieces)
{
	for (size_t i = 0; i < m->request.n_templates; i++) {
		CK_RV rv = publish_one(m, pieces, i);

		if (rv == CKR_OK)
			continue;
		withdraw(m, pieces, i);
		return rv;
	}
	return CKR_OK;
}

CK_RV pieces_make(struct making *m, struct pieces *ret)
{
	struct err err = {0};
	int rc = 0;

	for (size_t i = 0; i < m->request.n_templates && rc == 0; i++)
		rc = begin_piece(m, &ret->list[i], &err);
	if (rc == 0 && making_is_known(m))
		rc = key_describe_open(&m->request.templates[0], &ret->list[0].record.objects[0], &err);
	else if (rc == 0 && m->request.copy)
		rc = copy_blob(m, &ret->list[0], &err);
	else if (rc == 0)
		return make_there(m, ret);
	return rc < 0 ? p11_rv_from_err(&err) : CKR_OK;
}
