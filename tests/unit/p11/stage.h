/* SPDX-License-Identifier: Apache-2.0 */
/* stage - a good call of any function, for tests that then change something. */
#ifndef STAGE_H
#define STAGE_H

#include <stdint.h>
#include <string.h>

#include "p11/call.h"

/* Memory that a call of any function can point into. */
struct stage {
	uint8_t in[2][40];
	uint8_t out[64];
	CK_ULONG out_len, handles[8], numbers[8];
	union {
		CK_INFO info;
		CK_SLOT_INFO slot;
		CK_TOKEN_INFO token;
		CK_MECHANISM_INFO mechanism;
		struct p11_lease lease;
	} info;
	CK_ATTRIBUTE template[4], nested[2], values[4];
	CK_ATTRIBUTE block[8];	/* of a template that is read */
	CK_ULONG class, size;
	uint8_t label[16], room[3][32];
	CK_RSA_PKCS_OAEP_PARAMS oaep;
	CK_MECHANISM mechanism, process;
	CK_BYTE iv[12], tag[16];
	CK_GCM_MESSAGE_PARAMS message;
};

static inline struct p11_call make(enum p11_fn fn, struct stage *s)
{
	struct p11_call call = {.fn = fn, .rv = P11_NOT_RUN};
	int ins = 0;

	*s = (struct stage){.class = CKO_DATA, .size = 7};
	memset(s->in, 0xa5, sizeof(s->in));
	memcpy(s->label, "a label of mine", 15);
	s->template[0] = (CK_ATTRIBUTE){CKA_CLASS, &s->class, sizeof(s->class)};
	s->template[1] = (CK_ATTRIBUTE){CKA_LABEL, s->label, 15};
	s->template[2] = (CK_ATTRIBUTE){CKA_VALUE_LEN, &s->size, sizeof(s->size)};
	s->nested[0] = (CK_ATTRIBUTE){CKA_KEY_TYPE, &s->size, sizeof(s->size)};
	s->nested[1] = (CK_ATTRIBUTE){CKA_LABEL, s->label, 3};
	s->template[3] = (CK_ATTRIBUTE){CKA_UNWRAP_TEMPLATE, s->nested, sizeof(s->nested)};
	for (int i = 0; i < 3; i++)
		s->values[i] = (CK_ATTRIBUTE){s->template[i].type, s->room[i], sizeof(s->room[i])};
	s->values[3] = (CK_ATTRIBUTE){CKA_UNWRAP_TEMPLATE, s->block, sizeof(s->block)};
	s->oaep = (CK_RSA_PKCS_OAEP_PARAMS){CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, s->label, 5};
	s->mechanism = (CK_MECHANISM){CKM_RSA_PKCS_OAEP, &s->oaep, sizeof(s->oaep)};
	memcpy(s->iv, "iv of twelve", sizeof(s->iv));
	memcpy(s->tag, "a tag of sixteen", sizeof(s->tag));
	s->message = (CK_GCM_MESSAGE_PARAMS){s->iv, sizeof(s->iv), 33, CKG_GENERATE_RANDOM, s->tag, 128};
	s->process = (CK_MECHANISM){CKM_AES_GCM, &s->message, sizeof(s->message)};
	for (int i = 0; i < P11_ARGS_MAX && p11_fn_table[fn].args[i] != P11_ARG_END; i++) {
		struct p11_arg *a = &call.args[i];

		switch (p11_fn_table[fn].args[i]) {
		case P11_ARG_MECHANISM:
			a->in = &s->mechanism;
			break;
		case P11_ARG_PROCESS:
			a->in = &s->process;
			break;
		case P11_ARG_PARAM:
		case P11_ARG_PARAM_GIVING:
			a->in = p11_message_form(CKM_AES_GCM);
			a->out = &s->message;
			a->number = sizeof(s->message);
			break;
		case P11_ARG_IN:
		case P11_ARG_PIN:
			a->number = sizeof(s->in[ins]);
			a->in = s->in[ins++];
			break;
		case P11_ARG_TEMPLATE:
		case P11_ARG_SEARCH:
			a->in = s->template;
			a->number = 4;
			break;
		case P11_ARG_ATTRS:
			a->out = s->values;
			a->number = 4;
			break;
		case P11_ARG_OUT:
			s->out_len = sizeof(s->out);
			a->out = s->out;
			a->out_len = &s->out_len;
			break;
		case P11_ARG_OUT_ULONGS:
			s->out_len = 8;
			a->out = s->numbers;
			a->out_len = &s->out_len;
			break;
		case P11_ARG_RANDOM:
			a->out = s->out;
			a->number = 32;
			break;
		case P11_ARG_OUT_HANDLE:
		case P11_ARG_OUT_NUMBER:
			a->out = &s->handles[i];
			break;
		case P11_ARG_OUT_HANDLES:
			a->out = s->handles;
			a->number = 8;
			a->out_len = &s->out_len;
			break;
		case P11_ARG_OUT_INFO:
			a->out = &s->info;
			break;
		default:
			a->number = 1000 + (CK_ULONG)i;
			break;
		}
	}
	return call;
}

#endif
