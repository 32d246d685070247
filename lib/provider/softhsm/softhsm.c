/* SPDX-License-Identifier: Apache-2.0 */
/* Local appliances: a daemon, a SoftHSM token and a certificate each. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/observer.h"
#include "base/secret.h"
#include "base/str.h"
#include "crypto/tls.h"
#include "fleet/fleet.h"
#include "member/library.h"
#include "member/member.h"
#include "provider/provider.h"
#include "provider/softhsm/address.h"
#include "provider/softhsm/daemon.h"
#include "provider/softhsm/library.h"
#include "provider/softhsm/paths.h"
#include "provider/softhsm/token.h"
#include "store/store.h"

enum { PIN_CHARS = 16, KILLED_MS = 5000, DYING_MS = 200 };

static const char any_port[] = "127.0.0.1:0";

/* ---- what can be known before ---- */

static int check_partition(const struct fleet_device *device, struct err *err)
{
	const struct fleet_link *link = &device->partitions[0].link;

	if (fleet_link_is_local(link))
		return err_set(err, ERR_UNSUPPORTED, "partition '%s' has a link of kind %s; the appliances of softhsm are "
			       "reached by tls", device->name, fleet_link_names[link->kind]);
	if (device->partitions[0].uri) {
		err_set(err, ERR_INVALID, "partition '%s' has a uri, but its token is made", device->name);
		return err_hint(err, "leave it out; the provider of tokens that are there already is 'existing'");
	}
	return link->address ? softhsm_address_check(link->address, err) : 0;
}

static int softhsm_check(const struct fleet *fleet, const struct fleet_device *device, struct err *err)
{
	/* Files of these names in pki/ are not a device's. */
	static const char *const taken[] = {"ca", "admin", "application", NULL};
	owned(mem) char *library = NULL;
	int rc;

	(void)fleet;
	if (str_index(taken, device->name) >= 0)
		return err_set(err, ERR_INVALID, "no device can be named '%s'", device->name);
	if (device->n_partitions != 1)
		return err_set(err, ERR_INVALID, "device '%s' has %zu partitions; one of softhsm has one",
			       device->name, device->n_partitions);
	rc = check_partition(device, err);
	return rc < 0 ? rc : softhsm_library(device, &library, err);
}

static int softhsm_check_place(const char *store_path, const struct fleet_device *device, struct err *err)
{
	return softhsm_conf_check(store_path, device->name, err);
}

/* ---- what is there ---- */

static bool certificate_recorded(const struct softhsm_paths *paths, const struct fleet_link *link)
{
	char fingerprint[SHA256_TEXT];

	return file_exists(paths->at[SOFTHSM_KEY]) &&
	       cert_fingerprint(paths->at[SOFTHSM_CERTIFICATE], fingerprint, NULL) == 0 &&
	       str_eq(link->certificate, fingerprint);
}

static bool is_complete(const struct softhsm_paths *paths, const struct fleet_device *device)
{
	const struct fleet_partition *partition = device->n_partitions ? &device->partitions[0] : NULL;

	return partition && partition->serial && partition->link.kind == FLEET_LINK_TLS &&
	       partition->link.address && file_exists(paths->at[SOFTHSM_CONF]) &&
	       softhsm_token_whole(paths) && certificate_recorded(paths, &partition->link);
}

static int softhsm_state(struct store *store, const struct fleet_device *device,
			 enum device_state *ret, struct err *err)
{
	owned(softhsm_paths) struct softhsm_paths paths = {0};
	struct softhsm_daemon daemon = {0};
	int rc = softhsm_paths_init(store, device->name, &paths, err);

	if (rc < 0)
		return rc;
	if (!file_exists(paths.at[SOFTHSM_FOLDER])) {
		*ret = DEVICE_ABSENT;
		return 0;
	}
	if (!is_complete(&paths, device)) {
		*ret = DEVICE_PARTIAL;
		return 0;
	}
	rc = softhsm_daemon_find(&paths, &daemon, err);
	if (rc < 0)
		return rc;
	*ret = rc && *daemon.address && !daemon.suspended ? DEVICE_RUNNING : DEVICE_STOPPED;
	return 0;
}

/* ---- credentials and certificates ---- */

static int write_pin(const char *path, struct err *err)
{
	owned(secret) struct secret *pin = NULL;
	int rc = secret_random(PIN_CHARS, &pin, err);

	return rc < 0 ? rc : file_write(path, pin->data, pin->len, 0600, err);
}

/* A new PIN would lock out every token that has the lost one. */
static const char *user_of_pin(const struct fleet *fleet, const char *reference)
{
	for (size_t i = 0; i < fleet->n_devices; i++) {
		const struct fleet_device *device = &fleet->devices[i];

		for (size_t j = 0; j < device->n_partitions; j++)
			if (device->partitions[j].serial &&
			    str_eq(device->partitions[j].pin_source, reference))
				return device->name;
	}
	return NULL;
}

/* Is this the PIN file we keep, and missing? A reference that is absent becomes
 * one to it. 1 = it must be made. */
static int wants_pin(char **reference, const char *path, struct err *err)
{
	owned(mem) char *ours = mem_printf("file:%s", path);

	if (!ours)
		return err_no_memory(err);
	if (!*reference)
		*reference = own_take(ours);
	else if (!str_eq(*reference, ours))
		return 0;
	return !file_exists(path);
}

static int make_pins(const struct softhsm_paths *paths, const struct fleet *fleet,
		     struct fleet_partition *partition, struct err *err)
{
	int rc = file_mkdirs(paths->at[SOFTHSM_SECRETS], 0700, err);
	const char *user;

	if (rc == 0)
		rc = wants_pin(&partition->pin_source, paths->at[SOFTHSM_PIN], err);
	if (rc > 0) {
		user = user_of_pin(fleet, partition->pin_source);
		if (user) {
			err_set(err, ERR_NOT_FOUND, "the user PIN of '%s' is lost: no '%s'", user,
				paths->at[SOFTHSM_PIN]);
			return err_hint(err, "bring the file back; another PIN would not open the tokens");
		}
		rc = write_pin(paths->at[SOFTHSM_PIN], err);
	}
	if (rc == 0)
		rc = wants_pin(&partition->so_pin_source, paths->at[SOFTHSM_SO_PIN], err);
	if (rc > 0 && file_exists(paths->at[SOFTHSM_TOKENS]))
		return 0;
	return rc > 0 ? write_pin(paths->at[SOFTHSM_SO_PIN], err) : rc;
}

static int make_certificates(const struct softhsm_paths *paths, const struct fleet *fleet,
			     const char *device, char ret_fingerprint[static SHA256_TEXT], struct err *err)
{
	const char *pki = paths->at[SOFTHSM_PKI];
	int rc = file_mkdirs(pki, 0700, err);

	if (rc == 0)
		rc = cert_authority_make(pki, fleet->name, err);
	if (rc == 0)
		rc = cert_issue(pki, "admin", CERT_ROLE_ADMIN, err);
	if (rc == 0)
		rc = cert_issue(pki, "application", CERT_ROLE_APPLICATION, err);
	if (rc == 0)
		rc = cert_issue(pki, device, CERT_ROLE_APPLIANCE, err);
	return rc < 0 ? rc : cert_fingerprint(paths->at[SOFTHSM_CERTIFICATE], ret_fingerprint, err);
}

/* ---- the token ---- */

static int token_lost(const struct fleet *fleet, const struct fleet_device *device, struct err *err)
{
	const struct fleet_group *group = fleet_group_of(fleet, device->name, NULL);

	if (!group)
		return 0;
	err_set(err, ERR_IN_USE, "the token of '%s' is gone, and it serves in group '%s'", device->name,
		group->name);
	return err_hint(err, "bring its files back, or take it out of the group first");
}

static int make_token(const struct softhsm_paths *paths, const struct fleet *fleet,
		      struct fleet_device *device, const char *library, struct err *err)
{
	struct fleet_partition *partition = &device->partitions[0];
	int rc;

	/* Whoever made it may have been killed before it had cleared up. */
	if (softhsm_token_whole(paths)) {
		file_remove_tree(paths->at[SOFTHSM_MAKING], NULL);
		return 0;
	}
	if (softhsm_token_used(paths))
		return err_set(err, ERR_FAILED, "token.object of '%s' is empty, has no copy, and there are "
			       "objects beside it; nothing was changed", device->name);
	rc = partition->serial ? token_lost(fleet, device, err) : 0;
	if (rc == 0)
		rc = softhsm_daemon_stop(paths, err);
	if (rc == 0)
		rc = fleet_set(&partition->serial, NULL, err);
	return rc < 0 ? rc : softhsm_token_make(paths, device, library, err);
}

/* ---- the daemon ---- */

/* Where it listened before, or anywhere when somebody else took that port. A
 * port that was asked for (the link has no kind yet) is not negotiable. */
static int serve(const struct softhsm_paths *paths, const struct fleet_device *device,
		 const char *library, struct softhsm_daemon *ret, struct err *err)
{
	const struct fleet_partition *partition = &device->partitions[0];
	const struct fleet_link *link = &partition->link;
	const struct softhsm_serve wish = {
		.device = device->name, .library = library, .serial = partition->serial,
		.address = link->address ? link->address : any_port,
	};
	struct softhsm_serve elsewhere = wish;
	int rc = softhsm_daemon_start(paths, &wish, ret, err);

	if (rc != -ERR_IN_USE || !link->address || link->kind == FLEET_LINK_NONE)
		return rc;
	elsewhere.address = any_port;
	return softhsm_daemon_start(paths, &elsewhere, ret, err);
}

/* Does it answer as the device it should be? No login: that writes to the token. */
static int prove(const struct softhsm_paths *paths, struct fleet_device *device, struct err *err)
{
	const struct fleet_policy patience = {.connect_ms = 5000, .answer_ms = 5000, .call_ms = 10000};
	struct fleet_partition *partition = &device->partitions[0];
	owned(tls_context) struct tls_context *tls = NULL;
	owned(member) struct member *member = NULL;
	CK_TOKEN_INFO info;
	char serial[sizeof(info.serialNumber) + 1];
	int rc = tls_context_new(paths->at[SOFTHSM_PKI], "admin", false, &tls, err);

	if (rc == 0)
		rc = member_open_partition(device, partition, device->name, &patience, tls, &member, err);
	if (rc == 0)
		rc = member_probe(member, &info, err);
	if (rc < 0)
		return rc;
	library_text(info.serialNumber, sizeof(info.serialNumber), serial);
	return str_eq(partition->serial, serial) ? 0 : fleet_set(&partition->serial, serial, err);
}

/* Start it, or go on with the one that lives; *ret says which one it is. */
static int run_daemon(const struct softhsm_paths *paths, const struct fleet_device *device,
		      struct softhsm_daemon *ret, struct err *err)
{
	owned(mem) char *library = NULL;
	int rc = softhsm_library(device, &library, err);

	if (rc == 0)
		rc = softhsm_daemon_find(paths, ret, err);
	if (rc < 0)
		return rc;
	return rc ? softhsm_daemon_await(paths, ret, err) : serve(paths, device, library, ret, err);
}

static int try_to_bring_up(const struct softhsm_paths *paths, struct fleet_device *device,
			   struct softhsm_daemon *ret, struct err *err)
{
	struct fleet_link *link = &device->partitions[0].link;
	int rc = run_daemon(paths, device, ret, err);

	if (rc == 0)
		rc = fleet_set(&link->address, ret->address, err);
	if (rc < 0)
		return err_wrap(err, "cannot start '%s'", device->name);
	link->kind = FLEET_LINK_TLS;
	return prove(paths, device, err);
}

static int bring_up(const struct softhsm_paths *paths, struct fleet_device *device, struct err *err)
{
	struct softhsm_daemon daemon = {0};
	int rc = try_to_bring_up(paths, device, &daemon, err);

	/* It was killed just now, and dies while we look at it. */
	if (rc == -ERR_UNREACHABLE && proc_wait_gone(&daemon.id, DYING_MS, NULL) == 0) {
		err_clear(err);
		rc = try_to_bring_up(paths, device, &daemon, err);
	}
	return rc;
}

/* One that runs with another certificate or elsewhere has to be started again. */
static int end_outdated(const struct softhsm_paths *paths, const struct fleet_link *link,
			const char *fingerprint, struct err *err)
{
	struct softhsm_daemon daemon;
	int rc = softhsm_daemon_find(paths, &daemon, err);

	if (rc <= 0 || (str_eq(link->certificate, fingerprint) &&
			(link->kind == FLEET_LINK_TLS || str_eq(link->address, daemon.address))))
		return rc < 0 ? rc : 0;
	return softhsm_daemon_stop(paths, err);
}

static int softhsm_apply(struct store *store, struct fleet *fleet, struct fleet_device *device,
			 struct observer *observer, struct err *err)
{
	struct fleet_partition *partition = &device->partitions[0];
	owned(softhsm_paths) struct softhsm_paths paths = {0};
	owned(mem) char *library = NULL;
	char fingerprint[SHA256_TEXT];
	int rc = softhsm_paths_init(store, device->name, &paths, err);

	(void)observer;
	if (rc == 0)
		rc = softhsm_library(device, &library, err);
	if (rc == 0)
		rc = file_mkdirs(paths.at[SOFTHSM_FOLDER], 0700, err);
	if (rc == 0)
		rc = softhsm_conf_write(&paths, err);
	if (rc == 0)
		rc = make_pins(&paths, fleet, partition, err);
	if (rc == 0)
		rc = make_certificates(&paths, fleet, device->name, fingerprint, err);
	if (rc == 0)
		rc = make_token(&paths, fleet, device, library, err);
	if (rc == 0)
		rc = end_outdated(&paths, &partition->link, fingerprint, err);
	if (rc == 0)
		rc = fleet_set(&partition->link.certificate, fingerprint, err);
	return rc < 0 ? rc : bring_up(&paths, device, err);
}

static int softhsm_start(struct store *store, struct fleet_device *device, struct err *err)
{
	owned(softhsm_paths) struct softhsm_paths paths = {0};
	enum device_state state;
	int rc = softhsm_state(store, device, &state, err);

	if (rc == 0 && (state == DEVICE_ABSENT || device->partitions[0].link.kind == FLEET_LINK_NONE)) {
		err_set(err, ERR_NOT_FOUND, "device '%s' is not provisioned", device->name);
		return err_hint(err, "hsmctl provision apply FILE");
	}
	if (rc == 0)
		rc = softhsm_paths_init(store, device->name, &paths, err);
	return rc < 0 ? rc : bring_up(&paths, device, err);
}

static int softhsm_stop(struct store *store, const struct fleet_device *device, struct err *err)
{
	owned(softhsm_paths) struct softhsm_paths paths = {0};
	int rc = softhsm_paths_init(store, device->name, &paths, err);

	return rc < 0 ? rc : softhsm_daemon_stop(&paths, err);
}

static int softhsm_destroy(struct store *store, const struct fleet_device *device, struct err *err)
{
	static const enum softhsm_path files[] = {SOFTHSM_SO_PIN, SOFTHSM_CERTIFICATE, SOFTHSM_KEY};
	owned(softhsm_paths) struct softhsm_paths paths = {0};
	int rc = softhsm_paths_init(store, device->name, &paths, err);

	if (rc == 0)
		rc = softhsm_daemon_stop(&paths, err);
	for (size_t i = 0; rc == 0 && i < sizeof(files) / sizeof(files[0]); i++)
		rc = file_remove(paths.at[files[i]], err);
	return rc < 0 ? rc : file_remove_tree(paths.at[SOFTHSM_FOLDER], err);
}

/* ---- drills ---- */

static int softhsm_fault(struct store *store, const struct fleet_device *device, enum fault_kind kind,
			 char *ret_command, size_t size, struct err *err)
{
	owned(softhsm_paths) struct softhsm_paths paths = {0};
	struct softhsm_daemon daemon;
	int rc = softhsm_paths_init(store, device->name, &paths, err);

	if (rc == 0)
		rc = softhsm_daemon_find(&paths, &daemon, err);
	if (rc == 0)
		snprintf(ret_command, size, "none: '%s' is down", device->name);
	if (rc <= 0)
		return rc;
	snprintf(ret_command, size, "kill -%s %d", kind == FAULT_HANG ? "STOP" : "KILL", (int)daemon.id.pid);
	rc = proc_signal(&daemon.id, kind == FAULT_HANG ? SIGSTOP : SIGKILL, err);
	return rc < 0 || kind == FAULT_HANG ? rc : proc_wait_gone(&daemon.id, KILLED_MS, err);
}

const struct provider provider_softhsm = {
	.name = "softhsm",
	.makes = "softhsm appliance",
	.check = softhsm_check,
	.check_place = softhsm_check_place,
	.state = softhsm_state,
	.apply = softhsm_apply,
	.start = softhsm_start,
	.stop = softhsm_stop,
	.destroy = softhsm_destroy,
	.fault = softhsm_fault,
	.heal = softhsm_start,
};
