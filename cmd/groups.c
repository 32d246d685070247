/* SPDX-License-Identifier: Apache-2.0 */
/* The list of commands. */
#include "groups.h"

#include "appliance/group.h"
#include "audit/group.h"
#include "completion/group.h"
#include "device/group.h"
#include "drill/group.h"
#include "ha/group.h"
#include "help/group.h"
#include "key/group.h"
#include "partition/group.h"
#include "provision/group.h"
#include "shell/group.h"
#include "status/group.h"
#include "sync/group.h"
#include "verify/group.h"
#include "version/group.h"

const struct cli_group *const all_groups[] = {
	&provision_group,
	&device_group,
	&partition_group,
	&ha_group,
	&key_group,
	&sync_group,
	&verify_group,
	&drill_group,
	&status_group,
	&audit_group,
	&appliance_group,
	&shell_group,
	&completion_group,
	&help_group,
	&version_group,
	NULL
};
