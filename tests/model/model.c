/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model [OPTION...]: histories of writers, syncs and faults, each from a seed of its own; after every message the
 * promises are asked. The first history that breaks one is made as short as it goes and told step by step, with the trace
 * that repeats it. Status 1 when a promise was broken.
 *
 *	--seed N --histories N	seeds N, N + 1, …
 *	--only WORD		ask for one promise (the word before the colon: lost, back, doubled, made, changed, undone,
 *				refused, blame, destroyed, stale, told, unsettled, verify, idle)
 *	--alone --calm		with one process; with nothing that goes wrong
 *	--objects		every third thing that is made is data
 *	--keep-going		only count what breaks, by promise
 *	--replay SEED:HEX	one history again; --messages tells each message of it
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

static struct world world;
static struct play play;

/* ---- a history made short ---- */

/* Which promise was broken. */
static void kind_of(const char *broken, char ret[static 32])
{
	snprintf(ret, 32, "%.*s", (int)strcspn(broken, ":"), broken);
}

static bool breaks_as(const struct trace *trace, const char *kind)
{
	struct trace copy = *trace;
	char now[32];

	trace_rewind(&copy);
	if (world_play(&world, &copy, &play))
		return false;
	kind_of(world.broken, now);
	return strcmp(now, kind) == 0;
}

/* Leave choices out, a piece at a time. */
static bool drop_pieces(struct trace *trace, size_t size, const char *kind)
{
	bool shorter = false;

	for (size_t at = 0; at + size <= trace->len;) {
		struct trace less = *trace;

		memmove(less.list + at, less.list + at + size, less.len - at - size);
		less.len -= size;
		if (breaks_as(&less, kind)) {
			*trace = less;
			shorter = true;
		} else {
			at += size;
		}
	}
	return shorter;
}

/* Make choices duller. */
static bool dull(struct trace *trace, const char *kind)
{
	bool duller = false;

	for (size_t at = 0; at < trace->len; at++) {
		struct trace less = *trace;

		if (!less.list[at])
			continue;
		less.list[at] = 0;
		if (breaks_as(&less, kind)) {
			*trace = less;
			duller = true;
		}
	}
	return duller;
}

static void shrink(struct trace *trace, const char *kind)
{
	bool again = true;

	while (again) {
		again = false;
		for (size_t size = 64; size; size /= 2)
			again |= drop_pieces(trace, size, kind);
		again |= dull(trace, kind);
	}
	/* Behind its end all choices are the dullest. */
	while (trace->len && !trace->list[trace->len - 1])
		trace->len--;
}

/* ---- telling ---- */

static bool tell(const struct trace *trace)
{
	struct trace copy = *trace;
	bool kept;

	trace_rewind(&copy);
	play.verbose = true;
	kept = world_play(&world, &copy, &play);
	play.verbose = false;
	printf("%lu messages; --replay %llx:", world.messages, (unsigned long long)trace->seed);
	for (size_t i = 0; i < trace->len; i++)
		printf("%02x", trace->list[i]);
	printf("\n");
	return kept;
}

static bool replay(const char *text)
{
	static struct trace trace;
	char *list;

	trace_seed(&trace, strtoull(text, &list, 16));
	for (list += *list == ':'; list[0] && list[1] && trace.len < TRACE_MAX; list += 2) {
		char byte[3] = {list[0], list[1], 0};

		trace.list[trace.len++] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return tell(&trace);
}

/* ---- counting ---- */

struct count {
	char kind[32];
	unsigned long n;
	unsigned long long first;	/* seed */
};

static void count(struct count *counts, size_t max, const char *broken, unsigned long long seed)
{
	char kind[32];
	size_t i = 0;

	kind_of(broken, kind);
	while (i < max - 1 && *counts[i].kind && strcmp(counts[i].kind, kind) != 0)
		i++;
	if (!counts[i].n++)
		counts[i].first = seed;
	memcpy(counts[i].kind, kind, sizeof(kind));
}

static bool play_all(unsigned long long seed, unsigned long long histories, bool keep_going)
{
	static struct trace trace;
	struct count counts[16] = {0};
	unsigned long long messages = 0, n;
	bool kept = true;

	for (n = 0; n < histories && (kept || keep_going); n++) {
		trace_seed(&trace, seed + n);
		if (!world_play(&world, &trace, &play)) {
			kept = false;
			count(counts, sizeof(counts) / sizeof(counts[0]), world.broken, seed + n);
		}
		messages += world.messages;
	}
	printf("seeds %llu to %llu: %llu histories, %llu messages\n", seed, seed + n - 1, n, messages);
	for (size_t i = 0; *counts[i].kind; i++)
		printf("%8lu %s, first by seed %llu\n", counts[i].n, counts[i].kind, counts[i].first);
	if (kept || keep_going)
		return kept;
	trace = world.trace;
	shrink(&trace, counts[0].kind);
	tell(&trace);
	return false;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seed", required_argument, NULL, 's'}, {"histories", required_argument, NULL, 'n'},
		{"only", required_argument, NULL, 'o'}, {"replay", required_argument, NULL, 'r'},
		{"alone", no_argument, NULL, 'a'}, {"calm", no_argument, NULL, 'c'}, {"objects", no_argument, NULL, 'd'},
		{"keep-going", no_argument, NULL, 'k'}, {"messages", no_argument, NULL, 'm'}, {0},
	};
	unsigned long long seed = 1, histories = 1000;
	const char *again = NULL;
	bool keep_going = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			histories = strtoull(optarg, NULL, 0);
			break;
		case 'o':
			play.only = optarg;
			break;
		case 'r':
			again = optarg;
			break;
		case 'a':
			play.alone = true;
			break;
		case 'c':
			play.calm = true;
			break;
		case 'd':
			play.objects = true;
			break;
		case 'k':
			keep_going = true;
			break;
		case 'm':
			play.messages = true;
			break;
		default:
			return 2;
		}
	}
	return (again ? replay(again) : play_all(seed, histories, keep_going)) ? 0 : 1;
}
