/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloud - the national clouds of Azure and where their services are.
 */
#ifndef AZURE_CLOUD_H
#define AZURE_CLOUD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/own.h"

struct err;
struct http;

/* URLs without a slash at the end; all owned. */
struct azure_cloud {
	char *authority;	/* https://login.microsoftonline.com */
	char *arm;		/* https://management.azure.com */
	char *audience;		/* what tokens are for: https://management.azure.com */
	bool loopback;		/* a stand-in on this host: HSMCTL_INSECURE_LOOPBACK=1 */
	double pause_scale;	/* of a stand-in: HSMCTL_PAUSE_SCALE; else 1 */
};
void azure_cloud_release(struct azure_cloud *cloud);
OWN_DEFINE_RELEASE(azure_cloud)

/*
 * The endpoints of a cloud (enum fleet_azure_cloud). AZURE_AUTHORITY_HOST and HSMCTL_ARM_ENDPOINT put others in
 * their place (the audience stays the cloud's; a bare host name means https); ARM_ENVIRONMENT (public, usgovernment,
 * china) and AZURE_CLOUD (AzureCloud …) are honoured where name is negative. Plain
 * http is ERR_DENIED unless it goes to loopback and HSMCTL_INSECURE_LOOPBACK is 1.
 */
int azure_cloud_init(int name, struct azure_cloud *ret, struct err *err);

#endif
