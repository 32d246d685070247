/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TARGET [--seed S] [--inputs N] [--seconds N] [--one N] [--keep FOLDER] [FILE|FOLDER]...
 *
 * Gives a target each file as it is, then what a seed makes of them, until there were N inputs or the time is over. An
 * input depends on the files, the seed and its number alone. One that ends the target, takes too long or leaves memory
 * behind is written into a file, and said how to repeat.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	INPUT_MAX = 16 << 10,
	FILES_MAX = 4096,
	CPU_SECONDS = 10,	/* of one input, */
	SECONDS = 120,		/* and that when the machine is busy */
	CHANGES_MAX = 6,
};

struct input {
	uint8_t data[INPUT_MAX];
	size_t len;
};

/* Seen by the parent when the child has ended. */
static struct {
	struct input now;
	uint64_t number, done;
} *shared;

static struct {
	uint64_t seed, inputs, one;
	long seconds;
	bool only_one;
	const char *keep;
} wish = {.inputs = 10000, .keep = "."};

static struct input *corpus[FILES_MAX];
static size_t n_corpus;
static char **paths;

/* ---- the environment of all targets ---- */

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0:max_allocation_size_mb=256:handle_abort=1:detect_stack_use_after_return=0";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
	return "halt_on_error=1:print_stacktrace=1";
}

static void die(const char *what, const char *name)
{
	fprintf(stderr, "%s '%s': %s\n", what, name, strerror(errno));
	exit(2);
}

/* ---- the corpus ---- */

static void read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	struct input *input = calloc(1, sizeof(*input));

	if (!file || !input || n_corpus == FILES_MAX)
		die("cannot read", path);
	input->len = fread(input->data, 1, INPUT_MAX, file);
	fclose(file);
	corpus[n_corpus++] = input;
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void read_path(const char *path)
{
	struct dirent **list;
	struct stat st;
	int n;

	if (stat(path, &st) < 0)
		die("cannot read", path);
	if (!S_ISDIR(st.st_mode)) {
		read_file(path);
		return;
	}
	n = scandir(path, &list, visible, alphasort);
	if (n < 0)
		die("cannot read", path);
	for (int i = 0; i < n; i++) {
		char *name;

		if (asprintf(&name, "%s/%s", path, list[i]->d_name) < 0)
			die("cannot read", path);
		read_file(name);
		free(name);
		free(list[i]);
	}
	free(list);
}

/* ---- changes ---- */

static uint64_t state;

/* splitmix64 */
static uint64_t draw(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static size_t below(size_t n)
{
	return n ? draw() % n : 0;
}

/* Mostly short. */
static size_t some(size_t max)
{
	size_t limit = (size_t)1 << below(12);

	return max ? 1 + below(limit < max ? limit : max) : 0;
}

/* len bytes in the place of cut ones. */
static void put(struct input *in, size_t at, size_t cut, const uint8_t *bytes, size_t len)
{
	uint8_t copy[INPUT_MAX];

	if (in->len - cut + len > INPUT_MAX)
		return;
	if (len)
		memcpy(copy, bytes, len);
	memmove(in->data + at + len, in->data + at + cut, in->len - at - cut);
	memcpy(in->data + at, copy, len);
	in->len += len - cut;
}

static void flip_bit(struct input *in)
{
	if (in->len)
		in->data[below(in->len)] ^= (uint8_t)(1 << below(8));
}

static void set_byte(struct input *in)
{
	if (in->len)
		in->data[below(in->len)] = (uint8_t)draw();
}

/* Big-endian as on the wire, and little-endian as in values. */
static void set_number(struct input *in)
{
	static const uint64_t numbers[] = {0, 1, 2, 7, 8, 9, 16, 64, 127, 128, 255, 256, 1023, 4096, 32767, 65535, 65536, 1 << 20,
					   12 << 20, (12 << 20) + 1, INT32_MAX, 1ull << 31, UINT32_MAX, 1ull << 32,
					   INT64_MAX, 1ull << 63, UINT64_MAX / 8, UINT64_MAX - 1, UINT64_MAX};
	uint64_t number = numbers[below(sizeof(numbers) / sizeof(numbers[0]))];
	size_t width = (size_t)1 << below(4), at = below(in->len);
	bool big = below(4);
	uint8_t bytes[8];

	for (size_t i = 0; i < width; i++)
		bytes[i] = (uint8_t)(number >> 8 * (big ? width - 1 - i : i));
	put(in, at, width < in->len - at ? width : in->len - at, bytes, width);
}

/* What may be a length becomes another one. */
static void change_length(struct input *in)
{
	static const int by[] = {-16, -8, -2, -1, 1, 2, 8, 16};

	for (size_t tries = 0; in->len >= 4 && tries < 32; tries++) {
		uint8_t *at = in->data + below(in->len - 3);
		uint32_t number = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];

		if (number > in->len)
			continue;
		number += (uint32_t)by[below(8)];
		for (int i = 0; i < 4; i++)
			at[i] = (uint8_t)(number >> 8 * (3 - i));
		return;
	}
}

static void cut_out(struct input *in)
{
	size_t at = below(in->len);

	put(in, at, some(in->len - at), NULL, 0);
}

static void cut_short(struct input *in)
{
	in->len = below(in->len + 1);
}

static void repeat(struct input *in)
{
	size_t from = below(in->len), len = some(in->len - from);

	put(in, below(in->len + 1), 0, in->data + from, len);
}

static void insert(struct input *in)
{
	uint8_t bytes[16];
	size_t len = 1 + below(sizeof(bytes));

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)draw();
	put(in, below(in->len + 1), 0, bytes, len);
}

/* A piece of another file, put in or in the place of what is there. */
static void splice(struct input *in)
{
	const struct input *other = n_corpus ? corpus[below(n_corpus)] : in;
	size_t from = below(other->len), len = some(other->len - from), at = below(in->len + 1);
	size_t cut = below(2) ? len : 0;

	put(in, at, cut < in->len - at ? cut : in->len - at, other->data + from, len);
}

static void make_input(uint64_t number, struct input *ret)
{
	static void (*const changes[])(struct input *) = {flip_bit, set_byte, set_number, set_number, change_length,
							  cut_out, cut_short, repeat, insert, splice, splice};

	ret->len = 0;
	if (number < n_corpus) {
		*ret = *corpus[number];
		return;
	}
	state = wish.seed ^ number * 0xd1342543de82ef95;
	draw();
	if (n_corpus)
		*ret = *corpus[below(n_corpus)];
	for (size_t n = 1 + below(CHANGES_MAX); n > 0; n--)
		changes[below(sizeof(changes) / sizeof(changes[0]))](ret);
}

/* ---- running ---- */

static void try(void)
{
	/* Beyond its end there is nothing that it may read. */
	uint8_t *copy = malloc(shared->now.len ? shared->now.len : 1);

	memcpy(copy, shared->now.data, shared->now.len);
	LLVMFuzzerTestOneInput(copy, shared->now.len);
	free(copy);
}

/* Once something may be kept that others use later; what is kept a second and a third time is lost. */
static void try_for_leaks(void)
{
	size_t before = account_in_use(), lost = 0;

	try();
	for (int i = 0; i < 2 && account_in_use() > before; i++) {
		before = account_in_use();
		try();
		lost = account_in_use() - before;
	}
	if (lost && account_in_use() > before) {
		fprintf(stderr, "%zu bytes are lost each time\n", lost);
		abort();
	}
}

static void run_one(uint64_t number)
{
	const struct itimerval limit = {.it_value.tv_sec = CPU_SECONDS};

	shared->number = number;
	make_input(number, &shared->now);
	setitimer(ITIMER_PROF, &limit, NULL);
	alarm(SECONDS);
	try_for_leaks();
	shared->done++;
}

static void run(void)
{
	time_t end = time(NULL) + wish.seconds;

	if (wish.only_one) {
		run_one(wish.one);
		return;
	}
	for (uint64_t n = 0; n < n_corpus || (wish.seconds ? time(NULL) < end : n < wish.inputs); n++)
		run_one(n);
}

/* ---- telling ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int tell_failure(const char *program, int status)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s-%llx-%llu.input", wish.keep, base_name(program),
		 (unsigned long long)wish.seed, (unsigned long long)shared->number);
	file = fopen(path, "we");
	if (!file || fwrite(shared->now.data, 1, shared->now.len, file) != shared->now.len || fclose(file) != 0)
		die("cannot write", path);
	fprintf(stderr, "%s: input %llu of seed %llu %s (status %d)\nrepeat: %s --seed %llu --one %llu", base_name(program),
		(unsigned long long)shared->number, (unsigned long long)wish.seed,
		WIFSIGNALED(status) && (WTERMSIG(status) == SIGPROF || WTERMSIG(status) == SIGALRM) ? "takes too long"
												    : "fails",
		status, program, (unsigned long long)wish.seed, (unsigned long long)shared->number);
	for (char **p = paths; *p; p++)
		fprintf(stderr, " %s", *p);
	fprintf(stderr, "\n    or: %s --inputs 0 %s\n", program, path);
	return 1;
}

static int usage(void)
{
	fprintf(stderr, "usage: TARGET [--seed S] [--inputs N] [--seconds N] [--one N] [--keep FOLDER] [FILE|FOLDER]...\n");
	return 2;
}

static int read_options(int argc, char **argv)
{
	int i = 1;

	for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		unsigned long long number = strtoull(argv[i + 1], NULL, 0);

		if (strcmp(argv[i], "--seed") == 0)
			wish.seed = number;
		else if (strcmp(argv[i], "--inputs") == 0)
			wish.inputs = number;
		else if (strcmp(argv[i], "--seconds") == 0)
			wish.seconds = (long)number;
		else if (strcmp(argv[i], "--keep") == 0)
			wish.keep = argv[i + 1];
		else if (strcmp(argv[i], "--one") == 0)
			wish.one = number, wish.only_one = true;
		else
			return -1;
	}
	return i < argc && argv[i][0] == '-' ? -1 : i;
}

int main(int argc, char **argv)
{
	int status, first;
	pid_t pid;

	wish.seed = (uint64_t)time(NULL) << 16 ^ (uint64_t)getpid();
	first = read_options(argc, argv);
	if (first < 0)
		return usage();
	paths = argv + first;
	for (char **p = paths; *p; p++)
		read_path(*p);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("cannot share memory of", argv[0]);
	pid = fork();
	if (pid == 0) {
		run();
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		return tell_failure(argv[0], status);
	printf("%s: %llu inputs (%zu of the corpus), seed %llu\n", base_name(argv[0]), (unsigned long long)shared->done,
	       n_corpus, (unsigned long long)wish.seed);
	return 0;
}
