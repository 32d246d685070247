/* SPDX-License-Identifier: Apache-2.0 */
/* The fleet document as a whole: made, read, written, copied. */
#include "fleet/fleet.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "fleet/check.h"
#include "fleet/types.h"
#include "json/lines.h"

enum { FILE_MAX = 16 << 20 };

struct fleet *fleet_new(void)
{
	return mem_new(struct fleet);
}

void fleet_free(struct fleet *fleet)
{
	if (!fleet)
		return;
	json_release(&fleet_type, fleet);
	free(fleet);
}

int fleet_read(const char *text, size_t len, const char *source, unsigned flags,
	       struct fleet **ret, struct err *err)
{
	owned(json_lines) struct json_lines *lines = NULL;
	owned(fleet) struct fleet *fleet = fleet_new();
	int rc;

	if (!fleet)
		return err_no_memory(err);
	rc = json_read_lines(&fleet_type, text, len, source, flags, fleet, &lines, err);
	if (rc < 0)
		return rc;
	fleet->has_groups = json_lines_of(lines, &fleet->groups) > 0;
	rc = fleet_check(fleet, lines, err);
	if (rc < 0)
		return rc;
	*ret = own_take(fleet);
	return 0;
}

int fleet_read_file(const char *path, unsigned flags, struct fleet **ret, struct err *err)
{
	owned(buf) struct buf text = {.max = FILE_MAX};
	int rc = file_read(path, &text, err);

	return rc < 0 ? rc : fleet_read((const char *)text.data, text.len, path, flags, ret, err);
}

int fleet_write(const struct fleet *fleet, struct buf *ret, struct err *err)
{
	bool groups = fleet->has_groups || fleet->n_groups;

	return json_write(groups ? &fleet_type : &fleet_type_without_groups, fleet, true, ret, err);
}

int fleet_copy(const struct fleet *fleet, struct fleet **ret, struct err *err)
{
	owned(fleet) struct fleet *copy = fleet_new();
	int rc;

	if (!copy)
		return err_no_memory(err);
	rc = json_copy(&fleet_type, fleet, copy, err);
	if (rc < 0)
		return rc;
	copy->has_groups = fleet->has_groups;
	*ret = own_take(copy);
	return 0;
}

int fleet_set(char **field, const char *value, struct err *err)
{
	char *copy = value ? mem_strdup(value) : NULL;

	if (value && !copy)
		return err_no_memory(err);
	free(*field);
	*field = copy;
	return 0;
}
