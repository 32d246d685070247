/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what members hold. */
#include "replica/census.h"

#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/mem.h"
#include "member/member.h"
#include "replica/domain.h"
#include "replica/key.h"

void census_copy_release(struct census_copy *copy)
{
	if (copy->record)
		record_release(copy->record);
	free(copy->record);
	for (size_t i = 0; i < RECORD_OBJECTS_MAX; i++)
		p11_attrs_release(&copy->attrs[i]);
	*copy = (struct census_copy){0};
}

void census_release(struct census *census)
{
	for (size_t i = 0; i < census->n_keys; i++) {
		for (size_t s = 0; s < census->n_sites; s++)
			census_copy_release(&census->keys[i].copies[s]);
		free(census->keys[i].copies);
	}
	for (size_t i = 0; i < census->n_strays; i++)
		p11_attrs_release(&census->strays[i].attrs);
	for (size_t i = 0; i < census->n_own; i++)
		p11_attrs_release(&census->own[i].attrs);
	free(census->keys);
	free(census->strays);
	free(census->own);
	*census = (struct census){0};
}

/* Where uid stands, or would stand, in the sorted list. */
static size_t position(const struct census *census, const uint8_t *uid, bool *ret_there)
{
	size_t low = 0, high = census->n_keys;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(census->keys[middle].uid, uid, UID_LEN);

		if (order == 0) {
			*ret_there = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_there = false;
	return low;
}

struct census_key *census_find(const struct census *census, const uint8_t uid[static UID_LEN])
{
	bool there;
	size_t at = position(census, uid, &there);

	return there ? &census->keys[at] : NULL;
}

static struct census_key *key_of(struct census *census, const uint8_t *uid)
{
	bool there;
	size_t at = position(census, uid, &there);
	struct census_copy *copies;

	if (there)
		return &census->keys[at];
	if (census->n_keys == census->cap_keys) {
		size_t cap = census->cap_keys ? census->cap_keys * 2 : 64;
		struct census_key *grown = mem_grow(census->keys, census->cap_keys, cap, sizeof(*grown));

		if (!grown)
			return NULL;
		census->keys = grown;
		census->cap_keys = cap;
	}
	copies = mem_zalloc(census->n_sites * sizeof(*copies));
	if (!copies)
		return NULL;
	memmove(&census->keys[at + 1], &census->keys[at], (census->n_keys - at) * sizeof(*census->keys));
	census->keys[at] = (struct census_key){.copies = copies};
	memcpy(census->keys[at].uid, uid, UID_LEN);
	census->n_keys++;
	return &census->keys[at];
}

/* A deletion has no record of its own. */
static bool add_stale(struct census_copy *copy, CK_OBJECT_HANDLE handle)
{
	bool room = handle && copy->n_stale < sizeof(copy->stale) / sizeof(copy->stale[0]);

	for (size_t i = 0; i < copy->n_stale; i++)
		if (copy->stale[i] == handle)
			return false;
	if (room)
		copy->stale[copy->n_stale++] = handle;
	return room;
}

struct reading {
	struct census *census;
	size_t site;
};

static int add_record(void *data, CK_OBJECT_HANDLE handle, struct record *record, struct err *err)
{
	const struct reading *reading = data;
	struct census_key *key = key_of(reading->census, record->uid);
	struct census_copy *copy = key ? &key->copies[reading->site] : NULL;
	struct record *kept;

	if (!copy)
		return err_no_memory(err);
	if (copy->record && copy->record_handle && copy->record_handle == handle)
		return 0;
	if (record->state == RECORD_UNKNOWN) {
		copy->not_understood = true;
		reading->census->not_understood |= 1u << reading->site;
		return 0;
	}
	if (record->state == RECORD_TORN) {
		copy->n_torn += add_stale(copy, handle);
		return 0;
	}
	if (copy->record && !record_newer(record, copy->record)) {
		add_stale(copy, handle);
		return 0;
	}
	kept = mem_new(struct record);
	if (!kept)
		return err_no_memory(err);
	*kept = *record;
	*record = (struct record){0};
	if (copy->record) {
		add_stale(copy, copy->record_handle);
		record_release(copy->record);
		free(copy->record);
	}
	copy->record = kept;
	copy->record_handle = handle;
	return 0;
}

/* Takes attrs over. */
static int add(struct census_stray **list, size_t *count, size_t *cap, const struct census_stray *object,
	       struct err *err)
{
	if (*count == *cap) {
		size_t more = *cap ? *cap * 2 : 16;
		struct census_stray *grown = mem_grow(*list, *cap, more, sizeof(*grown));

		if (!grown)
			return err_no_memory(err);
		*list = grown;
		*cap = more;
	}
	(*list)[(*count)++] = *object;
	return 0;
}

/* What is not ours is a stray until a record claims it. */
static int add_object(struct census *census, const struct census_stray *object, struct err *err)
{
	return domain_owns(&object->attrs) ? add(&census->own, &census->n_own, &census->cap_own, object, err)
					   : add(&census->strays, &census->n_strays, &census->cap_strays, object, err);
}

/* Does any member know whose its objects are? A torn record says no more than that somebody did. */
static bool is_known(const struct census *census, const struct census_key *key)
{
	for (size_t s = 0; s < census->n_sites; s++)
		if (key->copies[s].record || key->copies[s].not_understood)
			return true;
	return false;
}

/* An object of a uid that a record knows joins its key. */
static bool claim(struct census *census, struct census_stray *stray)
{
	const CK_ATTRIBUTE *id = p11_attrs_find(&stray->attrs, CKA_ID);
	struct census_key *key = id && id->ulValueLen == UID_LEN ? census_find(census, id->pValue) : NULL;
	struct census_copy *copy = key ? &key->copies[stray->site] : NULL;

	if (!copy || !is_known(census, key))
		return false;
	if (!copy->objects[stray->object]) {
		copy->objects[stray->object] = stray->handle;
		copy->attrs[stray->object] = stray->attrs;
		stray->attrs = (struct p11_attrs){0};
	} else if (copy->objects[stray->object] != stray->handle &&
		   copy->surplus < sizeof(copy->surplus_handles) / sizeof(copy->surplus_handles[0])) {
		copy->surplus_handles[copy->surplus++] = stray->handle;
	}
	p11_attrs_release(&stray->attrs);
	return true;
}

static void claim_all(struct census *census)
{
	size_t left = 0;

	for (size_t i = 0; i < census->n_strays; i++)
		if (!claim(census, &census->strays[i]))
			census->strays[left++] = census->strays[i];
	census->n_strays = left;
}

/* Key objects of one site, by class and type: what is worth reading of them depends on these. */
struct looking {
	struct census *census;
	size_t site;
	struct key_object {
		CK_OBJECT_HANDLE handle;
		CK_ULONG class, type;
	} *objects;
	size_t count;
	CK_OBJECT_CLASS class;		/* of those that are read now */
};

static bool is_key(CK_ULONG class)
{
	return class == CKO_PRIVATE_KEY || class == CKO_SECRET_KEY || class == CKO_PUBLIC_KEY;
}

static int take_class(void *data, CK_OBJECT_HANDLE handle, struct p11_attrs *attrs, struct err *err)
{
	struct looking *looking = data;
	CK_ULONG class = CK_UNAVAILABLE_INFORMATION;

	(void)err;
	if (attrs)
		class = p11_attrs_ulong(attrs, CKA_CLASS, class);
	if (is_key(class))
		looking->objects[looking->count++] = (struct key_object){handle, class, CK_UNAVAILABLE_INFORMATION};
	return 0;
}

static int take_type(void *data, CK_OBJECT_HANDLE handle, struct p11_attrs *attrs, struct err *err)
{
	struct looking *looking = data;
	struct key_object *object = &looking->objects[looking->count++];

	(void)err;
	(void)handle;
	if (attrs)
		object->type = p11_attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
	return 0;
}

static int take_object(void *data, CK_OBJECT_HANDLE handle, struct p11_attrs *attrs, struct err *err)
{
	const struct looking *looking = data;
	int rc;

	if (!attrs)
		return 0;
	rc = add_object(looking->census,
			&(struct census_stray){looking->site, handle, looking->class == CKO_PUBLIC_KEY, *attrs}, err);
	if (rc == 0)
		*attrs = (struct p11_attrs){0};
	return rc;
}

/* Those of the first one's kind are read, the others move up. */
static int read_kind(struct replica_site *site, struct looking *looking, CK_OBJECT_HANDLE *list, struct err *err)
{
	const struct key_object first = looking->objects[0];
	CK_ATTRIBUTE_TYPE types[64];
	CK_ULONG n = key_attribute_types(first.class, first.type, types);
	size_t same = 0, left = 0;

	for (size_t i = 0; i < looking->count; i++) {
		const struct key_object *object = &looking->objects[i];

		if (object->class == first.class && object->type == first.type)
			list[same++] = object->handle;
		else
			looking->objects[left++] = *object;
	}
	looking->count = left;
	looking->class = first.class;
	return member_get_each(site->channel, list, same, types, n, take_object, looking, err);
}

/* A token's search costs as much as reading hundreds of objects, whatever is searched for. So there is one for all, and
 * each is asked what it is. */
static int read_objects(struct replica_site *site, size_t index, const uint8_t *only, struct census *census,
			struct err *err)
{
	static const CK_ATTRIBUTE_TYPE class_of[] = {CKA_CLASS}, type_of[] = {CKA_KEY_TYPE};
	CK_BBOOL yes = CK_TRUE;
	const CK_ATTRIBUTE template[] = {{CKA_TOKEN, &yes, sizeof(yes)}, {CKA_ID, (void *)only, UID_LEN}};
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	owned(mem) struct key_object *objects = NULL;
	struct looking looking = {.census = census, .site = index};
	CK_ULONG count = 0;
	int rc = member_find(site->channel, template, only ? 2 : 1, &list, &count, err);

	if (rc < 0 || !count)
		return rc;
	looking.objects = objects = mem_zalloc(count * sizeof(*objects));
	if (!objects)
		return err_no_memory(err);
	rc = member_get_each(site->channel, list, count, class_of, 1, take_class, &looking, err);
	count = looking.count;
	for (CK_ULONG i = 0; i < count; i++)
		list[i] = objects[i].handle;
	looking.count = 0;
	if (rc == 0)
		rc = member_get_each(site->channel, list, count, type_of, 1, take_type, &looking, err);
	while (rc == 0 && looking.count)
		rc = read_kind(site, &looking, list, err);
	return rc;
}

static void choose_truth(struct census *census)
{
	for (size_t k = 0; k < census->n_keys; k++)
		for (size_t s = 0; s < census->n_sites; s++) {
			const struct record *record = census->keys[k].copies[s].record;

			if (record && (!census->keys[k].truth || record_newer(record, census->keys[k].truth)))
				census->keys[k].truth = record;
		}
}

static int read_memos(struct replica_sites *sites, size_t s, const uint8_t *only, struct census *ret, struct err *err)
{
	struct reading reading = {ret, s};
	struct replica_site *site = &sites->sites[s];
	int rc = only ? graves_look(site->channel, &ret->graves[s], err) : 0;

	if (rc < 0)
		return rc;
	return only ? record_read_all(site->channel, only, add_record, &reading, err)
		    : views_read_along(sites, s, &ret->views, &ret->graves[s], add_record, &reading, err);
}

enum pass { OBJECTS, MEMOS, PASSES };

/* A pass over all sites. */
static int take_pass(struct replica_sites *sites, enum pass pass, const uint8_t *only, struct census *ret,
		     struct err *err)
{
	int rc = 0;

	for (size_t s = 0; s < sites->count && rc == 0; s++) {
		struct replica_site *site = &sites->sites[s];

		if (!site->channel)
			continue;
		rc = pass == OBJECTS ? read_objects(site, s, only, ret, err) : read_memos(sites, s, only, ret, err);
		if (rc == 0 || rc == -ERR_NO_MEMORY)
			continue;
		replica_site_lost(site, err);
		rc = cancel_check(err);
	}
	return rc;
}

/* A key that was made between the look at the objects and the look at the records has its objects by now. */
static int look_again(struct replica_sites *sites, struct census *census, struct err *err)
{
	int rc = 0;

	for (size_t k = 0; k < census->n_keys; k++)
		for (size_t s = 0; s < sites->count && rc == 0; s++) {
			const struct census_copy *copy = &census->keys[k].copies[s];
			struct replica_site *site = &sites->sites[s];

			if (!site->channel || !copy->record || copy->record->state != RECORD_LIVE || copy->objects[0] ||
			    record_is_all(copy->record))
				continue;
			rc = read_objects(site, s, census->keys[k].uid, census, err);
			if (rc == 0 || rc == -ERR_NO_MEMORY)
				continue;
			replica_site_lost(site, err);
			rc = cancel_check(err);
		}
	return rc;
}

/* Of a key that is to be written. */
static int refuse_unknown(const struct replica_sites *sites, const struct census *census, struct err *err)
{
	for (size_t s = 0; s < census->n_sites; s++)
		if (census->not_understood & 1u << s) {
			err_set(err, ERR_UNSUPPORTED, "a later version of hsmctl wrote the key's record on '%s'",
				sites->sites[s].of->name);
			return err_hint(err, "use that version");
		}
	return 0;
}

/* Records come last: whoever makes a key writes its record first, so that an object which was seen and has none is
 * nobody's, and not one that is just being made. */
int census_take(struct replica_sites *sites, const uint8_t *only, struct census *ret, struct err *err)
{
	int rc = 0;

	*ret = (struct census){.n_sites = sites->count};
	for (enum pass pass = OBJECTS; pass < PASSES && rc == 0; pass++)
		rc = take_pass(sites, pass, only, ret, err);
	if (rc == 0 && !only)
		views_learned(sites, &ret->views);
	claim_all(ret);
	if (rc == 0)
		rc = look_again(sites, ret, err);
	claim_all(ret);
	if (rc == 0 && only)
		rc = refuse_unknown(sites, ret, err);
	if (rc < 0) {
		census_release(ret);
		return rc;
	}
	choose_truth(ret);
	return 0;
}

bool census_is_here(const struct census_key *key, size_t site)
{
	const struct census_copy *copy = &key->copies[site];

	return copy->objects[0] || (key->truth && record_is_all(key->truth) && copy->record);
}

const struct record *census_face(const struct census *census, const struct census_key *key)
{
	if (key->truth && key->truth->n_objects)
		return key->truth;
	for (size_t s = 0; s < census->n_sites; s++)
		if (key->copies[s].record && key->copies[s].record->n_objects)
			return key->copies[s].record;
	return NULL;
}

/* Without memory it is believed: whoever asks has other troubles. */
static bool is_held_nested(const CK_ATTRIBUTE *there, const CK_ATTRIBUTE *want)
{
	const struct p11_attrs has = {(CK_ATTRIBUTE *)there, 1, 0};
	owned(p11_attrs) struct p11_attrs held = {0};
	CK_ATTRIBUTE wanted;

	if (key_nested_held(want, &held, NULL) < 0)
		return true;
	wanted = (CK_ATTRIBUTE){want->type, held.items, held.count * sizeof(*held.items)};
	return p11_attrs_match(&has, &wanted, 1);
}

/* Does a copy hold an attribute as it should? What the token has no value of it cannot hold; the record does (key.h). */
static bool is_held(const struct p11_attr_info *info, const struct p11_attrs *there, const struct p11_attrs *wanted)
{
	const CK_ATTRIBUTE *want = p11_attrs_find(wanted, info->type), *has = p11_attrs_find(there, info->type);

	switch (info->replica) {
	case P11_ALIKE:
	case P11_WHERE_KNOWN:
		if (!want || !has)
			return true;
		return p11_attr_is_nested(info->type) ? is_held_nested(has, want) : p11_attrs_match(there, want, 1);
	case P11_HELD_TRUE:
		return p11_attrs_bool(there, info->type, true);
	case P11_HELD_FALSE:
		return !p11_attrs_bool(there, info->type, false);
	default:
		return true;
	}
}

bool census_copy_matches(const struct census_copy *copy, const struct record *record, size_t object,
			 const char **ret_attribute)
{
	for (const struct p11_attr_info *info = p11_attr_table; info->name; info++) {
		*ret_attribute = info->name;
		if (!is_held(info, &copy->attrs[object], &record->objects[object]))
			return false;
	}
	return true;
}
