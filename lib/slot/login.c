/* SPDX-License-Identifier: Apache-2.0 */
/* The login of a slot, and that of single uses of keys. */
#include "base/err.h"
#include "base/secret.h"
#include "p11/rv.h"
#include "slot/module.h"

enum { WRONG_MAX = 10, PIN_MAX = 1024 };

/* With the lock held. */
static void forget(struct slot_login *login)
{
	secret_free(login->pin);
	login->pin = NULL;
	login->wrong = 0;
}

/* With the lock held. */
static void end_if_over(struct slot_token *token)
{
	if (!atomic_exchange(&token->login.over, false))
		return;
	forget(&token->login);
	if (token->ha)
		ha_logout(token->ha);
}

static void enter(struct slot_token *token)
{
	pthread_mutex_lock(&token->login.lock);
	end_if_over(token);
}

/* Who comes to log out while the lock is held goes away again: it is for us to do then. */
static void leave(struct slot_token *token)
{
	do {
		end_if_over(token);
		pthread_mutex_unlock(&token->login.lock);
	} while (token->login.over && pthread_mutex_trylock(&token->login.lock) == 0);
}

void slot_login_settle(struct slot_token *token)
{
	if (token->login.over && pthread_mutex_trylock(&token->login.lock) == 0)
		leave(token);
}

CK_RV slot_log_in(struct slot_token *token, const void *pin, CK_ULONG len)
{
	struct secret *kept = NULL;
	struct ha_group *group;
	struct err err = {0};
	CK_RV rv = slot_group(token, &group);

	if (rv != CKR_OK)
		return rv;
	if (len > PIN_MAX)
		return CKR_PIN_LEN_RANGE;
	enter(token);
	rv = secret_new(pin, len, &kept, &err) < 0 ? p11_rv_from_err(&err) : ha_login(group, pin, len);
	if (rv == CKR_OK) {
		forget(&token->login);
		token->login.pin = kept;
		kept = NULL;
	}
	leave(token);
	secret_free(kept);
	return rv;
}

CK_RV slot_log_out(struct slot_token *token)
{
	CK_RV rv;

	enter(token);
	forget(&token->login);
	rv = token->ha ? ha_logout(token->ha) : CKR_USER_NOT_LOGGED_IN;
	leave(token);
	return rv;
}

/* PKCS#11 v3.0 section 5.6.8: whoever guesses is logged out. With the lock held. */
static CK_RV compare(struct slot_token *token, const void *pin, CK_ULONG len)
{
	struct slot_login *login = &token->login;
	owned(secret) struct secret *shown = NULL;
	struct err err = {0};

	if (!login->pin)
		return CKR_USER_NOT_LOGGED_IN;
	if (secret_new(pin, len, &shown, &err) < 0)
		return p11_rv_from_err(&err);
	if (secret_equal(shown, login->pin)) {
		login->wrong = 0;
		return CKR_OK;
	}
	if (++login->wrong < WRONG_MAX)
		return CKR_PIN_INCORRECT;
	forget(login);
	ha_logout(token->ha);
	return CKR_PIN_LOCKED;
}

CK_RV slot_log_in_again(struct slot_session *session, const void *pin, CK_ULONG len)
{
	struct slot_token *token = session->token;
	CK_RV rv;

	if (!session->ha || !ha_session_waits(session->ha))
		return CKR_OPERATION_NOT_INITIALIZED;
	enter(token);
	rv = compare(token, pin, len);
	leave(token);
	if (rv == CKR_OK)
		ha_session_admit(session->ha);
	return rv;
}
