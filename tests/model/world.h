/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world - members, processes, and the one who says what happens next.
 *
 * Members are fake tokens (tests/fake) behind a link of our own. Processes run the
 * real code of lib/replica, each on a stack of its own: whenever one sends a
 * message it stops, and the world chooses who goes on, whether the message arrives,
 * whether its answer does, what breaks meanwhile and how clocks move. The whole of
 * it follows from the trace.
 */
#ifndef MODEL_WORLD_H
#define MODEL_WORLD_H

#include <ucontext.h>

#include "base/clock.h"
#include "base/err.h"
#include "replica/record.h"
#include "replica/set.h"
#include "fake/token.h"
#include "trace.h"

enum { MEMBERS_MAX = 4, PROCESSES_MAX = 8, OPS_MAX = 4, LEDGER_MAX = 24, INDEX_MAX = 24, NAME_MAX_ = 32 };

struct world;

/* A member as it stands. */
struct place {
	bool reachable;
	uint64_t epoch;		/* rises with each restart */
	struct book *book;	/* of its host as it runs now */
	struct fake_state *backup;
	unsigned harmed;	/* times that it lost what it had acknowledged */
	bool full;
};

enum op_kind { OP_GENERATE, OP_DELETE, OP_CHANGE, OP_REFRESH, OP_SYNC, OP_RECOVER, OP_VERIFY, OP_KINDS };
extern const char *const op_names[];

struct op {
	enum op_kind kind;
	unsigned key;		/* which of the process's keys */
};

struct process {
	struct world *world;
	size_t number;
	ucontext_t context;
	bool started, done, killed;
	int64_t wake_ms;	/* it does not run before */
	int64_t skew_ms;	/* its clock minus the true one */
	struct clock_source clock;
	struct replica_set *set;
	bool application;	/* it asks only members that serve; commands ask all */
	struct op ops[OPS_MAX];
	size_t n_ops;
	/* What it believes of keys, as old as it may be. */
	struct record index[INDEX_MAX];
	size_t n_index;
	/* Its message, for the one who decides and for people. */
	size_t member;
	const char *message;
	bool deed_only;		/* the answer to this one is lost */
	unsigned deaf;		/* so are those to as many of its next messages */
	/* Members that failed it during the operation that it is in: by no fault of theirs is a finding. */
	uint32_t blamed;
};

/* What is known of a key that somebody made or tried to. */
enum outcome { PENDING, MADE, NOT_MADE, NOT_KNOWN };

struct entry {
	char label[NAME_MAX_];		/* as generated, unique */
	char label_now[NAME_MAX_];	/* after the last change that was acknowledged */
	bool label_sure;		/* no change is under way or of unknown outcome */
	unsigned changing, changes;	/* changes under way, or of unknown outcome; all that were begun */
	uint8_t uid[UID_LEN];
	enum outcome made, deleted;	/* deleted PENDING: nobody tried */
	bool delete_tried;
	uint32_t may_have;		/* members that may still have it, once the delete was acknowledged */
	unsigned harm_at_make;		/* sum of places' harmed then */
	bool planted;			/* made behind everybody's back; material by value */
	uint8_t value[16];
};

/* What is played, and how much of it is told. */
struct play {
	const char *only;	/* the promise that is asked, "lost"; NULL = all */
	bool alone;		/* one process */
	bool calm;		/* nothing happens to anybody */
	bool objects;		/* some of what is made is data, all of it in its record */
	bool verbose, messages;	/* tell what happens; each message too */
};

struct world {
	struct trace trace;
	uint64_t random;
	int64_t now_ms;
	struct clock_source clock;	/* of the members' hosts */
	struct place places[MEMBERS_MAX];
	size_t n_members;
	uint32_t healthy;	/* members nothing happened to since the operation under way began; per world */
	struct process processes[PROCESSES_MAX];
	size_t n_processes;
	size_t turn;		/* the process that went on last, */
	unsigned stays, pace;	/* and stays so for as many messages; how long such turns become */
	ucontext_t scheduler;
	struct entry ledger[LEDGER_MAX];
	size_t n_ledger;
	unsigned luck, loss;	/* messages, about, to each event, and to each answer that is lost */
	bool quiet;		/* no more faults */
	struct play play;
	unsigned long messages;
	unsigned events;
	char broken[400];	/* the first promise that was broken, and how */
};

/* Play one history. true = every promise was kept. */
bool world_play(struct world *world, const struct trace *trace, const struct play *play);

/* One process more, with one operation, to its end: after quiet. */
void world_run(struct world *world, enum op_kind kind);
/* A promise was broken. Only the first counts. */
__attribute__((format(printf, 2, 3))) void world_broken(struct world *world, const char *fmt, ...);
/* A line for people, when they look. */
__attribute__((format(printf, 2, 3))) void world_say(struct world *world, const char *fmt, ...);

/* The set of all members as a process of its own sees it; freed by the caller. */
struct replica_set *world_set(struct world *world, struct process *process);
struct entry *world_entry(struct world *world, const char *label);
unsigned world_harm(const struct world *world);

/* actor.c: what a process does, from its first message to its last. */
void actor_run(struct process *process);
/* Its operations, chosen. */
void actor_plan(struct process *process);

/* check.c: the promises. Forget the history before; do they hold now? */
void check_begin(void);
void check_step(struct world *world);
/* After quiet, with everybody up: one sync brings all in order, another finds nothing. */
void check_end(struct world *world);
/* What a sync and a verify after quiet said. */
struct replica_sync_report;
void check_sync(struct world *world, int rc, const struct replica_sync_report *report, const struct err *err);
void check_verify(struct world *world, bool says_in_sync);
/* Members (mask) on which a key of this uid is live, with its objects, or that are known to have missed writes. */
uint32_t check_may_have(struct world *world, const uint8_t *uid);

#endif
