/* SPDX-License-Identifier: Apache-2.0 */
/* Which member is chosen: by role, datacentre, work and what is known of it; and what comes of that under load. */
#include "fixture.h"

#include <stdio.h>

#include "base/clock.h"
#include "ha/internal.h"

enum { KIND = 1, OTHER_KIND = 2, US = 1000, ALL = 0xf };

/* ---- time ---- */

static int64_t now_us;

static int64_t told_ns(void *data)
{
	(void)data;
	return now_us * 1000;
}

static int64_t told_utc_ms(void *data)
{
	(void)data;
	return now_us / 1000;
}

static const struct clock_source virtual = {.now_ns = told_ns, .utc_ms = told_utc_ms};

/* Four members, two in each of two datacentres; those of mask are active. */
static void arrange(uint32_t active, const char *here, enum fleet_routing routing)
{
	clock_source = &virtual;
	now_us = 1000000000;
	memset(group->work, 0, sizeof(group->work));
	group->chosen = 0;
	group->set->policy.routing = routing;
	snprintf(group->datacenter, sizeof(group->datacenter), "%s", here);
	for (size_t i = 0; i < RIG_MEMBERS; i++) {
		group->set->members[i].role = active & 1u << i ? FLEET_ACTIVE : FLEET_STANDBY;
		snprintf(group->set->members[i].datacenter, sizeof(group->set->members[i].datacenter), "dc%zu", i / 2);
		group->health[i] = (struct ha_health){.up = true};
	}
}

/* So the member answers calls of this kind. */
static void teach(size_t member, uint32_t kind, int64_t us)
{
	for (int n = 0; n < LATENCY_KNOWN; n++) {
		struct ha_errand errand = {.kind = kind};

		ha_errand_on(group, &errand, member);
		errand.took_us = us;
		ha_errand_over(group, &errand);
	}
}

/* Who is chosen for so many calls, of which none is over. */
static uint32_t choose(struct ha_errand *errands, size_t n, uint32_t tried)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < n; i++) {
		errands[i] = (struct ha_errand){.kind = KIND};
		assert_true(ha_choose(group, &errands[i], tried, false));
		mask |= 1u << errands[i].member;
	}
	return mask;
}

static void give_back(const struct ha_errand *errands, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ha_errand_over(group, &errands[i]);
}

static void the_best_of_those_that_are_there_is_chosen(void **state)
{
	static const struct {
		const char *what;
		uint32_t active, away, tried;
		const char *here;
		enum fleet_routing routing;
		int64_t us[RIG_MEMBERS];	/* for a call; 0 = not known */
		unsigned calls[RIG_MEMBERS];	/* under way, of that kind */
		uint32_t chosen;
	} cases[] = {
		{"actives before standbys that are quicker", 0x3, 0, 0, "", FLEET_ROUTE_OWN, {900, 900, 1, 1}, {0}, 0x3},
		{"and with more to do", 0x1, 0, 0, "", FLEET_ROUTE_OWN, {900, 1, 1, 1}, {50, 0, 0, 0}, 0x1},
		{"standbys when no active is up", 0x3, 0x3, 0, "", FLEET_ROUTE_OWN, {9, 9, 900, 900}, {0}, 0xc},
		{"or each was tried", 0x3, 0, 0x3, "", FLEET_ROUTE_OWN, {9, 9, 900, 900}, {0}, 0xc},
		{"the quickest", ALL, 0, 0, "", FLEET_ROUTE_OWN, {900, 900, 300, 900}, {0}, 0x4},
		{"what is about as quick is the same", ALL, 0, 0, "", FLEET_ROUTE_OWN, {1000, 1100, 1200, 1900}, {0}, 0x7},
		{"the one with least to do", ALL, 0, 0, "", FLEET_ROUTE_OWN, {500, 500, 500, 500}, {2, 1, 2, 2}, 0x2},
		{"a slow one, when the quick one has more to do", ALL, 0x3, 0, "", FLEET_ROUTE_OWN, {0, 0, 100, 450}, {0, 0, 5, 0}, 0x8},
		{"the quick one, when it has less", ALL, 0x3, 0, "", FLEET_ROUTE_OWN, {0, 0, 100, 450}, {0, 0, 2, 0}, 0x4},
		{"who is not known, to be known", ALL, 0, 0, "", FLEET_ROUTE_OWN, {100, 900, 0, 900}, {1, 0, 0, 0}, 0x4},
		{"though not with more to do", ALL, 0, 0, "", FLEET_ROUTE_OWN, {100, 900, 0, 900}, {0, 0, 1, 0}, 0x1},
		{"the own datacentre", ALL, 0, 0, "dc1", FLEET_ROUTE_OWN, {100, 100, 300, 300}, {0}, 0xc},
		{"where it matters", ALL, 0, 0, "dc1", FLEET_ROUTE_LEAST, {100, 100, 300, 300}, {0}, 0x3},
		{"while work is no longer there than the way to another", ALL, 0, 0, "dc1", FLEET_ROUTE_OWN, {5000, 5000, 300, 300}, {0, 0, 3, 3}, 0xc},
		{"and no further", ALL, 0, 0, "dc1", FLEET_ROUTE_OWN, {5000, 5000, 300, 300}, {0, 0, 30, 30}, 0x3},
		{"a datacentre without a member says nothing", ALL, 0, 0, "dc7", FLEET_ROUTE_OWN, {100, 900, 900, 900}, {0}, 0x1},
		{"nor one whose members are away", ALL, 0x3, 0, "dc0", FLEET_ROUTE_OWN, {1, 1, 900, 300}, {0}, 0x8},
		{"a standby there is a standby", 0xc, 0, 0, "dc0", FLEET_ROUTE_OWN, {1, 1, 300, 900}, {0}, 0x4},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ha_errand busy[64], errand;
		size_t n = 0;
		uint32_t chosen = 0;

		arrange(cases[i].active, cases[i].here, cases[i].routing);
		for (size_t m = 0; m < RIG_MEMBERS; m++) {
			group->health[m].up = !(cases[i].away & 1u << m);
			if (cases[i].us[m])
				teach(m, KIND, cases[i].us[m]);
		}
		for (size_t m = 0; m < RIG_MEMBERS; m++)
			for (unsigned k = 0; k < cases[i].calls[m]; k++) {
				busy[n] = (struct ha_errand){.kind = KIND};
				ha_errand_on(group, &busy[n++], m);
			}
		/* Whoever is the same has its turn. */
		for (size_t k = 0; k < 3 * RIG_MEMBERS; k++) {
			chosen |= choose(&errand, 1, cases[i].tried);
			give_back(&errand, 1);
		}
		give_back(busy, n);
		if (chosen != cases[i].chosen)
			fail_msg("%s: 0x%x, not 0x%x", cases[i].what, chosen, cases[i].chosen);
	}
}

static void those_who_choose_at_once_choose_each_another(void **state)
{
	struct ha_errand errands[2 * RIG_MEMBERS];
	unsigned calls[RIG_MEMBERS] = {0};

	(void)state;
	for (int known = 0; known < 2; known++) {
		arrange(ALL, "", FLEET_ROUTE_OWN);
		memset(calls, 0, sizeof(calls));
		for (size_t m = 0; known && m < RIG_MEMBERS; m++)
			teach(m, KIND, 500);
		assert_int_equal(choose(errands, COUNT(errands), 0), ALL);
		for (size_t i = 0; i < COUNT(errands); i++)
			calls[errands[i].member]++;
		for (size_t m = 0; m < RIG_MEMBERS; m++)
			assert_int_equal(calls[m], 2);
		give_back(errands, COUNT(errands));
	}
}

static void a_long_call_of_another_kind_is_work_and_no_measure(void **state)
{
	struct ha_errand generation = {.kind = OTHER_KIND}, errand;

	(void)state;
	arrange(0x3, "", FLEET_ROUTE_OWN);
	for (size_t m = 0; m < 2; m++)
		teach(m, KIND, 100);
	teach(0, OTHER_KIND, 100000);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(choose(&errand, 1, 0), 1u << (i + 1) % 2);
		give_back(&errand, 1);
	}
	/* While it is under way the other one is asked. */
	ha_errand_on(group, &generation, 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(choose(&errand, 1, 0), 0x2);
		give_back(&errand, 1);
	}
	give_back(&generation, 1);
}

/* ---- those that come back ---- */

static void who_has_just_come_back_gets_one_call_at_a_time(void **state)
{
	enum { CALLS = 8 };
	struct ha_errand errands[CALLS];
	struct err why;
	unsigned calls;

	(void)state;
	arrange(0x3, "", FLEET_ROUTE_OWN);
	err_set(&why, ERR_UNREACHABLE, "gone");
	ha_member_down(group, 0, &why);
	ha_member_up(group, 0);
	/* A second later it is like the others. */
	for (unsigned turn = 0; turn < 2; turn++) {
		choose(errands, CALLS, 0);
		calls = 0;
		for (size_t i = 0; i < CALLS; i++)
			calls += errands[i].member == 0;
		assert_int_equal(calls, turn ? CALLS / 2 : 1);
		give_back(errands, CALLS);
		now_us += 1000 * US;
	}
}

static void standbys_help_the_only_active_that_has_just_come_back(void **state)
{
	struct ha_errand errands[3];
	struct err why;

	(void)state;
	arrange(0x1, "", FLEET_ROUTE_OWN);
	err_set(&why, ERR_UNREACHABLE, "gone");
	ha_member_down(group, 0, &why);
	assert_int_equal(choose(errands, 3, 0), 0xe);
	give_back(errands, 3);
	ha_member_up(group, 0);
	choose(errands, 3, 0);
	assert_int_equal(errands[0].member, 0);
	assert_true(errands[1].member && errands[2].member);
	give_back(errands, 3);
	now_us += 1000 * US;
	assert_int_equal(choose(errands, 3, 0), 0x1);
	give_back(errands, 3);
}

static void who_is_slow_to_connect_is_asked_when_nobody_else_is_left(void **state)
{
	struct ha_errand errand;

	(void)state;
	arrange(0x3, "", FLEET_ROUTE_OWN);
	ha_member_slow(group, 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(choose(&errand, 1, 0), 0x2);
		assert_false(errand.patient);
		give_back(&errand, 1);
	}
	/* It is up: whoever writes waits for it. */
	assert_int_equal(ha_up(group), ALL);
	assert_false(ha_choose(group, &errand, 0xe, false));
	assert_true(ha_choose(group, &errand, 0xe, true));
	assert_int_equal(errand.member, 0);
	assert_true(errand.patient);
	give_back(&errand, 1);
	ha_member_up(group, 0);
	assert_int_equal(choose(&errand, 1, 0xe), 0x1);
	assert_false(errand.patient);
	give_back(&errand, 1);
}

/* ---- under load ---- */

/* A member serves one call after the other; the way to it takes no turn. */
struct model {
	int64_t service_us[RIG_MEMBERS], way_us[RIG_MEMBERS];
	size_t clients;
	int64_t pause_us;	/* of a client between two calls, at most */
};

struct played {
	unsigned long calls, of[RIG_MEMBERS];
	int64_t took_us;
};

static uint32_t dice;

static int64_t throw_dice(int64_t most)
{
	dice = dice * 1664525 + 1013904223;
	return most ? dice % (uint64_t)most : 0;
}

enum { CLIENTS_MAX = 64 };

static struct client {
	struct ha_errand errand;
	int64_t at_us;		/* it is answered, or calls again */
	bool called;
} clients[CLIENTS_MAX];

static void call_again(const struct model *model, struct client *c, int64_t *free_us, struct played *played)
{
	size_t m;

	c->errand = (struct ha_errand){.kind = KIND};
	assert_true(ha_choose(group, &c->errand, 0, false));
	m = c->errand.member;
	if (free_us[m] < now_us + model->way_us[m])
		free_us[m] = now_us + model->way_us[m];
	free_us[m] += model->service_us[m];
	c->at_us = free_us[m] + model->way_us[m];
	c->errand.took_us = c->at_us - now_us;
	c->called = true;
	played->calls++;
	played->of[m]++;
}

static struct client *next_client(size_t n)
{
	struct client *next = clients;

	for (size_t i = 1; i < n; i++)
		if (clients[i].at_us < next->at_us)
			next = &clients[i];
	return next;
}

static struct played play(const struct model *model, uint32_t seed, unsigned long calls)
{
	int64_t free_us[RIG_MEMBERS] = {0}, start = now_us;
	struct played played = {0};

	dice = seed;
	for (size_t i = 0; i < model->clients; i++)
		clients[i] = (struct client){.at_us = now_us + throw_dice(model->pause_us)};
	while (played.calls < calls) {
		struct client *c = next_client(model->clients);

		now_us = c->at_us;
		if (c->called)
			ha_errand_over(group, &c->errand);
		if (c->called && model->pause_us) {
			c->called = false;
			c->at_us = now_us + throw_dice(model->pause_us);
			continue;
		}
		call_again(model, c, free_us, &played);
	}
	for (size_t i = 0; i < model->clients; i++)
		if (clients[i].called)
			ha_errand_over(group, &clients[i].errand);
	played.took_us = now_us - start;
	return played;
}

/* Percent of what all could do that never rest, and of the calls. */
static void shares(void **state)
{
	enum { CALLS = 20000 };
	static const struct {
		const char *what, *here;
		struct model model;
		unsigned least_rate;		/* percent of what the members can do together */
		unsigned from[RIG_MEMBERS], to[RIG_MEMBERS];	/* percent of the calls */
	} cases[] = {
		{"alike and busy", "", {{1000, 1000, 1000, 1000}, {0}, 8, 0}, 95, {24, 24, 24, 24}, {26, 26, 26, 26}},
		{"alike, two for each", "", {{1000, 1000, 1000, 1000}, {50, 50, 50, 50}, 8, 400}, 80, {24, 24, 24, 24}, {26, 26, 26, 26}},
		{"one caller", "", {{1000, 1000, 1000, 1000}, {0}, 1, 0}, 25, {24, 24, 24, 24}, {26, 26, 26, 26}},
		{"one is half as quick", "", {{1000, 1000, 1000, 2000}, {0}, 16, 0}, 90, {24, 24, 24, 10}, {33, 33, 33, 18}},
		{"one is slow, few callers", "", {{500, 500, 500, 20000}, {0}, 2, 0}, 30, {25, 25, 25, 0}, {40, 40, 40, 1}},
		{"far ones", "", {{200, 200, 200, 200}, {0, 0, 10000, 10000}, 2, 0}, 40, {45, 45, 0, 0}, {55, 55, 1, 1}},
		{"far ones and a crowd", "", {{200, 200, 200, 200}, {0, 0, 2000, 2000}, 64, 0}, 70, {22, 22, 10, 10}, {35, 35, 28, 28}},
		{"own ones", "dc0", {{200, 200, 200, 200}, {100, 100, 100, 100}, 2, 0}, 20, {45, 45, 0, 0}, {55, 55, 1, 1}},
		{"own ones and a crowd", "dc0", {{200, 200, 200, 200}, {100, 100, 2000, 2000}, 64, 0}, 70, {22, 22, 10, 10}, {35, 35, 28, 28}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (uint32_t seed = 1; seed <= 5; seed++) {
			const struct model *model = &cases[i].model;
			struct played played;
			double could = 0;

			arrange(ALL, cases[i].here, FLEET_ROUTE_OWN);
			played = play(model, seed, CALLS);
			for (size_t m = 0; m < RIG_MEMBERS; m++)
				could += (double)played.took_us / (double)model->service_us[m];
			if ((double)played.calls * 100 < could * cases[i].least_rate)
				fail_msg("%s: %lu calls of %.0f", cases[i].what, played.calls, could);
			for (size_t m = 0; m < RIG_MEMBERS; m++)
				if (played.of[m] * 100 < played.calls * cases[i].from[m] ||
				    played.of[m] * 100 > played.calls * cases[i].to[m])
					fail_msg("%s, seed %u: member %zu has %lu of %lu calls", cases[i].what, seed, m,
						 played.of[m], played.calls);
		}
}

/* Slow for a while, it is not forgotten. */
static void a_member_that_recovers_is_used_again(void **state)
{
	static const struct model slow = {{1000, 1000, 1000, 50000}, {0}, 8, 0}, well = {{1000, 1000, 1000, 1000}, {0}, 8, 0};
	struct played played;

	(void)state;
	arrange(ALL, "", FLEET_ROUTE_OWN);
	play(&well, 1, 1000);
	played = play(&slow, 1, 10000);
	assert_in_range(played.of[3], 1, 500);
	play(&well, 1, 20000);
	played = play(&well, 1, 10000);
	assert_in_range(played.of[3], 2300, 2700);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_GROUP(the_best_of_those_that_are_there_is_chosen),
		ON_GROUP(those_who_choose_at_once_choose_each_another),
		ON_GROUP(a_long_call_of_another_kind_is_work_and_no_measure),
		ON_GROUP(who_has_just_come_back_gets_one_call_at_a_time),
		ON_GROUP(standbys_help_the_only_active_that_has_just_come_back),
		ON_GROUP(who_is_slow_to_connect_is_asked_when_nobody_else_is_left),
		ON_GROUP(shares),
		ON_GROUP(a_member_that_recovers_is_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
