/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl status: asks every token whether it is up. */
#include "status/status.h"

#include <string.h>

#include "admin.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "crypto/tls.h"
#include "status/applications.h"

struct args {
	const char *group;
	bool check, applications;
};

static const struct cli_param options[] = {
	CLI_OPT_FLAG(struct args, check, 'c', "check", "Status 3 when something shown is not up"),
	CLI_OPT_FLAG(struct args, applications, 'a', "applications",
		     "What applications on this host have counted, instead of asking devices"),
	CLI_END
};
static const struct cli_param arguments[] = {
	CLI_ARG(struct args, group, "GROUP", admin_complete_groups, 0,
		"Only this group and the devices of its members"),
	CLI_END
};

static bool serves_in(const struct fleet_group *group, const char *device, const char *partition)
{
	for (size_t i = 0; i < group->n_members; i++)
		if (str_eq(group->members[i].device, device) && str_eq(group->members[i].partition, partition))
			return true;
	return false;
}

/* What is to be asked; new memory. */
static int choose(const struct fleet *fleet, const struct fleet_group *only, struct probe **ret,
		  size_t *ret_count, struct err *err)
{
	for (size_t i = 0; i < fleet->n_devices; i++) {
		const struct fleet_device *device = &fleet->devices[i];

		for (size_t j = 0; j < device->n_partitions; j++) {
			const struct fleet_partition *partition = &device->partitions[j];
			struct probe *probe;

			if (only && !serves_in(only, device->name, partition->name))
				continue;
			probe = json_append(ret, ret_count, sizeof(*probe));
			if (!probe)
				return err_no_memory(err);
			probe->device = device;
			probe->partition = partition;
		}
	}
	return 0;
}

static int ask(struct store *store, struct probe *probes, size_t count, struct err *err)
{
	owned(tls_context) struct tls_context *tls = NULL;
	owned(mem) char *pki = store_file(store, "pki");
	struct err tls_err = {0};

	if (!pki)
		return err_no_memory(err);
	/* Without certificates everything is down, and that is the answer. */
	if (count)
		tls_context_new(pki, "admin", false, &tls, &tls_err);
	probe_all(probes, count, tls, &tls_err);
	return 0;
}

static int verdict(const struct status *status, struct err *err)
{
	size_t down = 0;

	if (status->healthy)
		return 0;
	for (size_t i = 0; i < status->n_devices; i++)
		down += status->devices[i].state;
	return err_set(err, ERR_DIFFERENT, "not healthy: %zu of %zu devices down", down, status->n_devices);
}

/* ---- applications ---- */

/* One that no application shows is there all the same, or not at all. */
static int check_group(struct cli *cli, const char *name, struct err *err)
{
	owned(store) struct store *store = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	struct fleet_group *group;
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	if (rc == 0)
		rc = store_read(store, &fleet, err);
	return rc < 0 ? rc : fleet_find_group(fleet, name, &group, err);
}

static int applications_verdict(const struct applications *all, struct err *err)
{
	size_t ill = 0;

	for (size_t i = 0; i < all->n_applications; i++)
		ill += all->applications[i].up < all->applications[i].of;
	if (!ill)
		return 0;
	return err_set(err, ERR_DIFFERENT, "not healthy: %zu of %zu applications go without a member", ill, all->n_applications);
}

/* Without a store, too: an application's host need not have one. */
static int show_applications(struct cli *cli, const struct args *a, struct err *err)
{
	owned(applications) struct applications all = {0};
	owned(mem) char *folder = NULL;
	int rc = store_locate(cli_store_url(cli), &folder, err);

	if (rc == 0)
		rc = applications_read(folder, a->group, &all, err);
	if (rc == 0 && a->group && !all.n_applications && !all.n_ended)
		rc = check_group(cli, a->group, err);
	if (rc == 0)
		rc = cli_emit(cli, &applications_type, &all, err);
	return rc < 0 || !a->check ? rc : applications_verdict(&all, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct args *a = data;
	owned(store) struct store *store = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	owned(mem) struct probe *probes = NULL;
	owned(status) struct status status = {0};
	struct fleet_group *only = NULL;
	size_t count = 0;
	int rc = 0;

	if (a->applications)
		return show_applications(cli, a, err);
	rc = store_open(cli_store_url(cli), 0, &store, err);
	if (rc == 0)
		rc = store_read(store, &fleet, err);
	if (rc == 0 && a->group)
		rc = fleet_find_group(fleet, a->group, &only, err);
	if (rc == 0)
		rc = choose(fleet, only, &probes, &count, err);
	if (rc == 0)
		rc = ask(store, probes, count, err);
	if (rc == 0)
		rc = status_compose(fleet, only, probes, count, &status, err);
	if (rc == 0)
		rc = cli_emit(cli, &status_type, &status, err);
	return rc < 0 || !a->check ? rc : verdict(&status, err);
}

const struct cli_command status_command = {
	.summary = "Ask every device whether it is up",
	.options = options, .args = arguments, .args_size = sizeof(struct args),
	.output = &status_type, .instead = {"applications", &applications_type}, .run = run,
};
