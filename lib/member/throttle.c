/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong PINs, counted for each client. */
#include "member/throttle.h"

#include <stdio.h>
#include <string.h>

/* Its place, or the one that may be forgotten first: free, unproven, long unused. NULL
 * when all are in use. */
static struct throttle_client *find(struct throttle *throttle, const char *fingerprint)
{
	struct throttle_client *oldest = NULL;

	for (size_t i = 0; i < THROTTLE_CLIENTS; i++) {
		struct throttle_client *c = &throttle->clients[i];

		if (strcmp(c->fingerprint, fingerprint) == 0)
			return c;
		if (c->under_way)
			continue;
		if (!oldest || c->proven < oldest->proven ||
		    (c->proven == oldest->proven && c->last_ms < oldest->last_ms))
			oldest = c;
	}
	if (oldest) {
		*oldest = (struct throttle_client){0};
		snprintf(oldest->fingerprint, sizeof(oldest->fingerprint), "%s", fingerprint);
	}
	return oldest;
}

struct throttle_client *throttle_enter(struct throttle *throttle, const char *fingerprint, int64_t now_ms)
{
	struct throttle_client *c = find(throttle, fingerprint);

	if (!c || (!c->proven && c->under_way >= THROTTLE_AT_ONCE))
		return NULL;
	if (now_ms - c->last_ms > THROTTLE_FORGET_MS)
		c->wrong = 0;
	c->last_ms = now_ms;
	c->under_way++;
	return c;
}

int64_t throttle_judge(struct throttle_client *client, bool right, int64_t now_ms)
{
	int64_t wait = THROTTLE_FIRST_MS;

	if (right) {
		client->proven = true;
		return 0;
	}
	for (unsigned i = 0; i < client->wrong && wait < THROTTLE_LONGEST_MS; i++)
		wait *= 2;
	client->wrong++;
	client->last_ms = now_ms;
	return wait < THROTTLE_LONGEST_MS ? wait : THROTTLE_LONGEST_MS;
}

void throttle_leave(struct throttle_client *client)
{
	client->under_way--;
}

enum throttle_verdict throttle_token(const struct throttle *throttle, const uint8_t mac[static SHA256_LEN],
				     enum cert_role role)
{
	for (unsigned i = 0; i < throttle->n_refused; i++)
		if (memcmp(throttle->refused[i], mac, SHA256_LEN) == 0)
			return THROTTLE_KNOWN_WRONG;
	return throttle->n_refused < (role == CERT_ROLE_ADMIN ? THROTTLE_ADMIN_TRIES : THROTTLE_TOKEN_TRIES)
		       ? THROTTLE_ASK_TOKEN : THROTTLE_NO_MORE;
}

void throttle_token_refused(struct throttle *throttle, const uint8_t mac[static SHA256_LEN])
{
	if (throttle->n_refused < THROTTLE_ADMIN_TRIES)
		memcpy(throttle->refused[throttle->n_refused++], mac, SHA256_LEN);
}
