/* SPDX-License-Identifier: Apache-2.0 */
/* Loading vendor libraries: the one door to dlopen. */
#include "member/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/digest.h"
#include "member/book.h"
#include "p11/rv.h"
#include "p11/uri.h"

/* The PIN by which we logged a token in, as a salted digest. */
struct verifier {
	bool known;
	CK_SLOT_ID slot;
	uint8_t salt[32], mac[SHA256_LEN];
};

enum { VERIFIERS_MAX = 8 };	/* tokens of one library; more are not remembered */

struct shelf {
	struct shelf *next;
	CK_SLOT_ID slot;
	struct book *book;
	unsigned users;
};

struct library {
	struct library *next;
	char *path;
	void *handle;
	CK_FUNCTION_LIST *functions;	/* a CK_FUNCTION_LIST_3_0 when its version is 3.0 */
	CK_FUNCTION_LIST old;		/* a copy, of one that claims to be newer than it can be */
	bool initialised;	/* by us */
	uint64_t epoch;
	unsigned generation, users;
	struct shelf *shelves;
	pthread_mutex_t login_lock;	/* from a login until its PIN is remembered; of the verifiers */
	struct verifier verifiers[VERIFIERS_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct library *loaded;
static uint64_t last_epoch;
static unsigned generation;	/* of forks */

/* Another thread may have held the lock when the parent forked. */
static void forget_in_child(void)
{
	pthread_mutex_init(&lock, NULL);
	loaded = NULL;
	generation++;
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, forget_in_child);
}

static void unload(struct library *library)
{
	if (library->handle)
		dlclose(library->handle);
	free(library->path);
	pthread_mutex_destroy(&library->login_lock);
	explicit_bzero(library, sizeof(*library));
	free(library);
}

/* The list of C_GetFunctionList ends with what 2.40 has, whatever it says (PKCS#11 v3.0 section 5.4.4). */
static CK_FUNCTION_LIST *no_newer_than_it_is(struct library *library, CK_FUNCTION_LIST *list)
{
	if (list->version.major < 3)
		return list;
	library->old = *list;
	library->old.version = (CK_VERSION){2, 40};
	return &library->old;
}

/* Its interface of 3.0, if it has one; what came after is another list (PKCS#11 v3.0 section 5.4.6). */
static CK_FUNCTION_LIST *newest(struct library *library, CK_FUNCTION_LIST *list)
{
	CK_VERSION version = {3, 0};
	CK_INTERFACE *interface = NULL;
	CK_FUNCTION_LIST *found;
	CK_C_GetInterface get;

	*(void **)&get = dlsym(library->handle, "C_GetInterface");
	if (!get || get((CK_UTF8CHAR_PTR) "PKCS 11", &version, &interface, 0) != CKR_OK || !interface)
		return no_newer_than_it_is(library, list);
	found = interface->pFunctionList;
	return found && found->version.major == 3 ? found : no_newer_than_it_is(library, list);
}

static int load(const char *path, struct library *library, struct err *err)
{
	CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
	CK_C_GetFunctionList get;
	CK_RV rv;

	pthread_mutex_init(&library->login_lock, NULL);
	library->path = mem_strdup(path);
	if (!library->path)
		return err_no_memory(err);
	if (strchr(path, '/') && !file_exists(path))
		return err_set(err, ERR_MISSING, "no PKCS#11 library '%s'", path);
	library->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library->handle)
		return err_set(err, ERR_MISSING, "cannot load the PKCS#11 library: %s", dlerror());
	*(void **)&get = dlsym(library->handle, "C_GetFunctionList");
	if (!get)
		return err_set(err, ERR_INVALID, "'%s' is not a PKCS#11 library", path);
	rv = get(&library->functions);
	if (rv != CKR_OK)
		return p11_rv_err(err, rv, "C_GetFunctionList");
	library->functions = newest(library, library->functions);
	rv = library->functions->C_Initialize(&args);
	library->initialised = rv == CKR_OK;
	if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
		return p11_rv_err(err, rv, "C_Initialize");
	library->epoch = ++last_epoch;
	library->generation = generation;
	return 0;
}

int library_open(const char *path, struct library **ret, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct library *library;
	int rc = 0;

	pthread_once(&once, watch_forks);
	pthread_mutex_lock(&lock);
	for (library = loaded; library && strcmp(library->path, path) != 0; library = library->next)
		;
	if (!library) {
		library = mem_new(struct library);
		rc = library ? load(path, library, err) : err_no_memory(err);
		if (rc < 0) {
			if (library)
				unload(library);
		} else {
			library->next = loaded;
			loaded = library;
		}
	}
	if (rc == 0) {
		library->users++;
		*ret = library;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

void library_free(struct library *library)
{
	if (!library)
		return;
	pthread_mutex_lock(&lock);
	if (--library->users == 0) {
		struct library **at = &loaded;

		while (*at && *at != library)
			at = &(*at)->next;
		if (*at)
			*at = library->next;
		if (library->initialised && !library_is_inherited(library))
			library->functions->C_Finalize(NULL);
		unload(library);
	}
	pthread_mutex_unlock(&lock);
}

uint64_t library_epoch(const struct library *library)
{
	return library->epoch;
}

bool library_is_inherited(const struct library *library)
{
	return library->generation != generation;
}

/* ---- login ---- */

/* The place of a slot's verifier, or one for it; NULL when there are too many. */
static struct verifier *find_verifier(struct library *library, CK_SLOT_ID slot)
{
	struct verifier *v = library->verifiers;

	for (size_t i = 0; i < VERIFIERS_MAX; i++, v++)
		if (!v->known || v->slot == slot)
			return v;
	return NULL;
}

static void remember(struct verifier *v, CK_SLOT_ID slot, const void *pin, CK_ULONG len)
{
	v->slot = slot;
	v->known = crypto_random(v->salt, sizeof(v->salt), NULL) == 0 &&
		   crypto_hmac_sha256(v->salt, sizeof(v->salt), pin, len, v->mac, NULL) == 0;
}

static CK_RV compare(const struct verifier *v, const void *pin, CK_ULONG len)
{
	uint8_t mac[SHA256_LEN];
	unsigned difference = 0;

	if (!v || !v->known)
		return CKR_USER_ALREADY_LOGGED_IN;
	if (crypto_hmac_sha256(v->salt, sizeof(v->salt), pin, len, mac, NULL) < 0)
		return CKR_HOST_MEMORY;
	for (size_t i = 0; i < sizeof(mac); i++)
		difference |= (unsigned)(mac[i] ^ v->mac[i]);
	explicit_bzero(mac, sizeof(mac));
	return difference ? CKR_PIN_INCORRECT : CKR_OK;
}

bool library_is_final_try(CK_FUNCTION_LIST *functions, CK_SLOT_ID slot)
{
	CK_TOKEN_INFO info;

	return functions->C_GetTokenInfo(slot, &info) == CKR_OK && (info.flags & CKF_USER_PIN_FINAL_TRY);
}

/* By a PIN that was found right before, or while there are tries left. */
static bool may_ask(const struct library *library, CK_SLOT_ID slot, const struct verifier *v, const void *pin, CK_ULONG len)
{
	return compare(v, pin, len) == CKR_OK || !library_is_final_try(library->functions, slot);
}

CK_RV library_login(struct library *library, CK_SLOT_ID slot, CK_SESSION_HANDLE session, const void *pin, CK_ULONG len)
{
	struct verifier *v;
	CK_RV rv = CKR_PIN_LOCKED;

	/* Whoever comes second and finds the token logged in must find the first one's PIN, too. */
	pthread_mutex_lock(&library->login_lock);
	v = find_verifier(library, slot);
	if (may_ask(library, slot, v, pin, len))
		rv = library->functions->C_Login(session, CKU_USER, (CK_UTF8CHAR *)pin, len);
	if (rv == CKR_OK && v)
		remember(v, slot, pin, len);
	else if (rv == CKR_USER_ALREADY_LOGGED_IN)
		rv = compare(v, pin, len);
	pthread_mutex_unlock(&library->login_lock);
	return rv;
}

/* ---- objects ---- */

CK_RV library_find(CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *list, CK_ULONG room,
		   CK_ULONG *ret_count)
{
	CK_ULONG total = 0, found;
	CK_RV rv;

	do {
		found = 0;
		rv = functions->C_FindObjects(session, list + total, room - total, &found);
		if (found > room - total)
			return CKR_DEVICE_ERROR;
		total += found;
	} while (rv == CKR_OK && found && total < room);
	*ret_count = total;
	return rv;
}

/* ---- books ---- */

/* With the lock held. */
static int add_shelf(struct library *library, CK_SLOT_ID slot, struct shelf **ret, struct err *err)
{
	owned(mem) struct shelf *shelf = mem_new(struct shelf);
	int rc = shelf ? book_new(library->functions, slot, true, &shelf->book, err) : err_no_memory(err);

	if (rc < 0)
		return rc;
	shelf->slot = slot;
	shelf->next = library->shelves;
	library->shelves = *ret = own_take(shelf);
	return 0;
}

int library_take_book(struct library *library, CK_SLOT_ID slot, struct book **ret, struct err *err)
{
	struct shelf *shelf;
	int rc = 0;

	pthread_mutex_lock(&lock);
	for (shelf = library->shelves; shelf && shelf->slot != slot; shelf = shelf->next)
		;
	if (!shelf)
		rc = add_shelf(library, slot, &shelf, err);
	if (rc == 0) {
		shelf->users++;
		*ret = shelf->book;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

void library_leave_book(struct library *library, struct book *book)
{
	struct shelf **at = &library->shelves;

	pthread_mutex_lock(&lock);
	while ((*at)->book != book)
		at = &(*at)->next;
	if (--(*at)->users == 0) {
		owned(mem) struct shelf *shelf = *at;

		*at = shelf->next;
		book_free(shelf->book);
	}
	pthread_mutex_unlock(&lock);
}

CK_FUNCTION_LIST *library_functions(const struct library *library)
{
	return library->functions;
}

void library_text(const CK_UTF8CHAR *field, size_t len, char *ret)
{
	while (len && (field[len - 1] == ' ' || field[len - 1] == 0))
		len--;
	memcpy(ret, field, len);
	ret[len] = 0;
	err_mask(ret);
}

enum { SLOTS_MAX = 256, LISTED = 400 };

/* What was seen of a library's tokens on the way to the one. */
struct search {
	const struct library *library;
	const struct library_token *which;
	struct p11_uri uri;
	CK_SLOT_ID slot;
	unsigned initialised, found;
	char seen[LISTED], fit[LISTED];	/* for people */
};

static bool says(const char *text)
{
	return text && *text;
}

static void list(char *into, const CK_TOKEN_INFO *info)
{
	char label[sizeof(info->label) + 1], serial[sizeof(info->serialNumber) + 1];
	size_t used = strlen(into);

	library_text(info->label, sizeof(info->label), label);
	library_text(info->serialNumber, sizeof(info->serialNumber), serial);
	snprintf(into + used, LISTED - used, "%s'%s' (serial %s)", used ? ", " : "", label, serial);
}

static void consider(struct search *s, CK_SLOT_ID slot)
{
	const char *serial = s->which->serial;
	CK_TOKEN_INFO info;
	char text[sizeof(info.serialNumber) + 1];

	if (s->library->functions->C_GetTokenInfo(slot, &info) != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED))
		return;
	s->initialised++;
	list(s->seen, &info);
	library_text(info.serialNumber, sizeof(info.serialNumber), text);
	if ((says(serial) && !str_eq(text, serial)) || !p11_uri_names(&s->uri, slot, &info))
		return;
	s->found++;
	s->slot = slot;
	list(s->fit, &info);
}

static int none(const struct search *s, struct err *err)
{
	const char *serial = s->which->serial, *uri = s->which->uri;
	bool by_serial = says(serial), by_uri = says(uri);

	err_set(err, ERR_NOT_FOUND, "no initialised token%s%s%s%s%s in '%s', which has %s%.330s",
		by_serial ? " with serial " : "", by_serial ? serial : "", by_uri ? " is as '" : "", by_uri ? uri : "",
		by_uri ? "'" : "", s->library->path, s->initialised ? "" : "none", s->seen);
	return -ERR_NOT_FOUND;
}

static int several(const struct search *s, struct err *err)
{
	return err_set(err, ERR_AMBIGUOUS, "%u tokens in '%s' are meant: %.330s; name one by its serial", s->found,
		       s->library->path, s->fit);
}

int library_find_token(const struct library *library, const struct library_token *which, CK_SLOT_ID *ret,
		       struct err *err)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG count = SLOTS_MAX;
	struct search search = {.library = library, .which = which};
	int rc = says(which->uri) ? p11_uri_parse(which->uri, &search.uri, err) : 0;
	CK_RV rv;

	if (rc < 0)
		return rc;
	rv = library->functions->C_GetSlotList(CK_TRUE, slots, &count);
	for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++)
		consider(&search, slots[i]);
	p11_uri_release(&search.uri);
	if (rv != CKR_OK)
		return p11_rv_err(err, rv, "C_GetSlotList");
	if (search.found != 1)
		return search.found ? several(&search, err) : none(&search, err);
	*ret = search.slot;
	return 0;
}
