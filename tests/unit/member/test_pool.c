/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of a member: how many there are, who gets one, and who waits. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "member/link.h"
#include "member/member.h"
#include "member/pool.h"
#include "p11/rv.h"

enum { MOST = 4, LONG_MS = 20000 };

/* ---- a peer that is there or not, and has so many places ---- */

static struct {
	atomic_uint made, now, most, calls;	/* connections: ever, open, at once; what was asked */
	unsigned places;			/* 0 = as many as anybody wants */
	atomic_bool gone;
} peer;

static int unreachable(struct err *err)
{
	err_set(err, ERR_UNREACHABLE, "no answer");
	if (err)
		err->retry = ERR_RETRY_SAFE;
	return -ERR_UNREACHABLE;
}

static int peer_call(struct link *link, struct p11_call *calls, size_t count, const struct call_limit *limit,
		     struct err *err)
{
	(void)limit;
	link->ended = peer.gone;
	atomic_fetch_add(&peer.calls, 1);
	for (size_t i = 0; i < count; i++)
		calls[i].rv = CKR_OK;
	return peer.gone ? unreachable(err) : 0;
}

static bool peer_alive(struct link *link)
{
	(void)link;
	return !peer.gone;
}

static void peer_cut(struct link *link)
{
	(void)link;
}

static void peer_close(struct link *link)
{
	atomic_fetch_sub(&peer.now, 1);
	free(link);
}

static int peer_open(const struct member_config *config, struct link **ret, struct err *err);
static const struct link_ops ops = {
	.open = peer_open, .call = peer_call, .alive = peer_alive, .cut = peer_cut, .close = peer_close,
};

static int peer_open(const struct member_config *config, struct link **ret, struct err *err)
{
	struct link *link;
	unsigned now;

	atomic_fetch_add(&peer.made, 1);
	if (peer.gone)
		return unreachable(err);
	if (peer.places && peer.now >= peer.places) {
		unreachable(err);
		err->rv = CKR_SESSION_COUNT;
		return -ERR_UNREACHABLE;
	}
	link = calloc(1, sizeof(*link));
	assert_non_null(link);
	*link = (struct link){.ops = &ops, .config = config, .epoch = 1};
	now = atomic_fetch_add(&peer.now, 1) + 1;
	if (now > peer.most)
		peer.most = now;
	*ret = link;
	return 0;
}

static struct member *member;

static int set_up(void **state)
{
	const struct member_config config = {
		.via = &ops, .name = "peer", .connect_ms = LONG_MS, .answer_ms = 1000, .call_ms = LONG_MS, .connections = MOST,
	};

	(void)state;
	memset(&peer, 0, sizeof(peer));
	assert_int_equal(member_open(&config, &member, NULL), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	member_free(member);
	assert_int_equal(peer.now, 0);
	clock_source = NULL;
	return 0;
}

static struct member_channel *acquire(void)
{
	struct member_channel *channel = NULL;
	struct err err = {0};

	if (member_acquire(member, &channel, &err) < 0)
		fail_msg("%s", err.message);
	return channel;
}

static int use(struct member_channel *channel)
{
	CK_BYTE byte;
	struct p11_call call = p11_C_GenerateRandom(member_session(channel), &byte, 1);

	return member_call(channel, &call, 1, NULL, NULL);
}

/* ---- a crowd ---- */

struct one {
	pthread_t thread;
	unsigned times;
	int rc;		/* of the first that failed */
	struct err err;
	atomic_bool over;
};

static void *work(void *data)
{
	struct one *one = data;

	for (unsigned n = 0; n < one->times && one->rc == 0; n++) {
		struct member_channel *channel = NULL;

		one->rc = member_acquire(member, &channel, &one->err);
		if (one->rc == 0)
			one->rc = use(channel);
		member_release(channel);
	}
	one->over = true;
	return NULL;
}

static void start(struct one *crowd, size_t n, unsigned times)
{
	memset(crowd, 0, n * sizeof(*crowd));
	for (size_t i = 0; i < n; i++) {
		crowd[i].times = times;
		assert_int_equal(pthread_create(&crowd[i].thread, NULL, work, &crowd[i]), 0);
	}
}

/* How many of them failed. */
static size_t join(struct one *crowd, size_t n)
{
	size_t failed = 0;

	for (size_t i = 0; i < n; i++) {
		pthread_join(crowd[i].thread, NULL);
		failed += crowd[i].rc < 0;
	}
	return failed;
}

static void a_crowd_makes_no_more_than_it_may_and_throws_none_away(void **state)
{
	enum { THREADS = 64 };
	static struct one crowd[THREADS];

	(void)state;
	for (int burst = 0; burst < 5; burst++) {
		start(crowd, THREADS, 50);
		assert_int_equal(join(crowd, THREADS), 0);
	}
	assert_in_range(peer.most, 1, MOST);
	assert_in_range(peer.made, 1, MOST);
}

static void until(const atomic_uint *what, unsigned is)
{
	for (int n = 0; n < LONG_MS && *what != is; n++)
		clock_sleep_ms(1);
	assert_int_equal(*what, is);
}

/* ---- who waits, seen from inside ---- */

struct waiter {
	pthread_t thread;
	struct pool *pool;
	struct pool_entry *entry, *old;
	enum pool_turn turn;
};

static void *take(void *data)
{
	const struct pool_wish wish = {.wait_ms = LONG_MS, .doubt_ms = LONG_MS};
	struct waiter *w = data;

	w->turn = pool_take(w->pool, &wish, &w->entry, &w->old);
	return NULL;
}

/* pool_waiter's first field is the next. */
static unsigned count_waiting(struct pool *pool)
{
	unsigned n = 0;

	pthread_mutex_lock(&pool->lock);
	for (void **w = (void **)pool->waiting; w; w = *w)
		n++;
	pthread_mutex_unlock(&pool->lock);
	return n;
}

/* So many more wait. */
static void queue(struct pool *pool, struct waiter *waiters, unsigned n)
{
	unsigned before = count_waiting(pool);

	for (unsigned i = 0; i < n; i++) {
		waiters[i] = (struct waiter){.pool = pool};
		assert_int_equal(pthread_create(&waiters[i].thread, NULL, take, &waiters[i]), 0);
		for (int ms = 0; ms < LONG_MS && count_waiting(pool) != before + i + 1; ms++)
			clock_sleep_ms(1);
		assert_int_equal(count_waiting(pool), before + i + 1);
	}
}

static enum pool_turn ask(struct pool *pool, struct pool_entry **ret)
{
	struct pool_entry *old;

	return pool_take(pool, &(struct pool_wish){0}, ret, &old);
}

static int64_t ahead_ns;

static int64_t told(void *data)
{
	struct timespec now;

	(void)data;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + ahead_ns;
}

/* Of this thread alone. */
static const struct clock_source ahead = {.now_ns = told};

static void who_waited_long_enough_is_given_the_next_that_comes_back(void **state)
{
	struct pool pool;
	struct pool_entry entry = {0}, *mine = &entry;
	struct waiter waiters[2];

	(void)state;
	pool_init(&pool, 1);
	assert_int_equal(ask(&pool, &mine), POOL_MAKE);
	assert_true(pool_enter(&pool, &entry));
	pool_made(&pool);
	queue(&pool, waiters, 2);
	ahead_ns = POOL_TURN_MS * INT64_C(1000000);
	clock_source = &ahead;
	for (int i = 0; i < 2; i++) {
		assert_null(pool_give(&pool, &entry, true));
		/* Whoever gave it back and wants it again comes behind them. */
		assert_int_equal(ask(&pool, &mine), POOL_BUSY);
		pthread_join(waiters[i].thread, NULL);
		assert_int_equal(waiters[i].turn, POOL_TAKEN);
		assert_ptr_equal(waiters[i].entry, &entry);
	}
	assert_null(pool_give(&pool, &entry, true));
	assert_int_equal(ask(&pool, &mine), POOL_TAKEN);
	assert_ptr_equal(pool_give(&pool, &entry, false), &entry);
	pool_release(&pool);
}

static void one_attempt_tells_a_crowd_that_a_member_is_lost(void **state)
{
	enum { CROWD = 8 };
	struct pool pool;
	struct pool_entry *none, entry = {0};
	struct waiter waiters[CROWD];

	(void)state;
	pool_init(&pool, MOST);
	assert_null(pool_doubt(&pool));
	assert_int_equal(ask(&pool, &none), POOL_MAKE);
	queue(&pool, waiters, CROWD);
	pool_failed(&pool, NULL, true);
	for (int i = 0; i < CROWD; i++) {
		pthread_join(waiters[i].thread, NULL);
		assert_int_equal(waiters[i].turn, POOL_LOST);
	}
	/* The next tries again; when that goes well, all may. */
	assert_int_equal(ask(&pool, &none), POOL_MAKE);
	queue(&pool, waiters, MOST - 1);
	assert_true(pool_enter(&pool, &entry));
	pool_made(&pool);
	for (int i = 0; i < MOST - 1; i++) {
		pthread_join(waiters[i].thread, NULL);
		assert_int_equal(waiters[i].turn, POOL_MAKE);
	}
	pool_release(&pool);
}

static void operations_that_stay_open_keep_no_call_from_the_member(void **state)
{
	enum { STREAMS = 3 * MOST };
	struct member_channel *streams[STREAMS];
	struct one crowd[MOST];

	(void)state;
	for (int i = 0; i < STREAMS; i++) {
		streams[i] = acquire();
		member_keep(streams[i]);
	}
	start(crowd, MOST, 50);
	assert_int_equal(join(crowd, MOST), 0);
	assert_in_range(peer.most, STREAMS + 1, STREAMS + MOST);
	/* And what they had is not kept for nobody. */
	for (int i = 0; i < STREAMS; i++) {
		member_clean(streams[i]);
		member_release(streams[i]);
	}
	assert_in_range(peer.now, 1, MOST);
}

static void what_is_left_open_is_nobody_elses(void **state)
{
	struct member_channel *channel = acquire();

	(void)state;
	member_keep(channel);
	member_release(channel);
	assert_int_equal(peer.now, 0);
	member_release(acquire());
	assert_int_equal(peer.made, 2);
}

/* ---- time ---- */

static void after_a_burst_few_connections_stay(void **state)
{
	struct member_channel *burst[MOST];

	(void)state;
	ahead_ns = 0;
	clock_source = &ahead;
	for (int i = 0; i < MOST; i++)
		burst[i] = acquire();
	for (int i = 0; i < MOST; i++)
		member_release(burst[i]);
	assert_int_equal(peer.now, MOST);
	ahead_ns += POOL_IDLE_MS / 2 * INT64_C(1000000);
	member_release(acquire());
	assert_int_equal(peer.now, MOST);
	ahead_ns += POOL_IDLE_MS * INT64_C(1000000);
	member_release(acquire());
	assert_int_equal(peer.now, 1);
	/* Which is still the one that was used last. */
	ahead_ns += 2 * POOL_IDLE_MS * INT64_C(1000000);
	member_release(acquire());
	assert_int_equal(peer.made, MOST);
}

/* ---- a peer that is full, lost, or cut ---- */

static void a_host_that_is_full_is_asked_again_or_serves_on_what_comes_back(void **state)
{
	struct member_channel *channels[2];
	struct one one;

	(void)state;
	peer.places = 2;
	for (int i = 0; i < 2; i++)
		channels[i] = acquire();
	start(&one, 1, 1);
	until(&peer.made, 3);
	member_release(channels[0]);
	assert_int_equal(join(&one, 1), 0);
	member_release(channels[1]);
	assert_int_equal(peer.now, 2);
}

static void a_host_that_stays_full_is_busy_and_not_lost(void **state)
{
	const struct member_config config = {
		.via = &ops, .name = "full", .connect_ms = 60, .answer_ms = 1000, .call_ms = 60, .connections = MOST};
	struct member_channel *mine = acquire(), *channel;
	struct member *other;
	struct err err = {0};

	(void)state;
	peer.places = 1;
	assert_int_equal(member_open(&config, &other, NULL), 0);
	assert_int_equal(member_acquire(other, &channel, &err), -ERR_UNREACHABLE);
	assert_true(p11_err_busy(&err));
	assert_int_equal(err.retry, ERR_RETRY_SAFE);
	member_release(mine);
	member_free(other);
}

static void all_in_use_for_too_long_is_busy_too(void **state)
{
	const struct member_config config = {
		.via = &ops, .name = "small", .connect_ms = 30, .answer_ms = 1000, .call_ms = 60, .connections = 1};
	struct member_channel *first, *second;
	struct member *other;
	struct err err = {0};

	(void)state;
	assert_int_equal(member_open(&config, &other, NULL), 0);
	assert_int_equal(member_acquire(other, &first, NULL), 0);
	assert_int_equal(member_acquire(other, &second, &err), -ERR_UNREACHABLE);
	assert_true(p11_err_busy(&err));
	assert_int_equal(err.retry, ERR_RETRY_SAFE);
	member_release(first);
	member_free(other);
}

static void a_crowd_comes_to_a_member_that_is_back(void **state)
{
	enum { THREADS = 16 };
	static struct one crowd[THREADS];
	struct member_channel *channel = acquire();

	(void)state;
	peer.gone = true;
	assert_true(use(channel) < 0);
	member_release(channel);
	start(crowd, THREADS, 1);
	assert_int_equal(join(crowd, THREADS), THREADS);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(crowd[i].rc, -ERR_UNREACHABLE);
	peer.gone = false;
	start(crowd, THREADS, 20);
	assert_int_equal(join(crowd, THREADS), 0);
}

static void who_waits_when_the_links_are_cut_hears_of_it(void **state)
{
	struct member_channel *held[MOST];
	struct one crowd[MOST];

	(void)state;
	for (int i = 0; i < MOST; i++)
		held[i] = acquire();
	start(crowd, MOST, 1);
	member_cut(member);
	assert_int_equal(join(crowd, MOST), MOST);
	for (int i = 0; i < MOST; i++)
		member_release(held[i]);
	assert_int_equal(peer.now, 0);
}

#define ON_PEER(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PEER(a_crowd_makes_no_more_than_it_may_and_throws_none_away),
		ON_PEER(who_waited_long_enough_is_given_the_next_that_comes_back),
		ON_PEER(one_attempt_tells_a_crowd_that_a_member_is_lost),
		ON_PEER(operations_that_stay_open_keep_no_call_from_the_member),
		ON_PEER(what_is_left_open_is_nobody_elses),
		ON_PEER(after_a_burst_few_connections_stay),
		ON_PEER(a_host_that_is_full_is_asked_again_or_serves_on_what_comes_back),
		ON_PEER(a_host_that_stays_full_is_busy_and_not_lost),
		ON_PEER(all_in_use_for_too_long_is_busy_too),
		ON_PEER(a_crowd_comes_to_a_member_that_is_back),
		ON_PEER(who_waits_when_the_links_are_cut_hears_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
