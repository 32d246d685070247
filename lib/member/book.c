/* SPDX-License-Identifier: Apache-2.0 */
/* Steps, ages and leases of one token's host. */
#include "member/book.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "member/library.h"

struct age {
	CK_OBJECT_HANDLE object;
	int64_t since_ms;
};

struct lease {
	const void *who;
	uint64_t number;
	int64_t until_ms;
	uint8_t name[P11_LEASE_NAME_MAX];
	size_t name_len;
	char holder[P11_LEASE_HOLDER_MAX + 1];
};

struct book {
	CK_FUNCTION_LIST *functions;
	CK_SLOT_ID slot;
	bool shared;

	pthread_rwlock_t objects;	/* shared: they are looked at; alone: one is made */
	pthread_mutex_t lock;		/* of all below */
	bool in_step;
	pthread_cond_t step_ended;	/* monotonic */
	int64_t since_ms;		/* of what is not among the ages */
	unsigned births;		/* calls under way that make objects */
	struct age *ages;		/* the newest last */
	size_t n_ages, ages_cap;
	struct lease leases[BOOK_LEASES_MAX];
	size_t n_leases;
	uint64_t last_number;
};

/* Whoever makes objects is not kept waiting by those who look. */
static void init_objects(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attributes;

	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &attributes);
	pthread_rwlockattr_destroy(&attributes);
}

int book_new(CK_FUNCTION_LIST *functions, CK_SLOT_ID slot, bool shared, struct book **ret, struct err *err)
{
	struct book *book = mem_new(struct book);
	pthread_condattr_t monotonic;

	if (!book)
		return err_no_memory(err);
	*book = (struct book){.functions = functions, .slot = slot, .shared = shared, .since_ms = clock_now_ms(),
			      /* More than a host can grant by its next start. */
			      .last_number = (uint64_t)clock_utc_ms() * 1000};
	pthread_mutex_init(&book->lock, NULL);
	init_objects(&book->objects);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&book->step_ended, &monotonic);
	pthread_condattr_destroy(&monotonic);
	*ret = book;
	return 0;
}

void book_free(struct book *book)
{
	if (!book)
		return;
	pthread_cond_destroy(&book->step_ended);
	pthread_mutex_destroy(&book->lock);
	pthread_rwlock_destroy(&book->objects);
	free(book->ages);
	free(book);
}

/* ---- steps ---- */

bool book_is_step(const struct p11_call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (p11_fn_table[calls[i].fn].flags & P11_STEP)
			return true;
	return false;
}

CK_RV book_begin(struct book *book)
{
	struct timespec until = clock_after_ms(BOOK_WAIT_MS);
	bool busy;
	int rc = 0;

	pthread_mutex_lock(&book->lock);
	while (book->in_step && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&book->step_ended, &book->lock, &until);
	busy = book->in_step;
	book->in_step = true;
	pthread_mutex_unlock(&book->lock);
	return busy ? CKR_SESSION_COUNT : CKR_OK;
}

void book_end(struct book *book)
{
	pthread_mutex_lock(&book->lock);
	book->in_step = false;
	pthread_cond_signal(&book->step_ended);
	pthread_mutex_unlock(&book->lock);
}

/* ---- searches ---- */

/* All that a search which was begun comes to, until each says otherwise. */
static CK_RV walk(struct book *book, CK_SESSION_HANDLE session, book_visitor each, void *data)
{
	CK_OBJECT_HANDLE list[64];
	CK_ULONG found;
	CK_RV rv;

	do {
		found = 0;
		rv = library_find(book->functions, session, list, 64, &found);
		for (CK_ULONG i = 0; rv == CKR_OK && i < found; i++)
			rv = each(data, session, list[i]);
	} while (rv == CKR_OK && found == 64);
	return rv;
}

/* On a session of its own: the guest's may be in the middle of a search. */
CK_RV book_each(struct book *book, const CK_ATTRIBUTE *template, CK_ULONG count, book_visitor each, void *data)
{
	CK_FUNCTION_LIST *f = book->functions;
	CK_SESSION_HANDLE session;
	CK_RV rv = f->C_OpenSession(book->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);

	if (rv != CKR_OK)
		return rv;
	pthread_rwlock_rdlock(&book->objects);
	rv = f->C_FindObjectsInit(session, (CK_ATTRIBUTE *)template, count);
	pthread_rwlock_unlock(&book->objects);
	if (rv == CKR_OK) {
		rv = walk(book, session, each, data);
		f->C_FindObjectsFinal(session);
	}
	f->C_CloseSession(session);
	return rv;
}

static CK_RV must_not_see(void *data, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	const struct book_guest *guest = data;

	return !guest->sees || guest->sees(guest->who, session, object) ? CKR_OBJECT_HANDLE_INVALID : CKR_OK;
}

static CK_RV absent(struct book *book, const struct book_guest *guest, const struct p11_arg *template)
{
	return book_each(book, template->in, template->number, must_not_see, (void *)guest);
}

/* ---- ages; all with the lock held ---- */

static void forget(struct book *book, CK_OBJECT_HANDLE object)
{
	for (size_t i = book->n_ages; i-- > 0;) {
		if (book->ages[i].object != object)
			continue;
		memmove(&book->ages[i], &book->ages[i + 1], (--book->n_ages - i) * sizeof(*book->ages));
		return;
	}
}

/* What is forgotten counts as no older than the youngest of it. */
static void forget_eldest(struct book *book)
{
	size_t n = (book->n_ages + 1) / 2;

	if (!n)
		return;
	book->since_ms = book->ages[n - 1].since_ms;
	book->n_ages -= n;
	memmove(book->ages, book->ages + n, book->n_ages * sizeof(*book->ages));
}

static bool make_room(struct book *book)
{
	size_t cap = book->ages_cap ? book->ages_cap * 2 : 64;
	struct age *grown;

	if (book->n_ages < book->ages_cap)
		return true;
	grown = cap > BOOK_AGES_MAX ? NULL : mem_grow(book->ages, book->ages_cap, cap, sizeof(*grown));
	if (grown) {
		book->ages = grown;
		book->ages_cap = cap;
	} else {
		forget_eldest(book);
	}
	return book->n_ages < book->ages_cap;
}

/* From now on. Its handle may have been another's before. */
static void note(struct book *book, CK_OBJECT_HANDLE object)
{
	int64_t now = clock_now_ms();

	forget(book, object);
	if (make_room(book))
		book->ages[book->n_ages++] = (struct age){object, now};
	else
		book->since_ms = now;
}

static int64_t first_seen(struct book *book, CK_OBJECT_HANDLE object)
{
	for (size_t i = book->n_ages; i-- > 0;)
		if (book->ages[i].object == object)
			return book->ages[i].since_ms;
	/* It may be the child of a call whose result is not noted yet. */
	if (!book->shared && !book->births)
		return book->since_ms;
	note(book, object);
	return clock_now_ms();
}

static CK_RV age(struct book *book, const struct p11_arg *a)
{
	CK_OBJECT_CLASS class;
	CK_ATTRIBUTE value = {CKA_CLASS, &class, sizeof(class)};
	CK_RV rv = book->functions->C_GetAttributeValue(a[0].number, a[1].number, &value, 1);

	pthread_mutex_lock(&book->lock);
	if (rv == CKR_OK)
		*(CK_ULONG *)a[2].out = (CK_ULONG)(clock_now_ms() - first_seen(book, a[1].number));
	else if (rv == CKR_OBJECT_HANDLE_INVALID)
		forget(book, a[1].number);
	pthread_mutex_unlock(&book->lock);
	return rv;
}

/* ---- leases; all with the lock held ---- */

static struct lease *find_lease(struct book *book, const void *name, size_t len)
{
	for (size_t i = 0; i < book->n_leases; i++)
		if (book->leases[i].name_len == len && memcmp(book->leases[i].name, name, len) == 0)
			return &book->leases[i];
	return NULL;
}

static void drop_lease(struct book *book, struct lease *lease)
{
	*lease = book->leases[--book->n_leases];
}

static void drop_expired(struct book *book)
{
	int64_t now = clock_now_ms();

	for (size_t i = book->n_leases; i-- > 0;)
		if (now >= book->leases[i].until_ms)
			drop_lease(book, &book->leases[i]);
}

static struct lease *new_lease(struct book *book, const void *name, size_t len)
{
	struct lease *lease;

	if (book->n_leases == BOOK_LEASES_MAX)
		drop_expired(book);
	if (book->n_leases == BOOK_LEASES_MAX)
		return NULL;
	lease = &book->leases[book->n_leases++];
	*lease = (struct lease){.number = ++book->last_number, .name_len = len};
	memcpy(lease->name, name, len);
	return lease;
}

static void name_holder(struct lease *lease, const char *text, size_t len)
{
	if (len > P11_LEASE_HOLDER_MAX)
		len = P11_LEASE_HOLDER_MAX;
	memset(lease->holder, 0, sizeof(lease->holder));
	if (len)
		memcpy(lease->holder, text, len);
	err_mask(lease->holder);
}

static void tell(const struct lease *lease, bool granted, struct p11_lease *ret)
{
	int64_t left = lease ? lease->until_ms - clock_now_ms() : 0;

	*ret = (struct p11_lease){.left_ms = left > 0 ? (CK_ULONG)left : 0};
	if (!lease)
		return;
	ret->number = granted ? lease->number : 0;
	memcpy(ret->holder, lease->holder, sizeof(ret->holder));
}

/* One that ran out goes on when nobody took it meanwhile. */
static CK_RV grant(struct book *book, const void *who, const struct p11_arg *a)
{
	const struct p11_arg *name = &a[1], *holder = &a[2];
	CK_ULONG ttl_ms = a[3].number, number = a[4].number;
	struct lease *lease = find_lease(book, name->in, name->number);

	if (lease && !number && clock_now_ms() >= lease->until_ms) {
		drop_lease(book, lease);
		lease = NULL;
	}
	tell(lease, false, a[5].out);
	if (number ? !lease || lease->number != number : lease != NULL)
		return CKR_FUNCTION_REJECTED;
	if (!ttl_ms) {
		if (lease)
			drop_lease(book, lease);
		tell(NULL, true, a[5].out);
		return CKR_OK;
	}
	if (!lease)
		lease = new_lease(book, name->in, name->number);
	if (!lease)
		return CKR_SESSION_COUNT;
	lease->who = who;
	lease->until_ms = clock_now_ms() + (int64_t)ttl_ms;
	name_holder(lease, holder->in, holder->number);
	tell(lease, true, a[5].out);
	return CKR_OK;
}

void book_leave(struct book *book, const void *who)
{
	pthread_mutex_lock(&book->lock);
	for (size_t i = book->n_leases; i-- > 0;)
		if (book->leases[i].who == who)
			drop_lease(book, &book->leases[i]);
	pthread_mutex_unlock(&book->lock);
}

static CK_RV lease(struct book *book, const struct book_guest *guest, const struct p11_arg *a)
{
	CK_RV rv;

	pthread_mutex_lock(&book->lock);
	rv = grant(book, guest->who, a);
	pthread_mutex_unlock(&book->lock);
	return rv;
}

/* ---- calls ---- */

static CK_RV execute_own(struct book *book, const struct book_guest *guest, const struct p11_call *call)
{
	CK_SESSION_INFO info;
	CK_RV rv = p11_call_check(call);

	if (rv == CKR_OK)
		rv = book->functions->C_GetSessionInfo(call->args[0].number, &info);
	if (rv != CKR_OK)
		return rv;
	if ((p11_fn_table[call->fn].flags & P11_USERS) && info.state != CKS_RO_USER_FUNCTIONS &&
	    info.state != CKS_RW_USER_FUNCTIONS)
		return CKR_USER_NOT_LOGGED_IN;
	switch (call->fn) {
	case P11_X_Absent:
		return absent(book, guest, &call->args[1]);
	case P11_X_Age:
		return age(book, call->args);
	case P11_X_Lease:
		return lease(book, guest, call->args);
	default:
		return CKR_FUNCTION_NOT_SUPPORTED;
	}
}

static bool makes(enum p11_fn fn)
{
	const struct p11_fn_info *info = &p11_fn_table[fn];

	for (int i = 0; i < P11_ARGS_MAX && (info->flags & P11_WRITES); i++)
		if (info->args[i] == P11_ARG_OUT_HANDLE)
			return true;
	return false;
}

/* With the lock held. */
static void note_made(struct book *book, const struct p11_call *call)
{
	const enum p11_arg_kind *kinds = p11_fn_table[call->fn].args;

	book->births--;
	for (int i = 0; i < P11_ARGS_MAX && call->rv == CKR_OK; i++)
		if (kinds[i] == P11_ARG_OUT_HANDLE)
			note(book, *(CK_OBJECT_HANDLE *)call->args[i].out);
}

/* SoftHSM lists an object before all its attributes are there, and gives what it does not find a default: looked at too
 * early, it is another one than was asked for. Pairs take too long to keep everybody from looking. */
static void execute(struct book *book, struct p11_call *call)
{
	bool alone = (p11_fn_table[call->fn].flags & P11_STEP) && call->fn != P11_C_DestroyObject;
	bool looks = call->fn == P11_C_FindObjectsInit || call->fn == P11_C_GetAttributeValue;

	if (alone)
		pthread_rwlock_wrlock(&book->objects);
	else if (looks)
		pthread_rwlock_rdlock(&book->objects);
	p11_execute(book->functions, book->slot, call);
	if (alone || looks)
		pthread_rwlock_unlock(&book->objects);
}

CK_RV book_execute(struct book *book, const struct book_guest *guest, struct p11_call *call)
{
	bool birth = makes(call->fn);

	if (p11_fn_table[call->fn].where == P11_WHERE_HOST)
		return call->rv = execute_own(book, guest, call);
	if (!birth && call->fn != P11_C_DestroyObject) {
		execute(book, call);
		return call->rv;
	}
	pthread_mutex_lock(&book->lock);
	book->births += birth;
	pthread_mutex_unlock(&book->lock);
	execute(book, call);
	pthread_mutex_lock(&book->lock);
	if (birth)
		note_made(book, call);
	else if (call->rv == CKR_OK)
		forget(book, call->args[1].number);
	pthread_mutex_unlock(&book->lock);
	return call->rv;
}
