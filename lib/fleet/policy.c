/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a policy by their names. */
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "fleet/types.h"

enum { FIELDS_MAX = 32 };

const char *const *fleet_policy_names(void)
{
	static const char *names[FIELDS_MAX];

	for (size_t i = 0; fleet_policy_type.fields[i].name; i++)
		names[i] = fleet_policy_type.fields[i].name;
	return names;
}

static int set_int(const struct json_field *field, int64_t *ret, const char *value, struct err *err)
{
	if (str_int(value, field->min, field->max, ret))
		return 0;
	return err_set(err, ERR_USAGE, "'%s' must be from %lld to %lld, not '%.80s'", field->name,
		       (long long)field->min, (long long)field->max, value);
}

static int set_name(const struct json_field *field, const char *const *names, unsigned *ret, const char *value,
		    struct err *err)
{
	owned(buf) struct buf words = {.max = 200};
	int index = str_index(names, value);

	for (size_t i = 0; names[i]; i++)
		buf_printf(&words, "%s%s", i ? ", " : "", names[i]);
	if (index < 0)
		return err_set(err, ERR_USAGE, "'%s' must be one of %s, not '%.80s'", field->name, buf_text(&words), value);
	*ret = (unsigned)index;
	return 0;
}

static int set_bool(const struct json_field *field, bool *ret, const char *value, struct err *err)
{
	static const char *const names[] = {"false", "true", NULL};
	unsigned index;
	int rc = set_name(field, names, &index, value, err);

	if (rc == 0)
		*ret = index;
	return rc;
}

int fleet_policy_set(struct fleet_policy *policy, const char *name, const char *value, struct err *err)
{
	const struct json_field *field = fleet_policy_type.fields;
	const char *nearest;
	void *at;

	while (field->name && !str_eq(field->name, name))
		field++;
	if (!field->name) {
		nearest = str_nearest(name, fleet_policy_names());
		err_set(err, ERR_USAGE, "a policy has no field '%.80s'", name);
		return nearest ? err_hint(err, "did you mean '%s'?", nearest) : -ERR_USAGE;
	}
	at = (char *)policy + field->offset;
	if (field->kind == JSON_BOOL)
		return set_bool(field, at, value, err);
	return field->kind == JSON_ENUM ? set_name(field, field->names, at, value, err) : set_int(field, at, value, err);
}
