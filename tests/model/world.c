/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler, the link to the fake tokens, and what may happen between two messages. */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "crypto/digest.h"
#include "member/book.h"
#include "member/link.h"
#include "member/member.h"
#include "p11/rv.h"

enum { EVENTS_MAX = 6, MESSAGES_MAX = 20000, STEP_MS = 3 };

static const uint8_t DOMAIN_ID[16] = "a domain of ours";
static const char PIN[] = "1234";

void world_broken(struct world *world, const char *fmt, ...)
{
	va_list ap;

	if (*world->broken || (world->play.only && strncmp(fmt, world->play.only, strlen(world->play.only)) != 0))
		return;
	va_start(ap, fmt);
	vsnprintf(world->broken, sizeof(world->broken), fmt, ap);
	va_end(ap);
	world_say(world, "BROKEN: %s", world->broken);
}

void world_say(struct world *world, const char *fmt, ...)
{
	va_list ap;

	if (!world->play.verbose)
		return;
	printf("%8.3f  ", (double)world->now_ms / 1000);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

unsigned world_harm(const struct world *world)
{
	unsigned harm = 0;

	for (size_t m = 0; m < world->n_members; m++)
		harm += world->places[m].harmed;
	return harm;
}

struct entry *world_entry(struct world *world, const char *label)
{
	for (size_t i = 0; i < world->n_ledger; i++)
		if (strcmp(world->ledger[i].label, label) == 0)
			return &world->ledger[i];
	return NULL;
}

/* ---- time and chance, as a process sees them ---- */

static struct process *me;	/* the one that runs */

static int64_t now_ns(void *data)
{
	struct process *p = data;

	return (p->world->now_ms + 1000) * 1000000;
}

static int64_t utc_ms(void *data)
{
	struct process *p = data;

	return 1700000000000 + p->world->now_ms + p->skew_ms;
}

static void take_turns(struct process *p);

static void sleep_ms(void *data, int64_t ms)
{
	struct process *p = data;

	p->wake_ms = p->world->now_ms + ms;
	p->message = NULL;
	if (!p->killed)
		take_turns(p);
}

static void random_bytes(void *ret, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)ret)[i] = (uint8_t)trace_random(&me->world->random);
}

/* ---- taking turns ---- */

/* Let the others go on; back when it is this process's turn again. */
static void take_turns(struct process *p)
{
	swapcontext(&p->context, &p->world->scheduler);
}

/* Its turn: until its next message, or its end. */
static void give_turn(struct process *p)
{
	me = p;
	clock_source = &p->clock;
	crypto_random_source = random_bytes;
	swapcontext(&p->world->scheduler, &p->context);
	clock_source = NULL;
	crypto_random_source = NULL;
}

/* A message to a member: does it arrive? */
static bool arrives(struct process *p, size_t member, const char *what)
{
	struct world *w = p->world;

	if (p->killed)
		return false;
	p->member = member;
	p->message = what;
	p->deed_only = false;
	take_turns(p);
	if (p->killed)
		return false;
	w->messages++;
	w->now_ms += STEP_MS;
	return w->places[member].reachable;
}

/* ---- the link ---- */

struct fake_link {
	struct link link;
	struct process *process;
	size_t member;
	bool cut;
};

static int gone(struct err *err, enum err_retry retry)
{
	err_set(err, ERR_UNREACHABLE, "no answer");
	if (err)
		err->retry = retry;
	return -ERR_UNREACHABLE;
}

static int link_open_(const struct member_config *config, struct link **ret, struct err *err);

static int link_call_(struct link *link, struct p11_call *calls, size_t count, const struct call_limit *limit,
		      struct err *err)
{
	struct fake_link *f = (struct fake_link *)link;
	struct place *place = &f->process->world->places[f->member];

	const struct book_guest guest = {.who = f};

	(void)limit;
	if (!count)
		world_broken(f->process->world, "empty: p%zu sends m%zu a message without calls", f->process->number, f->member);
	if (f->cut || !arrives(f->process, f->member, p11_fn_table[calls[0].fn].name) || link->epoch != place->epoch) {
		f->cut = true;
		f->process->blamed |= 1u << f->member;
		return gone(err, ERR_RETRY_IDEMPOTENT);
	}
	for (size_t i = 0; i < count; i++) {
		/* To the token all clients are one application; the login is the host's affair. */
		if (calls[i].fn == P11_C_Login)
			calls[i].rv = CKR_OK;
		else
			book_execute(place->book, &guest, &calls[i]);
		/* Whoever answers so may be left out. */
		if (p11_rv_class(calls[i].rv) == P11_MEMBER || p11_rv_class(calls[i].rv) == P11_AMBIGUOUS)
			f->process->blamed |= 1u << f->member;
		if (calls[i].rv != CKR_OK)
			break;
	}
	link->changes = fake_changes(f->member) + 1;
	if (!f->process->deed_only)
		return 0;
	f->cut = true;
	f->process->blamed |= 1u << f->member;
	return gone(err, ERR_RETRY_IDEMPOTENT);
}

static bool link_alive_(struct link *link)
{
	struct fake_link *f = (struct fake_link *)link;

	return !f->cut && link->epoch == f->process->world->places[f->member].epoch;
}

static void link_cut_(struct link *link)
{
	((struct fake_link *)link)->cut = true;
}

static void link_close_(struct link *link)
{
	struct fake_link *f = (struct fake_link *)link;

	book_leave(f->process->world->places[f->member].book, f);
	free(f);
}

static const struct link_ops fake_link_ops = {
	.open = link_open_, .call = link_call_, .alive = link_alive_, .cut = link_cut_, .close = link_close_,
};

static int link_open_(const struct member_config *config, struct link **ret, struct err *err)
{
	struct process *p = config->via_data;
	struct fake_link *f;
	size_t member = (size_t)strtoul(config->address, NULL, 10);

	if (!arrives(p, member, "connect")) {
		p->blamed |= 1u << member;
		return gone(err, ERR_RETRY_SAFE);
	}
	f = mem_new(struct fake_link);
	if (!f)
		return err_no_memory(err);
	*f = (struct fake_link){.link = {.ops = &fake_link_ops, .config = config, .epoch = p->world->places[member].epoch},
				.process = p, .member = member};
	*ret = &f->link;
	return 0;
}

struct replica_set *world_set(struct world *world, struct process *process)
{
	struct replica_set *set = replica_set_new();
	struct secret *pin = NULL;

	set->threads = false;

	snprintf(set->name, sizeof(set->name), "model");
	memcpy(set->domain_id, DOMAIN_ID, sizeof(DOMAIN_ID));
	set->policy = (struct fleet_policy){.min_members = 2, .min_datacenters = 2, .connect_ms = 1000, .answer_ms = 1000,
					    .call_ms = 60000};
	for (size_t m = 0; m < world->n_members; m++) {
		struct replica_member *member = &set->members[m];
		char number[24];

		snprintf(number, sizeof(number), "%zu", m);
		snprintf(member->name, sizeof(member->name), "m%zu", m);
		snprintf(member->datacenter, sizeof(member->datacenter), "dc%zu", m);
		snprintf(member->region, sizeof(member->region), "region");
		member->role = m < 2 ? FLEET_ACTIVE : FLEET_STANDBY;
		member->index = m;
		member_open(&(struct member_config){.via = &fake_link_ops, .via_data = process, .name = member->name,
						    .address = number, .connect_ms = 1000, .answer_ms = 1000,
						    .call_ms = 60000}, &member->member, NULL);
	}
	set->n_members = world->n_members;
	secret_new(PIN, 4, &pin, NULL);
	replica_set_login(set, pin, NULL);
	secret_free(pin);
	return set;
}

/* ---- what may happen ---- */

static void plant_domain(size_t member)
{
	static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	static CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	static CK_KEY_TYPE type = CKK_AES;
	static uint8_t value[32] = "thirty-two bytes of a domain key";
	static CK_ULONG len = sizeof(value);
	const CK_ATTRIBUTE template[] = {
		{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)}, {CKA_TOKEN, &yes, 1},
		{CKA_PRIVATE, &yes, 1}, {CKA_SENSITIVE, &yes, 1}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_WRAP, &yes, 1},
		{CKA_UNWRAP, &yes, 1}, {CKA_ENCRYPT, &no, 1}, {CKA_DECRYPT, &no, 1},
		{CKA_LABEL, (void *)"hsmctl domain", 13}, {CKA_ID, (void *)DOMAIN_ID, sizeof(DOMAIN_ID)},
		{CKA_VALUE, value, sizeof(value)}, {CKA_VALUE_LEN, &len, sizeof(len)},
	};

	fake_plant(member, template, sizeof(template) / sizeof(template[0]));
}

/* Somebody makes a key on one member's token, without us: with a label, or (an unwrapped one) without. */
static void plant_stranger(struct world *w, size_t member, bool labelled)
{
	static CK_BBOOL yes = CK_TRUE;
	static CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	static CK_KEY_TYPE type = CKK_AES;
	struct entry *entry = &w->ledger[w->n_ledger];
	CK_ATTRIBUTE template[] = {
		{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)}, {CKA_TOKEN, &yes, 1},
		{CKA_PRIVATE, &yes, 1}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_ENCRYPT, &yes, 1}, {CKA_DECRYPT, &yes, 1},
		{CKA_VALUE, entry->value, sizeof(entry->value)}, {CKA_LABEL, entry->label, 0},
	};

	if (w->n_ledger == LEDGER_MAX)
		return;
	*entry = (struct entry){.planted = true, .made = MADE, .harm_at_make = world_harm(w)};
	snprintf(entry->label, sizeof(entry->label), "stranger-%zu", w->n_ledger);
	for (size_t i = 0; i < sizeof(entry->value); i++)
		entry->value[i] = (uint8_t)trace_random(&w->random);
	template[8].ulValueLen = strlen(entry->label);
	/* A full token takes nobody's. */
	if (!fake_plant(member, template, labelled ? 9 : 8))
		return;
	w->n_ledger++;
	world_say(w, "somebody makes a key on m%zu behind our back, %s a label", member, labelled ? "with" : "without");
}

static void set_reachable(struct world *w, size_t m, bool reachable)
{
	w->places[m].reachable = reachable;
	w->healthy &= ~(1u << m);
	world_say(w, "m%zu is %s", m, reachable ? "there again" : "away");
}

/* The host of a token logs in when it starts; to the token all its clients are one. */
static void log_in(size_t m)
{
	CK_SESSION_HANDLE session;

	/* Again when that is what a fault meets. */
	while (fake_functions()->C_OpenSession(m, CKF_SERIAL_SESSION, NULL, NULL, &session) != CKR_OK ||
	       fake_functions()->C_Login(session, CKU_USER, (CK_UTF8CHAR *)PIN, 4) != CKR_OK)
		;
}

static int64_t host_now_ns(void *data)
{
	return (((struct world *)data)->now_ms + 1000) * 1000000;
}

static int64_t host_utc_ms(void *data)
{
	return 1700000000000 + ((struct world *)data)->now_ms;
}

/* What its host remembers is lost with it. */
static void open_book(struct world *w, size_t m)
{
	book_free(w->places[m].book);
	clock_source = &w->clock;
	book_new(fake_functions(), m, false, &w->places[m].book, NULL);
	clock_source = NULL;
}

static void restart(struct world *w, size_t m)
{
	fake_restart(m);
	log_in(m);
	open_book(w, m);
	w->places[m].epoch++;
	w->healthy &= ~(1u << m);
	world_say(w, "m%zu is restarted", m);
}

static void restore(struct world *w, size_t m)
{
	struct place *place = &w->places[m];

	if (!place->backup) {
		place->backup = fake_save(m);
		world_say(w, "m%zu is backed up", m);
		return;
	}
	fake_restore(m, place->backup);
	log_in(m);
	open_book(w, m);
	place->epoch++;
	place->harmed++;
	w->healthy &= ~(1u << m);
	world_say(w, "m%zu comes back from its backup", m);
}

static void fill(struct world *w, size_t m)
{
	struct place *place = &w->places[m];

	place->full = !place->full;
	fake_limit(m, place->full ? 1 : 0);
	w->healthy &= ~(1u << m);
	world_say(w, "m%zu is %s", m, place->full ? "full" : "no longer full");
}

/* For a minute: until the others have done all that they can, or while they go on a minute later. */
static void fall_asleep(struct world *w, struct process *p, bool stopped)
{
	w->now_ms += stopped ? 63000 : 0;
	p->wake_ms = w->now_ms + (stopped ? 3000 : 63000);
	/* Creations under way may be taken away. */
	w->healthy = 0;
	world_say(w, "p%zu %s", p->number, stopped ? "is stopped, and a minute goes by" : "sleeps for 63 s");
}

/* Something happens to a member, to a process, or to time; 0 is nothing. */
static void happen(struct world *w)
{
	size_t m, p;

	if (w->quiet || w->play.calm || w->events >= EVENTS_MAX || trace_choose(&w->trace, w->luck) != 1)
		return;
	w->events++;
	m = trace_choose(&w->trace, (unsigned)w->n_members);
	p = trace_choose(&w->trace, (unsigned)w->n_processes);
	switch (trace_choose(&w->trace, 16)) {
	case 0:
	case 1:
	case 2:
		set_reachable(w, m, !w->places[m].reachable);
		break;
	case 3:
		restart(w, m);
		break;
	case 4:
		restore(w, m);
		break;
	case 5:
		fill(w, m);
		break;
	case 6:
		w->healthy &= ~(1u << m);
		fake_fail(m, P11_FN_MAX, 1 + trace_choose(&w->trace, 4), CKR_GENERAL_ERROR, FAKE_BEFORE);
		world_say(w, "m%zu will answer GENERAL_ERROR once", m);
		break;
	case 7:
		if (w->processes[p].started && !w->processes[p].done) {
			w->processes[p].killed = true;
			world_say(w, "p%zu is killed", p);
		}
		break;
	case 8:
		fall_asleep(w, &w->processes[p], false);
		break;
	case 9:
		w->processes[p].skew_ms += trace_choose(&w->trace, 2) ? 120000 : -120000;
		world_say(w, "p%zu's clock is %lld s off", p, (long long)w->processes[p].skew_ms / 1000);
		break;
	case 10:
	case 11:
		plant_stranger(w, m, trace_choose(&w->trace, 2) == 0);
		break;
	case 12:
		w->now_ms += 63000;
		/* Creations under way may be taken away. */
		w->healthy = 0;
		world_say(w, "a minute goes by");
		break;
	case 13:
	case 14:
		fall_asleep(w, &w->processes[p], true);
		break;
	case 15:
		w->processes[p].deaf = 1 + trace_choose(&w->trace, 6);
		world_say(w, "p%zu will not hear %u answers", p, w->processes[p].deaf);
		break;
	}
}

/* ---- the scheduler ---- */

enum { STACK = 512 << 10 };

static void process_main(void)
{
	struct process *p = me;

	if (!p->killed)
		actor_run(p);
	p->done = true;
	take_turns(p);
}

static void start(struct world *w, struct process *p)
{
	static uint8_t stacks[PROCESSES_MAX][STACK] __attribute__((aligned(4096)));

	p->world = w;
	p->number = (size_t)(p - w->processes);
	p->clock = (struct clock_source){now_ns, utc_ms, sleep_ms, p};
	p->set = world_set(w, p);
	getcontext(&p->context);
	p->context.uc_stack.ss_sp = stacks[p->number];
	p->context.uc_stack.ss_size = STACK;
	makecontext(&p->context, process_main, 0);
	p->started = true;
}

static void finish(struct process *p)
{
	replica_set_free(p->set);
	for (size_t i = 0; i < p->n_index; i++)
		record_release(&p->index[i]);
}

/* Who can go on now; when all sleep, time goes on until one wakes. */
static size_t runnable(struct world *w, size_t ret[static PROCESSES_MAX])
{
	size_t n = 0;
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < w->n_processes; i++) {
		struct process *p = &w->processes[i];

		if (!p->started || p->done)
			continue;
		if (p->killed || p->wake_ms <= w->now_ms)
			ret[n++] = i;
		else if (p->wake_ms < next)
			next = p->wake_ms;
	}
	if (n || next == INT64_MAX)
		return n;
	w->now_ms = next;
	return runnable(w, ret);
}

static void tell_message(struct world *w, const struct process *p)
{
	const char *fate = p->deed_only                       ? " (the answer is lost)"
			   : !w->places[p->member].reachable ? " (nobody there)"
							     : "";

	if (w->play.messages || *fate)
		world_say(w, "p%zu -> m%zu %s%s", p->number, p->member, p->message, fate);
}

/* In some histories turns are short, in others all that one does may fall between two messages of another. */
static size_t choose_turn(struct world *w, const size_t *who, size_t n)
{
	for (size_t i = 0; i < n && w->stays; i++)
		if (who[i] == w->turn) {
			w->stays--;
			return w->turn;
		}
	w->stays = n > 1 ? (1u << 2 * trace_choose(&w->trace, w->pace)) - 1 : 0;
	return w->turn = who[trace_choose(&w->trace, (unsigned)n)];
}

static bool loses_answer(struct world *w, struct process *p)
{
	if (w->quiet || w->play.calm)
		return false;
	if (!p->deaf)
		return trace_choose(&w->trace, w->loss) == 1;
	p->deaf--;
	return true;
}

/* One message of one process. false: all are done. */
static bool step(struct world *w)
{
	size_t who[PROCESSES_MAX], n = runnable(w, who);
	struct process *p;

	if (!n)
		return false;
	p = &w->processes[choose_turn(w, who, n)];
	happen(w);
	if (p->message && !p->killed) {
		if (loses_answer(w, p)) {
			p->deed_only = true;
			w->healthy &= ~(1u << p->member);
		}
		tell_message(w, p);
	}
	give_turn(p);
	check_step(w);
	return !*w->broken;
}

static void heal(struct world *w)
{
	w->quiet = true;
	for (size_t m = 0; m < w->n_members; m++) {
		w->places[m].reachable = true;
		w->places[m].full = false;
		fake_heal(m);
	}
	for (size_t i = 0; i < w->n_processes; i++)
		w->processes[i].skew_ms = 0;
	w->now_ms += 600000;
	world_say(w, "quiet");
}

static void run_all(struct world *w)
{
	while (w->messages < MESSAGES_MAX && step(w))
		;
	if (w->messages >= MESSAGES_MAX)
		world_broken(w, "no end after %lu messages", w->messages);
}

/* Nobody's thread is left behind, whatever happened. */
static void end_all(struct world *w)
{
	for (size_t i = 0; i < w->n_processes; i++) {
		struct process *p = &w->processes[i];

		while (p->started && !p->done) {
			p->killed = true;
			give_turn(p);
		}
	}
	for (size_t i = 0; i < w->n_processes; i++)
		if (w->processes[i].started)
			finish(&w->processes[i]);
}

/* A process of the world's own, after quiet. */
void world_run(struct world *w, enum op_kind kind)
{
	struct process *p;

	if (w->n_processes == PROCESSES_MAX || *w->broken)
		return;
	p = &w->processes[w->n_processes++];
	p->ops[0].kind = kind;
	p->n_ops = 1;
	start(w, p);
	run_all(w);
}

bool world_play(struct world *w, const struct trace *trace, const struct play *play)
{
	/* Hosts' clocks are right, most of them. */
	static const int64_t skews[] = {0, 0, 0, 0, 120000, -120000};

	*w = (struct world){.trace = *trace, .play = *play, .random = trace->seed ^ 0x5eed};
	w->n_members = 3 + trace_choose(&w->trace, 2);
	w->healthy = (1u << w->n_members) - 1;
	w->clock = (struct clock_source){.now_ns = host_now_ns, .utc_ms = host_utc_ms, .data = w};
	fake_reset(w->n_members, 1);
	check_begin();
	for (size_t m = 0; m < w->n_members; m++) {
		w->places[m] = (struct place){.reachable = true, .epoch = 1};
		plant_domain(m);
		log_in(m);
		open_book(w, m);
	}
	w->n_processes = 1 + (play->alone ? 0 : trace_choose(&w->trace, 3));
	w->pace = 1 + trace_choose(&w->trace, 5);
	w->luck = 12u << trace_choose(&w->trace, 5);
	w->loss = 60u << trace_choose(&w->trace, 3);
	w->play.calm = play->calm || trace_choose(&w->trace, 16) == 1;
	for (size_t i = 0; i < w->n_processes; i++) {
		w->processes[i].world = w;
		w->processes[i].skew_ms = skews[trace_choose(&w->trace, sizeof(skews) / sizeof(skews[0]))];
		actor_plan(&w->processes[i]);
		start(w, &w->processes[i]);
	}
	run_all(w);
	if (!*w->broken) {
		heal(w);
		check_end(w);
	}
	end_all(w);
	for (size_t m = 0; m < w->n_members; m++) {
		fake_state_free(w->places[m].backup);
		book_free(w->places[m].book);
	}
	return !*w->broken;
}
