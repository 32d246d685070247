/* SPDX-License-Identifier: Apache-2.0 */
/* sample - a document with a field of every kind. */
#ifndef TESTS_JSON_SAMPLE_H
#define TESTS_JSON_SAMPLE_H

#include "json/type.h"

static const char *const sample_colors[] = {"red", "green", "blue", NULL};

struct sample_limits {
	int64_t low, high;
};

struct sample_item {
	char *name;
	int64_t size;
	struct sample_limits limits;
};

struct sample {
	char *title, *note;
	bool open;
	int64_t count, port, age;
	double ratio;
	unsigned color;
	struct sample_limits limits;
	struct sample_item *items;
	size_t n_items;
	char **tags;
	size_t n_tags;
};

static const struct json_field sample_limits_fields[] = {
	JSON_F_INT(struct sample_limits, low, JSON_OMIT, 0, 0, "lowest"),
	JSON_F_INT(struct sample_limits, high, JSON_OMIT, 0, INT64_MAX, "highest"),
	JSON_F_END,
};
static const struct json_type sample_limits_type = {
	.summary = "Limits", .size = sizeof(struct sample_limits), .fields = sample_limits_fields,
};

static const struct json_field sample_item_fields[] = {
	JSON_F_STRING(struct sample_item, name, JSON_REQUIRED | JSON_NAME | JSON_UNIQUE, "name"),
	JSON_F_INT(struct sample_item, size, 0, 0, 0, "size"),
	JSON_F_OBJECT(struct sample_item, limits, JSON_OMIT, sample_limits_type, "limits"),
	JSON_F_END,
};
static const struct json_type sample_item_type = {
	.summary = "An item", .size = sizeof(struct sample_item), .fields = sample_item_fields,
};

static const struct json_field sample_fields[] = {
	JSON_F_STRING(struct sample, title, JSON_REQUIRED, "title"),
	JSON_F_STRING(struct sample, note, JSON_NULLABLE, "note"),
	JSON_F_BOOL(struct sample, open, 0, "open"),
	JSON_F_INT(struct sample, count, 0, 0, 0, "any number"),
	JSON_F_INT(struct sample, port, JSON_OMIT, 1, 65535, "port"),
	JSON_F_INT(struct sample, age, JSON_NULLABLE, 0, 0, "age"),
	JSON_F_NUMBER(struct sample, ratio, 0, "ratio"),
	JSON_F_ENUM(struct sample, color, 0, sample_colors, "color"),
	JSON_F_OBJECT(struct sample, limits, JSON_OMIT, sample_limits_type, "limits"),
	JSON_F_LIST(struct sample, items, JSON_OMIT, sample_item_type, "items"),
	JSON_F_STRINGS(struct sample, tags, JSON_NAME, "tags"),
	JSON_F_END,
};
static const struct json_type sample_type = {
	.schema = "sample", .summary = "Every kind", .size = sizeof(struct sample),
	.fields = sample_fields,
};

static const char sample_text[] =
	"{\n"
	"  \"schema\": \"hsmctl/sample/v1\",\n"
	"  \"title\": \"tab\\t quote\\\" \xc3\xa9 \\u20ac \\ud83d\\ude00\",\n"
	"  \"note\": \"n\",\n"
	"  \"open\": true,\n"
	"  \"count\": -9223372036854775808,\n"
	"  \"port\": 65535,\n"
	"  \"age\": 7,\n"
	"  \"ratio\": 0.1,\n"
	"  \"color\": \"blue\",\n"
	"  \"limits\": {\"low\": -1, \"high\": 9223372036854775807},\n"
	"  \"items\": [\n"
	"    {\"name\": \"a\", \"size\": 1},\n"
	"    {\"name\": \"b\", \"limits\": {\"low\": 3}}\n"
	"  ],\n"
	"  \"tags\": [\"x\", \"y\"]\n"
	"}\n";

#endif
