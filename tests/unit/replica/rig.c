/* SPDX-License-Identifier: Apache-2.0 */
/* Fake tokens, links to them, and what tests ask of them. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "member/book.h"
#include "member/link.h"
#include "member/member.h"
#include "replica/domain.h"
#include "replica/view.h"

static const char PIN[] = "1234";
static const uint8_t DOMAIN_ID[] = "group of tests..";

struct replica_set *rig_set;
static struct book *rig_books[SET_MAX];
static size_t n_tokens;
static bool gone[RIG_MEMBERS];
static bool slow[RIG_MEMBERS];	/* to connect */
static bool ended[RIG_MEMBERS];		/* it went over a message */
static size_t refused[RIG_MEMBERS];	/* PINs */
static uint64_t epoch[RIG_MEMBERS];	/* of each host */
static struct fake_state *kept[RIG_MEMBERS];
static struct replica_report report;
static struct replica_sync_report synced;
static struct replica_sites opened;

/* What comes with a message to a member. */
static struct event {
	unsigned left;			/* messages until then, 0 = nothing is to come */
	enum rig_when when;
	void (*somebody)(void *data);	/* NULL = the member goes */
	void *data;
} events[RIG_MEMBERS];
static unsigned long messages[RIG_MEMBERS];

/* ---- time ---- */

static int64_t now_ms;

static int64_t now_ns(void *data)
{
	(void)data;
	return now_ms * 1000000;
}

static int64_t utc_ms(void *data)
{
	(void)data;
	return now_ms;
}

static void pass(void *data, int64_t ms)
{
	(void)data;
	now_ms += ms;
}

static const struct clock_source virtual = {.now_ns = now_ns, .utc_ms = utc_ms, .sleep_ms = pass};

void rig_pass(int64_t ms)
{
	now_ms += ms;
}

/* ---- the link ---- */

struct rig_link {
	struct link link;
	size_t member;
	CK_SESSION_HANDLE session;
	bool cut;
};

static int unreachable(struct err *err, enum err_retry retry)
{
	err_set(err, ERR_UNREACHABLE, "no answer");
	if (err)
		err->retry = retry;
	return -ERR_UNREACHABLE;
}

/* To the token all clients are one application; its host has logged in. */
static CK_RV look_at_pin(size_t member, const struct p11_call *login)
{
	bool right = login->args[2].number == strlen(PIN) && memcmp(login->args[2].in, PIN, strlen(PIN)) == 0;

	refused[member] += !right;
	return right ? CKR_OK : CKR_PIN_INCORRECT;
}

size_t rig_refused(size_t member)
{
	return refused[member];
}

/* What runs out of memory is this process, not the host. */
static void carry_out(struct rig_link *r, struct p11_call *calls, size_t count)
{
	unsigned long fail_after = mem_fail_after;

	mem_fail_after = 0;
	for (size_t i = 0; i < count; i++) {
		if (calls[i].fn == P11_C_Login)
			calls[i].rv = look_at_pin(r->member, &calls[i]);
		else
			book_execute(rig_books[r->member], &(struct book_guest){.who = r}, &calls[i]);
		if (calls[i].rv != CKR_OK)
			break;
		if (calls[i].fn == P11_C_OpenSession)
			r->session = *(CK_SESSION_HANDLE *)calls[i].args[2].out;
	}
	mem_fail_after = fail_after;
}

/* How much of a message the member takes when it goes with it. */
static size_t taken(enum rig_when when, size_t count)
{
	return when == RIG_BEFORE ? 0 : when == RIG_HALFWAY && count > 1 ? count - 1 : count;
}

/* Something comes with this message? How much of it is taken then. */
static size_t meet(size_t member, size_t count)
{
	struct event *event = &events[member];

	messages[member]++;
	if (!event->left || --event->left)
		return count;
	if (event->somebody) {
		event->somebody(event->data);
		return count;
	}
	gone[member] = ended[member] = true;
	return taken(event->when, count);
}

static int link_call_(struct link *link, struct p11_call *calls, size_t count, const struct call_limit *limit,
		      struct err *err)
{
	struct rig_link *r = (struct rig_link *)link;

	(void)limit;
	r->cut = r->cut || gone[r->member] || link->epoch != epoch[r->member];
	if (r->cut)
		return unreachable(err, ERR_RETRY_IDEMPOTENT);
	ended[r->member] = false;
	carry_out(r, calls, meet(r->member, count));
	link->ended = ended[r->member];
	link->changes = fake_changes(r->member) + 1;
	/* It went while it was asked: nobody hears the answer. */
	r->cut = gone[r->member];
	return r->cut ? unreachable(err, ERR_RETRY_IDEMPOTENT) : 0;
}

static bool link_alive_(struct link *link)
{
	const struct rig_link *r = (const struct rig_link *)link;

	return !r->cut && link->epoch == epoch[r->member];
}

static void link_cut_(struct link *link)
{
	((struct rig_link *)link)->cut = true;
}

/* A host closes what its guest left open. */
static void link_close_(struct link *link)
{
	struct rig_link *r = (struct rig_link *)link;

	book_leave(rig_books[r->member], r);
	if (r->session && link->epoch == epoch[r->member])
		fake_functions()->C_CloseSession(r->session);
	free(link);
}

static int link_open_(const struct member_config *config, struct link **ret, struct err *err);
static const struct link_ops rig_link_ops = {
	.open = link_open_, .call = link_call_, .alive = link_alive_, .cut = link_cut_, .close = link_close_,
};

static int link_open_(const struct member_config *config, struct link **ret, struct err *err)
{
	size_t member = (size_t)strtoul(config->address, NULL, 10);
	struct rig_link *r;

	if (gone[member])
		return unreachable(err, ERR_RETRY_SAFE);
	if (slow[member] && config->silence_ms) {
		unreachable(err, ERR_RETRY_SAFE);
		return -(int)(err->code = ERR_TIMEOUT);
	}
	r = mem_new(struct rig_link);
	if (!r)
		return err_no_memory(err);
	*r = (struct rig_link){.link = {.ops = &rig_link_ops, .config = config, .epoch = epoch[member]}, .member = member};
	*ret = &r->link;
	return 0;
}

/* ---- the group ---- */

static void open_member(struct replica_member *member, size_t m)
{
	struct member_config config = {
		.via = &rig_link_ops, .connect_ms = 1000, .answer_ms = 1000, .call_ms = 60000};
	char number[24];

	snprintf(number, sizeof(number), "%zu", m);
	snprintf(member->name, sizeof(member->name), "m%zu", m);
	snprintf(member->datacenter, sizeof(member->datacenter), "dc%zu", m);
	snprintf(member->region, sizeof(member->region), "region");
	member->role = m < 2 ? FLEET_ACTIVE : FLEET_STANDBY;
	member->index = m;
	config.name = member->name;
	config.address = number;
	assert_int_equal(member_open(&config, &member->member, NULL), 0);
}

static void log_in(size_t m)
{
	CK_SESSION_HANDLE session;

	assert_int_equal(fake_functions()->C_OpenSession(m, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
	assert_int_equal(fake_functions()->C_Login(session, CKU_USER, (CK_UTF8CHAR *)PIN, 4), CKR_OK);
}

static void pin(size_t m, const char *fingerprint)
{
	snprintf(rig_set->members[m].transport, sizeof(rig_set->members[m].transport), "%s", fingerprint);
}

/* As `ha create` makes it: the first gives to all, the second shows the first how it would come back. */
static void make_domain(void)
{
	owned(replica_sites) struct replica_sites sites = {0};
	char fingerprint[DOMAIN_FINGERPRINT];

	assert_int_equal(replica_sites_open(rig_set, UINT32_MAX, &sites, NULL), 0);
	assert_int_equal(domain_create(sites.sites[0].channel, DOMAIN_ID, &sites.sites[0].domain, NULL), 0);
	for (size_t m = 1; m < sites.count; m++) {
		assert_int_equal(domain_join(&sites.sites[0], &sites.sites[m], DOMAIN_ID, NULL, fingerprint, NULL), 0);
		pin(m, fingerprint);
	}
	assert_int_equal(domain_join(&sites.sites[1], &sites.sites[0], DOMAIN_ID, NULL, fingerprint, NULL), 0);
	pin(0, fingerprint);
}

/* Everybody, and nothing is to come. */
static void come_back(void)
{
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		epoch[m]++;
	memset(gone, 0, sizeof(gone));
	memset(slow, 0, sizeof(slow));
	memset(events, 0, sizeof(events));
}

struct replica_set *rig_another(void)
{
	struct replica_set *set = replica_set_new();

	assert_non_null(set);
	set->threads = false;
	snprintf(set->name, sizeof(set->name), "rig");
	memcpy(set->domain_id, DOMAIN_ID, sizeof(set->domain_id));
	set->policy = (struct fleet_policy){.min_members = 2, .min_datacenters = 2, .connect_ms = 1000,
					    .answer_ms = 1000, .call_ms = 60000};
	set->n_members = n_tokens;
	for (size_t m = 0; m < n_tokens; m++) {
		open_member(&set->members[m], m);
		if (rig_set)
			memcpy(set->members[m].transport, rig_set->members[m].transport, sizeof(set->members[m].transport));
	}
	return set;
}

static int begin(size_t members)
{
	owned(secret) struct secret *secret = NULL;

	fake_reset(members, 1);
	now_ms = clock_utc_ms();
	clock_source = &virtual;
	come_back();
	memset(refused, 0, sizeof(refused));
	n_tokens = members;
	for (size_t m = 0; m < members; m++) {
		assert_int_equal(book_new(fake_functions_3_0(), m, false, &rig_books[m], NULL), 0);
		log_in(m);
	}
	rig_set = rig_another();
	assert_int_equal(secret_new(PIN, 4, &secret, NULL), 0);
	assert_int_equal(replica_set_login(rig_set, secret, NULL), 0);
	make_domain();
	return 0;
}

int rig_four(void **state)
{
	(void)state;
	return begin(RIG_MEMBERS);
}

int rig_two(void **state)
{
	(void)state;
	return begin(2);
}

int rig_end(void **state)
{
	(void)state;
	json_release(&replica_report_type, &report);
	json_release(&replica_sync_report_type, &synced);
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		fake_state_free(kept[m]);
		kept[m] = NULL;
	}
	replica_sites_release(&opened);
	replica_set_free(rig_set);
	clock_source = NULL;
	for (size_t m = 0; m < SET_MAX; m++) {
		book_free(rig_books[m]);
		rig_books[m] = NULL;
	}
	rig_set = NULL;
	return 0;
}

void rig_away(size_t member, bool away)
{
	gone[member] = away;
}

void rig_slow(size_t member, bool is)
{
	slow[member] = is;
}

void rig_lose(size_t member, unsigned message, enum rig_when when)
{
	events[member] = (struct event){.left = message, .when = when};
}

void rig_between(size_t member, unsigned message, void (*somebody)(void *data), void *data)
{
	events[member] = (struct event){.left = message, .somebody = somebody, .data = data};
}

bool rig_came(void)
{
	bool all = true;

	for (size_t m = 0; m < RIG_MEMBERS; m++)
		all = all && !events[m].left;
	memset(events, 0, sizeof(events));
	return all;
}

unsigned long rig_messages(size_t member)
{
	return messages[member];
}

struct replica_sites *rig_open(uint32_t mask)
{
	replica_sites_release(&opened);
	assert_int_equal(replica_sites_open(rig_set, mask, &opened, NULL), 0);
	return &opened;
}

void rig_keep(void)
{
	for (size_t m = 0; m < rig_set->n_members; m++) {
		fake_state_free(kept[m]);
		kept[m] = fake_save(m);
	}
}

/* Its host starts again with it. */
static void put_back(size_t member, const struct fake_state *state)
{
	fake_restore(member, state);
	log_in(member);
}

void rig_restore(size_t member, struct fake_state *state)
{
	replica_sites_release(&opened);
	epoch[member]++;
	put_back(member, state);
	fake_state_free(state);
}

void rig_back(void)
{
	replica_sites_release(&opened);
	come_back();
	*rig_set->view = (struct view){0};
	for (size_t m = 0; m < rig_set->n_members; m++) {
		fake_heal(m);
		put_back(m, kept[m]);
	}
}

void rig_reconnect(size_t member)
{
	rig_away(member, true);
	rig_verify();
	rig_away(member, false);
}

/* ---- keys ---- */

uint32_t rig_key_with(enum key_kind kind, const char *label, const CK_ATTRIBUTE *more, CK_ULONG count,
		      struct record *ret)
{
	owned(replica_sites) struct replica_sites sites = {0};
	owned(key_request) struct key_request request = {0};
	struct err err = {0};
	uint32_t mask = 0;

	assert_int_equal(replica_sites_open(rig_set, UINT32_MAX, &sites, NULL), 0);
	assert_int_equal(key_request_kind(kind, label, &request, NULL), 0);
	assert_int_equal(p11_attrs_merge(&request.templates[0], more, count, NULL), 0);
	if (replica_generate(&sites, &request, ret, &mask, &err) < 0)
		fail_msg("%s: %s", label, err.message);
	return mask;
}

void rig_key(enum key_kind kind, const char *label, struct record *ret)
{
	rig_key_with(kind, label, NULL, 0, ret);
}

static void count_one(void *data, CK_OBJECT_HANDLE handle, const struct p11_attrs *attrs)
{
	(void)handle;
	(void)attrs;
	++*(size_t *)data;
}

size_t rig_objects(size_t member)
{
	size_t count = 0;

	fake_each(member, count_one, &count);
	return count;
}

struct search {
	const CK_ATTRIBUTE *template;
	CK_ULONG count;
	CK_OBJECT_HANDLE found;
	size_t n;
};

static void compare(void *data, CK_OBJECT_HANDLE handle, const struct p11_attrs *attrs)
{
	struct search *search = data;

	if (!p11_attrs_match(attrs, search->template, search->count))
		return;
	if (search->n++ == 0)
		search->found = handle;
}

static CK_OBJECT_HANDLE look_for(size_t member, const CK_ATTRIBUTE *template, CK_ULONG count, size_t *ret_count)
{
	struct search search = {template, count, CK_INVALID_HANDLE, 0};

	fake_each(member, compare, &search);
	if (ret_count)
		*ret_count = search.n;
	return search.found;
}

CK_OBJECT_HANDLE rig_object(size_t member, CK_OBJECT_CLASS class, const void *id, size_t id_len, size_t *ret_count)
{
	const CK_ATTRIBUTE template[] = {{CKA_ID, (void *)(uintptr_t)id, id_len}, {CKA_CLASS, &class, sizeof(class)}};

	return look_for(member, template, class == CK_UNAVAILABLE_INFORMATION ? 1 : 2, ret_count);
}

CK_OBJECT_HANDLE rig_memo(size_t member, const char *label, size_t *ret_count)
{
	return look_for(member, &(CK_ATTRIBUTE){CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}, 1, ret_count);
}

CK_OBJECT_HANDLE rig_record(size_t member, const uint8_t uid[static UID_LEN], size_t *ret_count)
{
	char hex[2 * UID_LEN + 1], label[64];

	str_hex(uid, UID_LEN, hex);
	snprintf(label, sizeof(label), "hsmctl record %s", hex);
	return rig_memo(member, label, ret_count);
}

struct copying {
	CK_OBJECT_HANDLE wanted;
	struct p11_attrs attrs;
};

static void copy(void *data, CK_OBJECT_HANDLE handle, const struct p11_attrs *attrs)
{
	struct copying *copying = data;

	if (handle == copying->wanted)
		assert_int_equal(p11_attrs_merge(&copying->attrs, attrs->items, attrs->count, NULL), 0);
}

struct p11_attrs rig_attrs(size_t member, CK_OBJECT_HANDLE object)
{
	struct copying copying = {.wanted = object};

	fake_each(member, copy, &copying);
	assert_true(copying.attrs.count > 0);
	return copying.attrs;
}

void rig_destroy(size_t member, CK_OBJECT_HANDLE object)
{
	CK_FLAGS flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
	CK_SESSION_HANDLE session;

	assert_int_equal(fake_functions()->C_OpenSession(member, flags, NULL, NULL, &session), CKR_OK);
	assert_int_equal(fake_functions()->C_DestroyObject(session, object), CKR_OK);
	fake_functions()->C_CloseSession(session);
}

uint64_t rig_changes(void)
{
	uint64_t sum = 0;

	for (size_t m = 0; m < rig_set->n_members; m++)
		sum += fake_changes(m);
	return sum;
}

/* ---- reports ---- */

const struct replica_report *rig_verify(void)
{
	struct err err = {0};

	json_release(&replica_report_type, &report);
	if (replica_verify(rig_set, VERIFY_ALL, NULL, &report, &err) < 0)
		fail_msg("verify: %s", err.message);
	return &report;
}

const struct replica_sync_report *rig_sync(enum sync_mode mode)
{
	struct err err = {0};

	json_release(&replica_sync_report_type, &synced);
	if (replica_sync(rig_set, UINT32_MAX, mode, NULL, &synced, &err) < 0)
		fail_msg("sync: %s", err.message);
	return &synced;
}

size_t rig_findings(enum finding_kind kind, size_t member, const struct replica_report_finding **ret)
{
	size_t count = 0;

	for (size_t i = 0; i < report.n_findings; i++) {
		const struct replica_report_finding *f = &report.findings[i];

		if (f->kind != kind || strcmp(f->member, rig_set->members[member].name) != 0)
			continue;
		count++;
		if (ret)
			*ret = f;
	}
	return count;
}

static void tell(void)
{
	for (size_t i = 0; i < report.n_findings; i++)
		print_message("%s on %s: %s\n", finding_kind_names[report.findings[i].kind], report.findings[i].member,
			      report.findings[i].detail);
}

void rig_finds(enum finding_kind kind, size_t member)
{
	size_t others;

	rig_verify();
	/* That it missed something is told of a member, not of what it lacks. */
	others = report.n_findings - rig_findings(FINDING_STALE, member, NULL);
	if (others != 1 || rig_findings(kind, member, NULL) != 1)
		tell();
	assert_int_equal(rig_findings(kind, member, NULL), 1);
	assert_int_equal(others, 1);
}

void rig_in_sync(void)
{
	rig_verify();
	tell();
	assert_int_equal(report.n_findings, 0);
	assert_int_equal(report.verdict, VERDICT_IN_SYNC);
}

void rig_heals(void)
{
	rig_sync(SYNC_ALL);
	for (size_t i = 0; i < synced.n_skipped; i++)
		print_message("skipped: %s: %s\n", synced.skipped[i].key, synced.skipped[i].reason);
	assert_int_equal(synced.verdict, VERDICT_IN_SYNC);
	rig_in_sync();
}

void rig_settles(void)
{
	replica_sites_release(&opened);
	memset(gone, 0, sizeof(gone));
	memset(events, 0, sizeof(events));
	for (size_t m = 0; m < rig_set->n_members; m++)
		fake_heal(m);
	rig_pass(2 * LEASE_MS);
	rig_heals();
}
