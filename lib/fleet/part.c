/* SPDX-License-Identifier: Apache-2.0 */
/* Finds parts of a fleet by name. */
#include "fleet/part.h"

#include "base/mem.h"
#include "base/own.h"
#include "base/str.h"

static const char *name_at(struct fleet_parts parts, size_t i)
{
	return *(char *const *)(void *)((char *)parts.items + i * parts.size);
}

void *fleet_part(struct fleet_parts parts, const char *name)
{
	for (size_t i = 0; name && i < parts.count; i++)
		if (str_eq(name_at(parts, i), name))
			return (char *)parts.items + i * parts.size;
	return NULL;
}

const char *fleet_part_nearest(struct fleet_parts parts, const char *name)
{
	owned(mem) const char **names = mem_zalloc((parts.count + 1) * sizeof(*names));
	size_t n = 0;

	if (!names)
		return NULL;
	for (size_t i = 0; i < parts.count; i++)
		if (name_at(parts, i))
			names[n++] = name_at(parts, i);
	return str_nearest(name, names);
}
