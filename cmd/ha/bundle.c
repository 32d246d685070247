/* SPDX-License-Identifier: Apache-2.0 */
/* Folders for applications. */
#include "ha/bundle.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/cert.h"

int bundle_owner_find(const char *name, struct bundle_owner *ret, struct err *err)
{
	const struct passwd *user;

	*ret = (struct bundle_owner){.name = name};
	if (!name)
		return 0;
	errno = 0;
	user = getpwnam(name);
	if (!user)
		return errno ? err_errno(err, "cannot look up the user '%s'", name)
			     : err_set(err, ERR_NOT_FOUND, "no user '%s' on this host", name);
	ret->gid = user->pw_gid;
	if (user->pw_uid == geteuid())
		ret->name = NULL;
	else if (geteuid() != 0)
		return err_set(err, ERR_DENIED, "only root writes files for other users");
	return 0;
}

/* The owner may read it, nobody else, and only we write it. */
static int hand_over(const char *path, bool folder, const struct bundle_owner *owner, struct err *err)
{
	mode_t mode = folder ? 0700 : 0600;

	if (owner->name && chown(path, 0, owner->gid) < 0)
		return err_errno(err, "cannot give '%s' to the group of '%s'", path, owner->name);
	if (owner->name)
		mode |= folder ? 0050 : 0040;
	return chmod(path, mode) < 0 ? err_errno(err, "cannot set the mode of '%s'", path) : 0;
}

static int make_folder(const char *path, const struct bundle_owner *owner, struct err *err)
{
	int rc = file_mkdirs(path, 0700, err);

	return rc < 0 ? rc : hand_over(path, true, owner, err);
}

/* ---- the document ---- */

static bool is_member(const struct fleet_group *group, const struct fleet_device *device)
{
	bool is = false;

	for (size_t i = 0; i < group->n_members; i++)
		is = is || str_eq(group->members[i].device, device->name);
	return is;
}

static bool is_used(const struct fleet *part, const struct fleet_datacenter *datacenter)
{
	bool is = false;

	for (size_t i = 0; i < part->n_devices; i++)
		is = is || str_eq(part->devices[i].datacenter, datacenter->name);
	return is;
}

/* A device without what only administrators need. */
static int strip(const struct fleet_device *from, struct fleet_device *ret, struct err *err)
{
	*ret = *from;
	ret->azure = (struct fleet_azure_device){0};
	ret->partitions = mem_zalloc((from->n_partitions + 1) * sizeof(*ret->partitions));
	if (!ret->partitions)
		return err_no_memory(err);
	for (size_t i = 0; i < from->n_partitions; i++) {
		ret->partitions[i] = from->partitions[i];
		ret->partitions[i].pin_source = ret->partitions[i].so_pin_source = NULL;
	}
	return 0;
}

/* Borrows all of fleet but the lists themselves. */
struct part {
	struct fleet fleet;
	struct fleet_group group;
};

static void part_release(struct part *part)
{
	for (size_t i = 0; i < part->fleet.n_devices; i++)
		free(part->fleet.devices[i].partitions);
	free(part->fleet.devices);
	free(part->fleet.datacenters);
}
OWN_DEFINE_RELEASE(part)

static int take_part(const struct fleet *fleet, const struct fleet_group *group, struct part *ret, struct err *err)
{
	static char by_application[] = "prompt:";	/* brings the PIN */
	struct fleet *part = &ret->fleet;
	int rc = 0;

	ret->group = *group;
	ret->group.pin_source = by_application;
	*part = (struct fleet){.name = fleet->name, .revision = fleet->revision, .groups = &ret->group, .n_groups = 1,
			       .has_groups = true};
	part->devices = mem_zalloc(fleet->n_devices * sizeof(*part->devices));
	part->datacenters = mem_zalloc(fleet->n_datacenters * sizeof(*part->datacenters));
	if (!part->devices || !part->datacenters)
		return err_no_memory(err);
	for (size_t i = 0; i < fleet->n_devices && rc == 0; i++)
		if (is_member(group, &fleet->devices[i]))
			rc = strip(&fleet->devices[i], &part->devices[part->n_devices++], err);
	for (size_t i = 0; i < fleet->n_datacenters; i++)
		if (is_used(part, &fleet->datacenters[i]))
			part->datacenters[part->n_datacenters++] = fleet->datacenters[i];
	return rc;
}

static int write_document(const struct fleet *fleet, const struct fleet_group *group, const char *folder,
			  const struct bundle_owner *owner, struct err *err)
{
	owned(mem) char *path = file_join(folder, "fleet.json");
	owned(part) struct part part = {0};
	owned(buf) struct buf text = {.max = 16 << 20};
	int rc = path ? take_part(fleet, group, &part, err) : err_no_memory(err);

	if (rc == 0)
		rc = fleet_write(&part.fleet, &text, err);
	if (rc == 0)
		rc = file_write(path, text.data, text.len, 0600, err);
	return rc < 0 ? rc : hand_over(path, false, owner, err);
}

/* ---- certificates ---- */

static int write_certificates(const char *store, const struct fleet_group *group, const char *folder,
			      const struct bundle_owner *owner, struct err *err)
{
	static const char *const files[] = {"ca.pem", "application.pem", "application.key"};
	owned(mem) char *from = file_join(store, "pki"), *to = file_join(folder, "pki");
	char holder[64];
	int rc = from && to ? make_folder(to, owner, err) : err_no_memory(err);

	snprintf(holder, sizeof(holder), "%.40s.%.20s", group->name, owner->name ? owner->name : "application");
	if (rc == 0)
		rc = cert_issue_to(from, to, "application", holder, CERT_ROLE_APPLICATION, err);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && rc == 0; i++) {
		owned(mem) char *path = file_join(to, files[i]);

		rc = path ? hand_over(path, false, owner, err) : err_no_memory(err);
	}
	return rc;
}

int bundle_write(const char *store, const struct fleet *fleet, const struct fleet_group *group, const char *folder,
		 const struct bundle_owner *owner, struct err *err)
{
	int rc = make_folder(folder, owner, err);

	if (rc == 0)
		rc = write_certificates(store, group, folder, owner, err);
	/* Last: it is what the module looks for. */
	return rc < 0 ? rc : write_document(fleet, group, folder, owner, err);
}
