/* SPDX-License-Identifier: Apache-2.0 */
/* A relay between a client and the appliance (tests/relay/relay.py), and orders to it. */
#ifndef TESTS_MEMBER_RELAY_H
#define TESTS_MEMBER_RELAY_H

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/temp.h"

struct relay {
	pid_t pid;
	FILE *orders, *answers;
	char address[64];
};

static inline void relay_start(struct relay *relay, const char *to)
{
	int in[2], out[2];

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	relay->pid = fork();
	if (relay->pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		close(in[1]);
		close(out[0]);
		execl("/usr/bin/python3", "/usr/bin/python3", "tests/relay/relay.py", "--to", to, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	relay->orders = fdopen(in[1], "w");
	relay->answers = fdopen(out[0], "r");
	assert_non_null(fgets(relay->address, sizeof(relay->address), relay->answers));
	relay->address[strcspn(relay->address, "\n")] = 0;
}

static inline void relay_order(struct relay *relay, const char *order)
{
	char done[16];

	fprintf(relay->orders, "%s\n", order);
	fflush(relay->orders);
	assert_non_null(fgets(done, sizeof(done), relay->answers));
}

static inline void relay_end(struct relay *relay)
{
	kill(relay->pid, SIGTERM);
	fclose(relay->orders);
	fclose(relay->answers);
	waitpid(relay->pid, NULL, 0);
}

#endif
