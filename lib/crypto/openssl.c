/* SPDX-License-Identifier: Apache-2.0 */
/* One library context, and an error queue left as it was found. */
#include "crypto/openssl.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/err.h"

OSSL_LIB_CTX *openssl_context(void)
{
	static OSSL_LIB_CTX *_Atomic shared;
	OSSL_LIB_CTX *context = atomic_load(&shared), *mine;

	if (context)
		return context;
	mine = OSSL_LIB_CTX_new();
	if (!mine)
		return NULL;
	if (atomic_compare_exchange_strong(&shared, &context, mine))
		return mine;
	OSSL_LIB_CTX_free(mine);
	return context;
}

/* Without a handler at exit: a thread of ours may still be in a call when the
 * host's main() returns. */
static void init(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
}

int openssl_enter(void)
{
	init();
	return ERR_set_mark();
}

void openssl_leave(int *entered)
{
	/* A queue that was empty takes no mark; popping then empties it again. */
	(void)entered;
	ERR_pop_to_mark();
}

void openssl_put_aside(struct openssl_aside *aside)
{
	const size_t room = sizeof(aside->errors) / sizeof(aside->errors[0]);
	unsigned long code;
	const char *text;

	init();
	aside->n = 0;
	while ((code = ERR_get_error_all(NULL, NULL, NULL, &text, NULL)))
		if (aside->n < room) {
			aside->errors[aside->n].code = code;
			snprintf(aside->errors[aside->n++].text, sizeof(aside->errors[0].text), "%s", text);
		}
}

void openssl_put_back(struct openssl_aside *aside)
{
	ERR_clear_error();
	for (size_t i = 0; i < aside->n; i++) {
		unsigned long code = aside->errors[i].code;

		ERR_new();
		ERR_set_error(ERR_GET_LIB(code), ERR_GET_REASON(code), "%s", aside->errors[i].text);
	}
}

int openssl_error(struct err *err, int code, const char *what)
{
	unsigned long last = ERR_peek_last_error();
	const char *reason = last ? ERR_reason_error_string(last) : NULL;

	if (ERR_GET_REASON(last) == ERR_R_MALLOC_FAILURE)
		return err_no_memory(err);
	return err_set(err, (enum err_code)code, "%s: %s", what, reason ? reason : "OpenSSL failed");
}
