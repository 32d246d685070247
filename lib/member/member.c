/* SPDX-License-Identifier: Apache-2.0 */
/* A member: its channels, login, measurements. */
#include "member/member.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "member/limit.h"
#include "member/link.h"
#include "member/pool.h"
#include "member/rhythm.h"
#include "member/worker.h"
#include "p11/rv.h"

enum { BUSY_MS = 50, LOCKED_MS = 1000 };

struct member_channel {
	struct pool_entry entry;
	struct member *member;
	struct member_config config;	/* as it was when it was opened */
	struct link *link;
	CK_SESSION_HANDLE session;
	uint64_t pin_generation;	/* of the login on it; 0 = not logged in */
	bool broken, unclean;
	bool hurried;			/* its caller has others to go to */
};

/* A text of the config: kept as long as the member, since channels go on with what they were opened with. */
struct text {
	struct text *before;
	char text[];
};

struct member {
	struct member_config config;	/* address and certificate with the lock */
	struct text *texts;
	struct pool pool;
	pthread_mutex_t lock;		/* of what is below, and of address and certificate; not held with the pool's */
	struct secret *pin;
	uint64_t pin_generation;	/* counts member_set_pin() */
	CK_RV pin_refusal;		/* CKR_OK = not refused */
	int64_t pin_again_ms;		/* after a refusal: not before */
	uint64_t proven_generation;	/* the PIN was accepted, */
	uint64_t proven_epoch;		/* in this life of the host */
	_Atomic uint64_t changes;
	_Atomic int64_t connected_us;	/* how long the last connection took to make */
	struct rhythm rhythm;
};

static void channel_close(struct member_channel *channel)
{
	if (!channel)
		return;
	link_free(channel->link);
	free(channel);
}

static int keep_text(struct member *m, const char *from, const char **ret, struct err *err)
{
	size_t len = from ? strlen(from) : 0;
	struct text *text = from ? mem_zalloc(sizeof(*text) + len + 1) : NULL;

	*ret = NULL;
	if (!from)
		return 0;
	if (!text)
		return err_no_memory(err);
	memcpy(text->text, from, len);
	text->before = m->texts;
	m->texts = text;
	*ret = text->text;
	return 0;
}

static atomic_uint members;	/* that this process ever opened */

int member_open(const struct member_config *config, struct member **ret, struct err *err)
{
	owned(member) struct member *m = mem_new(struct member);
	const char **texts[] = {&m->config.name, &m->config.address, &m->config.certificate, &m->config.module,
				&m->config.serial, &m->config.uri, &m->config.program};

	if (!m)
		return err_no_memory(err);
	pthread_mutex_init(&m->lock, NULL);
	pool_init(&m->pool, config->connections);
	m->config = *config;
	m->config.number = atomic_fetch_add(&members, 1);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (keep_text(m, *texts[i], texts[i], err) < 0)
			return -ERR_NO_MEMORY;
	m->config.worker = NULL;
	if (!config->via && config->link == FLEET_LINK_WORKER && worker_new(&m->config, &m->config.worker, err) < 0)
		return -ERR_NO_MEMORY;
	*ret = own_take(m);
	return 0;
}

int member_move(struct member *m, const char *address, const char *certificate, struct err *err)
{
	int rc = 0;

	pthread_mutex_lock(&m->lock);
	if (!str_eq(m->config.address, address) || !str_eq(m->config.certificate, certificate)) {
		log_info("member", "'%s' is at %s now", m->config.name, address);
		rc = keep_text(m, address, &m->config.address, err);
		if (rc == 0)
			rc = keep_text(m, certificate, &m->config.certificate, err);
		rc = rc == 0 ? 1 : rc;
	}
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static void close_all(struct pool_entry *list)
{
	while (list) {
		struct pool_entry *next = list->next;

		channel_close((struct member_channel *)list);
		list = next;
	}
}

void member_set_limits(struct member *m, const struct fleet_policy *policy)
{
	struct member_config *config = &m->config;
	bool others;

	pthread_mutex_lock(&m->lock);
	others = config->connect_ms != policy->connect_ms || config->answer_ms != policy->answer_ms ||
		 config->call_ms != policy->call_ms;
	config->connect_ms = policy->connect_ms;
	config->answer_ms = policy->answer_ms;
	config->call_ms = policy->call_ms;
	pthread_mutex_unlock(&m->lock);
	if (others)
		close_all(pool_drop(&m->pool));
	pool_set_most(&m->pool, (unsigned)policy->connections);
}

int member_open_partition(const struct fleet_device *device, const struct fleet_partition *partition,
			  const char *name, const struct fleet_policy *policy,
			  struct tls_context *tls, struct member **ret, struct err *err)
{
	const struct fleet_link *link = &partition->link;
	struct member_config config = {
		.name = name, .link = link->kind, .address = link->address,
		.certificate = link->certificate, .tls = tls, .module = link->module,
		.environment = link->environment, .n_environment = link->n_environment,
		.serial = partition->serial, .uri = partition->uri, .connect_ms = policy->connect_ms,
		.answer_ms = policy->answer_ms, .call_ms = policy->call_ms,
		.connections = (unsigned)policy->connections,
	};

	if ((link->kind == FLEET_LINK_TLS && link->address) || (fleet_link_is_local(link) && link->module))
		return member_open(&config, ret, err);
	if (device->azure.id) {
		err_set(err, ERR_UNREACHABLE, "device '%s' is made, but its partition '%s' has no link yet", device->name,
			partition->name);
		return err_hint(err, "'hsmctl provision show' lists what is left to do; then write the link into the document");
	}
	err_set(err, ERR_UNREACHABLE, "device '%s' is not provisioned", device->name);
	return err_hint(err, "hsmctl provision apply FILE");
}

void member_free(struct member *member)
{
	if (!member)
		return;
	close_all(pool_drop(&member->pool));
	pool_release(&member->pool);
	worker_free(member->config.worker);
	secret_free(member->pin);
	while (member->texts) {
		struct text *text = member->texts;

		member->texts = text->before;
		free(text);
	}
	pthread_mutex_destroy(&member->lock);
	free(member);
}

const char *member_name(const struct member *member)
{
	return member->config.name;
}

void member_set_pin(struct member *member, struct secret *pin)
{
	pthread_mutex_lock(&member->lock);
	secret_free(member->pin);
	member->pin = pin;
	member->pin_refusal = CKR_OK;
	member->pin_generation++;
	pthread_mutex_unlock(&member->lock);
	close_all(pool_drop(&member->pool));
}

/* A copy of the PIN, so that no lock is held while the token thinks. */
static int borrow_pin(struct member *m, struct secret **ret, uint64_t *ret_generation, struct err *err)
{
	int rc = 0;

	pthread_mutex_lock(&m->lock);
	*ret_generation = m->pin ? m->pin_generation : 0;
	if (m->pin && m->pin_refusal != CKR_OK && clock_now_ms() < m->pin_again_ms) {
		rc = err_set(err, ERR_PIN, "'%s' refused the PIN (%s); it is not tried again", m->config.name,
			     p11_rv_name(m->pin_refusal));
		if (err)
			err->rv = m->pin_refusal;
	} else if (m->pin) {
		rc = secret_dup(m->pin, ret, err);
	}
	pthread_mutex_unlock(&m->lock);
	return rc;
}

/* A PIN that is wrong once is wrong for good. A token that did not look at it (it is locked, or
 * has no PIN) says nothing about it: somebody may see to that. */
static void remember_refusal(struct member *m, uint64_t generation, CK_RV rv)
{
	pthread_mutex_lock(&m->lock);
	if (m->pin_generation == generation) {
		m->pin_refusal = rv;
		m->pin_again_ms = p11_pin_refused(rv) ? INT64_MAX : clock_now_ms() + LOCKED_MS;
	}
	pthread_mutex_unlock(&m->lock);
}

/* The host has seen this PIN of ours and let it in. */
static bool is_proven(struct member *m, uint64_t generation, uint64_t epoch)
{
	bool proven;

	pthread_mutex_lock(&m->lock);
	proven = m->proven_generation == generation && m->proven_epoch == epoch;
	pthread_mutex_unlock(&m->lock);
	return proven;
}

static void remember_proof(struct member *m, uint64_t generation, uint64_t epoch)
{
	pthread_mutex_lock(&m->lock);
	m->proven_generation = generation;
	m->proven_epoch = epoch;
	pthread_mutex_unlock(&m->lock);
}

static int send_pin(struct member_channel *channel, const struct secret *pin, uint64_t generation, struct err *err)
{
	struct member *m = channel->member;
	struct p11_call call = p11_C_Login(channel->session, CKU_USER, pin->data, pin->len);
	int rc = member_call(channel, &call, 1, NULL, err);

	if (rc < 0)
		return rc;
	/* ALREADY_LOGGED_IN proves nothing: the token has not looked at this PIN. */
	if (call.rv == CKR_OK) {
		remember_proof(m, generation, channel->link->epoch);
		return 0;
	}
	if (p11_rv_class(call.rv) == P11_CREDENTIAL)
		remember_refusal(m, generation, call.rv);
	p11_rv_err(err, call.rv, "C_Login");
	return err_wrap(err, "'%s'", m->config.name);
}

/* The PIN that channels still have which are out has been taken back. */
static int log_out(struct member_channel *channel, struct err *err)
{
	struct p11_call call = p11_C_Logout(channel->session);
	int rc = member_call(channel, &call, 1, NULL, err);

	/* Another one may have been quicker. */
	if (rc == 0)
		channel->broken = false;
	return rc;
}

static int login(struct member_channel *channel, struct err *err)
{
	owned(secret) struct secret *pin = NULL;
	struct link *link = channel->link;
	uint64_t generation;
	int rc = borrow_pin(channel->member, &pin, &generation, err);

	if (rc == 0 && !pin)
		return link->logged_in ? log_out(channel, err) : 0;
	if (rc == 0 && !(link->logged_in && is_proven(channel->member, generation, link->epoch)))
		rc = send_pin(channel, pin, generation, err);
	if (rc == 0)
		channel->pin_generation = generation;
	return rc;
}

static int is_cut(const struct member *m, struct err *err)
{
	err_set(err, ERR_UNREACHABLE, "the links to '%s' are cut", m->config.name);
	if (err)
		err->retry = ERR_RETRY_SAFE;
	return -ERR_UNREACHABLE;
}

/* A session on the link, and the login. */
static int begin(struct member_channel *channel, struct err *err)
{
	struct p11_call call = p11_C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, &channel->session);
	int rc = member_run(channel, &call, 1, err);

	return rc == 0 ? login(channel, err) : rc;
}

/* How long a peer may be silent while one in a hurry connects. */
static int64_t quick_ms(struct member *m)
{
	int64_t twice = 2 * atomic_load(&m->connected_us) / 1000;

	return twice > MEMBER_QUICK_MS ? twice : MEMBER_QUICK_MS;
}

static int open_link(struct member *m, bool quick, struct member_channel **ret, struct err *err)
{
	static const struct link_ops *const kinds[] = {
		[FLEET_LINK_TLS] = &link_tls, [FLEET_LINK_MODULE] = &link_module, [FLEET_LINK_WORKER] = &link_worker,
	};
	const struct link_ops *ops = m->config.via ? m->config.via : kinds[m->config.link];
	struct member_channel *channel = mem_new(struct member_channel);
	int64_t start = clock_now_ns();
	int rc;

	if (!channel)
		return err_no_memory(err);
	channel->member = m;
	pthread_mutex_lock(&m->lock);
	channel->config = m->config;
	pthread_mutex_unlock(&m->lock);
	channel->config.silence_ms = quick ? quick_ms(m) : 0;
	rc = ops->open(&channel->config, &channel->link, err);
	if (rc < 0) {
		channel_close(channel);
		return err_wrap(err, "cannot reach '%s'", m->config.name);
	}
	atomic_store(&m->connected_us, (clock_now_ns() - start) / 1000);
	*ret = channel;
	return 0;
}

/* In the place that the pool has for it. */
static int connect_channel(struct member *m, bool quick, struct member_channel **ret, struct err *err)
{
	struct member_channel *channel = NULL;
	int rc = open_link(m, quick, &channel, err);

	/* Out from now on, where member_cut() finds it. */
	if (rc == 0 && !pool_enter(&m->pool, &channel->entry))
		rc = is_cut(m, err);
	else if (rc == 0)
		rc = begin(channel, err);
	if (rc == 0) {
		pool_made(&m->pool);
		*ret = channel;
		return 0;
	}
	pool_failed(&m->pool, channel ? &channel->entry : NULL,
		    (rc == -ERR_UNREACHABLE || rc == -ERR_TIMEOUT) && !p11_err_busy(err));
	channel_close(channel);
	return rc;
}

/* Is the PIN on it the one that is set? */
static bool is_fresh(struct member_channel *channel)
{
	struct member *m = channel->member;
	bool same;

	pthread_mutex_lock(&m->lock);
	same = channel->pin_generation == (m->pin ? m->pin_generation : 0);
	pthread_mutex_unlock(&m->lock);
	return same;
}

static int take_turn(struct member *m, bool quick, const struct pool_wish *wish, struct member_channel **ret,
		     struct err *err)
{
	struct pool_entry *entry = NULL, *old;
	enum pool_turn turn = pool_take(&m->pool, wish, &entry, &old);

	close_all(old);
	*ret = (struct member_channel *)entry;
	switch (turn) {
	case POOL_CUT:
		return is_cut(m, err);
	case POOL_LOST:
		err_set(err, quick ? ERR_TIMEOUT : ERR_UNREACHABLE, "'%s' was lost, and nobody has reached it yet",
			m->config.name);
		err->retry = ERR_RETRY_SAFE;
		return -(int)err->code;
	case POOL_BUSY:
		err_set(err, ERR_UNREACHABLE, "all connections to '%s' are in use", m->config.name);
		err->retry = ERR_RETRY_SAFE;
		err->rv = CKR_SESSION_COUNT;
		return -ERR_UNREACHABLE;
	case POOL_TAKEN:
	case POOL_MAKE:
		return turn;
	}
	return -ERR_UNREACHABLE;
}

/* Those whose peer went away while they were idle are no loss. */
static bool is_good(struct member_channel *channel)
{
	return is_fresh(channel) && channel->link->ops->alive(channel->link);
}

static void give_up(struct member_channel *channel)
{
	close_all(pool_give(&channel->member->pool, &channel->entry, false));
}

static int acquire(struct member *m, bool quick, struct member_channel **ret, struct err *err)
{
	struct pool_wish wish = {0};
	int64_t call_ms, end;
	struct member_channel *channel;
	struct err ignored = {0};

	err = err ? err : &ignored;
	pthread_mutex_lock(&m->lock);
	call_ms = wish.wait_ms = m->config.call_ms;
	wish.doubt_ms = m->config.connect_ms;
	pthread_mutex_unlock(&m->lock);
	end = clock_now_ms() + wish.doubt_ms;
	if (quick)
		wish.doubt_ms = quick_ms(m);
	for (;;) {
		int rc = take_turn(m, quick, &wish, &channel, err);

		if (rc == POOL_TAKEN && is_good(channel)) {
			*ret = channel;
			return 0;
		}
		if (rc == POOL_TAKEN) {
			give_up(channel);
			continue;
		}
		if (rc == POOL_MAKE)
			rc = connect_channel(m, quick, ret, err);
		if (rc == 0 || !p11_err_busy(err) || clock_now_ms() >= end || cancel_check(NULL) < 0)
			return rc;
		/* The host is well and has no place: somebody leaves soon, or one of ours comes back. */
		wish.no_more = !wish.no_more;
		wish.wait_ms = wish.no_more ? BUSY_MS : call_ms;
	}
}

int member_acquire(struct member *m, struct member_channel **ret, struct err *err)
{
	return acquire(m, false, ret, err);
}

int member_acquire_quick(struct member *m, struct member_channel **ret, struct err *err)
{
	return acquire(m, true, ret, err);
}

static void cut_one(struct pool_entry *entry)
{
	struct link *link = ((struct member_channel *)entry)->link;

	link->ops->cut(link);
}

void member_cut(struct member *m)
{
	close_all(pool_cut(&m->pool, cut_one));
}

void member_release(struct member_channel *channel)
{
	if (!channel)
		return;
	close_all(pool_give(&channel->member->pool, &channel->entry,
			    !channel->broken && !channel->unclean && !channel->entry.kept && is_fresh(channel)));
}

CK_SESSION_HANDLE member_session(const struct member_channel *channel)
{
	return channel->session;
}

struct member *member_of(const struct member_channel *channel)
{
	return channel->member;
}

bool member_broken(const struct member_channel *channel)
{
	return channel->broken;
}

bool member_ended(const struct member_channel *channel)
{
	return channel->link->ended;
}

uint64_t member_epoch(const struct member_channel *channel)
{
	return channel->link->epoch;
}

uint64_t member_changes(const struct member *member)
{
	return atomic_load(&member->changes);
}

void member_hurry(struct member_channel *channel)
{
	channel->hurried = true;
}

void member_keep(struct member_channel *channel)
{
	pool_keep(&channel->member->pool, &channel->entry, true);
}

void member_clean(struct member_channel *channel)
{
	channel->unclean = false;
	pool_keep(&channel->member->pool, &channel->entry, false);
}

void member_spoil(struct member_channel *channel)
{
	channel->broken = true;
}

/* Does the call belong to an operation that one before it began? */
static bool continues(const struct p11_call *call)
{
	return p11_fn_table[call->fn].part > P11_PART_INIT;
}

/* An operation that is left behind must meet nobody else, and a lost session or login will not come back by itself. */
static void judge(struct member_channel *channel, const struct p11_call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (calls[i].rv == CKR_OK)
			continue;
		if (continues(&calls[i]) && !p11_call_ends(&calls[i]))
			channel->unclean = true;
		if (p11_rv_class(calls[i].rv) == P11_SESSION)
			channel->broken = true;
		return;
	}
}

/* Of a batch that began a process of messages and was to end it, but came to no end: what ends it. P11_FN_MAX = none. */
static enum p11_fn left_open(const struct p11_call *calls, size_t count)
{
	enum p11_op open = P11_OP_NONE;

	for (size_t i = 0; i < count && calls[i].rv == CKR_OK; i++) {
		const struct p11_fn_info *info = &p11_fn_table[calls[i].fn];

		if (p11_op_is_message(info->op))
			open = info->part == P11_PART_INIT ? info->op : info->part == P11_PART_FINAL ? P11_OP_NONE : open;
	}
	return open && p11_fn_table[calls[count - 1].fn].part == P11_PART_FINAL ? p11_fn_of(open, P11_PART_FINAL) : P11_FN_MAX;
}

/* What is the caller's fault is answered here: no member hears of it. */
static bool refused(struct p11_call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		CK_RV rv = p11_call_check(&calls[i]);

		if (rv == CKR_OK)
			continue;
		calls[0].rv = rv;
		return true;
	}
	return false;
}

/* No word about the peer. */
static bool is_ours(int rc)
{
	return rc == -ERR_NO_MEMORY || cancel_is(rc);
}

/* A message that is refused is no reason to give a connection up. */
static void end_process(struct member_channel *channel, const struct p11_call *calls, size_t count)
{
	struct p11_call end = {.fn = left_open(calls, count), .rv = P11_NOT_RUN, .args = {{.number = channel->session}}};

	if (end.fn != P11_FN_MAX && !channel->broken)
		channel->unclean = member_call(channel, &end, 1, NULL, NULL) < 0 || end.rv != CKR_OK;
}

int member_call(struct member_channel *channel, struct p11_call *calls, size_t count, const struct call_limit *own,
		struct err *err)
{
	struct member *m = channel->member;
	struct call_limit limit = call_limit(calls, count, channel->config.answer_ms, channel->config.call_ms);
	int64_t start = clock_now_ns(), took;
	int rc;

	if (channel->broken)
		return is_cut(m, err);
	if (refused(calls, count))
		return 0;
	if (channel->hurried)
		limit.silence_ms = rhythm_silence_ms(&m->rhythm, limit.silence_ms);
	limit = call_limit_within(limit, own);
	rc = channel->link->ops->call(channel->link, calls, count, &limit, err);
	if (rc < 0) {
		channel->broken = true;
		/* What cut this one is likely to have cut the others. */
		if (!is_ours(rc) && !(err && p11_err_busy(err)))
			close_all(pool_doubt(&m->pool));
		log_info("member", "%s: %s", m->config.name, err ? err->message : "call failed");
		return err_wrap(err, "'%s'", m->config.name);
	}
	took = (clock_now_ns() - start) / 1000;
	rhythm_hear(&m->rhythm, channel->link->silence_us);
	if (count)
		log_debug("member", "%s: %s%s: 0x%lx, %lld us", m->config.name, p11_fn_table[calls[0].fn].name,
			  count > 1 ? " and what follows" : "", calls[count - 1].rv, (long long)took);
	if (channel->link->changes)
		atomic_store(&m->changes, channel->link->changes);
	judge(channel, calls, count);
	end_process(channel, calls, count);
	return 0;
}

int member_run(struct member_channel *channel, struct p11_call *calls, size_t count, struct err *err)
{
	int rc = member_call(channel, calls, count, NULL, err);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (calls[i].rv == CKR_OK)
			continue;
		p11_rv_err(err, calls[i].rv, p11_fn_table[calls[i].fn].name);
		return err_wrap(err, "'%s'", channel->member->config.name);
	}
	return rc;
}

static int probe(struct member *member, bool quick, CK_TOKEN_INFO *ret_info, struct err *err)
{
	struct member_channel *channel;
	uint8_t random[8];
	CK_TOKEN_INFO info;
	struct p11_call calls[2];
	int rc = acquire(member, quick, &channel, err);

	if (rc < 0)
		return rc;
	calls[0] = p11_C_GetTokenInfo(0, &info);
	calls[1] = p11_C_GenerateRandom(channel->session, random, sizeof(random));
	rc = member_run(channel, calls, 2, err);
	member_release(channel);
	if (rc == 0 && ret_info)
		*ret_info = info;
	return rc;
}

int member_probe(struct member *member, CK_TOKEN_INFO *ret_info, struct err *err)
{
	return probe(member, false, ret_info, err);
}

int member_probe_quick(struct member *member, CK_TOKEN_INFO *ret_info, struct err *err)
{
	return probe(member, true, ret_info, err);
}
