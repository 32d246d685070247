/* SPDX-License-Identifier: Apache-2.0 */
/* Which provider serves a device, and the names of what providers do. */
#include "provider/provider.h"

#include "base/err.h"
#include "base/str.h"
#include "fleet/fleet.h"

const char *const device_state_names[] = {
	"absent", "partial", "stopped", "running", "made", "adopted", "unknown", NULL
};
const char *const fault_kind_names[] = {"crash", "hang", NULL};

static const struct provider *const providers[] = {
	&provider_softhsm, &provider_existing, &provider_azure_dedicated_hsm, &provider_azure_cloud_hsm, NULL
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

bool provider_is_foreign(const struct provider *provider)
{
	return provider->layout || provider->adopts;
}

int provider_check_power(const struct provider *provider, const struct fleet_device *device, struct err *err)
{
	if (provider->start && provider->stop)
		return 0;
	if (provider->adopts) {
		err_set(err, ERR_UNSUPPORTED, "device '%s' is an %s: it is not ours to start or stop", device->name,
			provider->makes);
		return err_hint(err, "its administrator does; hsmctl partition show %s asks whether it answers",
				device->name);
	}
	err_set(err, ERR_UNSUPPORTED, "device '%s' is a %s: its cloud runs it", device->name, provider->makes);
	return err_hint(err, "hsmctl provision show tells how it is");
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
