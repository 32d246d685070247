/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a group is counted, and told by its code. */
#include "fixture.h"

#include <stdio.h>
#include <unistd.h>

#include "base/event.h"
#include "base/file.h"
#include "base/log.h"
#include "stats/folder.h"

static char *folder;
static struct stats_file now;

static int open_watched(void **state)
{
	folder = mem_strdup("/tmp/hsmctl-watch-XXXXXX");
	assert_non_null(mkdtemp(folder));
	setenv("HSMCTL_STATISTICS", folder, 1);
	return open_group(state);
}

static int close_watched(void **state)
{
	int rc = close_group(state);

	/* Its file went along. */
	assert_int_equal(rmdir(folder), 0);
	free(folder);
	return rc;
}

static int take(void *data, const struct stats_entry *entry, struct err *err)
{
	(void)data;
	(void)err;
	memcpy(&now, &entry->file, sizeof(now));
	return 0;
}

/* As a reader sees it. */
static const struct stats_file *counted(void)
{
	struct stats_folder found;

	assert_int_equal(stats_each(folder, take, NULL, &found, NULL), 0);
	assert_int_equal(found.files, 1);
	return &now;
}

/* How often the event is among the last ones; any member: STATS_NOBODY. */
static size_t happened(enum event event, size_t member)
{
	const struct stats_file *file = counted();
	size_t count = 0;

	for (size_t i = 0; i < STATS_CHANGES; i++) {
		const struct stats_change *c = &file->changes[i];

		count += c->number && c->event == event && (member == STATS_NOBODY || c->member == member);
	}
	return count;
}

static void a_call_counts_once_for_the_application_and_once_for_its_member(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint64_t before, members_before = 0, members = 0;
	uint32_t who;

	(void)state;
	before = counted()->calls.outcomes[STATS_DONE];
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		members_before += now.members[m].calls.outcomes[STATS_DONE];
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(counted()->calls.outcomes[STATS_DONE], before + 1);
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		members += now.members[m].calls.outcomes[STATS_DONE];
	assert_int_equal(members, members_before + 1);
	assert_int_equal(now.members[0].there + now.members[3].there, 2);
	assert_int_equal(now.members[RIG_MEMBERS].there, 0);
	assert_int_equal(now.members[0].role, 0);
	assert_int_equal(now.members[2].role, 1);
	assert_string_equal(now.group, "rig");
	assert_true(now.logged_in && now.last_ns > 0);
	assert_int_equal(stats_sum(now.calls.times, STATS_BUCKETS), stats_sum(now.calls.outcomes, STATS_OUTCOMES));
}

static void sessions_are_counted_while_they_are_open(void **state)
{
	struct ha_session *session;
	uint64_t before;

	(void)state;
	before = counted()->sessions_opened;
	assert_int_equal(now.sessions, 0);
	assert_int_equal(ha_session_open(group, CKF_SERIAL_SESSION, &session), CKR_OK);
	assert_int_equal(counted()->sessions, 1);
	ha_session_free(session);
	assert_int_equal(counted()->sessions, 0);
	assert_int_equal(now.sessions_opened, before + 1);
	assert_int_equal(ha_logout(group), CKR_OK);
	assert_int_equal(counted()->logged_in, 0);
}

static void a_member_that_goes_is_down_with_its_reason_and_serves_again_when_it_is_back(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");

	(void)state;
	away(0x3);
	assert_int_equal(sign(k, NULL), CKR_OK);
	counted();
	for (size_t m = 0; m < 2; m++) {
		assert_int_equal(now.members[m].state, STATS_DOWN);
		assert_true(now.members[m].error != ERR_OK && now.members[m].since_ms > 0);
		assert_int_equal(now.members[m].outages, 1);
		assert_int_equal(now.members[m].failovers, 1);
		assert_int_equal(now.members[m].calls.outcomes[STATS_LINK], 1);
		assert_int_equal(happened(EVENT_MEMBER_DOWN, m), 1);
		assert_int_equal(happened(EVENT_FAILOVER, m), 1);
		assert_int_equal(happened(EVENT_MEMBER_UP, m), 0);
	}
	assert_int_equal(now.calls.outcomes[STATS_LINK] + now.calls.outcomes[STATS_MEMBER], 0);
	away(0);
	look_again();
	counted();
	for (size_t m = 0; m < 2; m++) {
		assert_int_equal(now.members[m].state, STATS_UP);
		assert_int_equal(now.members[m].error, ERR_OK);
		assert_int_equal(happened(EVENT_MEMBER_UP, m), 1);
	}
}

static void failovers_are_all_counted_and_told_once(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint64_t failovers;

	(void)state;
	fake_fail(0, P11_C_Sign, 1, CKR_DEVICE_ERROR, FAKE_BEFORE);
	fake_fail(1, P11_C_Sign, 1, CKR_DEVICE_ERROR, FAKE_BEFORE);
	assert_int_equal(sign(k, NULL), CKR_OK);
	failovers = counted()->members[0].failovers + now.members[1].failovers;
	assert_int_equal(failovers, 2);
	assert_int_equal(happened(EVENT_FAILOVER, 0) + happened(EVENT_FAILOVER, 1), 2);
	assert_int_equal(now.members[0].calls.outcomes[STATS_MEMBER], 1);
	assert_int_equal(now.members[0].rv, CKR_DEVICE_ERROR);
}

static void a_caller_s_mistake_is_neither_a_failover_nor_a_failure(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");

	(void)state;
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		fake_fail(m, P11_C_Sign, 1, CKR_DATA_LEN_RANGE, FAKE_BEFORE);
	assert_int_equal(sign(k, NULL), CKR_DATA_LEN_RANGE);
	assert_int_equal(counted()->calls.outcomes[STATS_CALLER], 1);
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		assert_int_equal(now.members[m].failovers + now.members[m].outages, 0);
}

static void that_nobody_is_left_is_told_once_for_each_time(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");

	(void)state;
	for (size_t round = 1; round <= 2; round++) {
		away(0xf);
		for (int i = 0; i < 5; i++)
			assert_int_equal(sign(k, NULL), CKR_DEVICE_REMOVED);
		assert_int_equal(happened(EVENT_NOBODY_LEFT, STATS_NOBODY), round);
		assert_true(now.calls.outcomes[STATS_MEMBER] >= 5 * round);
		away(0);
		look_again();
	}
}

static void an_operation_that_is_put_elsewhere_is_a_replay(void **state)
{
	CK_BYTE iv[16] = {0}, out[64];
	const CK_MECHANISM mechanism = {CKM_AES_CBC_PAD, iv, sizeof(iv)};
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k");
	CK_ULONG len = sizeof(out);
	struct use use;
	uint32_t where;

	(void)state;
	who_took(P11_C_EncryptUpdate);
	assert_int_equal(use_begin(P11_OP_ENCRYPT, &mechanism, k, &use), CKR_OK);
	assert_int_equal(use_call(&use, P11_PART_UPDATE, "sixteen bytes..!", 16, out, &len), CKR_OK);
	where = who_took(P11_C_EncryptUpdate);
	assert_int_equal(__builtin_popcount(where), 1);
	assert_int_equal(counted()->replays, 0);
	away(where);
	len = sizeof(out);
	assert_int_equal(use_call(&use, P11_PART_UPDATE, "sixteen bytes..!", 16, out, &len), CKR_OK);
	len = sizeof(out);
	assert_int_equal(use_call(&use, P11_PART_FINAL, NULL, 0, out, &len), CKR_OK);
	use_end(&use);
	assert_int_equal(counted()->replays, 1);
	assert_int_equal(now.members[__builtin_ctz(where)].failovers, 1);
	assert_int_equal(now.calls.outcomes[STATS_MEMBER], 0);
	away(0);
}

static void a_member_that_missed_a_write_is_behind(void **state)
{
	owned(record) struct record record = {0};

	(void)state;
	away(0xc);
	rig_key(KEY_AES_256, "theirs", &record);
	away(0);
	assert_int_not_equal(found("theirs"), CK_INVALID_HANDLE);
	assert_int_equal(happened(EVENT_MEMBER_BEHIND, 2), 1);
	assert_int_equal(now.members[2].state, STATS_BEHIND);
	assert_int_equal(now.members[2].error, ERR_STALE);
	look_again();
	assert_int_equal(counted()->members[2].state, STATS_UP);
}

/* Its host ends over a call, once it is connected. */
static void a_request_that_members_end_over_is_counted(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint8_t signature[32];

	(void)state;
	for (uint32_t m = 0; m < RIG_MEMBERS; m++) {
		away(0xf & ~(1u << m));
		look_again();
		assert_int_equal(sign(k, NULL), CKR_OK);
	}
	away(0);
	look_again();
	for (size_t m = 0; m < 3; m++)
		rig_lose(m, 1, RIG_BEFORE);
	assert_int_equal(sign_text(k, "what nobody signed before", signature), CKR_FUNCTION_FAILED);
	assert_int_equal(counted()->poisoned, 1);
	assert_int_equal(happened(EVENT_POISON, STATS_NOBODY), 1);
	rig_came();
	away(0);
}

static void a_refused_pin_is_told_and_stands_nowhere(void **state)
{
	uint8_t bytes[sizeof(struct stats_file)];

	(void)state;
	assert_int_equal(ha_logout(group), CKR_OK);
	assert_int_equal(ha_login(group, "secret-8731", 11), CKR_PIN_INCORRECT);
	assert_int_equal(happened(EVENT_PIN_REFUSED, STATS_NOBODY), 1);
	assert_int_equal(counted()->logged_in, 0);
	memcpy(bytes, &now, sizeof(bytes));
	assert_null(memmem(bytes, sizeof(bytes), "8731", 4));
	/* Nor does the name of a key. */
	assert_int_equal(ha_login(group, "1234", 4), CKR_OK);
	key(KEY_AES_256, "label-4711");
	counted();
	memcpy(bytes, &now, sizeof(bytes));
	assert_null(memmem(bytes, sizeof(bytes), "4711", 4));
}

/* Whoever watches logs looks for codes. */
static void lines_of_the_log_carry_codes(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	char path[] = "/tmp/hsmctl-watch-log-XXXXXX";
	owned(buf) struct buf text = {.max = 1 << 20};
	int fd = mkstemp(path);

	(void)state;
	log_to_fd(fd, LOG_LEVEL_INFO);
	fake_fail(0, P11_C_Sign, 1, CKR_DEVICE_ERROR, FAKE_BEFORE);
	fake_fail(1, P11_C_Sign, 1, CKR_DEVICE_ERROR, FAKE_BEFORE);
	assert_int_equal(sign(k, NULL), CKR_OK);
	look_again();
	away(0xf);
	assert_int_equal(sign(k, NULL), CKR_DEVICE_REMOVED);
	away(0);
	log_to_fd(-1, LOG_LEVEL_ERROR);
	close(fd);
	assert_int_equal(file_read(path, &text, NULL), 0);
	unlink(path);
	assert_non_null(strstr(buf_text(&text), "ha: HA001 member '"));
	assert_non_null(strstr(buf_text(&text), "ha: HA002 member '"));
	assert_non_null(strstr(buf_text(&text), "ha: HA005 a call of 'rig' went from '"));
	assert_non_null(strstr(buf_text(&text), "ha: HA008 no member of 'rig'"));
}

#define WATCHED(f) cmocka_unit_test_setup_teardown(f, open_watched, close_watched)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WATCHED(a_call_counts_once_for_the_application_and_once_for_its_member),
		WATCHED(sessions_are_counted_while_they_are_open),
		WATCHED(a_member_that_goes_is_down_with_its_reason_and_serves_again_when_it_is_back),
		WATCHED(failovers_are_all_counted_and_told_once),
		WATCHED(a_caller_s_mistake_is_neither_a_failover_nor_a_failure),
		WATCHED(that_nobody_is_left_is_told_once_for_each_time),
		WATCHED(an_operation_that_is_put_elsewhere_is_a_replay),
		WATCHED(a_member_that_missed_a_write_is_behind),
		WATCHED(a_request_that_members_end_over_is_counted),
		WATCHED(a_refused_pin_is_told_and_stands_nowhere),
		WATCHED(lines_of_the_log_carry_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
