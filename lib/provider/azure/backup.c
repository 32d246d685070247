/* SPDX-License-Identifier: Apache-2.0 */
/* Has the service write a cluster's keys into a storage container, or read them from one. */
#include "provider/azure/backup.h"

#include <string.h>

#include "azure/cloud.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/observer.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "http/url.h"
#include "provider/azure/layout.h"
#include "provider/azure/session.h"

enum {
	POLL = 30,		/* seconds between questions */
	LIMIT = 2 * 3600,	/* seconds it may take */
};

struct job {
	const struct provider_call *call;
	struct azure_session *session;
	const struct fleet *fleet;
	const struct fleet_device *device;
	const struct provider_backup *what;
	const char *doing;		/* "backup", "restore" */
	struct json_tree *body;
	struct arm_watch watch;		/* cast back by offset */
};

/* ---- what can be known before anything is sent ---- */

static int check_kind(const struct fleet *fleet, const struct fleet_device *device, struct err *err)
{
	if (azure_is_cloud(fleet, device))
		return 0;
	err_set(err, ERR_UNSUPPORTED, "Azure makes backups of Cloud HSM clusters; device '%s' is none", device->name);
	return err_hint(err, "members of a group hold the same keys: see 'hsmctl help ha'");
}

/* A parameter may be a signature that opens the container: it is not repeated, kept or sent. */
static int check_container(const struct fleet *fleet, const char *container, struct err *err)
{
	owned(azure_cloud) struct azure_cloud cloud = {0};
	struct url url;
	int rc = azure_cloud_init((int)fleet->azure.cloud, &cloud, err);

	if (rc < 0)
		return rc;
	if (strpbrk(container, "?#")) {
		err_set(err, ERR_USAGE, "the container's URL has parameters, which may be a secret");
		return err_hint(err, "leave '?' and what follows away: the cluster's identity opens the container");
	}
	if (url_split(container, &url, NULL) < 0 || url.path_len < 2) {
		err_set(err, ERR_USAGE, "that is no URL of a storage container");
		return err_hint(err, "https://ACCOUNT.blob.core.windows.net/CONTAINER");
	}
	if (url_is_https(&url) || (cloud.loopback && url_is_loopback(&url)))
		return 0;
	return err_set(err, ERR_USAGE, "the container's URL must begin with https://: '%s'", container);
}

static int check_made(const struct fleet_device *device, struct err *err)
{
	if (device->azure.id)
		return 0;
	err_set(err, ERR_NOT_FOUND, "device '%s' was not made yet", device->name);
	return err_hint(err, "hsmctl provision show tells how far it is");
}

/* ---- what the cluster says ---- */

static int check_state(const struct job *job, const struct json_tree *live, struct err *err)
{
	if (arm_state_is(arm_state(live), "Succeeded"))
		return 0;
	err_set(err, ERR_IN_USE, "cluster of device '%s' is in state %s", job->device->name, arm_state(live));
	return err_hint(err, "try again when 'hsmctl provision show' says that it is running");
}

/* The service opens the container with it. */
static int check_identity(const struct job *job, const struct json_tree *live, struct err *err)
{
	if (json_tree_count(json_tree_get(live, "identity.userAssignedIdentities")))
		return 0;
	err_set(err, ERR_INVALID, "device '%s' has no user-assigned identity, which a %s needs", job->device->name,
		job->doing);
	return err_hint(err,
			"assign one to the cluster that is Storage Blob Data Contributor of the container, and name it "
			"as \"identity\" in the document");
}

/* A restore damages a cluster that somebody has activated. Older answers spell "not known" in several ways. */
static int check_activation(const struct job *job, const struct json_tree *live, struct err *err)
{
	const char *state = json_tree_text(live, "properties.activationState");
	bool known = state && !arm_state_is(state, "null") && !arm_state_is(state, "NotDefined");

	if (!job->what->id || job->what->activated || (known && arm_state_is(state, "NotActivated")))
		return 0;
	if (!known) {
		err_set(err, ERR_DENIED, "Azure does not say yet whether the cluster of device '%s' is activated: "
					 "a restore into one that is damages it", job->device->name);
		return err_hint(err, "try again later; --activated restores all the same");
	}
	err_set(err, ERR_DENIED, "cluster of device '%s' is in activation state %s: a restore would damage it",
		job->device->name, state);
	return err_hint(err, "restore into a cluster that is not activated; --activated restores all the same");
}

static int check_cluster(const struct job *job, struct err *err)
{
	owned(json_tree) struct json_tree *live = NULL;
	const char *id = job->device->azure.id;
	int rc = arm_get(job->session->arm, id, azure_api(job->fleet, AZURE_CLOUD_HSM), &live, err);

	if (rc < 0)
		return err_wrap(err, "cannot look at device '%s'", job->device->name);
	if (rc == 0) {
		err_set(err, ERR_NOT_FOUND, "device '%s' is not in Azure any more", job->device->name);
		return err_hint(err, "hsmctl provision show");
	}
	rc = check_state(job, live, err);
	if (rc == 0)
		rc = check_identity(job, live, err);
	return rc < 0 ? rc : check_activation(job, live, err);
}

/* ---- the work ---- */

static void told(struct arm_watch *watch, const char *state, const char *message)
{
	const struct job *job = (const struct job *)(void *)((char *)watch - offsetof(struct job, watch));

	observer_step(job->call->observer, job->device->name, *message ? message : *state ? state : job->doing, 0, 0);
}

static int make_body(struct job *job, struct err *err)
{
	int rc;

	job->body = json_tree_object();
	rc = job->body ? json_tree_set_text(job->body, "azureStorageBlobContainerUri", job->what->container, err)
		       : err_no_memory(err);
	return rc < 0 ? rc : json_tree_set_text(job->body, "backupId", job->what->id, err);
}

/* A job may end badly with an answer that is fine. */
static int check_result(const struct json_tree *result, struct err *err)
{
	const char *state = json_tree_text(result, "properties.status");
	struct arm_failure failure;

	if (!state || arm_state_is(state, "Succeeded"))
		return 0;
	arm_failure_of(json_tree_get(result, "properties.error"), &failure);
	return err_set(err, ERR_FAILED, "it ended in state %s%s%s%s%s", state, *failure.code ? ": " : "", failure.code,
		       *failure.message ? ": " : "", failure.message);
}

static int begin(struct job *job, const char *action, struct arm_operation *ret, struct err *err)
{
	owned(mem) char *id = mem_printf("%s/%s", job->device->azure.id, action);
	const struct arm_request request = {
		.method = HTTP_POST, .id = id, .api_version = azure_api(job->fleet, AZURE_CLOUD_HSM),
		.body = job->body, .repeat = HTTP_ONCE,
	};

	return id ? arm_begin(job->session->arm, &request, 0, ret, NULL, err) : err_no_memory(err);
}

static int finish(struct job *job, struct arm_operation *operation, struct json_tree **ret, struct err *err)
{
	int rc = arm_wait(job->session->arm, operation, POLL, LIMIT, &job->watch, ret, err);

	return rc < 0 ? rc : check_result(*ret, err);
}

/* Whether the container can be opened, before anything depends on it. */
static int validate(struct job *job, struct err *err)
{
	owned(arm_operation) struct arm_operation operation = {0};
	owned(json_tree) struct json_tree *result = NULL;
	int rc;

	observer_step(job->call->observer, job->device->name, "asking whether the container can be used", 0, 0);
	rc = begin(job, job->what->id ? "validateRestoreProperties" : "validateBackupProperties", &operation, err);
	if (rc == 0)
		rc = finish(job, &operation, &result, err);
	if (rc < 0)
		return err_wrap(err, "%s of device '%s' is not possible", job->doing, job->device->name);
	return 0;
}

static int fill(const struct job *job, const struct json_tree *result, struct provider_backup_result *ret,
		struct err *err)
{
	const char *id = json_tree_text(result, "properties.backupId");
	const char *state = json_tree_text(result, "properties.status");
	int rc = fleet_set(&ret->id, id ? id : job->what->id, err);

	if (rc == 0)
		rc = fleet_set(&ret->state, state ? state : "Succeeded", err);
	if (rc == 0)
		rc = fleet_set(&ret->started, json_tree_text(result, "properties.startTime"), err);
	return rc < 0 ? rc : fleet_set(&ret->ended, json_tree_text(result, "properties.endTime"), err);
}

/* From the moment that the service may have begun, ret says that it has: the caller must be able to tell. */
static int mark(const struct job *job, struct provider_backup_result *ret, struct err *err)
{
	int rc = fleet_set(&ret->device, job->device->name, err);

	if (rc == 0)
		rc = fleet_set(&ret->container, job->what->container, err);
	if (rc == 0)
		rc = fleet_set(&ret->id, job->what->id, err);
	return rc < 0 ? rc : fleet_set(&ret->state, "InProgress", err);
}

/* A request that may have arrived is not sent again. */
static int not_begun(const struct job *job, struct provider_backup_result *ret, struct err *err)
{
	int rc = err_wrap(err, "cannot begin the %s of device '%s'", job->doing, job->device->name);

	if (!err || err->retry != ERR_RETRY_IDEMPOTENT)
		return rc;
	mark(job, ret, NULL);
	return err_hint(err,
			"it may have begun: look into the container, and at the cluster in Azure, before trying again");
}

/* The same command again would begin another one. */
static int not_seen(const struct job *job, struct err *err)
{
	int rc = err_wrap(err, "%s of device '%s'", job->doing, job->device->name);

	if (!err || err->retry != ERR_RETRY_IDEMPOTENT)
		return rc;
	return err_hint(err,
			"Azure goes on with it: look into the container, and at the cluster in Azure, before trying "
			"again");
}

static int run(struct job *job, struct provider_backup_result *ret, struct err *err)
{
	owned(arm_operation) struct arm_operation operation = {0};
	owned(json_tree) struct json_tree *result = NULL;
	int rc;

	observer_step(job->call->observer, job->device->name, job->doing, 0, 0);
	rc = begin(job, job->doing, &operation, err);
	if (rc < 0)
		return not_begun(job, ret, err);
	rc = mark(job, ret, err);
	if (rc == 0)
		rc = finish(job, &operation, &result, err);
	return rc < 0 ? not_seen(job, err) : fill(job, result, ret, err);
}

int azure_backup(const struct provider_call *call, const struct fleet *fleet, const struct fleet_device *device,
		 const struct provider_backup *what, struct provider_backup_result *ret, struct err *err)
{
	owned(azure_session) struct azure_session session = {0};
	struct job job = {
		.call = call, .session = &session, .fleet = fleet, .device = device, .what = what,
		.doing = what->id ? "restore" : "backup", .watch = {told},
	};
	int rc = check_kind(fleet, device, err);

	if (rc == 0)
		rc = check_container(fleet, what->container, err);
	if (rc == 0)
		rc = check_made(device, err);
	if (rc == 0)
		rc = azure_session_open(call, fleet, &session, err);
	if (rc == 0)
		rc = check_cluster(&job, err);
	if (rc == 0)
		rc = make_body(&job, err);
	if (rc == 0)
		rc = validate(&job, err);
	if (rc == 0)
		rc = run(&job, ret, err);
	json_tree_free(job.body);
	return rc;
}
