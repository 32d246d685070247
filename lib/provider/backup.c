/* SPDX-License-Identifier: Apache-2.0 */
/* What a backup or a restore by the cloud came to, as a document. */
#include "json/type.h"
#include "provider/layout.h"

static const struct json_field fields[] = {
	JSON_F_STRING(struct provider_backup_result, device, JSON_REQUIRED | JSON_COLUMN, "whose keys"),
	JSON_F_STRING(struct provider_backup_result, container, JSON_REQUIRED | JSON_COLUMN,
		      "URL of the storage container that the backup is in"),
	JSON_F_STRING(struct provider_backup_result, id, JSON_NULLABLE | JSON_COLUMN,
		      "id of the backup: what restore asks for"),
	JSON_F_STRING(struct provider_backup_result, state, JSON_REQUIRED | JSON_COLUMN,
		      "how it ended, by the cloud's word"),
	JSON_F_STRING(struct provider_backup_result, started, JSON_NULLABLE | JSON_COLUMN, "when the cloud began"),
	JSON_F_STRING(struct provider_backup_result, ended, JSON_NULLABLE | JSON_COLUMN, "when it was done"),
	JSON_F_END
};
const struct json_type provider_backup_type = {
	.schema = "backup", .summary = "A backup of a device's keys by its cloud, or its restore",
	.size = sizeof(struct provider_backup_result), .fields = fields,
};
