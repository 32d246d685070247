/* SPDX-License-Identifier: Apache-2.0 */
/* Puts what was changed in one copy of the document into another that was changed meanwhile. */
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "fleet/part.h"

static int conflict(const char *noun, size_t len, const char *name, struct err *err)
{
	err_set(err, ERR_CHANGED, "%.*s '%s' was changed by another command meanwhile", (int)len, noun, name ? name : "");
	return err_hint(err, "run the command again");
}

static int rebase_name(const struct fleet *base, const struct fleet *ours, struct fleet *theirs, struct err *err)
{
	if (str_eq(base->name, ours->name) || str_eq(theirs->name, ours->name))
		return 0;
	if (!str_eq(base->name, theirs->name))
		return conflict("fleet", 5, theirs->name, err);
	return fleet_set(&theirs->name, ours->name, err);
}

static int rebase_azure(const struct fleet *base, const struct fleet *ours, struct fleet *theirs, struct err *err)
{
	const struct json_type *type = &fleet_azure_type;

	if (json_equal(type, &base->azure, &ours->azure) || json_equal(type, &theirs->azure, &ours->azure))
		return 0;
	if (!json_equal(type, &base->azure, &theirs->azure))
		return conflict("azure section of", 16, theirs->name, err);
	json_release(type, &theirs->azure);
	return json_copy(type, &ours->azure, &theirs->azure, err);
}

/* ---- lists of parts with names ---- */

/* Where the fleet keeps the pointer to the list. */
static void *items_of(const struct fleet *fleet, const struct json_field *f)
{
	return (void *)((uintptr_t)fleet + f->offset);
}

static size_t *count_of(const struct fleet *fleet, const struct json_field *f)
{
	return (size_t *)((uintptr_t)fleet + f->count_offset);
}

static struct fleet_parts parts_of(const struct fleet *fleet, const struct json_field *f)
{
	struct fleet_parts parts = {NULL, *count_of(fleet, f), f->type->size};

	memcpy(&parts.items, items_of(fleet, f), sizeof(parts.items));
	return parts;
}

static void *at(struct fleet_parts parts, size_t i)
{
	return (char *)parts.items + i * parts.size;
}

static const char *name_of(const void *part)
{
	return *(char *const *)part;
}

static bool same(const struct json_type *type, const void *a, const void *b)
{
	return a && b ? json_equal(type, a, b) : a == b;
}

static int put(const struct json_field *f, const void *part, void *there, struct fleet *theirs, struct err *err)
{
	if (there)
		json_release(f->type, there);
	else
		there = json_append(items_of(theirs, f), count_of(theirs, f), f->type->size);
	return there ? json_copy(f->type, part, there, err) : err_no_memory(err);
}

static void drop(const struct json_field *f, void *there, struct fleet *theirs)
{
	size_t i = (size_t)((char *)there - (char *)parts_of(theirs, f).items) / f->type->size;

	json_release(f->type, there);
	json_remove(items_of(theirs, f), count_of(theirs, f), f->type->size, i);
}

/* before, after: a part in base and in ours, NULL where there is none. */
static int rebase_part(const struct json_field *f, const void *before, const void *after, struct fleet *theirs,
		       struct err *err)
{
	const char *name = name_of(after ? after : before);
	void *there = fleet_part(parts_of(theirs, f), name);

	if (same(f->type, before, after) || same(f->type, there, after))
		return 0;
	if (!same(f->type, before, there))
		return conflict(f->name, strlen(f->name) - 1, name, err);
	if (after)
		return put(f, after, there, theirs, err);
	drop(f, there, theirs);
	return 0;
}

static int rebase_list(const struct json_field *f, const struct fleet *base, const struct fleet *ours,
		       struct fleet *theirs, struct err *err)
{
	struct fleet_parts before = parts_of(base, f), after = parts_of(ours, f);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < after.count; i++)
		rc = rebase_part(f, fleet_part(before, name_of(at(after, i))), at(after, i), theirs, err);
	for (size_t i = 0; rc == 0 && i < before.count; i++)
		if (!fleet_part(after, name_of(at(before, i))))
			rc = rebase_part(f, at(before, i), NULL, theirs, err);
	return rc;
}

int fleet_rebase(const struct fleet *base, const struct fleet *ours, struct fleet *theirs, struct err *err)
{
	int rc = rebase_name(base, ours, theirs, err);

	if (rc == 0)
		rc = rebase_azure(base, ours, theirs, err);
	for (const struct json_field *f = fleet_type.fields; rc == 0 && f->name; f++)
		if (f->kind == JSON_LIST)
			rc = rebase_list(f, base, ours, theirs, err);
	theirs->has_groups = theirs->has_groups || ours->has_groups;
	return rc;
}
