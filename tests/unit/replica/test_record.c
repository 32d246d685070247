/* SPDX-License-Identifier: Apache-2.0 */
/* Records: there and back, torn anywhere, and which version stands above which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "replica/key.h"
#include "replica/record.h"

static void fill(struct record *record)
{
	CK_MECHANISM_TYPE only[] = {CKM_AES_GCM, CKM_AES_CBC_PAD};
	CK_BBOOL yes = CK_TRUE;
	const CK_ATTRIBUTE inner[] = {{CKA_SENSITIVE, &yes, 1}, {CKA_ALLOWED_MECHANISMS, only, sizeof(only)}};
	const CK_ATTRIBUTE restrictions[] = {{CKA_ALLOWED_MECHANISMS, only, sizeof(only)},
					     {CKA_UNWRAP_TEMPLATE, (void *)inner, sizeof(inner)},
					     {CKA_WRAP_TEMPLATE, NULL, 0}};

	*record = (struct record){.state = RECORD_LIVE, .counter = 7, .time_ms = 1234, .check_len = 16, .n_objects = 2};
	memset(record->uid, 0x11, UID_LEN);
	memset(record->writer, 0x22, WRITER_LEN);
	memset(record->check, 0x33, 16);
	assert_int_equal(p11_attrs_set(&record->objects[0], CKA_LABEL, "signing-1", 9, NULL), 0);
	assert_int_equal(p11_attrs_set_ulong(&record->objects[0], CKA_CLASS, CKO_PRIVATE_KEY, NULL), 0);
	assert_int_equal(p11_attrs_merge(&record->objects[0], restrictions, 3, NULL), 0);
	assert_int_equal(p11_attrs_set_bool(&record->objects[1], CKA_VERIFY, true, NULL), 0);
}

static void a_record_goes_there_and_back(void **state)
{
	owned(record) struct record record = {0}, back = {0};
	owned(buf) struct buf wire = {.max = 65536};
	owned(mem) char *label = NULL;

	(void)state;
	fill(&record);
	assert_int_equal(record_encode(&record, &wire, NULL), 0);
	assert_int_equal(record_decode(wire.data, wire.len, &back, NULL), 0);
	assert_true(record_same_version(&record, &back));
	assert_memory_equal(record.uid, back.uid, UID_LEN);
	assert_int_equal(back.check_len, 16);
	assert_int_equal(back.time_ms, 1234);
	label = key_label(&back.objects[0]);
	assert_string_equal(label, "signing-1");
	assert_true(p11_attrs_equal(&record.objects[0], &back.objects[0]));
	assert_true(p11_attrs_equal(&record.objects[1], &back.objects[1]));
}

static void a_torn_record_is_no_record(void **state)
{
	owned(record) struct record record = {0};
	owned(buf) struct buf wire = {.max = 65536};

	(void)state;
	fill(&record);
	assert_int_equal(record_encode(&record, &wire, NULL), 0);
	for (size_t len = 0; len < wire.len; len++) {
		owned(mem) uint8_t *copy = mem_dup(wire.data, len);
		struct record back;

		assert_true(record_decode(copy, len, &back, NULL) < 0);
	}
	for (size_t at = 0; at < wire.len; at++) {
		struct record back;

		wire.data[at] ^= 0x40;
		assert_true(record_decode(wire.data, wire.len, &back, NULL) < 0);
		wire.data[at] ^= 0x40;
	}
}

static void memory_may_run_out_anywhere(void **state)
{
	owned(record) struct record record = {0};
	owned(buf) struct buf wire = {.max = 65536};
	int rc = -1;

	(void)state;
	fill(&record);
	assert_int_equal(record_encode(&record, &wire, NULL), 0);
	for (unsigned long n = 1; rc < 0; n++) {
		struct record back;

		assert_true(n < 64);
		mem_fail_after = n;
		rc = record_decode(wire.data, wire.len, &back, NULL);
		mem_fail_after = 0;
		if (rc == 0)
			record_release(&back);
	}
}

static void deleted_beats_everything_then_the_counter_then_the_writer(void **state)
{
	static const struct {
		struct record a, b;
		bool newer;
	} cases[] = {
		{{.state = RECORD_DELETED, .counter = 1}, {.state = RECORD_LIVE, .counter = 9}, true},
		{{.state = RECORD_LIVE, .counter = 9}, {.state = RECORD_DELETED, .counter = 1}, false},
		{{.state = RECORD_LIVE, .counter = 2}, {.state = RECORD_CREATING, .counter = 1}, true},
		{{.state = RECORD_LIVE, .counter = 1}, {.state = RECORD_LIVE, .counter = 2}, false},
		{{.state = RECORD_LIVE, .counter = 2, .writer = {2}}, {.state = RECORD_LIVE, .counter = 2, .writer = {1}}, true},
		{{.state = RECORD_LIVE, .counter = 2, .writer = {1}}, {.state = RECORD_LIVE, .counter = 2, .writer = {1}}, false},
		{{.state = RECORD_DELETED, .counter = 3}, {.state = RECORD_DELETED, .counter = 2}, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(record_newer(&cases[i].a, &cases[i].b), cases[i].newer);
}

static void advancing_makes_the_next_version(void **state)
{
	owned(record) struct record record = {0}, before = {0};

	(void)state;
	fill(&record);
	assert_int_equal(record_copy(&record, &before, NULL), 0);
	assert_int_equal(record_advance(&record, RECORD_DELETED, NULL), 0);
	assert_true(record_newer(&record, &before));
	assert_int_equal(record.counter, 8);
	assert_int_equal(record_advance(&before, RECORD_CREATING, NULL), 0);
}

/* What applications see, and what lies on a member. */
static void a_member_holds_what_can_be_replicated(void **state)
{
	(void)state;
	for (int kind = 0; kind < KEY_KIND_MAX; kind++) {
		owned(key_request) struct key_request request = {0};
		owned(p11_attrs) struct p11_attrs member = {0}, seen = {0};
		uint8_t uid[UID_LEN] = {9};

		assert_int_equal(key_request_kind(kind, "k", &request, NULL), 0);
		assert_false(p11_attrs_bool(&request.templates[0], CKA_EXTRACTABLE, true));
		assert_int_equal(key_member_template(&request, 0, uid, &member, NULL), 0);
		assert_true(p11_attrs_bool(&member, CKA_EXTRACTABLE, false));
		assert_true(p11_attrs_bool(&member, CKA_SENSITIVE, false));
		assert_memory_equal(p11_attrs_find(&member, CKA_ID)->pValue, uid, UID_LEN);
		assert_int_equal(key_record_object(&request, 0, &member, uid, &seen, NULL), 0);
		assert_false(p11_attrs_bool(&seen, CKA_EXTRACTABLE, true));
		assert_true(p11_attrs_bool(&seen, CKA_NEVER_EXTRACTABLE, false));
		assert_int_equal(key_request_check(&request, false, NULL), kind == KEY_ED25519 ? -ERR_NOT_REPLICABLE : 0);
	}
}

static void key_material_of_an_application_never_enters_a_record(void **state)
{
	owned(key_request) struct key_request request = {.n_templates = 1};
	owned(p11_attrs) struct p11_attrs read = {0}, seen = {0};
	uint8_t uid[UID_LEN] = {0};

	(void)state;
	assert_int_equal(p11_attrs_set(&request.templates[0], CKA_VALUE, "secret", 6, NULL), 0);
	assert_int_equal(p11_attrs_set(&read, CKA_PRIME_1, "secret", 6, NULL), 0);
	assert_int_equal(key_record_object(&request, 0, &read, uid, &seen, NULL), 0);
	assert_null(p11_attrs_find(&seen, CKA_VALUE));
	assert_null(p11_attrs_find(&seen, CKA_PRIME_1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_goes_there_and_back),
		cmocka_unit_test(a_torn_record_is_no_record),
		cmocka_unit_test(memory_may_run_out_anywhere),
		cmocka_unit_test(deleted_beats_everything_then_the_counter_then_the_writer),
		cmocka_unit_test(advancing_makes_the_next_version),
		cmocka_unit_test(a_member_holds_what_can_be_replicated),
		cmocka_unit_test(key_material_of_an_application_never_enters_a_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
