/* SPDX-License-Identifier: Apache-2.0 */
/* Which provider serves a device, and the names of what providers do. */
#include "provider/provider.h"

#include "base/err.h"
#include "base/str.h"
#include "fleet/fleet.h"

const char *const device_state_names[] = {"absent", "partial", "stopped", "running", "made", "unknown", NULL};
const char *const fault_kind_names[] = {"crash", "hang", NULL};

static const struct provider *const providers[] = {
	&provider_softhsm, &provider_azure_dedicated_hsm, &provider_azure_cloud_hsm, NULL
};

int provider_of(const struct fleet *fleet, const struct fleet_device *device,
		const struct provider **ret, struct err *err)
{
	const struct fleet_datacenter *datacenter = fleet_datacenter(fleet, device->datacenter);

	if (!datacenter)
		return err_set(err, ERR_INVALID, "device '%s' stands in no known datacenter", device->name);
	for (size_t i = 0; providers[i]; i++) {
		if (str_eq(providers[i]->name, datacenter->provider)) {
			*ret = providers[i];
			return 0;
		}
	}
	return err_set(err, ERR_INVALID, "datacenter '%s' names the unknown provider '%s'",
		       datacenter->name, datacenter->provider);
}

int provider_check_place(const struct fleet *desired, const char *store_path, struct err *err)
{
	for (size_t i = 0; i < desired->n_devices; i++) {
		const struct fleet_device *device = &desired->devices[i];
		const struct provider *provider;
		int rc = provider_of(desired, device, &provider, err);

		if (rc == 0 && provider->check_place)
			rc = provider->check_place(store_path, device, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
