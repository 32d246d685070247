/* SPDX-License-Identifier: Apache-2.0 */
/* Resource Manager of one cloud: an identity, an HTTP client, and who we say we are. */
#include "azure/arm.h"

#include <stdlib.h>
#include <sys/utsname.h>

#include "azure/arm_private.h"
#include "base/err.h"
#include "base/mem.h"

enum { AGENT_MAX = 512, APPENDIX_MAX = 256 };

/* What other tools append by convention; a header takes printable ASCII only. */
static void append_environment(struct buf *agent)
{
	const char *more = secure_getenv("AZURE_HTTP_USER_AGENT");

	if (!more || !*more)
		return;
	buf_put_u8(agent, ' ');
	for (size_t i = 0; more[i] && i < APPENDIX_MAX; i++)
		buf_put_u8(agent, more[i] >= ' ' && more[i] <= '~' ? (uint8_t)more[i] : '?');
}

static int open_http(struct arm *arm, struct err *err)
{
	owned(buf) struct buf agent = {.max = AGENT_MAX};
	struct utsname host = {0};
	int rc;

	uname(&host);
	buf_printf(&agent, "hsmctl/%s (%.30s %.60s %.30s)", HSMCTL_VERSION, host.sysname, host.release, host.machine);
	append_environment(&agent);
	rc = buf_check(&agent, err);
	if (rc < 0)
		return rc;
	const struct http_settings settings = {
		.user_agent = buf_text(&agent),
		.ca_file = secure_getenv("SSL_CERT_FILE"),
		.allow_loopback = arm->cloud.loopback,
		.pause_scale = arm->cloud.pause_scale,
	};
	return http_new(&settings, &arm->http, err);
}

int arm_open(int cloud, const struct azure_access *access, struct arm **ret, struct err *err)
{
	owned(arm) struct arm *arm = mem_new(struct arm);
	int rc = arm ? azure_cloud_init(cloud, &arm->cloud, err) : err_no_memory(err);

	if (rc == 0)
		rc = crypto_uuid(arm->correlation, err);
	if (rc == 0)
		rc = open_http(arm, err);
	if (rc == 0)
		rc = azure_credential_find(access, &arm->cloud, arm->http, &arm->credential, err);
	if (rc < 0)
		return rc;
	*ret = own_take(arm);
	return 0;
}

void arm_free(struct arm *arm)
{
	if (!arm)
		return;
	azure_credential_free(arm->credential);
	http_free(arm->http);
	azure_cloud_release(&arm->cloud);
	free(arm);
}

const char *arm_endpoint(const struct arm *arm)
{
	return arm->cloud.arm;
}

const char *arm_about(const struct arm *arm)
{
	return azure_credential_about(arm->credential);
}

int arm_pause(struct arm *arm, double seconds, struct err *err)
{
	return http_pause(arm->http, seconds, err);
}
