/* SPDX-License-Identifier: Apache-2.0 */
/* The providers of clouds as every program knows them, and the door to the library that does the work. */
#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/layout.h"

static const char library[] = "libhsmctl-cloud.so", symbol[] = "provider_cloud_azure";

/* It lies beside the library, or program, that this function is in. */
static char *beside_us(void)
{
	Dl_info info;
	const char *slash;

	if (!dladdr((void *)(uintptr_t)provider_cloud_layout, &info) || !info.dli_fname)
		return mem_strdup(library);
	slash = strrchr(info.dli_fname, '/');
	return slash ? mem_printf("%.*s/%s", (int)(slash - info.dli_fname), info.dli_fname, library) : mem_strdup(library);
}

int provider_cloud_layout(const struct provider_layout **ret, struct err *err)
{
	static const struct provider_layout *_Atomic loaded;
	const struct provider_layout *layout = atomic_load(&loaded);
	owned(mem) char *path = layout ? NULL : beside_us();
	void *handle;

	if (!layout && !path)
		return err_no_memory(err);
	if (!layout) {
		/* Never closed: what it started may still run at exit. */
		handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		layout = handle ? dlsym(handle, symbol) : NULL;
	}
	if (!layout) {
		err_set(err, ERR_MISSING, "cannot load the library of the clouds: %.300s", dlerror());
		return err_hint(err, "install libcurl, or hsmctl again");
	}
	atomic_store(&loaded, layout);
	*ret = layout;
	return 0;
}

int provider_layout_of(const struct fleet *fleet, const struct provider_layout **ret, struct err *err)
{
	bool wanted = fleet->azure.n_regions;

	for (size_t i = 0; i < fleet->n_datacenters; i++)
		wanted = wanted || str_starts(fleet->datacenters[i].provider, "azure-");
	*ret = NULL;
	return wanted ? provider_cloud_layout(ret, err) : 0;
}

/* What stands in the way is found by the layout's plan, all of it at once. */
static int check(const struct fleet *fleet, const struct fleet_device *device, struct err *err)
{
	(void)fleet;
	(void)device;
	(void)err;
	return 0;
}

static int state(struct store *store, const struct fleet_device *device, enum device_state *ret, struct err *err)
{
	(void)store;
	(void)err;
	/* The store knows of it before it is made. */
	*ret = device->azure.id ? DEVICE_MADE : DEVICE_PARTIAL;
	return 0;
}

const struct provider provider_azure_dedicated_hsm = {
	.name = "azure-dedicated-hsm", .makes = "dedicated HSM", .zeroise = true,
	.layout = provider_cloud_layout, .check = check,
	.state = state,
};

const struct provider provider_azure_cloud_hsm = {
	.name = "azure-cloud-hsm", .makes = "Cloud HSM cluster", .layout = provider_cloud_layout, .check = check,
	.state = state,
};
