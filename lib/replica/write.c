/* SPDX-License-Identifier: Apache-2.0 */
/* Changing and deleting keys on as many members as the policy wants. */
#include "replica/write.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "member/member.h"
#include "replica/copy.h"
#include "replica/graves.h"
#include "replica/outcome.h"

enum { TRIES = 20 };

/* ---- deleting ---- */

static int destroy_found(struct replica_site *site, const CK_ATTRIBUTE *id, struct err *err)
{
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	CK_ULONG count = 0;
	int rc = member_find(site->channel, id, 1, &list, &count, err);

	for (CK_ULONG i = 0; i < count && rc == 0; i++)
		rc = copy_destroy(site, list[i], err);
	return rc;
}

/* The records of a key on one site. */
struct remains {
	CK_OBJECT_HANDLE records[RECORD_OLD_MAX];
	size_t count;
};

static int collect(void *data, CK_OBJECT_HANDLE handle, struct record *record, struct err *err)
{
	struct remains *remains = data;

	if (record->state == RECORD_UNKNOWN)
		return err_set(err, ERR_UNSUPPORTED, "it has a record of the key of a later version");
	if (handle && remains->count < RECORD_OLD_MAX)
		remains->records[remains->count++] = handle;
	return 0;
}

/* Written down first: from then on nobody can write over it, and whoever comes across the rest takes it away. */
static int bury(struct replica_site *site, const uint8_t uid[static UID_LEN], struct err *err)
{
	const CK_ATTRIBUTE id = {CKA_ID, (void *)uid, UID_LEN};
	struct remains remains = {0};
	int rc = graves_dig(site->channel, uid, 1, NULL, err);

	if (rc == 0)
		rc = record_read_all(site->channel, uid, collect, &remains, err);
	if (rc == 0)
		rc = destroy_found(site, &id, err);
	for (size_t i = 0; i < remains.count && rc == 0; i++)
		rc = copy_destroy(site, remains.records[i], err);
	return rc;
}

int replica_destroy(struct replica_sites *sites, const struct record *record, uint32_t *ret_mask, struct err *err)
{
	uint32_t mask = 0;
	int rc = outcome_begin(sites, err);

	for (size_t i = 0; i < sites->count && rc == 0; i++) {
		struct replica_site *site = &sites->sites[i];
		struct err why = {0};

		if (!site->channel)
			continue;
		if (bury(site, record->uid, &why) == 0) {
			mask |= 1u << i;
			log_info("replica", "'%s' took the write", site->of->name);
		} else {
			outcome_failed(site, &why);
		}
	}
	if (rc == 0)
		rc = outcome_settle(sites, &mask, 0, "the key was deleted", err);
	if (ret_mask)
		*ret_mask = mask;
	return rc;
}

/* ---- changing ---- */

/* What one site has of a key's record, for a change to rest on. */
struct glance {
	struct graves graves;
	struct record newest;		/* none: no n_old, and not gone */
	CK_OBJECT_HANDLE old[RECORD_OLD_MAX];
	size_t n_old;
	bool whole, gone, unknown;	/* unknown: of a later version */
};

struct glances {
	struct glance at[SET_MAX];
};

static void glances_release(struct glances *glances)
{
	for (size_t i = 0; i < SET_MAX; i++)
		record_release(&glances->at[i].newest);
	free(glances);
}

static void own_glances(struct glances **glances)
{
	if (*glances)
		glances_release(*glances);
}

static int take_in(void *data, CK_OBJECT_HANDLE handle, struct record *record, struct err *err)
{
	struct glance *glance = data;

	(void)err;
	if (record->state == RECORD_DELETED)
		glance->gone = true;
	if (record->state == RECORD_UNKNOWN)
		glance->unknown = true;
	for (size_t i = 0; i < glance->n_old; i++)
		if (glance->old[i] == handle)
			return 0;
	if (handle && glance->n_old < RECORD_OLD_MAX)
		glance->old[glance->n_old++] = handle;
	if (record->state != RECORD_LIVE || (glance->whole && !record_newer(record, &glance->newest)))
		return 0;
	record_release(&glance->newest);
	glance->newest = *record;
	glance->whole = true;
	*record = (struct record){0};
	return 0;
}

static int look(struct replica_site *site, const uint8_t uid[static UID_LEN], struct glance *ret, struct err *err)
{
	/* Whoever deletes it may have written that down, and not come to the record yet. */
	int rc = graves_look_for(site->channel, uid, &ret->graves, &ret->gone, err);

	return rc < 0 ? rc : record_read_all(site->channel, uid, take_in, ret, err);
}

/* The version that all members together know to be the newest, and what each of them has. ERR_NOT_FOUND when the key is
 * gone; ERR_UNREACHABLE when nobody has it of those who answered, and somebody did not. */
static int newest(struct replica_sites *sites, const uint8_t uid[static UID_LEN], struct glances *glances, struct record *ret,
		  struct err *err)
{
	const struct record *found = NULL;
	bool gone = false, silent = false;

	for (size_t i = 0; i < sites->count; i++) {
		struct glance *glance = &glances->at[i];

		if (!sites->sites[i].channel)
			continue;
		if (look(&sites->sites[i], uid, glance, err) < 0) {
			if (err->code == ERR_NO_MEMORY)
				return -ERR_NO_MEMORY;
			replica_site_lost(&sites->sites[i], err);
			silent = true;
			continue;
		}
		if (glance->unknown)
			return err_set(err, ERR_UNSUPPORTED, "'%s' has a record of the key of a later version",
				       sites->sites[i].of->name);
		gone = gone || glance->gone;
		if (glance->whole && (!found || record_newer(&glance->newest, found)))
			found = &glance->newest;
	}
	if (!gone && !found && silent)
		return err_set(err, ERR_UNREACHABLE, "nobody who answers has the key");
	if (gone || !found)
		return err_set(err, ERR_NOT_FOUND, "the key was deleted");
	return record_copy(found, ret, err);
}

/* On each site that has the key; *ret_mask: those that took it, *ret_lacking: those that do not. *ret_written becomes true
 * when any may have. ERR_CHANGED when somebody else wrote meanwhile. */
static int write_on_all(struct replica_sites *sites, const struct record *record, const struct glances *glances,
			uint32_t *ret_mask, uint32_t *ret_lacking, bool *ret_written, struct err *err)
{
	*ret_mask = *ret_lacking = 0;
	for (size_t i = 0; i < sites->count; i++) {
		const struct glance *glance = &glances->at[i];
		struct record_base base = {.n_old = glance->n_old, .graves = &glance->graves};
		struct err why = {0};

		if (sites->sites[i].channel && !glance->whole)
			*ret_lacking |= 1u << i;
		if (!sites->sites[i].channel || !glance->whole)
			continue;
		memcpy(base.old, glance->old, sizeof(base.old));
		if (record_put(sites->sites[i].channel, record, &base, NULL, &why) == 0) {
			*ret_written = true;
			*ret_mask |= 1u << i;
			log_info("replica", "'%s' took the write", sites->sites[i].of->name);
			continue;
		}
		if (why.code == ERR_CHANGED)
			return -(int)(*err = why).code;
		/* No answer is no word about the deed. */
		*ret_written = true;
		outcome_failed(&sites->sites[i], &why);
	}
	return 0;
}

/* The change, not the record that it was asked of: others may have written since that was read. */
static int change(struct replica_sites *sites, const uint8_t uid[static UID_LEN], size_t object, const CK_ATTRIBUTE *items,
		  CK_ULONG count, struct record *ret, bool *ret_written, struct err *err)
{
	__attribute__((cleanup(own_glances))) struct glances *glances = mem_new(struct glances);
	uint32_t mask = 0, lacking = 0;
	int rc = glances ? newest(sites, uid, glances, ret, err) : err_no_memory(err);

	if (rc == 0 && object >= ret->n_objects)
		rc = err_set(err, ERR_NOT_FOUND, "the key has no such half");
	if (rc == 0)
		rc = p11_attrs_merge(&ret->objects[object], items, count, err);
	if (rc == 0)
		rc = record_advance(ret, RECORD_LIVE, err);
	if (rc == 0)
		rc = write_on_all(sites, ret, glances, &mask, &lacking, ret_written, err);
	/* Who has no copy, and need not have one, misses nothing. */
	return rc < 0 ? rc
		      : outcome_settle(sites, &mask, replica_set_policy(sites->set).allow_unreplicated ? lacking : 0, "the key was changed",
				       err);
}

int replica_set_attributes(struct replica_sites *sites, struct record *record, size_t object,
			   const CK_ATTRIBUTE *items, CK_ULONG count, struct err *err)
{
	int rc = outcome_begin(sites, err);
	bool written = false;

	if (rc == 0)
		rc = -ERR_CHANGED;
	for (int i = 0; i < TRIES && rc == -ERR_CHANGED; i++) {
		owned(record) struct record next = {0};

		rc = change(sites, record->uid, object, items, count, &next, &written, err);
		if (rc < 0)
			continue;
		record_release(record);
		*record = next;
		next = (struct record){0};
	}
	/* Some of it may stand on a member, but for that of a key that is gone. */
	if (rc == -ERR_CHANGED || (rc < 0 && written && rc != -ERR_NOT_FOUND && rc != -ERR_NOT_KNOWN)) {
		err_set(err, ERR_NOT_KNOWN, "it is not known whether the key was changed: others changed it at the same time");
		return err_hint(err, "hsmctl sync %s", sites->set->name);
	}
	return rc;
}
