/* SPDX-License-Identifier: Apache-2.0 */
/* A vendor library in this process: fastest, and no promise for a call inside it. */
#include "base/err.h"
#include "base/mem.h"
#include "member/book.h"
#include "member/library.h"
#include "member/link.h"
#include "member/member.h"

struct module_link {
	struct link link;
	struct library *library;
	CK_SLOT_ID slot;
	struct book *book;		/* of all links of this process to the token */
	CK_SESSION_HANDLE session;	/* closed with the link */
};

static void module_close(struct link *link)
{
	struct module_link *m = (struct module_link *)link;
	bool inherited = m->library && library_is_inherited(m->library);

	/* An inherited one may be in the hands of a thread that is the parent's: it is left as it is. */
	if (m->book && !inherited) {
		book_leave(m->book, m);
		library_leave_book(m->library, m->book);
	}
	if (m->session && !inherited)
		library_functions(m->library)->C_CloseSession(m->session);
	library_free(m->library);
	free(m);
}

static int module_open(const struct member_config *config, struct link **ret, struct err *err)
{
	struct module_link *m = mem_new(struct module_link);
	owned(link) struct link *link = (struct link *)m;
	const struct library_token which = {.serial = config->serial, .uri = config->uri};
	int rc;

	if (!m)
		return err_no_memory(err);
	m->link = (struct link){.ops = &link_module, .config = config};
	rc = library_open(config->module, &m->library, err);
	if (rc < 0)
		return rc;
	m->link.epoch = library_epoch(m->library);
	rc = library_find_token(m->library, &which, &m->slot, err);
	if (rc == -ERR_NOT_FOUND)
		err->code = ERR_UNREACHABLE;
	if (rc < 0)
		return -(int)err->code;
	rc = library_take_book(m->library, m->slot, &m->book, err);
	if (rc == 0)
		*ret = own_take(link);
	return rc;
}

static CK_RV execute(struct module_link *m, struct p11_call *call)
{
	CK_FUNCTION_LIST *f = library_functions(m->library);
	const struct p11_arg *a = call->args;

	if (call->fn == P11_C_Login && a[1].number == CKU_USER)
		return call->rv = library_login(m->library, m->slot, a[0].number, a[2].in, a[2].number);
	if (call->fn == P11_C_FindObjects)
		return call->rv = library_find(f, a[0].number, a[1].out, a[1].number, a[1].out_len);
	book_execute(m->book, &(struct book_guest){.who = m}, call);
	if (call->fn == P11_C_OpenSession && call->rv == CKR_OK)
		m->session = *(CK_SESSION_HANDLE *)a[2].out;
	return call->rv;
}

/* Nothing can end a call inside this process: limits are for the other links. */
static int module_call(struct link *link, struct p11_call *calls, size_t count, const struct call_limit *limit,
		       struct err *err)
{
	struct module_link *m = (struct module_link *)link;
	bool step = book_is_step(calls, count);
	CK_RV rv;

	(void)limit;
	if (library_is_inherited(m->library))
		return err_set(err, ERR_UNREACHABLE, "this process was forked since");
	rv = step ? book_begin(m->book) : CKR_OK;
	if (rv != CKR_OK) {
		calls[0].rv = rv;
		return 0;
	}
	for (size_t i = 0; i < count && execute(m, &calls[i]) == CKR_OK; i++)
		;
	if (step)
		book_end(m->book);
	return 0;
}

static bool module_alive(struct link *link)
{
	return !library_is_inherited(((struct module_link *)link)->library);
}

/* Who is inside a library comes out when it likes. */
static void module_cut(struct link *link)
{
	(void)link;
}

const struct link_ops link_module = {
	.open = module_open,
	.call = module_call,
	.alive = module_alive,
	.cut = module_cut,
	.close = module_close,
};
