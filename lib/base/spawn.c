/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that nobody is the parent of. */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"

/* What runs between clone and exec shares our memory and stands on a stack that ASan does not know. */
#define BETWEEN __attribute__((no_sanitize_address))

enum { STACK = 32 << 10 };	/* bytes, of each of the two */

struct aside {
	const char *const *argv, *const *env;
	char *stacks;
	int fd, pidfd;
	int failure;	/* errno, 0 = the program runs */
};

/* Only what a signal handler may call, here and in step_aside(). */
BETWEEN static int become(void *data)
{
	struct aside *a = data;
	/* The host may have closed its standard streams, so that ours has such a number. */
	int fd = fcntl(a->fd, F_DUPFD, SPAWN_FD + 1), null = open("/dev/null", O_RDWR);

	null = null < 0 ? null : fcntl(null, F_DUPFD, SPAWN_FD + 1);
	setsid();
	if (fd >= 0 && null >= 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0 && dup2(null, 2) >= 0 &&
	    dup2(fd, SPAWN_FD) >= 0 && close_range(SPAWN_FD + 1, ~0U, 0) == 0)
		execve(a->argv[0], (char *const *)a->argv, (char *const *)a->env);
	a->failure = errno;
	_exit(127);
}

/* The parent of the program, which ends before anybody can ask for it. */
BETWEEN static int step_aside(void *data)
{
	struct aside *a = data;

	if (clone(become, a->stacks + STACK, CLONE_VM | CLONE_VFORK | CLONE_PIDFD, a, &a->pidfd) < 0)
		a->failure = errno;
	_exit(0);
}

/*
 * A child that tells nobody of its end (no exit signal) is waited for by none but who asks for such (__WCLONE), as long
 * as it executes nothing: so the program has to be a child of that child. Both borrow our memory and this thread stands
 * still until they are done with it, as with vfork(); the first one shares our descriptors too, for the pidfd.
 */
static void run(struct aside *a)
{
	sigset_t all, saved;
	int state;
	pid_t pid;

	/* No handler, and no end of this thread, may come over them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pid = clone(step_aside, a->stacks + 2 * STACK, CLONE_VM | CLONE_VFORK | CLONE_FILES, a);
	if (pid < 0)
		a->failure = errno;
	while (pid > 0 && waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
		;
	pthread_setcancelstate(state, NULL);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
}

int spawn_aside(const char *const *argv, const char *const *env, int fd, int *ret_pidfd, struct err *err)
{
	struct aside a = {.argv = argv, .env = env, .fd = fd, .pidfd = -1};
	int saved;

	a.stacks = mmap(NULL, 2 * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (a.stacks == MAP_FAILED)
		return err_no_memory(err);
	run(&a);
	munmap(a.stacks, 2 * STACK);
	if (!a.failure) {
		*ret_pidfd = a.pidfd;
		return 0;
	}
	saved = a.failure;
	if (a.pidfd >= 0)
		close(a.pidfd);
	if (saved == ENOENT)
		return err_set(err, ERR_MISSING, "no program '%s'", argv[0]);
	errno = saved;
	return err_errno(err, "cannot start '%s'", argv[0]);
}
