/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets a connection, and who waits for one. */
#include "member/pool.h"

#include <stddef.h>

#include "base/clock.h"

/* On its thread's stack, while it waits. */
struct pool_waiter {
	struct pool_waiter *next;
	pthread_cond_t wake;
	int64_t since_ms;
	struct pool_entry *given;
	bool lost;
};

void pool_init(struct pool *pool, unsigned most)
{
	*pool = (struct pool){.most = most ? most : POOL_MOST};
	pthread_mutex_init(&pool->lock, NULL);
}

void pool_set_most(struct pool *pool, unsigned most)
{
	pthread_mutex_lock(&pool->lock);
	pool->most = most ? most : POOL_MOST;
	if (pool->waiting)
		pthread_cond_signal(&pool->waiting->wake);
	pthread_mutex_unlock(&pool->lock);
}

void pool_release(struct pool *pool)
{
	pthread_mutex_destroy(&pool->lock);
}

/* ---- lists ---- */

static void push(struct pool_list *list, struct pool_entry *entry)
{
	entry->before = NULL;
	entry->next = list->first;
	*(entry->next ? &entry->next->before : &list->last) = entry;
	list->first = entry;
}

static void take(struct pool_list *list, struct pool_entry *entry)
{
	*(entry->before ? &entry->before->next : &list->first) = entry->next;
	*(entry->next ? &entry->next->before : &list->last) = entry->before;
}

/* ---- with the lock held ---- */

static bool may_make(const struct pool *pool)
{
	return pool->n_idle + pool->n_busy < pool->most && !(pool->doubtful && pool->n_making);
}

static void wake_all(struct pool *pool)
{
	for (struct pool_waiter *w = pool->waiting; w; w = w->next)
		pthread_cond_signal(&w->wake);
}

/* Whoever waits looks how long he still does. */
static void doubt(struct pool *pool)
{
	if (!pool->doubtful)
		pool->since_ms = clock_now_ms();
	pool->doubtful = true;
	wake_all(pool);
}

/* The first of those who wait looks again. */
static void wake_first(struct pool *pool)
{
	if (pool->waiting)
		pthread_cond_signal(&pool->waiting->wake);
}

static void go_out(struct pool *pool, struct pool_entry *entry)
{
	push(&pool->out, entry);
	pool->n_busy++;
}

static struct pool_entry *take_idle(struct pool *pool)
{
	struct pool_entry *entry = pool->idle.first;

	take(&pool->idle, entry);
	pool->n_idle--;
	go_out(pool, entry);
	return entry;
}

static struct pool_entry *drop_all(struct pool *pool)
{
	struct pool_entry *dropped = pool->idle.first;

	pool->idle = (struct pool_list){0};
	pool->n_idle = 0;
	return dropped;
}

/* The last stays: whoever comes next need not connect. */
static struct pool_entry *drop_old(struct pool *pool)
{
	int64_t oldest = clock_now_ms() - POOL_IDLE_MS;
	struct pool_entry *dropped = NULL, *entry;

	while ((entry = pool->idle.last) && entry->before && entry->since_ms <= oldest) {
		take(&pool->idle, entry);
		pool->n_idle--;
		entry->next = dropped;
		dropped = entry;
	}
	return dropped;
}

static void come_back(struct pool *pool, struct pool_entry *entry)
{
	take(&pool->out, entry);
	pool->n_busy -= !entry->kept;
	entry->kept = false;
}

/* ---- waiting ---- */

static void queue(struct pool *pool, struct pool_waiter *waiter)
{
	struct pool_waiter **at = &pool->waiting;
	pthread_condattr_t monotonic;

	*waiter = (struct pool_waiter){.since_ms = clock_now_ms()};
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&waiter->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	while (*at)
		at = &(*at)->next;
	*at = waiter;
}

static void unqueue(struct pool *pool, struct pool_waiter *waiter)
{
	struct pool_waiter **at = &pool->waiting;

	while (*at && *at != waiter)
		at = &(*at)->next;
	if (*at)
		*at = waiter->next;
	pthread_cond_destroy(&waiter->wake);
}

/* What there is for this one now; POOL_BUSY: nothing. */
static enum pool_turn look(struct pool *pool, const struct pool_wish *wish, struct pool_waiter *waiter,
			   struct pool_entry **ret)
{
	if (waiter && waiter->given) {
		*ret = waiter->given;
		return POOL_TAKEN;
	}
	if (pool->cut)
		return POOL_CUT;
	if (waiter && waiter->lost)
		return POOL_LOST;
	if (pool->n_idle) {
		*ret = take_idle(pool);
		return POOL_TAKEN;
	}
	if (wish->no_more || !may_make(pool))
		return POOL_BUSY;
	pool->n_busy++;
	pool->n_making++;
	return POOL_MAKE;
}

/* Is it being found out whether the member is there, and nothing else to wait for? */
static bool in_doubt(const struct pool *pool)
{
	return pool->doubtful && pool->n_busy == pool->n_making;
}

/* Until when this one waits. */
static int64_t patience(const struct pool *pool, const struct pool_wish *wish, const struct pool_waiter *waiter)
{
	bool later = in_doubt(pool) && pool->since_ms > waiter->since_ms;

	return in_doubt(pool) ? (later ? pool->since_ms : waiter->since_ms) + wish->doubt_ms
			      : waiter->since_ms + wish->wait_ms;
}

static enum pool_turn wait_for(struct pool *pool, const struct pool_wish *wish, struct pool_entry **ret)
{
	struct pool_waiter waiter;
	enum pool_turn turn;

	queue(pool, &waiter);
	while ((turn = look(pool, wish, &waiter, ret)) == POOL_BUSY) {
		bool doubtful = in_doubt(pool);
		int64_t left = patience(pool, wish, &waiter) - clock_now_ms();

		if (left <= 0 && doubtful)
			turn = POOL_LOST;
		if (left <= 0)
			break;
		clock_wait_ms(&waiter.wake, &pool->lock, left);
	}
	unqueue(pool, &waiter);
	/* Two may have come back, and the first was told twice. */
	if (pool->n_idle || may_make(pool))
		wake_first(pool);
	return turn;
}

enum pool_turn pool_take(struct pool *pool, const struct pool_wish *wish, struct pool_entry **ret,
			 struct pool_entry **ret_old)
{
	enum pool_turn turn;

	pthread_mutex_lock(&pool->lock);
	turn = look(pool, wish, NULL, ret);
	if (turn == POOL_BUSY)
		turn = wait_for(pool, wish, ret);
	*ret_old = drop_old(pool);
	pthread_mutex_unlock(&pool->lock);
	return turn;
}

/* ---- coming and going ---- */

bool pool_enter(struct pool *pool, struct pool_entry *entry)
{
	bool cut;

	pthread_mutex_lock(&pool->lock);
	push(&pool->out, entry);
	cut = pool->cut;
	pthread_mutex_unlock(&pool->lock);
	return !cut;
}

void pool_made(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->n_making--;
	pool->doubtful = false;
	wake_first(pool);
	pthread_mutex_unlock(&pool->lock);
}

/* Unless somebody still has one: he will give it back, or lose it, too. */
static void tell_lost(struct pool *pool)
{
	for (struct pool_waiter *w = pool->waiting; w && !pool->n_busy; w = w->next)
		w->lost = true;
}

void pool_failed(struct pool *pool, struct pool_entry *entry, bool lost)
{
	pthread_mutex_lock(&pool->lock);
	pool->n_making--;
	pool->n_busy--;
	if (entry)
		take(&pool->out, entry);
	if (lost) {
		tell_lost(pool);
		doubt(pool);
	}
	wake_first(pool);
	pthread_mutex_unlock(&pool->lock);
}

struct pool_entry *pool_give(struct pool *pool, struct pool_entry *entry, bool reuse)
{
	struct pool_waiter *first;

	pthread_mutex_lock(&pool->lock);
	first = pool->waiting;
	come_back(pool, entry);
	reuse = reuse && !pool->cut && (first || pool->n_idle + pool->n_busy < pool->most);
	if (reuse && first && !first->given && clock_now_ms() - first->since_ms >= POOL_TURN_MS) {
		go_out(pool, entry);
		first->given = entry;
	} else if (reuse) {
		entry->since_ms = clock_now_ms();
		push(&pool->idle, entry);
		pool->n_idle++;
	}
	wake_first(pool);
	if (!reuse)
		entry->next = NULL;
	entry = reuse ? drop_old(pool) : entry;
	pthread_mutex_unlock(&pool->lock);
	return entry;
}

void pool_keep(struct pool *pool, struct pool_entry *entry, bool keep)
{
	pthread_mutex_lock(&pool->lock);
	if (entry->kept != keep) {
		pool->n_busy += keep ? -1u : 1u;
		entry->kept = keep;
		wake_first(pool);
	}
	pthread_mutex_unlock(&pool->lock);
}

struct pool_entry *pool_drop(struct pool *pool)
{
	struct pool_entry *dropped;

	pthread_mutex_lock(&pool->lock);
	dropped = drop_all(pool);
	wake_first(pool);
	pthread_mutex_unlock(&pool->lock);
	return dropped;
}

struct pool_entry *pool_doubt(struct pool *pool)
{
	struct pool_entry *dropped;

	pthread_mutex_lock(&pool->lock);
	dropped = drop_all(pool);
	doubt(pool);
	pthread_mutex_unlock(&pool->lock);
	return dropped;
}

struct pool_entry *pool_cut(struct pool *pool, void (*each)(struct pool_entry *entry))
{
	struct pool_entry *dropped;

	pthread_mutex_lock(&pool->lock);
	pool->cut = true;
	dropped = drop_all(pool);
	for (struct pool_entry *entry = pool->out.first; entry; entry = entry->next)
		each(entry);
	wake_all(pool);
	pthread_mutex_unlock(&pool->lock);
	return dropped;
}
