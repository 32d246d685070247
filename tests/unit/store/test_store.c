/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include <sys/stat.h>
#include <unistd.h>


static mode_t mode_of(struct store *store, const char *name)
{
	owned(mem) char *path = store_file(store, "%s", name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void a_store_is_made_private(void **state)
{
	owned(mem) char *path = mem_printf("%s/a/b", (char *)*state);
	owned(store) struct store *store = must_open(path);
	owned(mem) char *file = store_file(store, "pki/%s.pem", "x");
	owned(mem) char *wanted = mem_printf("%s/pki/x.pem", path);

	assert_string_equal(store_path(store), path);
	assert_string_equal(file, wanted);
	must_commit(store, "f");
	assert_int_equal(mode_of(store, ""), 0700);
	assert_int_equal(mode_of(store, "fleet.json"), 0600);
	assert_int_equal(mode_of(store, "audit.log"), 0600);
	assert_int_equal(mode_of(store, "lock"), 0600);
}

static void a_new_store_is_empty(void **state)
{
	owned(store) struct store *store = must_open(*state);
	owned(fleet) struct fleet *fleet = must_read(store);

	assert_null(fleet->name);
	assert_int_equal(fleet->revision, 0);
	assert_int_equal(must_verify(store), 0);
}

static void urls_name_folders(void **state)
{
	static const struct {
		const char *prefix;
		int rc;
	} cases[] = {
		{"", 0}, {"file:", 0}, {"file://", 0},
		{"etcd://", -ERR_UNSUPPORTED}, {"https://", -ERR_UNSUPPORTED},
	};
	static const char *const empty[] = {"", "file:", "file://"};
	owned(store) struct store *made = must_open(*state);
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(mem) char *url = mem_printf("%s%s", cases[i].prefix, (char *)*state);
		owned(store) struct store *store = NULL;

		assert_int_equal(store_open(url, 0, &store, &err), cases[i].rc);
		if (store)
			assert_string_equal(store_path(store), *state);
	}
	for (size_t i = 0; i < 3; i++) {
		struct store *store = NULL;

		assert_int_equal(store_open(empty[i], STORE_CREATE, &store, &err), -ERR_USAGE);
	}
}

static void put(const char *folder, const char *name)
{
	owned(mem) char *path = file_join(folder, name);

	assert_int_equal(file_write(path, "", 0, 0600, NULL), 0);
}

/* Which folders are taken for stores, by what is in them. */
static void strange_folders_are_refused(void **state)
{
	static const struct {
		const char *files[3];
		int rc, rc_create;
	} cases[] = {
		{{NULL}, -ERR_NOT_FOUND, 0},
		{{"lock"}, 0, 0},
		{{"audit.log"}, 0, 0},
		{{"lock", "audit.log"}, 0, 0},
		{{"lock", "audit.log", "x"}, 0, 0},
		{{"fleet.json", "x"}, 0, 0},
		{{"x"}, -ERR_NOT_OURS, -ERR_NOT_OURS},
		{{"lock", "x"}, -ERR_NOT_OURS, -ERR_NOT_OURS},
		{{"audit.log", ".hidden"}, -ERR_NOT_OURS, -ERR_NOT_OURS},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(mem) char *path = mem_printf("%s/%zu", (char *)*state, i);
		owned(store) struct store *store = NULL, *created = NULL;
		struct err err;

		assert_int_equal(mkdir(path, 0700), 0);
		for (size_t j = 0; j < 3 && cases[i].files[j]; j++)
			put(path, cases[i].files[j]);
		assert_int_equal(store_open(path, 0, &store, &err), cases[i].rc);
		assert_int_equal(store_open(path, STORE_CREATE, &created, &err), cases[i].rc_create);
		if (cases[i].rc_create == -ERR_NOT_OURS)
			assert_non_null(strstr(err.message, "is not an hsmctl store"));
	}
}

static void a_missing_store_is_not_found(void **state)
{
	owned(mem) char *path = file_join(*state, "none"), *file = file_join(*state, "file");
	struct store *store = NULL;
	struct err err;

	assert_int_equal(store_open(path, 0, &store, &err), -ERR_NOT_FOUND);
	assert_non_null(strstr(err.hint, "hsmctl provision apply"));
	assert_false(file_exists(path));
	put(*state, "file");
	assert_int_equal(store_open(file, STORE_CREATE, &store, &err), -ERR_IO);
	assert_null(store);
}

static void what_others_can_write_is_not_ours(void **state)
{
	static const struct {
		const char *name;
		mode_t mode;
		int rc;
	} cases[] = {
		{"", 0777, -ERR_NOT_OURS}, {"", 0720, -ERR_NOT_OURS}, {"", 0755, 0}, {"", 0700, 0},
		{"fleet.json", 0602, -ERR_NOT_OURS}, {"fleet.json", 0644, 0},
		{"audit.log", 0660, -ERR_NOT_OURS}, {"audit.log", 0600, 0},
	};
	owned(store) struct store *made = must_open(*state);

	must_commit(made, "f");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(mem) char *path = store_file(made, "%s", cases[i].name);
		owned(store) struct store *store = NULL;

		assert_int_equal(chmod(path, cases[i].mode), 0);
		assert_int_equal(store_open(*state, 0, &store, NULL), cases[i].rc);
	}
}

static void what_others_own_is_not_ours(void **state)
{
	owned(store) struct store *made = must_open(*state);
	struct store *store = NULL;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(*state, 1, 1), 0);
	assert_int_equal(store_open(*state, 0, &store, NULL), -ERR_NOT_OURS);
}

static void readers_may_not_write(void **state)
{
	owned(store) struct store *store = must_open(*state);
	owned(store_edit) struct store_edit *edit = NULL;
	struct err err;

	if (geteuid() != 0)
		skip();
	/* root's store, seen by somebody else */
	assert_int_equal(chmod(*state, 0755), 0);
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(store_edit_begin(store, "x", &edit, &err), -ERR_DENIED);
	assert_int_equal(store_audit(store, "x", "y", NULL, &err), -ERR_DENIED);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(*state, 0700), 0);
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(store_open(*state, 0, &store, &err), -ERR_DENIED);
	assert_int_equal(seteuid(0), 0);
}

static void a_bad_document_is_never_an_empty_one(void **state)
{
	static const char *const texts[] = {"", "{", "{}", "// x\n{}", "\xff"};
	owned(store) struct store *store = must_open(*state);

	must_commit(store, "f");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct fleet *fleet = NULL;
		struct store_edit *edit = NULL;
		struct err err;

		must_write(store, "fleet.json", texts[i], strlen(texts[i]));
		assert_int_equal(store_read(store, &fleet, &err), -ERR_INVALID);
		assert_non_null(strstr(err.message, "fleet.json:1: "));
		assert_int_equal(store_edit_begin(store, "x", &edit, &err), -ERR_INVALID);
		assert_int_equal(store_audit(store, "x", "y", NULL, &err), -ERR_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		temp_test(a_store_is_made_private),
		temp_test(a_new_store_is_empty),
		temp_test(urls_name_folders),
		temp_test(strange_folders_are_refused),
		temp_test(a_missing_store_is_not_found),
		temp_test(what_others_can_write_is_not_ours),
		temp_test(what_others_own_is_not_ours),
		temp_test(readers_may_not_write),
		temp_test(a_bad_document_is_never_an_empty_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
