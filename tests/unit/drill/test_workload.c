/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "drill/key.h"
#include "drill/module.h"
#include "drill/recorder.h"
#include "drill/report.h"
#include "drill/workload.h"

/*
 * A token that can do what the threads ask for, and lies or refuses on demand:
 * MACs are the input's beginning, encryption turns every bit.
 */
enum lie { LIE_NONE, LIE_MAC, LIE_DECRYPT, REFUSE_ENCRYPT, REFUSE_RANDOM, REFUSE_SESSION };
static enum lie lie;
static atomic_uint calls, sessions;

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR data, CK_NOTIFY notify, CK_SESSION_HANDLE *ret)
{
	(void)slot, (void)flags, (void)data, (void)notify;
	*ret = atomic_fetch_add(&sessions, 1) + 1;
	return lie == REFUSE_SESSION ? CKR_DEVICE_ERROR : CKR_OK;
}

static CK_RV close_session(CK_SESSION_HANDLE session)
{
	(void)session;
	return CKR_OK;
}

static CK_RV generate_random(CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG len)
{
	(void)session;
	memset(out, 4, len);
	atomic_fetch_add(&calls, 1);
	return lie == REFUSE_RANDOM ? CKR_DEVICE_ERROR : CKR_OK;
}

static CK_RV init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	(void)session, (void)mechanism, (void)key;
	atomic_fetch_add(&calls, 1);
	return CKR_OK;
}

static CK_RV encrypt_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	return lie == REFUSE_ENCRYPT ? CKR_KEY_HANDLE_INVALID : init(session, mechanism, key);
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG len, CK_BYTE *out, CK_ULONG *out_len)
{
	(void)session, (void)len;
	memcpy(out, in, DRILL_MAC);
	out[0] ^= lie == LIE_MAC;
	*out_len = DRILL_MAC;
	return CKR_OK;
}

static CK_RV turn(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG len, CK_BYTE *out, CK_ULONG *out_len)
{
	(void)session;
	for (CK_ULONG i = 0; i < len; i++)
		out[i] = (CK_BYTE)~in[i];
	*out_len = len;
	return CKR_OK;
}

static CK_RV turn_back(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG len, CK_BYTE *out, CK_ULONG *out_len)
{
	CK_RV rv = turn(session, in, len, out, out_len);

	out[len - 1] ^= lie == LIE_DECRYPT;
	return rv;
}

static CK_FUNCTION_LIST functions = {
	.C_OpenSession = open_session, .C_CloseSession = close_session, .C_GenerateRandom = generate_random,
	.C_SignInit = init, .C_Sign = sign, .C_EncryptInit = encrypt_init, .C_Encrypt = turn, .C_DecryptInit = init,
	.C_Decrypt = turn_back,
};
static const struct drill_module module = {.f = &functions};

static struct drill_key key_list[] = {
	{.label = "mac-1", .use = DRILL_MACS, .type = CKK_GENERIC_SECRET},
	{.label = "wrap-1", .use = DRILL_ENCRYPTS, .type = CKK_AES},
};
static const struct drill_keys keys = {key_list, 2};

/* Let threads work until the token was called often enough; the report has the findings. */
static void work(size_t threads, unsigned enough, struct recorder_summary *sum, struct drill_report *report)
{
	owned(recorder) struct recorder *recorder = NULL;
	owned(drill_workload) struct drill_workload *load = NULL;
	int64_t start = clock_now_ns();

	memcpy(key_list[0].mac, drill_mac_input, DRILL_MAC);
	atomic_store(&calls, 0);
	assert_int_equal(recorder_new(start, 1000, &recorder, NULL), 0);
	assert_int_equal(drill_workload_start(&module, &keys, recorder, threads, 1, start, &load, NULL), 0);
	while (atomic_load(&calls) < enough)
		clock_sleep_ms(1);
	drill_workload_stop(load);
	recorder_stop(recorder, clock_now_ns());
	drill_report_init(report);
	assert_int_equal(drill_workload_findings(load, report, NULL), 0);
	assert_int_equal(recorder_sum(recorder, sum, NULL), 0);
}

static void right_results_are_good(void **state)
{
	owned(recorder_summary) struct recorder_summary sum = {0};
	struct drill_report report;

	(void)state;
	lie = LIE_NONE;
	work(3, 3000, &sum, &report);
	assert_true(sum.total >= 1000);
	assert_int_equal(sum.failed, 0);
	assert_int_equal(report.n_findings, 0);
	json_release(&drill_report_type, &report);
}

static void every_lie_is_found(void **state)
{
	static const struct {
		enum lie lie;
		const char *finding;
	} cases[] = {
		{LIE_MAC, "MAC with 'mac-1': wrong result"},
		{LIE_DECRYPT, "decrypt with 'wrap-1': wrong result"},
		{REFUSE_ENCRYPT, "encrypt with 'wrap-1': CKR_KEY_HANDLE_INVALID"},
		{REFUSE_RANDOM, "random: CKR_DEVICE_ERROR"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		owned(recorder_summary) struct recorder_summary sum = {0};
		struct drill_report report;

		lie = cases[i].lie;
		atomic_store(&sessions, 0);
		work(2, 60, &sum, &report);
		assert_true(sum.failed > 0 && sum.failed < sum.total);
		assert_int_equal(report.n_findings, 1);
		assert_string_equal(report.findings[0].what, cases[i].finding);
		assert_int_equal(report.findings[0].count, sum.failed);
		assert_true(report.findings[0].first_ms >= 0);
		/* After each failure a new session. */
		assert_int_equal(atomic_load(&sessions), 2 + sum.failed);
		json_release(&drill_report_type, &report);
	}
}

static void threads_that_get_no_session_do_not_start(void **state)
{
	owned(recorder) struct recorder *recorder = NULL;
	owned(drill_workload) struct drill_workload *load = NULL;
	struct err err = {0};

	(void)state;
	lie = REFUSE_SESSION;
	assert_int_equal(recorder_new(0, 1000, &recorder, NULL), 0);
	assert_true(drill_workload_start(&module, &keys, recorder, 2, 1, 0, &load, &err) < 0);
	assert_null(load);
	assert_non_null(strstr(err.message, "CKR_DEVICE_ERROR"));
}

static void no_memory(void **state)
{
	owned(recorder) struct recorder *recorder = NULL;
	owned(drill_workload) struct drill_workload *load = NULL;

	(void)state;
	lie = LIE_NONE;
	assert_int_equal(recorder_new(0, 1000, &recorder, NULL), 0);
	mem_fail_after = 1;
	assert_int_equal(drill_workload_start(&module, &keys, recorder, 2, 1, 0, &load, NULL), -ERR_NO_MEMORY);
	mem_fail_after = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_results_are_good),
		cmocka_unit_test(every_lie_is_found),
		cmocka_unit_test(threads_that_get_no_session_do_not_start),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
