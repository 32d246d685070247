/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that are there already: found, checked and written down; never made, never unmade. */
#include <string.h>

#include "base/cred.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "crypto/tls.h"
#include "fleet/fleet.h"
#include "member/library.h"
#include "member/member.h"
#include "p11/uri.h"
#include "provider/provider.h"
#include "replica/able.h"
#include "store/store.h"

/* A vendor's library may take its time to find its HSM. */
static const struct fleet_policy patience = {.connect_ms = 15000, .answer_ms = 15000, .call_ms = 60000};

/* ---- what can be known before ---- */

static int check_partition(const struct fleet_device *device, const struct fleet_partition *partition, struct err *err)
{
	if (partition->link.kind == FLEET_LINK_NONE) {
		err_set(err, ERR_INVALID, "partition '%s/%s' has no link, and its token is there already", device->name,
			partition->name);
		return err_hint(err, "\"link\": {\"module\": \"/PATH/TO/LIBRARY.so\"}");
	}
	if (!partition->pin_source) {
		err_set(err, ERR_INVALID, "partition '%s/%s' has no pin_source, and hsmctl does not know its user PIN",
			device->name, partition->name);
		return err_hint(err, "\"pin_source\": \"file:/PATH\", a file that only you can read");
	}
	if (!partition->so_pin_source)
		return 0;
	err_set(err, ERR_INVALID, "partition '%s/%s' has a so_pin_source; nothing is done there as security officer",
		device->name, partition->name);
	return err_hint(err, "leave it out");
}

static int existing_check(const struct fleet *fleet, const struct fleet_device *device, struct err *err)
{
	int rc = 0;

	(void)fleet;
	if (device->module) {
		err_set(err, ERR_INVALID, "device '%s' has a module, which is for appliances", device->name);
		return err_hint(err, "name the library in the link of its partition");
	}
	for (size_t i = 0; i < device->n_partitions && rc == 0; i++)
		rc = check_partition(device, &device->partitions[i], err);
	return rc;
}

/* ---- what is there ---- */

static int existing_state(struct store *store, const struct fleet_device *device, enum device_state *ret,
			  struct err *err)
{
	size_t adopted = 0;

	(void)store;
	(void)err;
	for (size_t i = 0; i < device->n_partitions; i++)
		adopted += device->partitions[i].serial != NULL;
	*ret = adopted && adopted == device->n_partitions ? DEVICE_ADOPTED : adopted ? DEVICE_PARTIAL : DEVICE_ABSENT;
	return 0;
}

/* One token on its way into the fleet. */
struct adoption {
	const struct fleet_device *device;
	const struct fleet_partition *partition;
	struct tls_context *tls;
	struct member *member;
	CK_TOKEN_INFO info;
	char serial[sizeof(((CK_TOKEN_INFO *)NULL)->serialNumber) + 1];
	char label[sizeof(((CK_TOKEN_INFO *)NULL)->label) + 1];
};

static void adoption_release(struct adoption *a)
{
	member_free(a->member);
	tls_context_free(a->tls);
}
OWN_DEFINE_RELEASE(adoption)

static int open_tls(struct store *store, struct adoption *a, struct err *err)
{
	owned(mem) char *pki = store_file(store, "pki");
	int rc = pki ? 0 : err_no_memory(err);

	if (rc == 0 && a->partition->link.kind == FLEET_LINK_TLS)
		rc = tls_context_new(pki, "admin", false, &a->tls, err);
	if (rc < 0 && rc != -ERR_NO_MEMORY)
		return err_hint(err, "an appliance wants a certificate of its fleet's authority: put ca.pem, admin.pem "
				     "and admin.key of that into %s", pki);
	return rc;
}

/* serial: NULL = whatever the uri says. */
static int reach(struct adoption *a, const char *serial, struct err *err)
{
	struct fleet_partition wanted = *a->partition;
	int rc;

	wanted.serial = (char *)(uintptr_t)serial;
	member_free(own_take(a->member));
	rc = member_open_partition(a->device, &wanted, a->device->name, &patience, a->tls, &a->member, err);
	if (rc == 0)
		rc = member_probe(a->member, &a->info, err);
	if (rc < 0)
		return rc;
	library_text(a->info.serialNumber, sizeof(a->info.serialNumber), a->serial);
	library_text(a->info.label, sizeof(a->info.label), a->label);
	return 0;
}

/* An appliance serves one token and asks nobody which. */
static int check_named(const struct adoption *a, struct err *err)
{
	owned(p11_uri) struct p11_uri uri = {0};
	int rc = a->partition->uri ? p11_uri_parse(a->partition->uri, &uri, err) : 0;

	if (rc < 0 || a->partition->link.kind != FLEET_LINK_TLS || p11_uri_names(&uri, 0, &a->info))
		return rc;
	return err_set(err, ERR_NOT_FOUND, "the appliance of '%s' serves the token '%s' (serial %s), which is not as "
		       "its uri says", a->device->name, a->label, a->serial);
}

static int is_another(const struct adoption *a, struct err *err)
{
	err_set(err, ERR_DIFFERENT, "the token of '%s/%s' is another one now: '%s' with serial %s, not %s",
		a->device->name, a->partition->name, a->label, a->serial, a->partition->serial);
	return err_hint(err, "bring the old one back; or, if this one is meant, hsmctl device decommission %s and "
			     "apply again", a->device->name);
}

static int find(struct store *store, struct adoption *a, struct err *err)
{
	const char *known = a->partition->serial;
	int rc = open_tls(store, a, err);

	if (rc < 0)
		return rc;
	rc = reach(a, known, err);
	/* Not there; is another in its place? */
	if (rc < 0 && known && reach(a, NULL, NULL) == 0 && !str_eq(a->serial, known))
		return is_another(a, err);
	if (rc < 0 && err && !*err->hint)
		err_hint(err, "\"uri\" says which token is meant, by token, serial, manufacturer, model and slot-id");
	return rc < 0 ? rc : check_named(a, err);
}

static int existing_look(struct store *store, const struct fleet_device *device, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < device->n_partitions && rc == 0; i++) {
		owned(adoption) struct adoption a = {.device = device, .partition = &device->partitions[i]};

		rc = find(store, &a, err);
	}
	return rc;
}

/* ---- is it fit for use ---- */

static int check_flags(const struct adoption *a, struct err *err)
{
	static const struct {
		CK_FLAGS flag;
		bool wanted;
		enum err_code code;
		const char *text, *hint;
	} rows[] = {
		{CKF_TOKEN_INITIALIZED, true, ERR_UNSUPPORTED, "is not initialised",
		 "its security officer initialises it; hsmctl does not"},
		{CKF_WRITE_PROTECTED, false, ERR_DENIED, "is write protected", "keys cannot be brought to it"},
		{CKF_USER_PIN_INITIALIZED, true, ERR_PIN, "has no user PIN", "its security officer sets one"},
		{CKF_USER_PIN_LOCKED, false, ERR_PIN, "has locked its user PIN", "its security officer sets a new one"},
		{CKF_USER_PIN_TO_BE_CHANGED, false, ERR_PIN, "wants its user PIN changed first",
		 "change it with the token's own tools, and what pin_source names with it"},
		{CKF_USER_PIN_FINAL_TRY, false, ERR_PIN,
		 "locks its user PIN if the next one is wrong, so none was tried",
		 "log in to it once with the right PIN by other tools, then apply again"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!(a->info.flags & rows[i].flag) == !rows[i].wanted)
			continue;
		err_set(err, rows[i].code, "the token '%s' (serial %s) %s", a->label, a->serial, rows[i].text);
		return err_hint(err, "%s", rows[i].hint);
	}
	return 0;
}

/* A member sends a PIN that was refused no second time. */
static int log_in(const struct adoption *a, struct member_channel **ret, struct err *err)
{
	owned(mem) char *what = mem_printf("user PIN of '%s/%s'", a->device->name, a->partition->name);
	struct secret *pin = NULL;
	int rc = what ? cred_read(a->partition->pin_source, what, &pin, err) : err_no_memory(err);

	if (rc < 0)
		return rc;
	member_set_pin(a->member, pin);
	rc = member_acquire(a->member, ret, err);
	if (rc != -ERR_PIN)
		return rc;
	err_wrap(err, "the token '%s' (serial %s) refuses the PIN of pin_source, which was tried once", a->label,
		 a->serial);
	return err_hint(err, "put it right before applying again: wrong PINs lock tokens");
}

/* Does the store have it already? */
static int is_known(struct store *store, const struct adoption *a, bool *ret, struct err *err)
{
	owned(fleet) struct fleet *now = NULL;
	const struct fleet_device *device;
	const struct fleet_partition *partition;
	int rc = store_read(store, &now, err);

	if (rc < 0)
		return rc;
	device = fleet_device(now, a->device->name);
	partition = device ? fleet_partition(device, a->partition->name) : NULL;
	*ret = partition && str_eq(partition->serial, a->serial);
	return 0;
}

static int check_use(struct store *store, const struct adoption *a, struct err *err)
{
	struct member_channel *channel = NULL;
	bool known = false;
	int rc = is_known(store, a, &known, err);

	if (rc == 0)
		rc = log_in(a, &channel, err);
	if (rc < 0)
		return rc;
	rc = able_check(channel, err);
	if (rc == 0 && !known)
		rc = able_check_free(channel, err);
	member_release(channel);
	return rc < 0 ? err_wrap(err, "'%s' (serial %s)", a->label, a->serial) : 0;
}

/* Two names of one token would be two members with one set of keys. */
static int check_once(const struct fleet *fleet, const struct adoption *a, struct err *err)
{
	for (size_t i = 0; i < fleet->n_devices; i++) {
		const struct fleet_device *d = &fleet->devices[i];

		for (size_t j = 0; j < d->n_partitions; j++) {
			if (&d->partitions[j] == a->partition || !str_eq(d->partitions[j].serial, a->serial))
				continue;
			err_set(err, ERR_EXISTS, "the token '%s' (serial %s) is partition '%s/%s' already", a->label,
				a->serial, d->name, d->partitions[j].name);
			return err_hint(err, "let \"uri\" name another token");
		}
	}
	return 0;
}

static int adopt(struct store *store, const struct fleet *fleet, const struct fleet_device *device,
		 struct fleet_partition *partition, struct err *err)
{
	owned(adoption) struct adoption a = {.device = device, .partition = partition};
	int rc = find(store, &a, err);

	if (rc == 0)
		rc = check_once(fleet, &a, err);
	if (rc == 0)
		rc = check_flags(&a, err);
	if (rc == 0)
		rc = check_use(store, &a, err);
	return rc < 0 ? rc : fleet_set(&partition->serial, a.serial, err);
}

static int existing_apply(struct store *store, struct fleet *fleet, struct fleet_device *device,
			  struct observer *observer, struct err *err)
{
	int rc = 0;

	(void)observer;
	for (size_t i = 0; i < device->n_partitions && rc == 0; i++)
		rc = adopt(store, fleet, device, &device->partitions[i], err);
	return rc;
}

/* It leaves the document, and that is all. */
static int existing_destroy(struct store *store, const struct fleet_device *device, struct err *err)
{
	(void)store;
	(void)device;
	(void)err;
	return 0;
}

const struct provider provider_existing = {
	.name = "existing",
	.makes = "existing token",
	.adopts = true,
	.check = existing_check,
	.state = existing_state,
	.look = existing_look,
	.apply = existing_apply,
	.destroy = existing_destroy,
};
