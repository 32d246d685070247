/* SPDX-License-Identifier: Apache-2.0 */
/* A vendor library in this process: fastest, and no promise for a call inside it. */
#include "base/err.h"
#include "base/mem.h"
#include "member/library.h"
#include "member/link.h"
#include "member/member.h"

struct module_link {
	struct link link;
	struct library *library;
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE session;	/* closed with the link */
};

static void module_close(struct link *link)
{
	struct module_link *m = (struct module_link *)link;

	if (m->session)
		library_functions(m->library)->C_CloseSession(m->session);
	library_free(m->library);
	free(m);
}

static int module_open(const struct member_config *config, struct link **ret, struct err *err)
{
	struct module_link *m = mem_new(struct module_link);
	owned(link) struct link *link = (struct link *)m;
	int rc;

	if (!m)
		return err_no_memory(err);
	m->link = (struct link){.ops = &link_module, .config = config};
	rc = library_open(config->module, &m->library, err);
	if (rc < 0)
		return rc;
	m->link.epoch = (uint64_t)(uintptr_t)m->library;
	rc = library_find_token(m->library, config->serial, &m->slot, err);
	if (rc == -ERR_NOT_FOUND)
		err->code = ERR_UNREACHABLE;
	if (rc < 0)
		return -(int)err->code;
	*ret = own_take(link);
	return 0;
}

static int module_call(struct link *link, struct p11_call *calls, size_t count, const struct call_limit *limit,
		       struct err *err)
{
	struct module_link *m = (struct module_link *)link;

	(void)limit;
	(void)err;
	p11_execute_all(library_functions(m->library), m->slot, calls, count);
	for (size_t i = 0; i < count && calls[i].rv == CKR_OK; i++)
		if (calls[i].fn == P11_C_OpenSession)
			m->session = *(CK_SESSION_HANDLE *)calls[i].args[2].out;
	return 0;
}

static bool module_alive(struct link *link)
{
	(void)link;
	return true;
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
