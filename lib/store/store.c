/* SPDX-License-Identifier: Apache-2.0 */
/* A folder as a store: opened, checked, read. */
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "store/folder.h"

static void own_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void own_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* The folder a URL names. */
static const char *path_of(const char *url)
{
	if (str_starts(url, "file://"))
		return url + 7;
	return str_starts(url, "file:") ? url + 5 : url;
}

static int check_url(const char *url, struct err *err)
{
	size_t scheme = strcspn(url, ":/");

	if (!*path_of(url))
		return err_set(err, ERR_USAGE, "the store '%s' names no folder", url);
	if (path_of(url) == url && str_starts(url + scheme, "://"))
		return err_set(err, ERR_UNSUPPORTED, "no store of the kind '%.*s'", (int)scheme, url);
	return 0;
}

/* It stands in the document, which is UTF-8: what is not would lead elsewhere when it is read again. */
static int check_path(const char *path, struct err *err)
{
	owned(mem) char *shown = mem_strdup(path);

	if (!shown)
		return err_no_memory(err);
	err_mask(shown);
	for (size_t i = 0; path[i]; i++) {
		if (shown[i] == path[i] || (unsigned char)path[i] < 0x80)
			continue;
		err_set(err, ERR_INVALID, "byte %zu of the store's path '%s' is 0x%02x, which is no text", i + 1, shown,
			(unsigned char)path[i]);
		return err_hint(err, "give another --store");
	}
	return 0;
}

int store_locate(const char *url, char **ret, struct err *err)
{
	owned(mem) char *path = NULL;
	int rc = check_url(url, err);

	if (rc < 0)
		return rc;
	path = file_absolute(path_of(url));
	if (!path)
		return err_no_memory(err);
	rc = check_path(path, err);
	if (rc == 0)
		*ret = own_take(path);
	return rc;
}

static int not_found(const char *path, struct err *err)
{
	err_set(err, ERR_NOT_FOUND, "no store in '%s'", path);
	return err_hint(err, "make one with 'hsmctl provision apply FILE'");
}

struct contents {
	bool document, lock, trail, foreign;
};

static int look_into(const char *path, struct contents *ret, struct err *err)
{
	__attribute__((cleanup(own_dir))) DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir && errno == EACCES)
		return err_set(err, ERR_DENIED, "this user cannot read the store '%s'", path);
	if (!dir)
		return err_errno(err, "cannot look into '%s'", path);
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (str_eq(name, "fleet.json"))
			ret->document = true;
		else if (str_eq(name, "lock"))
			ret->lock = true;
		else if (str_eq(name, "audit.log"))
			ret->trail = true;
		else if (!str_eq(name, ".") && !str_eq(name, ".."))
			ret->foreign = true;
	}
	return 0;
}

static int set_paths(struct store *store, const char *path)
{
	store->path = file_absolute(path);
	store->document = store->path ? file_join(store->path, "fleet.json") : NULL;
	store->next = store->path ? file_join(store->path, ".fleet.json.next") : NULL;
	store->trail = store->path ? file_join(store->path, "audit.log") : NULL;
	store->lock = store->path ? file_join(store->path, "lock") : NULL;
	store->locks = store->path ? file_join(store->path, "locks") : NULL;
	return store->document && store->next && store->trail && store->lock && store->locks ? 0 : -ERR_NO_MEMORY;
}

static int check_file(const char *path, struct err *err)
{
	return file_exists(path) ? file_check_ours(path, false, err) : 0;
}

static int put_mark(const char *path, struct err *err)
{
	__attribute__((cleanup(own_fd))) int fd = file_open(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600, err);

	return fd < 0 ? fd : 0;
}

/* Before anything else gets into the folder, so that a crash later on leaves
 * one that is known as ours. */
static int put_marks(const struct store *store, const struct contents *found, struct err *err)
{
	int rc = 0;

	if (found->document || (found->trail && found->lock))
		return 0;
	rc = store_check_writable(store, err);
	if (rc == 0)
		rc = put_mark(store->trail, err);
	return rc < 0 ? rc : put_mark(store->lock, err);
}

static int recognise(const struct store *store, unsigned flags, struct err *err)
{
	struct contents found = {0};
	int rc = look_into(store->path, &found, err);

	if (rc < 0)
		return rc;
	if (found.foreign && !found.document && !(found.lock && found.trail))
		return err_set(err, ERR_NOT_OURS, "'%s' is not an hsmctl store", store->path);
	if (!(flags & STORE_CREATE))
		return found.document || found.lock || found.trail ? 0
								   : not_found(store->path, err);
	return put_marks(store, &found, err);
}

static int make_folder(const char *path, unsigned flags, struct err *err)
{
	if (file_exists(path))
		return 0;
	return flags & STORE_CREATE ? file_mkdirs(path, 0700, err) : not_found(path, err);
}

static int check_folder(const struct store *store, unsigned flags, struct err *err)
{
	int rc = file_check_ours(store->path, false, err);

	if (rc == 0)
		rc = recognise(store, flags, err);
	if (rc == 0)
		rc = check_file(store->document, err);
	return rc < 0 ? rc : check_file(store->trail, err);
}

int store_open(const char *url, unsigned flags, struct store **ret, struct err *err)
{
	owned(store) struct store *store = mem_new(struct store);
	int rc = check_url(url, err);

	if (rc == 0)
		rc = make_folder(path_of(url), flags, err);
	if (rc < 0)
		return rc;
	if (!store || set_paths(store, path_of(url)) < 0)
		return err_no_memory(err);
	rc = check_folder(store, flags, err);
	if (rc < 0)
		return rc;
	*ret = own_take(store);
	return 0;
}

void store_free(struct store *store)
{
	if (!store)
		return;
	free(store->path);
	free(store->document);
	free(store->next);
	free(store->trail);
	free(store->lock);
	free(store->locks);
	free(store);
}

const char *store_path(const struct store *store)
{
	return store->path;
}

const char *store_head(const struct store *store)
{
	return *store->head ? store->head : NULL;
}

char *store_file(const struct store *store, const char *fmt, ...)
{
	char below[PATH_MAX];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(below, sizeof(below), fmt, ap);
	va_end(ap);
	return len < 0 || len >= PATH_MAX ? NULL : file_join(store->path, below);
}

int store_document(const struct store *store, struct buf *ret, struct err *err)
{
	int rc = file_read(store->document, ret, err);

	if (rc < 0)
		return rc == -ERR_NOT_FOUND ? 0 : rc;
	return 1;
}

int store_read(struct store *store, struct fleet **ret, struct err *err)
{
	owned(buf) struct buf text = {.max = STORE_DOCUMENT_MAX};
	struct fleet *fleet;
	int rc = store_document(store, &text, err);

	if (rc < 0)
		return rc;
	if (rc > 0) {
		rc = fleet_read((const char *)text.data, text.len, store->document, 0, ret, err);
		if (rc == 0)
			log_info("store", "%s: revision %lld of fleet '%s'", store->document, (long long)(*ret)->revision,
				 (*ret)->name ? (*ret)->name : "");
		return rc;
	}
	fleet = fleet_new();
	if (!fleet)
		return err_no_memory(err);
	*ret = fleet;
	return 0;
}

int store_look(const struct store *store, struct store_state *ret, struct err *err)
{
	owned(buf) struct buf text = {.max = STORE_DOCUMENT_MAX};
	owned(fleet) struct fleet *fleet = NULL;
	struct store_state found = {0};
	int rc = store_document(store, &text, err), there = rc;

	if (rc > 0)
		rc = fleet_read((const char *)text.data, text.len, store->document, 0, &fleet, err);
	if (rc == 0 && there)
		rc = crypto_sha256_hex(text.data, text.len, found.digest, err);
	if (rc < 0)
		return rc;
	found.revision = fleet ? fleet->revision : 0;
	*ret = found;
	return 0;
}

int store_check_writable(const struct store *store, struct err *err)
{
	if (faccessat(AT_FDCWD, store->path, W_OK, AT_EACCESS) == 0)
		return 0;
	if (errno == EACCES || errno == EROFS)
		return err_set(err, ERR_DENIED, "this user cannot write the store '%s'",
			       store->path);
	return err_errno(err, "cannot look at '%s'", store->path);
}

int store_sync(const struct store *store, struct err *err)
{
	__attribute__((cleanup(own_fd))) int fd =
		open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_errno(err, "cannot flush the folder '%s'", store->path);
	return 0;
}
