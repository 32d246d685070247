/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl-worker: one vendor's library, for the process that starts it (member/worker.h). Nobody types it. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/spawn.h"
#include "member/worker.h"

int main(int argc, char **argv)
{
	struct worker_order order = {0};
	struct err err = {0};
	struct stat control;
	int rc;

	if (argc < 3 || argc > 5 || fstat(SPAWN_FD, &control) < 0 || !S_ISSOCK(control.st_mode)) {
		fputs("hsmctl-worker is started by hsmctl and its PKCS#11 module\n", stderr);
		return 2;
	}
	order = (struct worker_order){
		.name = argv[1], .library = argv[2], .serial = argv[3], .uri = argc > 4 ? argv[4] : NULL,
	};
	log_from_environment();
	rc = worker_serve(&order, SPAWN_FD, &err);
	if (rc < 0)
		log_error("worker", "'%s': %s", order.name, err.message);
	/* What the library has in store for the end of a process is not waited for. */
	_exit(rc < 0);
}
