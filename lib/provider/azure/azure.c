/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of Azure, as the core library calls it. */
#include <strings.h>

#include "base/err.h"
#include "fleet/fleet.h"
#include "provider/azure/backup.h"
#include "provider/azure/import.h"
#include "provider/azure/look.h"
#include "provider/azure/make.h"
#include "provider/azure/plan.h"
#include "provider/azure/template.h"
#include "provider/azure/unmake.h"

extern const struct provider_layout provider_cloud_azure;

/* The store must know where the fleet is, whoever runs the next command. */
static int complete(const struct provider_call *call, const struct fleet *have, struct fleet *desired,
		    struct err *err)
{
	const struct fleet *known = desired->azure.subscription ? desired : have;
	const char *subscription = azure_subscription(call, known);
	const char *given = call->access ? call->access->subscription : NULL;

	if (given && subscription && strcasecmp(given, subscription) != 0)
		return err_set(err, ERR_USAGE, "--subscription %.80s is not that of the fleet, %s", given, subscription);
	if (!desired->azure.n_regions || desired->azure.subscription || !subscription)
		return 0;
	return fleet_set(&desired->azure.subscription, subscription, err);
}

static int apply(const struct provider_call *call, const struct fleet *desired, struct fleet *fleet,
		 struct provider_step *step, struct err *err)
{
	owned(azure_layout) struct azure_layout layout = {0};
	owned(azure_session) struct azure_session session = {0};
	int rc = azure_layout_make(desired, &layout, err);

	if (rc == 0)
		rc = azure_session_open(call, desired, &session, err);
	return rc < 0 ? rc : azure_make(&session, &layout, fleet, step, err);
}

static int remove_rest(const struct provider_call *call, const struct fleet *have, const struct fleet *keep,
		       struct err *err)
{
	const struct fleet *owner = have->azure.n_regions ? have : keep;
	owned(azure_layout) struct azure_layout layout = {0};
	owned(azure_session) struct azure_session session = {0};
	owned(azure_finds) struct azure_finds doomed = {0};
	int rc = keep && keep->azure.n_regions ? azure_layout_make(keep, &layout, err) : 0;

	if (!owner || !owner->azure.subscription)
		return rc;
	if (rc == 0)
		rc = azure_session_open(call, owner, &session, err);
	if (rc == 0)
		rc = azure_find_doomed(&session, owner, &layout, &doomed, err);
	return rc < 0 ? rc : azure_unmake(&session, owner, &doomed, !layout.n_nodes, err);
}

static int decommission(const struct provider_call *call, const struct fleet *fleet, const struct fleet_device *device,
			struct err *err)
{
	owned(azure_layout) struct azure_layout layout = {0};
	owned(azure_session) struct azure_session session = {0};
	owned(azure_finds) struct azure_finds doomed = {0};
	int rc = azure_layout_make(fleet, &layout, err);

	if (rc == 0)
		rc = azure_find_device(&layout, device, &doomed, err);
	if (rc == 0)
		rc = azure_session_open(call, fleet, &session, err);
	return rc < 0 ? rc : azure_unmake(&session, fleet, &doomed, false, err);
}

static int export_template(const struct fleet *fleet, const char *format, struct buf *ret, struct err *err)
{
	owned(azure_layout) struct azure_layout layout = {0};
	int rc = azure_layout_make(fleet, &layout, err);

	if (rc < 0)
		return rc;
	return *format == 'b' ? azure_template_bicep(&layout, ret, err) : azure_template_arm(&layout, ret, err);
}

const struct provider_layout provider_cloud_azure = {
	.complete = complete,
	.plan = azure_plan,
	.apply = apply,
	.remove = remove_rest,
	.decommission = decommission,
	.look = azure_look,
	.export_template = export_template,
	.import = azure_import,
	.backup = azure_backup,
};
