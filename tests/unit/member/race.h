/* SPDX-License-Identifier: Apache-2.0 */
/* race - several threads do the same at once, again and again; it is for one of them each time. */
#ifndef TESTS_MEMBER_RACE_H
#define TESTS_MEMBER_RACE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "p11/pkcs11.h"

enum { RACE_RIVALS = 4, RACE_ROUNDS = 30 };

static struct race {
	CK_RV (*try)(size_t rival, const char *label);
	pthread_barrier_t start;
	CK_RV rvs[RACE_ROUNDS][RACE_RIVALS];
} race;

static void *race_thread(void *rival)
{
	for (int round = 0; round < RACE_ROUNDS; round++) {
		char label[24];

		snprintf(label, sizeof(label), "round %d", round);
		pthread_barrier_wait(&race.start);
		race.rvs[round][(size_t)rival] = race.try((size_t)rival, label);
	}
	return NULL;
}

/* Was try() CKR_OK for one of them in each round, and CKR_OBJECT_HANDLE_INVALID for the others? */
static bool race_is_fair(CK_RV (*try)(size_t rival, const char *label))
{
	pthread_t threads[RACE_RIVALS];
	int bad = 0;

	race.try = try;
	pthread_barrier_init(&race.start, NULL, RACE_RIVALS);
	for (size_t i = 0; i < RACE_RIVALS; i++)
		pthread_create(&threads[i], NULL, race_thread, (void *)i);
	for (size_t i = 0; i < RACE_RIVALS; i++)
		pthread_join(threads[i], NULL);
	for (int round = 0; round < RACE_ROUNDS; round++) {
		int first = 0, late = 0;

		for (size_t i = 0; i < RACE_RIVALS; i++) {
			first += race.rvs[round][i] == CKR_OK;
			late += race.rvs[round][i] == CKR_OBJECT_HANDLE_INVALID;
		}
		bad += first != 1 || late != RACE_RIVALS - 1;
	}
	if (bad)
		fprintf(stderr, "%d of %d rounds had not one winner\n", bad, RACE_ROUNDS);
	return !bad;
}

#endif
