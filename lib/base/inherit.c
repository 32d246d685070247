/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that are closed in every child. */
#include "base/inherit.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

enum { HOOKS_MAX = 8 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool *noted;	/* by descriptor */
static size_t room;
static void (*hooks[HOOKS_MAX])(void);
static size_t n_hooks;

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void in_parent(void)
{
	pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
	for (size_t fd = 0; fd < room; fd++) {
		if (noted[fd])
			close((int)fd);
		noted[fd] = false;
	}
	for (size_t i = 0; i < n_hooks; i++)
		hooks[i]();
	pthread_mutex_unlock(&lock);
}

static void begin(void)
{
	pthread_atfork(before_fork, in_parent, in_child);
}

void inherit_not(int fd)
{
	size_t at = (size_t)fd;

	pthread_once(&once, begin);
	pthread_mutex_lock(&lock);
	if (at >= room) {
		size_t more = at + 64;
		bool *grown = mem_grow(noted, room, more, sizeof(*noted));

		noted = grown ? grown : noted;
		room = grown ? more : room;
	}
	if (at < room)
		noted[at] = true;
	pthread_mutex_unlock(&lock);
}

void inherit_close(int fd)
{
	pthread_mutex_lock(&lock);
	/* With the lock held: a child made between the two would close a stranger's. */
	if ((size_t)fd < room)
		noted[fd] = false;
	close(fd);
	pthread_mutex_unlock(&lock);
}

void inherit_on_fork(void (*what)(void))
{
	pthread_once(&once, begin);
	pthread_mutex_lock(&lock);
	if (n_hooks < HOOKS_MAX)
		hooks[n_hooks++] = what;
	pthread_mutex_unlock(&lock);
}
