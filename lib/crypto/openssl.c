/* SPDX-License-Identifier: Apache-2.0 */
/* One library context, and an error queue left as it was found. */
#include "crypto/openssl.h"

#include <stdatomic.h>

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

int openssl_enter(void)
{
	/* Without a handler at exit: a thread of ours may still be in a call
	 * when the host's main() returns. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
	return ERR_set_mark();
}

void openssl_leave(int *entered)
{
	/* A queue that was empty takes no mark; popping then empties it again. */
	(void)entered;
	ERR_pop_to_mark();
}

int openssl_error(struct err *err, int code, const char *what)
{
	unsigned long last = ERR_peek_last_error();
	const char *reason = last ? ERR_reason_error_string(last) : NULL;

	if (ERR_GET_REASON(last) == ERR_R_MALLOC_FAILURE)
		return err_no_memory(err);
	return err_set(err, (enum err_code)code, "%s: %s", what, reason ? reason : "OpenSSL failed");
}
