/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl partition contents: the objects on one token, ours marked. */
#include <stdio.h>

#include "base/cred.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "member/member.h"
#include "p11/attr.h"
#include "partition/partition.h"
#include "replica/domain.h"
#include "replica/key.h"

struct contents {
	const char *partition, *pin_source;
};

static const struct cli_param options[] = {
	CLI_OPT_STRING(struct contents, pin_source, 0, "pin-source", "REFERENCE", NULL,
		       "Where the user PIN comes from, instead of what the fleet says"),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct contents, partition, "DEVICE[/PARTITION]", admin_complete_partitions, CLI_REQUIRED,
		"Partition to look into; a device with one partition needs no second part"),
	CLI_END
};

enum owner { OWNER_APPLICATION, OWNER_HSMCTL };
static const char *const owner_names[] = {"application", "hsmctl", NULL};

struct object {
	char *class, *type, *label, *id;
	bool private;
	unsigned owner;
};
struct view {
	char *device, *partition;
	struct object *objects;
	size_t n_objects;
};

static const struct json_field object_fields[] = {
	JSON_F_STRING(struct object, class, JSON_REQUIRED | JSON_COLUMN, "private, public, secret, data, …"),
	JSON_F_STRING(struct object, type, JSON_NULLABLE | JSON_COLUMN, "key type"),
	JSON_F_STRING(struct object, label, JSON_NULLABLE | JSON_COLUMN, "CKA_LABEL"),
	JSON_F_STRING(struct object, id, JSON_NULLABLE | JSON_COLUMN, "CKA_ID, hexadecimal"),
	JSON_F_BOOL(struct object, private, JSON_COLUMN | JSON_WIDE, "seen after login only"),
	JSON_F_ENUM(struct object, owner, JSON_REQUIRED | JSON_COLUMN, owner_names,
		    "hsmctl: a record, a domain key or a transport key"),
	JSON_F_END
};
static const struct json_type object_type = {
	.summary = "An object", .size = sizeof(struct object), .fields = object_fields,
};
static const struct json_field fields[] = {
	JSON_F_STRING(struct view, device, JSON_REQUIRED | JSON_COLUMN, "device"),
	JSON_F_STRING(struct view, partition, JSON_REQUIRED | JSON_COLUMN, "partition"),
	JSON_F_LIST(struct view, objects, JSON_COLUMN, object_type, "objects on the token, in its order"),
	JSON_F_END
};
static const struct json_type view_type = {
	.schema = "contents", .summary = "The objects on a token",
	.size = sizeof(struct view), .fields = fields,
};

static bool is_ours(const struct p11_attrs *attrs)
{
	static const char application[] = "hsmctl";
	CK_OBJECT_CLASS data = CKO_DATA;
	const CK_ATTRIBUTE record[] = {
		{CKA_CLASS, &data, sizeof(data)},
		{CKA_APPLICATION, (void *)(uintptr_t)application, sizeof(application) - 1},
	};

	return domain_owns(attrs) || p11_attrs_match(attrs, record, 2);
}

static int copy_text(const struct p11_attrs *attrs, char **ret, struct err *err)
{
	if (!p11_attrs_find(attrs, CKA_LABEL))
		return 0;
	*ret = key_label(attrs);
	return *ret ? 0 : err_no_memory(err);
}

static int copy_id(const struct p11_attrs *attrs, char **ret, struct err *err)
{
	const CK_ATTRIBUTE *id = p11_attrs_find(attrs, CKA_ID);

	if (!id || !id->ulValueLen)
		return 0;
	*ret = mem_zalloc(2 * id->ulValueLen + 1);
	if (!*ret)
		return err_no_memory(err);
	str_hex(id->pValue, id->ulValueLen, *ret);
	return 0;
}

static int view_object(const struct p11_attrs *attrs, struct object *ret, struct err *err)
{
	CK_OBJECT_CLASS class = p11_attrs_ulong(attrs, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
	CK_KEY_TYPE type = p11_attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
	int rc = fleet_set(&ret->class, p11_class_name(class), err);

	if (rc == 0 && type != CK_UNAVAILABLE_INFORMATION)
		rc = fleet_set(&ret->type, p11_key_type_name(type), err);
	if (rc == 0)
		rc = copy_text(attrs, &ret->label, err);
	if (rc == 0)
		rc = copy_id(attrs, &ret->id, err);
	ret->private = p11_attrs_bool(attrs, CKA_PRIVATE, false);
	ret->owner = is_ours(attrs) ? OWNER_HSMCTL : OWNER_APPLICATION;
	return rc;
}

static int add(struct member_channel *channel, CK_OBJECT_HANDLE handle, struct view *view, struct err *err)
{
	static const CK_ATTRIBUTE_TYPE types[] = {CKA_CLASS, CKA_KEY_TYPE, CKA_LABEL, CKA_ID, CKA_PRIVATE,
						  CKA_APPLICATION, CKA_TOKEN};
	owned(p11_attrs) struct p11_attrs attrs = {0};
	int rc = member_get(channel, handle, types, sizeof(types) / sizeof(types[0]), &attrs, err);
	struct object *object;

	/* Between being found and being read somebody else destroyed it. */
	if (rc < 0 && err->rv == CKR_OBJECT_HANDLE_INVALID)
		return 0;
	if (rc < 0)
		return rc;
	object = json_append(&view->objects, &view->n_objects, sizeof(*object));
	return object ? view_object(&attrs, object, err) : err_no_memory(err);
}

static int list(struct member *member, struct view *view, struct err *err)
{
	CK_OBJECT_HANDLE *handles = NULL;
	struct member_channel *channel;
	CK_BBOOL yes = CK_TRUE;
	const CK_ATTRIBUTE on_token = {CKA_TOKEN, &yes, sizeof(yes)};
	CK_ULONG count = 0;
	int rc = member_acquire(member, &channel, err);

	if (rc < 0)
		return rc;
	rc = member_find(channel, &on_token, 1, &handles, &count, err);
	for (CK_ULONG i = 0; rc == 0 && i < count; i++)
		rc = add(channel, handles[i], view, err);
	free(handles);
	member_release(channel);
	return rc;
}

static int login(const struct contents *a, const struct partition_look *look, struct err *err)
{
	const char *source = a->pin_source ? a->pin_source : look->partition->pin_source;
	struct secret *pin = NULL;
	char what[200];
	int rc;

	if (!source) {
		err_set(err, ERR_NOT_FOUND, "nothing says where the user PIN of '%s' comes from", a->partition);
		return err_hint(err, "give --pin-source");
	}
	snprintf(what, sizeof(what), "user PIN of '%.100s'", a->partition);
	rc = cred_read(source, what, &pin, err);
	if (rc == 0)
		member_set_pin(look->member, pin);
	return rc;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct contents *a = data;
	owned(partition_look) struct partition_look look = {0};
	struct view view = {0};
	int rc = partition_look_open(cli, a->partition, &look, err);

	if (rc == 0)
		rc = login(a, &look, err);
	if (rc == 0)
		rc = list(look.member, &view, err);
	if (rc == 0)
		rc = fleet_set(&view.device, look.device->name, err);
	if (rc == 0)
		rc = fleet_set(&view.partition, look.partition->name, err);
	if (rc == 0)
		rc = cli_emit(cli, &view_type, &view, err);
	json_release(&view_type, &view);
	return rc;
}

const struct cli_command partition_contents_command = {
	.name = "contents", .summary = "List the objects on a token; logs in",
	.options = options, .args = args, .args_size = sizeof(struct contents),
	.output = &view_type, .run = run,
};
