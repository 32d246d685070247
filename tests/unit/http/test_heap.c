/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that were sent and received are found nowhere in this process after. */
#include "server.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "base/secret.h"

enum { MARK = 40 };

/* Two texts that stand nowhere as a whole, so that a search does not find itself. */
static char of_request(size_t i)
{
	return (char)('A' + (i * 7 + 3) % 26);
}

static char of_answer(size_t i)
{
	return (char)('a' + (i * 11 + 5) % 26);
}

static char block[1 << 16];

static size_t count_marks(char (*mark)(size_t i), size_t len)
{
	size_t n = 0;

	for (size_t at = 0; at + MARK / 2 <= len; at++) {
		size_t same = 0;

		while (same < MARK / 2 && block[at + same] == mark(same))
			same++;
		n += same == MARK / 2;
	}
	return n;
}

/* What is searched is not what it is copied to. */
static bool is_block(unsigned long from, size_t len)
{
	return from + len > (unsigned long)block && from < (unsigned long)(block + sizeof(block));
}

/* How often half of the mark stands in writable memory; blocks overlap by more than that. */
static size_t search(char (*mark)(size_t i))
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	char line[500], rights[8];
	unsigned long from, to;
	size_t n = 0;

	assert_true(maps && memory >= 0);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) != 3 || rights[1] != 'w')
			continue;
		for (; from < to; from += sizeof(block) - MARK) {
			size_t wanted = to - from < sizeof(block) ? to - from : sizeof(block);
			ssize_t len = pread(memory, block, wanted, (off_t)from);

			if (len > 0 && !is_block(from, wanted))
				n += count_marks(mark, (size_t)len);
			explicit_bzero(block, sizeof(block));
		}
	}
	fclose(maps);
	close(memory);
	return n;
}

/* A server in a process of its own, whose memory is not searched. It sends its port. */
static pid_t fork_server(unsigned *ret_port, int *ret_stop)
{
	char answer[200] = "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n";
	const struct step steps[] = {{.answer = answer}, {.none = true}};
	int up[2], down[2];
	struct server server;
	pid_t child;
	char byte;

	assert_int_equal(pipe2(up, O_CLOEXEC), 0);
	assert_int_equal(pipe2(down, O_CLOEXEC), 0);
	child = fork();
	if (child > 0) {
		close(up[1]);
		close(down[0]);
		assert_int_equal(read(up[0], ret_port, sizeof(*ret_port)), sizeof(*ret_port));
		close(up[0]);
		*ret_stop = down[1];
		return child;
	}
	close(down[1]);
	for (size_t i = 0, end = strlen(answer); i < MARK; i++)
		answer[end + i] = of_answer(i);
	server_start(&server, steps, NULL);
	(void)!write(up[1], &server.port, sizeof(server.port));
	(void)!read(down[0], &byte, 1);
	_exit(0);
}

static void send_mark(struct http *http, unsigned port, const struct secret *mark)
{
	owned(http_answer) struct http_answer answer = {0};
	struct http_request request = {
		.method = HTTP_POST, .bearer = mark, .body = mark->data, .body_len = mark->len, .flags = HTTP_SECRET,
	};
	char url[60];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
	request.url = url;
	assert_int_equal(http_send(http, &request, &answer, NULL), 0);
	assert_int_equal(answer.body.len, MARK);
	assert_int_equal(answer.body.data[7], of_answer(7));
}

static void nothing_of_a_token_stays(void **state)
{
	static const char blank[MARK];
	struct secret *mark = NULL;
	struct http *http;
	unsigned port;
	int stop;
	pid_t child = fork_server(&port, &stop);

	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	/* Their shadows are too large to be searched, and freed blocks are kept. */
	close(stop);
	waitpid(child, NULL, 0);
	skip();
#endif
	assert_int_equal(secret_new(blank, MARK, &mark, NULL), 0);
	for (size_t i = 0; i < MARK; i++)
		mark->data[i] = (uint8_t)of_request(i);
	http = server_client(NULL);
	for (int i = 0; i < 3; i++)
		send_mark(http, port, mark);
	/* It would be found. */
	assert_int_equal(search(of_request), 1);
	secret_free(mark);
	assert_int_equal(search(of_request), 0);
	assert_int_equal(search(of_answer), 0);
	http_free(http);
	assert_int_equal(search(of_request), 0);
	close(stop);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_of_a_token_stays)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
