/* SPDX-License-Identifier: Apache-2.0 */
/* Carries a desired fleet out, one committed step after the other. */
#include <stdio.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/observer.h"
#include "fleet/fleet.h"
#include "provider/plan.h"
#include "provider/walk.h"
#include "store/store.h"

struct applier {
	struct walk walk;	/* first: cast back */
	struct store_edit *edit;
	struct observer *observer;
	size_t done, total;
};

static const char *const doing[] = {"making", "starting", "updating", "destroying"};

static int carry_out(struct walk *walk, const struct change *change, struct err *err)
{
	struct applier *a = (struct applier *)walk;
	const struct provider *provider;
	int rc = cancel_check(err);

	observer_step(a->observer, change->name, doing[change->kind], a->done, a->total);
	if (rc < 0 || !change->device)
		return rc;
	rc = provider_of(walk->fleet, change->device, &provider, err);
	if (rc < 0)
		return rc;
	if (change->kind == CHANGE_DESTROY)
		return provider->destroy(walk->store, change->device, err);
	return provider->apply(walk->store, walk->fleet, change->device, a->observer, err);
}

static int record(struct walk *walk, const struct change *change, struct err *err)
{
	struct applier *a = (struct applier *)walk;
	owned(mem) char *subject = mem_printf("%s %s", change->noun, change->name);
	owned(mem) char *detail = mem_printf("%s: %s", change_kind_names[change->kind], change->detail);

	if (!subject || !detail)
		return err_no_memory(err);
	a->done++;
	return store_edit_commit(a->edit, "provision apply", subject, detail, err);
}

static int check_revision(const struct fleet *have, const struct fleet *desired, struct err *err)
{
	if (!desired->revision || desired->revision == have->revision)
		return 0;
	err_set(err, ERR_CHANGED, "the plan was made against revision %lld, the store has %lld",
		(long long)desired->revision, (long long)have->revision);
	return err_hint(err, "make a new one with 'hsmctl provision plan'");
}

int provider_apply(struct store *store, const struct fleet *desired, struct observer *observer,
		   struct err *err)
{
	owned(store_edit) struct store_edit *edit = NULL;
	struct provider_plan plan = {0};
	struct applier applier = {
		.walk = {.store = store, .desired = desired, .carry_out = carry_out, .record = record},
		.observer = observer,
	};
	int rc = store_edit_begin(store, "provision apply", &edit, err);

	if (rc == 0)
		rc = check_revision(store_edit_fleet(edit), desired, err);
	if (rc == 0)
		rc = plan_compare(store, store_edit_fleet(edit), desired, &plan, err);
	if (rc < 0)
		return rc;
	applier.total = plan.n_changes;
	json_release(&provider_plan_type, &plan);
	applier.edit = edit;
	applier.walk.fleet = store_edit_fleet(edit);
	return walk_run(&applier.walk, err);
}

/* ---- destroy ---- */

static int destroy_device(struct store *store, struct store_edit *edit, size_t i, struct err *err)
{
	struct fleet *fleet = store_edit_fleet(edit);
	const struct fleet_device *device = &fleet->devices[i];
	owned(mem) char *subject = mem_printf("device %s", device->name);
	const struct provider *provider;
	int rc = subject ? cancel_check(err) : err_no_memory(err);

	if (rc == 0)
		rc = provider_of(fleet, device, &provider, err);
	if (rc == 0)
		rc = provider->destroy(store, device, err);
	if (rc < 0)
		return rc;
	walk_forget_device(fleet, i);
	return store_edit_commit(edit, "provision destroy", subject, NULL, err);
}

/* What belonged to all devices: PINs and certificates. */
static int remove_shared(struct store *store, struct err *err)
{
	static const char *const folders[] = {"appliances", "secrets", "pki"};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(folders) / sizeof(folders[0]); i++) {
		owned(mem) char *path = store_file(store, "%s", folders[i]);

		rc = path ? file_remove_tree(path, err) : err_no_memory(err);
	}
	return rc;
}

static int check_no_groups(const struct fleet *fleet, struct err *err)
{
	if (!fleet->n_groups)
		return 0;
	err_set(err, ERR_IN_USE, "group '%s' exists; its members' keys would be lost", fleet->groups[0].name);
	return err_hint(err, "hsmctl ha delete %s", fleet->groups[0].name);
}

static int destroy_datacenters(struct store_edit *edit, struct err *err)
{
	struct fleet *fleet = store_edit_fleet(edit);

	if (!fleet->n_datacenters)
		return 0;
	while (fleet->n_datacenters)
		walk_forget_datacenter(fleet, fleet->n_datacenters - 1);
	return store_edit_commit(edit, "provision destroy", "datacenters", NULL, err);
}

int provider_destroy(struct store *store, struct observer *observer, struct err *err)
{
	owned(store_edit) struct store_edit *edit = NULL;
	int rc = store_edit_begin(store, "provision destroy", &edit, err);
	struct fleet *fleet;
	size_t total;

	if (rc < 0)
		return rc;
	fleet = store_edit_fleet(edit);
	total = fleet->n_devices;
	rc = check_no_groups(fleet, err);
	while (rc == 0 && fleet->n_devices) {
		size_t last = fleet->n_devices - 1;

		observer_step(observer, fleet->devices[last].name, doing[CHANGE_DESTROY], total - last - 1, total);
		rc = destroy_device(store, edit, last, err);
	}
	if (rc == 0)
		rc = destroy_datacenters(edit, err);
	return rc < 0 ? rc : remove_shared(store, err);
}
