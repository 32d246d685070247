/* SPDX-License-Identifier: Apache-2.0 */
#include "temp.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "base/buf.h"

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static size_t entries(const char *folder)
{
	DIR *dir = opendir(folder);
	size_t n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void what_is_written_is_read(void **state)
{
	static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 200000};
	owned(mem) uint8_t *data = mem_zalloc(200000);

	for (size_t i = 0; i < 200000; i++)
		data[i] = (uint8_t)(i * 31);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		owned(buf) struct buf exact = {.max = sizes[i]}, small = {.max = sizes[i] - 1};
		struct err err = {0};

		assert_int_equal(file_write(in(*state, "f"), data, sizes[i], 0640, NULL), 0);
		assert_int_equal(mode_of(in(*state, "f")), 0640);
		assert_int_equal(file_read(in(*state, "f"), &exact, NULL), 0);
		assert_int_equal(exact.len, sizes[i]);
		if (sizes[i]) {
			assert_memory_equal(exact.data, data, sizes[i]);
			assert_int_equal(file_read(in(*state, "f"), &small, &err), -ERR_INVALID);
			assert_non_null(strstr(err.message, "larger than"));
		}
		assert_int_equal(entries(*state), 1);
	}
}

static void put_socket(const char *path)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(where.sun_path, sizeof(where.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof(where)), 0);
	close(fd);
}

static void what_is_no_file_is_refused_at_once(void **state)
{
	static const int flags[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_CREAT, O_WRONLY | O_APPEND | O_CREAT};
	const char *paths[] = {in(*state, "pipe"), in(*state, "socket"), *state, "/dev/zero", in(*state, "link")};
	static const char *const kinds[] = {"a named pipe", "a socket", "a folder", "a device", "a named pipe"};

	assert_int_equal(mkfifo(paths[0], 0600), 0);
	put_socket(paths[1]);
	assert_int_equal(symlink(paths[0], paths[4]), 0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		owned(buf) struct buf text = {.max = 100};
		struct err err = {0};

		for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++) {
			assert_int_equal(file_open(paths[i], flags[f], 0600, &err), -ERR_INVALID);
			assert_non_null(strstr(err.message, kinds[i]));
		}
		assert_int_equal(file_read(paths[i], &text, &err), -ERR_INVALID);
		assert_int_equal(text.len, 0);
	}
}

static void own_descriptors_are_read_whatever_they_are(void **state)
{
	owned(buf) struct buf text = {.max = 100};
	char path[40];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "words", 5), 5);
	close(ends[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
	assert_int_equal(file_read(path, &text, NULL), 0);
	assert_string_equal(buf_text(&text), "words");
	close(ends[0]);
}

static void reading_appends(void **state)
{
	owned(buf) struct buf b = {.max = 6};

	file_write(in(*state, "f"), "abc", 3, 0600, NULL);
	assert_int_equal(file_read(in(*state, "f"), &b, NULL), 0);
	assert_int_equal(file_read(in(*state, "f"), &b, NULL), 0);
	assert_string_equal(buf_text(&b), "abcabc");
	assert_int_equal(file_read(in(*state, "f"), &b, NULL), -ERR_INVALID);
}

static void missing_and_unreadable_files(void **state)
{
	owned(buf) struct buf b = {.max = 10};

	assert_int_equal(file_read(in(*state, "f"), &b, NULL), -ERR_NOT_FOUND);
	file_write(in(*state, "f"), "", 0, 0600, NULL);
	assert_int_equal(file_read(in(*state, "f/g"), &b, NULL), -ERR_NOT_FOUND);
	assert_int_equal(file_read(*state, &b, NULL), -ERR_INVALID);
	assert_int_equal(file_write(in(*state, "no/f"), "x", 1, 0600, NULL), -ERR_IO);
	assert_int_equal(file_write(in(*state, "f/g"), "x", 1, 0600, NULL), -ERR_IO);
}

/* A folder in the way: the rename fails and nothing is left behind. */
static void a_failed_write_leaves_the_old(void **state)
{
	assert_int_equal(file_mkdirs(in(*state, "d/x"), 0700, NULL), 0);
	assert_int_equal(file_write(in(*state, "d"), "x", 1, 0600, NULL), -ERR_IO);
	assert_int_equal(entries(*state), 1);
	assert_true(file_exists(in(*state, "d/x")));
}

static void a_full_disk_leaves_the_old(void **state)
{
	struct rlimit old, small = {.rlim_cur = 100};
	owned(buf) struct buf b = {.max = 10};
	char big[1000] = {0};

	assert_int_equal(file_write(in(*state, "f"), "old", 3, 0600, NULL), 0);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(file_write(in(*state, "f"), big, sizeof(big), 0600, NULL), -ERR_IO);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(file_read(in(*state, "f"), &b, NULL), 0);
	assert_string_equal(buf_text(&b), "old");
	assert_int_equal(entries(*state), 1);
}

/* A writer killed at any moment leaves a whole file, old or new. */
static void a_killed_writer_leaves_a_whole_file(void **state)
{
	owned(mem) char *data = mem_zalloc(100000);

	file_write(in(*state, "f"), data, 100000, 0600, NULL);
	for (int i = 0; i < 20; i++) {
		owned(buf) struct buf b = {.max = 200000};
		pid_t child = fork();

		if (child == 0)
			for (char c = 'a';; c = c == 'z' ? 'a' : (char)(c + 1)) {
				memset(data, c, 100000);
				file_write(in(*state, "f"), data, 100000, 0600, NULL);
			}
		for (int reads = 0; reads < 5; reads++) {
			buf_clear(&b);
			assert_int_equal(file_read(in(*state, "f"), &b, NULL), 0);
			assert_int_equal(b.len, 100000);
			assert_int_equal(b.data[0], b.data[99999]);
		}
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
		buf_clear(&b);
		assert_int_equal(file_read(in(*state, "f"), &b, NULL), 0);
		assert_int_equal(b.len, 100000);
		assert_int_equal(b.data[0], b.data[99999]);
	}
}

static void folders_get_their_mode(void **state)
{
	static const char *const spellings[] = {"a/b", "c//d", "e/f/", "g/h///", "i/./j"};

	umask(022);
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		assert_int_equal(file_mkdirs(in(*state, spellings[i]), 0700, NULL), 0);
		assert_int_equal(mode_of(in(*state, spellings[i])), 0700);
		assert_int_equal(file_mkdirs(in(*state, spellings[i]), 0755, NULL), 0);
		assert_int_equal(mode_of(in(*state, spellings[i])), 0700);
	}
	assert_int_equal(mode_of(in(*state, "a")), 0755);
	assert_int_equal(file_mkdirs("/", 0700, NULL), 0);
	file_write(in(*state, "file"), "", 0, 0600, NULL);
	assert_int_equal(file_mkdirs(in(*state, "file"), 0700, NULL), -ERR_IO);
	assert_int_equal(file_mkdirs(in(*state, "file/x"), 0700, NULL), -ERR_IO);
	assert_int_equal(symlink("a", in(*state, "link")), 0);
	assert_int_equal(file_mkdirs(in(*state, "link"), 0700, NULL), 0);
}

static void removing_follows_no_links(void **state)
{
	file_mkdirs(in(*state, "keep"), 0700, NULL);
	file_write(in(*state, "keep/f"), "", 0, 0600, NULL);
	file_mkdirs(in(*state, "tree/a/b"), 0700, NULL);
	file_write(in(*state, "tree/a/f"), "", 0, 0600, NULL);
	assert_int_equal(symlink("../keep", in(*state, "tree/link")), 0);
	assert_int_equal(symlink("nowhere", in(*state, "tree/a/dangling")), 0);
	assert_int_equal(mkfifo(in(*state, "tree/fifo"), 0600), 0);
	assert_int_equal(file_remove_tree(in(*state, "tree"), NULL), 0);
	assert_false(file_exists(in(*state, "tree")));
	assert_true(file_exists(in(*state, "keep/f")));
	assert_int_equal(file_remove_tree(in(*state, "tree"), NULL), 0);

	assert_int_equal(symlink("keep", in(*state, "link")), 0);
	assert_int_equal(file_remove_tree(in(*state, "link"), NULL), 0);
	assert_true(file_exists(in(*state, "keep/f")));
	assert_int_equal(file_remove(in(*state, "keep/f"), NULL), 0);
	assert_int_equal(file_remove(in(*state, "keep/f"), NULL), 0);
	assert_int_equal(file_remove(in(*state, "keep"), NULL), -ERR_IO);
}

static void ours_means_nobody_else_can_write(void **state)
{
	static const struct {
		mode_t mode;
		int plain, secret;
	} cases[] = {
		{0600, 0, 0}, {0400, 0, 0}, {0700, 0, 0}, {0644, 0, ERR_NOT_OURS},
		{0640, 0, ERR_NOT_OURS}, {0604, 0, ERR_NOT_OURS}, {0620, ERR_NOT_OURS, ERR_NOT_OURS},
		{0602, ERR_NOT_OURS, ERR_NOT_OURS}, {0666, ERR_NOT_OURS, ERR_NOT_OURS},
	};

	file_write(in(*state, "f"), "", 0, 0600, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(chmod(in(*state, "f"), cases[i].mode), 0);
		assert_int_equal(file_check_ours(in(*state, "f"), false, NULL), -cases[i].plain);
		assert_int_equal(file_check_ours(in(*state, "f"), true, NULL), -cases[i].secret);
	}
	assert_int_equal(file_check_ours(in(*state, "none"), false, NULL), -ERR_NOT_FOUND);
	if (geteuid() == 0) {
		assert_int_equal(chmod(in(*state, "f"), 0600), 0);
		assert_int_equal(chown(in(*state, "f"), 12345, 0), 0);
		assert_int_equal(file_check_ours(in(*state, "f"), false, NULL), -ERR_NOT_OURS);
	}
}

static void check_absolute(const char *path, const char *expected)
{
	owned(mem) char *got = file_absolute(path);

	assert_non_null(got);
	assert_string_equal(got, expected);
}

static void paths_become_absolute(void **state)
{
	char real[PATH_MAX], cwd[PATH_MAX];

	assert_non_null(realpath(*state, real));
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	file_mkdirs(in(real, "a/b"), 0700, NULL);
	assert_int_equal(symlink("a", in(real, "link")), 0);
	assert_int_equal(chdir(real), 0);
	check_absolute("a", in(real, "a"));
	check_absolute("link/b", in(real, "a/b"));
	check_absolute("link/new", in(real, "a/new"));
	check_absolute("link/new/er", in(real, "a/new/er"));
	check_absolute("new", in(real, "new"));
	check_absolute("./new", in(real, "new"));
	check_absolute("a/../new", in(real, "new"));
	check_absolute("new/", in(real, "new/"));
	check_absolute(in(real, "link//new"), in(real, "a/new"));
	check_absolute("/", "/");
	check_absolute("/no-such-folder/x", "/no-such-folder/x");
	check_absolute("", real);
	assert_int_equal(chdir(cwd), 0);
}

static int absolute(const char *path)
{
	owned(mem) char *got = file_absolute(path);

	return got ? 0 : -ERR_NO_MEMORY;
}

static void memory_runs_out(void **state)
{
	assert_survives_no_memory(file_mkdirs(in(*state, "a/b"), 0700, NULL));
	assert_survives_no_memory(file_write(in(*state, "f"), "abc", 3, 0600, NULL));
	assert_survives_no_memory(absolute(in(*state, "new")));

	unsigned long n = 0;
	int rc;

	do {
		owned(buf) struct buf b = {.max = 10};

		mem_fail_after = ++n;
		rc = file_read(in(*state, "f"), &b, NULL);
		assert_true(rc == 0 || rc == -ERR_NO_MEMORY);
	} while (rc < 0);
	mem_fail_after = 0;
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		temp_test(what_is_written_is_read),
		temp_test(what_is_no_file_is_refused_at_once),
		temp_test(own_descriptors_are_read_whatever_they_are),
		temp_test(reading_appends),
		temp_test(missing_and_unreadable_files),
		temp_test(a_failed_write_leaves_the_old),
		temp_test(a_full_disk_leaves_the_old),
		temp_test(a_killed_writer_leaves_a_whole_file),
		temp_test(folders_get_their_mode),
		temp_test(removing_follows_no_links),
		temp_test(ours_means_nobody_else_can_write),
		temp_test(paths_become_absolute),
		temp_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
