/* SPDX-License-Identifier: Apache-2.0 */
/* Data objects of ours: sealing, reading, and steps that replace them. */
#include "replica/memo.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/digest.h"
#include "member/member.h"
#include "p11/rv.h"

static const char APPLICATION[] = KEPT_APPLICATION;
static CK_OBJECT_CLASS data_class = CKO_DATA;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

/* ---- steps ---- */

struct step step_begin(struct member_channel *channel)
{
	return (struct step){.channel = channel};
}

void step_release(struct step *step)
{
	for (size_t i = 0; i < step->n_memos; i++)
		buf_release(&step->memos[i].value);
}

void step_ask(struct step *step, CK_OBJECT_HANDLE object)
{
	CK_ATTRIBUTE *asked = &step->asked[step->count];

	if (!object)
		return;
	*asked = (CK_ATTRIBUTE){.type = CKA_CLASS};
	step->calls[step->count++] = p11_C_GetAttributeValue(member_session(step->channel), object, asked, 1);
}

static bool is_public(const char *label)
{
	return str_starts(label, KEPT_PUBLIC);
}

/* What every memo of that label has: class, application, label, and whether it is private. NULL: what all have. */
static CK_ULONG name_template(const char *label, CK_ATTRIBUTE ret[static 4])
{
	ret[0] = (CK_ATTRIBUTE){CKA_CLASS, &data_class, sizeof(data_class)};
	ret[1] = (CK_ATTRIBUTE){CKA_APPLICATION, (void *)APPLICATION, sizeof(APPLICATION) - 1};
	if (!label)
		return 2;
	ret[2] = (CK_ATTRIBUTE){CKA_LABEL, (void *)label, strlen(label)};
	ret[3] = (CK_ATTRIBUTE){CKA_PRIVATE, is_public(label) ? &no : &yes, sizeof(yes)};
	return 4;
}

void step_absent(struct step *step, const char *label)
{
	char *kept = step->absent[step->n_absent];
	CK_ATTRIBUTE *items = step->absent_items[step->n_absent++];
	CK_ULONG count;

	snprintf(kept, MEMO_LABEL, "%s", label);
	count = name_template(kept, items);
	step->calls[step->count++] = p11_X_Absent(member_session(step->channel), items, count);
}

struct memo *step_put(struct step *step, const char *label)
{
	struct memo *memo = &step->memos[step->n_memos++];

	*memo = (struct memo){.value = {.max = MEMO_MAX}};
	snprintf(memo->label, sizeof(memo->label), "%s", label);
	/* The value's place is known when it is sent. */
	step->calls[step->count++] =
		p11_C_CreateObject(member_session(step->channel), memo->items, 6, &memo->handle);
	return memo;
}

void step_destroy(struct step *step, CK_OBJECT_HANDLE object)
{
	if (object && step->count < STEP_MAX)
		step->calls[step->count++] = p11_C_DestroyObject(member_session(step->channel), object);
}

static int finish(struct memo *memo, struct err *err)
{
	CK_ULONG n = name_template(memo->label, memo->items);

	memo->items[n++] = (CK_ATTRIBUTE){CKA_TOKEN, &yes, sizeof(yes)};
	memo->items[n++] = (CK_ATTRIBUTE){CKA_VALUE, memo->value.data, memo->value.len};
	return buf_check(&memo->value, err);
}

int step_send(struct step *step, struct err *err)
{
	int rc = 0;

	/* Nothing to do is no message. */
	if (!step->count)
		return 0;
	for (size_t i = 0; i < step->n_memos && rc == 0; i++)
		rc = finish(&step->memos[i], err);
	if (rc == 0)
		rc = member_run(step->channel, step->calls, step->count, err);
	if (rc == -ERR_TOKEN && err->rv == CKR_OBJECT_HANDLE_INVALID)
		return err_set(err, ERR_CHANGED, "somebody else changed the key on '%s'",
			       member_name(member_of(step->channel)));
	return rc;
}

/* ---- reading ---- */

struct walk {
	struct member_channel *channel;
	memo_visitor each;
	void *data;
	int gone;
};

static int read_one(void *data, CK_OBJECT_HANDLE handle, struct p11_attrs *attrs, struct err *err)
{
	struct walk *walk = data;
	const CK_ATTRIBUTE *value = attrs ? p11_attrs_find(attrs, CKA_VALUE) : NULL;
	const CK_ATTRIBUTE *label = attrs ? p11_attrs_find(attrs, CKA_LABEL) : NULL;
	char text[MEMO_LABEL] = "";

	walk->gone += !attrs;
	if (!attrs)
		return 0;
	if (!value)
		return err_set(err, ERR_TOKEN, "a record on '%s' cannot be read",
			       member_name(member_of(walk->channel)));
	if (label && label->ulValueLen < sizeof(text))
		memcpy(text, label->pValue, label->ulValueLen);
	if (p11_attrs_bool(attrs, CKA_PRIVATE, true) == is_public(text))
		return 0;
	return walk->each(walk->data, handle, text, value->pValue, value->ulValueLen, err);
}

int memo_each(struct member_channel *channel, const char *label, memo_visitor each, void *data, struct err *err)
{
	static const CK_ATTRIBUTE_TYPE types[] = {CKA_LABEL, CKA_VALUE, CKA_PRIVATE};
	struct walk walk = {.channel = channel, .each = each, .data = data};
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	CK_ATTRIBUTE template[4];
	CK_ULONG count = 0;
	int rc = member_find(channel, template, name_template(label, template), &list, &count, err);

	if (rc == 0)
		rc = member_get_each(channel, list, count, types, 3, read_one, &walk, err);
	return rc < 0 ? rc : walk.gone;
}

int memo_find(struct member_channel *channel, const char *label, CK_OBJECT_HANDLE *ret, size_t room, size_t *ret_count,
	      struct err *err)
{
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	CK_ATTRIBUTE template[4];
	CK_ULONG count = 0;
	int rc = member_find(channel, template, name_template(label, template), &list, &count, err);

	if (rc < 0)
		return rc;
	*ret_count = count < room ? count : room;
	if (*ret_count)
		memcpy(ret, list, *ret_count * sizeof(*ret));
	return 0;
}
