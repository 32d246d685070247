/* SPDX-License-Identifier: Apache-2.0 */
/* Making a token, and telling what is left of one. */
#include "provider/softhsm/token.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/program.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "member/guard.h"
#include "provider/softhsm/paths.h"

/* SoftHSM reads lines of up to 1023 bytes, cuts them at a # and splits them at each =. What is longer it cuts
 * without a word, and then works in another folder. */
#define TOKENS_KEY "directories.tokendir = "
enum { LINE_MOST = 1023 };

int softhsm_conf_check(const char *store_path, const char *device, struct err *err)
{
	static const char refused[] = "#=\n\r";
	owned(mem) char *longest = mem_printf("%s/appliances/%s/making/XXXXXX/tokens", store_path, device);
	size_t most = LINE_MOST - strlen(TOKENS_KEY);

	if (!longest)
		return err_no_memory(err);
	if (strpbrk(longest, refused))
		err_set(err, ERR_INVALID, "the store's path '%s' has a #, a = or the end of a line in it, which SoftHSM's "
			"configuration cannot express", store_path);
	else if (strlen(longest) > most)
		err_set(err, ERR_INVALID, "the store's path is too long: %zu bytes for the tokens of '%s', SoftHSM's "
			"configuration takes %zu", strlen(longest), device, most);
	else
		return 0;
	return err_hint(err, "give another --store");
}

static int write_conf(const char *path, const char *tokens, struct err *err)
{
	owned(mem) char *text = mem_printf(TOKENS_KEY "%s\n"
					   "objectstore.backend = file\n"
					   "log.level = ERROR\n"
					   "slots.removable = false\n", tokens);

	if (!text)
		return err_no_memory(err);
	return file_write(path, text, strlen(text), 0600, err);
}

int softhsm_conf_write(const struct softhsm_paths *paths, struct err *err)
{
	return write_conf(paths->at[SOFTHSM_CONF], paths->at[SOFTHSM_TOKENS], err);
}

/* Is any entry of FOLDER/SUB of interest? -1 when the folder cannot be read. */
static int any_entry(const char *folder, bool (*of_interest)(int dir, const char *name))
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int found = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -1;
	while (!found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.' && of_interest(dirfd(dir), entry->d_name);
	closedir(dir);
	return found;
}

static bool has_bytes(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
}

static bool has_token_object(int dir, const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/token.object", name);
	return has_bytes(dir, path);
}

static bool is_object(int dir, const char *name)
{
	const char *dot = strrchr(name, '.');

	(void)dir;
	return str_eq(dot, ".object") && !str_eq(name, "token.object");
}

static bool has_objects(int dir, const char *name)
{
	owned(mem) char *path = mem_printf("/proc/self/fd/%d/%s", dir, name);

	return !path || any_entry(path, is_object) != 0;
}

bool softhsm_token_whole(const struct softhsm_paths *paths)
{
	return any_entry(paths->at[SOFTHSM_TOKENS], has_token_object) > 0 ||
	       (file_exists(paths->at[SOFTHSM_TOKENS]) && any_entry(paths->at[SOFTHSM_GUARD], has_bytes) > 0);
}

bool softhsm_token_used(const struct softhsm_paths *paths)
{
	return any_entry(paths->at[SOFTHSM_TOKENS], has_objects) != 0;
}

/* In a process of its own: a vendor's library may hang, crash or keep state. */
static int run_init(const struct fleet_device *device, const char *library, const char *conf,
		    struct err *err)
{
	const struct fleet_partition *partition = &device->partitions[0];
	owned(mem) char *variable = mem_printf("SOFTHSM2_CONF=%s", conf);
	owned(mem) char *program = NULL;
	owned(buf) struct buf out = {.max = 65536}, said = {.max = 65536};
	const char *env[] = {variable, NULL};
	const char *argv[] = {
		NULL, "init", "--library", library, "--label", device->name,
		"--so-pin-source", partition->so_pin_source, "--pin-source", partition->pin_source,
		"-o", "json", NULL
	};
	int rc = variable ? program_find("hsmctl-appliance", &program, err) : err_no_memory(err);

	if (rc < 0)
		return rc;
	argv[0] = program;
	rc = proc_run(argv, env, &out, &said, err);
	if (rc > 0) {
		char *text = (char *)(uintptr_t)buf_text(&said);

		text[strcspn(text, "\n")] = 0;
		return err_set(err, ERR_FAILED, "cannot make the token of '%s': %s", device->name,
			       str_starts(text, "hsmctl: ") ? text + 8 : text);
	}
	return rc;
}

/* SoftHSM never flushes what it writes. */
static int flush(const char *folder, struct err *err)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	rc = fd < 0 || syncfs(fd) < 0 ? err_errno(err, "cannot flush '%s'", folder) : 0;
	if (fd >= 0)
		close(fd);
	return rc;
}

static int move_in(const struct softhsm_paths *paths, const char *made, struct err *err)
{
	int rc = file_remove_tree(paths->at[SOFTHSM_TOKENS], err);

	if (rc == 0)
		rc = file_remove_tree(paths->at[SOFTHSM_GUARD], err);
	if (rc == 0)
		rc = flush(made, err);
	if (rc == 0 && rename(made, paths->at[SOFTHSM_TOKENS]) < 0)
		rc = err_errno(err, "cannot make '%s'", paths->at[SOFTHSM_TOKENS]);
	if (rc == 0)
		rc = guard_save(paths->at[SOFTHSM_TOKENS], paths->at[SOFTHSM_GUARD], err);
	return rc;
}

/* A name of its own: what a killed run started may still be writing to another. */
static int make_folder(const struct softhsm_paths *paths, char **ret, struct err *err)
{
	owned(mem) char *folder = file_join(paths->at[SOFTHSM_MAKING], "XXXXXX");
	int rc;

	if (!folder)
		return err_no_memory(err);
	file_remove_tree(paths->at[SOFTHSM_MAKING], NULL);
	rc = file_mkdirs(paths->at[SOFTHSM_MAKING], 0700, err);
	if (rc < 0)
		return rc;
	if (!mkdtemp(folder))
		return err_errno(err, "cannot make a folder in '%s'", paths->at[SOFTHSM_MAKING]);
	*ret = own_take(folder);
	return 0;
}

static int make_in(const char *folder, const struct softhsm_paths *paths,
		   const struct fleet_device *device, const char *library, struct err *err)
{
	owned(mem) char *conf = file_join(folder, "softhsm2.conf");
	owned(mem) char *made = file_join(folder, "tokens");
	int rc = conf && made ? file_mkdirs(made, 0700, err) : err_no_memory(err);

	if (rc == 0)
		rc = write_conf(conf, made, err);
	if (rc == 0)
		rc = run_init(device, library, conf, err);
	return rc < 0 ? rc : move_in(paths, made, err);
}

int softhsm_token_make(const struct softhsm_paths *paths, const struct fleet_device *device,
		       const char *library, struct err *err)
{
	owned(mem) char *folder = NULL;
	int rc = make_folder(paths, &folder, err);

	if (rc == 0)
		rc = make_in(folder, paths, device, library, err);
	file_remove_tree(paths->at[SOFTHSM_MAKING], NULL);
	return rc;
}
