/* SPDX-License-Identifier: Apache-2.0 */
/* Failures as errors of ours: tables of statuses and of the codes that a hint helps with. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "azure/arm_private.h"
#include "base/err.h"

/* The first row that fits; text stands in for a reason where none is given. */
static const struct status {
	unsigned first, last;
	enum err_code code;
	enum err_retry retry;
	const char *text;
} statuses[] = {
	{0, 0, ERR_FAILED, ERR_RETRY_NEVER, "it failed, and no reason is given"},
	{400, 400, ERR_INVALID, ERR_RETRY_NEVER, "refused as not valid"},
	{401, 401, ERR_DENIED, ERR_RETRY_NEVER, "the token was refused"},
	{403, 403, ERR_DENIED, ERR_RETRY_NEVER, "not allowed"},
	{404, 404, ERR_NOT_FOUND, ERR_RETRY_NEVER, "not found"},
	{408, 408, ERR_UNREACHABLE, ERR_RETRY_IDEMPOTENT, "it took too long"},
	{409, 409, ERR_IN_USE, ERR_RETRY_NEVER, "it conflicts with what is there"},
	{429, 429, ERR_UNREACHABLE, ERR_RETRY_SAFE, "too many requests"},
	{500, 599, ERR_UNREACHABLE, ERR_RETRY_IDEMPOTENT, "the service failed"},
	{1, 999, ERR_FAILED, ERR_RETRY_NEVER, "an answer that was not expected"},
	{0, ~0U, ERR_PROTOCOL, ERR_RETRY_NEVER, "no status of HTTP"},
};

/*
 * code: the failure's own, or one that its message names; text: in the message. as: a better
 * code than that of the status, ERR_OK = none. Hints say what to do, or are NULL.
 */
static const struct known {
	const char *code, *text;
	enum err_code as;
	const char *hint;
} knowns[] = {
	{"AuthorizationFailed", NULL, ERR_OK,
	 "give this identity a role at that scope; a new role assignment takes some minutes to take effect"},
	{"LinkedAuthorizationFailed", NULL, ERR_OK, "this identity also needs a role on the resource that is named"},
	{"RequestDisallowedByPolicy", NULL, ERR_OK,
	 "a policy forbids it; subnets of dedicated HSMs and gateways take no network security group, so a policy that "
	 "demands one needs an exemption for them"},
	{"ScopeLocked", NULL, ERR_OK, "somebody has locked it against changes: that lock has to go first"},
	{"InvalidAuthenticationTokenTenant", NULL, ERR_OK,
	 "the subscription belongs to another tenant: set AZURE_TENANT_ID to that"},
	{"MissingSubscriptionRegistration", NULL, ERR_DENIED,
	 "register it: az provider register --namespace NAMESPACE; that takes some minutes"},
	{"SubscriptionNotRegisteredForFeature", NULL, ERR_DENIED,
	 "dedicated HSMs need features that Microsoft approves for each subscription; Cloud HSM needs none"},
	{"SubscriptionNotFound", NULL, ERR_OK,
	 "check the id of the subscription, the tenant, the cloud, and that this identity has a role in it"},
	{"InvalidSubscriptionId", NULL, ERR_OK, "check the id of the subscription"},
	{"InvalidResourceType", NULL, ERR_UNSUPPORTED,
	 "try another api version: dedicated_hsm_api, cloud_hsm_api, network_api of the document"},
	{"NoRegisteredProviderFound", NULL, ERR_UNSUPPORTED,
	 "try another api version: dedicated_hsm_api, cloud_hsm_api, network_api of the document"},
	{"InvalidApiVersionParameter", NULL, ERR_UNSUPPORTED,
	 "try another api version: dedicated_hsm_api, cloud_hsm_api, network_api of the document"},
	{"LocationNotAvailableForResourceType", NULL, ERR_UNSUPPORTED,
	 "choose another region; the message or the portal says where there are any"},
	{"RequestDisallowedByAzure", NULL, ERR_OK, "this subscription may not use that region: choose another"},
	{"QuotaExceeded", NULL, ERR_FAILED,
	 "Microsoft raises quotas on request; for dedicated HSMs it is two for each stamp, four for each region"},
	{NULL, "device quota", ERR_FAILED,
	 "Microsoft raises quotas on request; for dedicated HSMs it is two for each stamp, four for each region"},
	{"PublicIPCountLimitReached", NULL, ERR_FAILED, "Microsoft raises quotas on request"},
	{"SkuNotAvailable", NULL, ERR_FAILED, "choose another region, stamp or zone"},
	{"AllocationFailed", NULL, ERR_FAILED, "no room is left there: choose another region, stamp or zone"},
	{"ZonalAllocationFailed", NULL, ERR_FAILED, "no room is left there: choose another zone or region"},
	{"InUseSubnetCannotBeDeleted", NULL, ERR_IN_USE, "what stands in the subnet goes first, then its delegation"},
	{"PublicIPAddressCannotBeDeleted", NULL, ERR_IN_USE, "the gateway that uses the address goes first"},
	{"NicInUse", NULL, ERR_IN_USE, NULL},
	{"InUsePrefixCannotBeDeleted", NULL, ERR_IN_USE, NULL},
	{"AnotherOperationInProgress", NULL, ERR_OK,
	 "a virtual network takes one change at a time: run the command again"},
	{"ReferencedResourceNotProvisioned", NULL, ERR_OK, "run the command again once that resource is ready"},
	{"ResourceGroupBeingDeleted", NULL, ERR_OK, "wait until the group is gone, then run the command again"},
	{NULL, "dont enter stampId", ERR_UNSUPPORTED,
	 "dedicated HSMs of this region stand in zones: give the device a zone in place of a stamp"},
	{NULL, "delete is only allowed if ProvisioningState", ERR_IN_USE,
	 "it is in the middle of something: run the command again once that has ended"},
};

static const struct status *find_status(unsigned status)
{
	const struct status *row = statuses;

	while (status < row->first || status > row->last)
		row++;
	return row;
}

/* The outer code is often a general one, and what matters stands inside. */
static const struct known *find_known(const struct arm_failure *failure)
{
	const size_t n = sizeof(knowns) / sizeof(knowns[0]);

	for (size_t i = 0; i < n; i++)
		if (knowns[i].code && strcasecmp(failure->code, knowns[i].code) == 0)
			return &knowns[i];
	for (size_t i = 0; i < n; i++)
		if (strstr(failure->message, knowns[i].code ? knowns[i].code : knowns[i].text))
			return &knowns[i];
	return NULL;
}

/* "(409, request 1234)" */
static void origin(const struct arm_failure *failure, const char *request_id, char *ret, size_t size)
{
	bool id = request_id && *request_id;

	if (failure->status && id)
		snprintf(ret, size, " (%u, request %.40s)", failure->status, request_id);
	else if (failure->status)
		snprintf(ret, size, " (%u)", failure->status);
	else if (id)
		snprintf(ret, size, " (request %.40s)", request_id);
}

int arm_failure_set(const struct arm_failure *failure, const char *what, const char *request_id,
		    struct err *err)
{
	const struct status *status = find_status(failure->status);
	const struct known *known = find_known(failure);
	/* What was begun and then failed has failed, whatever the reason. */
	enum err_code code = known && known->as != ERR_OK && failure->status ? known->as : status->code;
	const char *reason = *failure->message ? failure->message : status->text;
	char where[80] = "";
	int room;

	origin(failure, request_id, where, sizeof(where));
	/* Whatever is cut, the request can be told to Microsoft. */
	room = (int)(sizeof(err->message) - strnlen(what, ARM_WHAT) - strlen(failure->code) - sizeof(where));
	err_set(err, code, "%.*s: %s%s%.*s%s", ARM_WHAT - 1, what, failure->code, *failure->code ? ": " : "", room,
		reason, where);
	if (err)
		err->retry = status->retry;
	return known && known->hint ? err_hint(err, "%s", known->hint) : -(int)code;
}
