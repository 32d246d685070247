/* SPDX-License-Identifier: Apache-2.0 */
/* What a call asks to be made. */
#include "ha/making.h"

#include "base/err.h"
#include "p11/rv.h"

void making_release(struct making *making)
{
	key_request_release(&making->request);
	record_release(&making->base);
}

bool making_is_open(const struct making *m)
{
	CK_OBJECT_CLASS class = key_object_made(&m->request, 0).class;

	return class != CKO_SECRET_KEY && class != CKO_PRIVATE_KEY;
}

bool making_is_known(const struct making *m)
{
	return m->request.way == P11_CREATE && making_is_open(m) &&
	       (m->request.copy || key_object_made(&m->request, 0).class != CKO_PUBLIC_KEY);
}

static CK_FLAGS use_of(enum p11_fn fn)
{
	switch (fn) {
	case P11_C_GenerateKey:
		return CKF_GENERATE;
	case P11_C_GenerateKeyPair:
		return CKF_GENERATE_KEY_PAIR;
	case P11_C_UnwrapKey:
		return CKF_UNWRAP;
	case P11_C_DeriveKey:
		return CKF_DERIVE;
	default:
		return 0;
	}
}

/* What is said twice is said once, or the template does not agree with itself. */
static CK_RV read_template(const struct p11_arg *arg, struct p11_attrs *ret)
{
	struct err err = {0};

	if (p11_attrs_merge(ret, arg->in, arg->number, &err) < 0)
		return p11_rv_from_err(&err);
	return p11_attrs_match(ret, arg->in, arg->number) ? CKR_OK : CKR_TEMPLATE_INCONSISTENT;
}

/* Templates and places for handles, the private or secret half first, whatever the order of the call. */
static CK_RV read_arguments(struct making *m)
{
	const enum p11_arg_kind *kinds = p11_fn_table[m->call->fn].args;
	bool pair = m->call->fn == P11_C_GenerateKeyPair;
	size_t templates = 0, outs = 0;
	CK_RV rv = CKR_OK;

	for (int n = 0; n < P11_ARGS_MAX && kinds[n] != P11_ARG_END && rv == CKR_OK; n++) {
		const struct p11_arg *arg = &m->call->args[n];

		if (kinds[n] == P11_ARG_MECHANISM)
			m->request.mechanism = *(const CK_MECHANISM *)arg->in;
		else if (kinds[n] == P11_ARG_TEMPLATE)
			rv = read_template(arg, &m->request.templates[pair != templates++]);
		else if (kinds[n] == P11_ARG_OUT_HANDLE)
			m->out[pair != outs++] = arg->out;
	}
	m->request.n_templates = templates;
	return rv;
}

/* What keys unwrapped or derived by this one get beside their template (PKCS#11 v3.0 sections 4.10, 5.18.3). */
static CK_RV add_template(struct making *m, CK_ATTRIBUTE_TYPE type)
{
	const CK_ATTRIBUTE *nested = p11_attrs_find(&m->base.objects[m->base_part], type);
	const CK_ATTRIBUTE *items = nested ? nested->pValue : NULL;
	struct p11_attrs *template = &m->request.templates[0];
	struct err err = {0};

	for (CK_ULONG i = 0; nested && i < nested->ulValueLen / sizeof(*items); i++) {
		if (p11_attrs_find(template, items[i].type) && !p11_attrs_match(template, &items[i], 1))
			return CKR_TEMPLATE_INCONSISTENT;
		if (p11_attrs_merge(template, &items[i], 1, &err) < 0)
			return p11_rv_from_err(&err);
	}
	return CKR_OK;
}

static CK_RV as_unwrapping(CK_RV rv)
{
	return rv == CKR_KEY_HANDLE_INVALID ? CKR_UNWRAPPING_KEY_HANDLE_INVALID
	       : rv == CKR_KEY_TYPE_INCONSISTENT ? CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT : rv;
}

/* The original, with what is to be different of it. */
static CK_RV read_copy(struct making *m)
{
	const struct p11_attrs *from = &m->base.objects[m->base_part];
	struct p11_attrs *template = &m->request.templates[0];
	owned(p11_attrs) struct p11_attrs wish = *template;
	struct err err = {0};
	CK_RV rv = p11_object_check_copy(from, wish.items, wish.count);

	*template = (struct p11_attrs){0};
	if (rv != CKR_OK)
		return rv;
	m->request.copy = true;
	m->request.base = from;
	if (p11_attrs_merge(template, from->items, from->count, &err) < 0 ||
	    p11_attrs_merge(template, wish.items, wish.count, &err) < 0)
		return p11_rv_from_err(&err);
	return CKR_OK;
}

/* The key or object that it is made of. */
static CK_RV read_base(struct making *m)
{
	struct ha_group *group = m->session->group;
	CK_FLAGS use = use_of(m->call->fn);
	CK_RV rv;

	if (m->call->fn == P11_C_CopyObject) {
		m->request.way = P11_CREATE;
		rv = ha_object_get(group, m->call->args[1].number, &m->base, &m->base_part);
		return rv == CKR_OK ? read_copy(m) : rv;
	}
	if (use != CKF_UNWRAP && use != CKF_DERIVE)
		return CKR_OK;
	rv = ha_key_get(group, m->call->args[2].number, use, m->request.mechanism.mechanism, &m->base, &m->base_part);
	if (rv != CKR_OK)
		return use == CKF_UNWRAP ? as_unwrapping(rv) : rv;
	m->request.way = use == CKF_UNWRAP ? P11_UNWRAP : P11_DERIVE;
	m->request.base = use == CKF_DERIVE ? &m->base.objects[m->base_part] : NULL;
	return add_template(m, use == CKF_UNWRAP ? CKA_UNWRAP_TEMPLATE : CKA_DERIVE_TEMPLATE);
}

/* Is it said to be? What is not said is for the token to choose; the public half of a pair it shows. */
static bool is_public(const struct making *m)
{
	return !p11_attrs_bool(&m->request.templates[0], CKA_PRIVATE, true) &&
	       !p11_attrs_bool(&m->request.templates[1], CKA_PRIVATE, false);
}

/* What no token gets to see is judged here. A public key that is created is a token's to make. */
static CK_RV check_known(const struct making *m)
{
	const struct p11_attrs *template = &m->request.templates[0];

	if (!making_is_known(m) && !m->request.copy)
		return CKR_OK;
	return p11_object_check_known(key_object_made(&m->request, 0), template->items, template->count);
}

bool making_splits(const struct making *m)
{
	return m->request.n_templates > 1 && !p11_attrs_bool(&m->request.templates[1], CKA_TOKEN, false);
}

/* Does the group keep it? Whoever did not log in may have public objects of a session. */
static CK_RV read_place(const struct making *m, bool *ret_token)
{
	*ret_token = p11_attrs_bool(&m->request.templates[0], CKA_TOKEN, false);
	/* A private key of a session, and the group keeps the other half: nobody asks for that. */
	if (!*ret_token && p11_attrs_bool(&m->request.templates[1], CKA_TOKEN, false))
		return CKR_TEMPLATE_INCONSISTENT;
	if (*ret_token && !(m->session->flags & CKF_RW_SESSION))
		return CKR_SESSION_READ_ONLY;
	return ha_logged_in(m->session->group) || (!*ret_token && is_public(m)) ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}

/*
 * A mechanism of no row: what another key's handle in its parameter is called on a member nobody knows, and of what it
 * generates the group cannot say what it is. What is unwrapped or derived the template tells.
 */
static CK_RV check_unknown(const struct making *m, CK_FLAGS use, bool token)
{
	if (!use || p11_mech(m->request.mechanism.mechanism))
		return CKR_OK;
	if (use == CKF_DERIVE && m->request.mechanism.ulParameterLen)
		return CKR_MECHANISM_PARAM_INVALID;
	return token && m->request.way == P11_GENERATE ? CKR_MECHANISM_INVALID : CKR_OK;
}

CK_RV making_read(struct making *m, bool *ret_token)
{
	CK_FLAGS use = use_of(m->call->fn);
	struct err err = {0};
	CK_RV rv = read_arguments(m);

	if (m->call->fn == P11_C_CreateObject)
		m->request.way = P11_CREATE;
	if (rv == CKR_OK && use)
		rv = ha_mechanism_check(m->session->group, m->request.mechanism.mechanism, use);
	if (rv == CKR_OK)
		rv = read_base(m);
	if (rv == CKR_OK)
		rv = read_place(m, ret_token);
	if (rv == CKR_OK)
		rv = check_unknown(m, use, *ret_token);
	/* A session may have what cannot be carried. */
	if (rv == CKR_OK && key_request_check(&m->request, !*ret_token, &err) < 0)
		rv = p11_rv_from_err(&err);
	return rv == CKR_OK ? check_known(m) : rv;
}

struct p11_call making_call(const struct making *m, const struct p11_attrs *templates,
			    CK_OBJECT_HANDLE out[RECORD_OBJECTS_MAX])
{
	const enum p11_arg_kind *kinds = p11_fn_table[m->call->fn].args;
	bool pair = m->call->fn == P11_C_GenerateKeyPair;
	struct p11_call call = *m->call;
	size_t n_templates = 0, n_out = 0;

	for (int n = 0; n < P11_ARGS_MAX && kinds[n] != P11_ARG_END; n++) {
		if (kinds[n] == P11_ARG_TEMPLATE) {
			const struct p11_attrs *template = &templates[pair != n_templates++];

			call.args[n].in = template->items;
			call.args[n].number = template->count;
		} else if (kinds[n] == P11_ARG_OUT_HANDLE) {
			call.args[n].out = &out[pair != n_out++];
		}
	}
	return call;
}
