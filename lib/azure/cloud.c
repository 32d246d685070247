/* SPDX-License-Identifier: Apache-2.0 */
/* The national clouds: one row each, and what the environment puts in their place. */
#include "azure/cloud.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "http/url.h"

/* In the order of the enum; the names are those of Terraform and of az. */
static const struct row {
	const char *terraform, *az;
	const char *authority, *arm, *audience;
} rows[] = {
	[FLEET_AZURE_PUBLIC] = {"public", "AzureCloud", "https://login.microsoftonline.com",
			  "https://management.azure.com", "https://management.azure.com"},
	[FLEET_AZURE_USGOV] = {"usgovernment", "AzureUSGovernment", "https://login.microsoftonline.us",
			 "https://management.usgovcloudapi.net", "https://management.usgovcloudapi.net"},
	[FLEET_AZURE_CHINA] = {"china", "AzureChinaCloud", "https://login.chinacloudapi.cn",
			 "https://management.chinacloudapi.cn", "https://management.chinacloudapi.cn"},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

void azure_cloud_release(struct azure_cloud *cloud)
{
	free(cloud->authority);
	free(cloud->arm);
	free(cloud->audience);
	*cloud = (struct azure_cloud){0};
}

/* NULL also for a variable that is set to nothing. */
static const char *environment(const char *name)
{
	const char *value = secure_getenv(name);

	return value && *value ? value : NULL;
}

static int named(const char *variable, const char *value, struct err *err)
{
	for (int i = 0; i < ROWS; i++)
		if (str_eq(value, rows[i].terraform) || str_eq(value, rows[i].az) ||
		    str_eq(value, fleet_azure_cloud_names[i]))
			return i;
	err_set(err, ERR_INVALID, "%s names a cloud that is not known: '%s'", variable, value);
	return err_hint(err, "%s for the public cloud, %s or %s", rows[FLEET_AZURE_PUBLIC].terraform,
			rows[FLEET_AZURE_USGOV].terraform, rows[FLEET_AZURE_CHINA].terraform);
}

static int choose(struct err *err)
{
	static const char *const variables[] = {"ARM_ENVIRONMENT", "AZURE_CLOUD", NULL};

	for (int i = 0; variables[i]; i++)
		if (environment(variables[i]))
			return named(variables[i], environment(variables[i]), err);
	return FLEET_AZURE_PUBLIC;
}

/* Tokens and secrets go there, so it is https, or a stand-in on this host. */
static int check(const char *name, const char *text, bool loopback, struct err *err)
{
	struct url url;
	int rc = url_split(text, &url, err);

	if (rc < 0)
		return err_wrap(err, "%s", name);
	if (url.query || strchr(text, '#'))
		return err_set(err, ERR_INVALID, "%s has a query or a fragment: '%s'", name, text);
	if (url_is_https(&url))
		return 0;
	if (loopback && url_is_loopback(&url) && url.scheme_len == 4 && str_starts(url.scheme, "http"))
		return 0;
	return err_set(err, ERR_DENIED, "%s is not https: '%s'", name, text);
}

/* The variable's URL, else the cloud's. A bare host name, which some SDKs take, means https. */
static int endpoint(const char *variable, const char *otherwise, bool loopback, char **ret, struct err *err)
{
	const char *value = environment(variable);
	owned(mem) char *text = mem_printf("%s%s", value && !strstr(value, "://") ? "https://" : "",
					   value ? value : otherwise);
	size_t len;
	int rc;

	if (!text)
		return err_no_memory(err);
	for (len = strlen(text); len && text[len - 1] == '/'; len--)
		text[len - 1] = 0;
	rc = value ? check(variable, text, loopback, err) : 0;
	if (rc < 0)
		return rc;
	*ret = own_take(text);
	return 0;
}

static int pause_scale(bool loopback, double *ret, struct err *err)
{
	const char *value = environment("HSMCTL_PAUSE_SCALE");
	char *end;
	double scale;

	*ret = 1;
	if (!value || !loopback)
		return 0;
	scale = strtod(value, &end);
	if (*end || !(scale > 0 && scale <= 1000))
		return err_set(err, ERR_INVALID, "HSMCTL_PAUSE_SCALE is no number above 0: '%s'", value);
	*ret = scale;
	return 0;
}

int azure_cloud_init(int name, struct azure_cloud *ret, struct err *err)
{
	bool loopback = str_eq(environment("HSMCTL_INSECURE_LOOPBACK"), "1");
	owned(azure_cloud) struct azure_cloud cloud = {.loopback = loopback};
	int rc = name < 0 ? choose(err) : name;
	const struct row *row;

	if (rc < 0)
		return rc;
	if (rc >= ROWS)
		return err_set(err, ERR_INVALID, "no cloud %d", rc);
	row = &rows[rc];
	cloud.audience = mem_strdup(row->audience);
	if (!cloud.audience)
		return err_no_memory(err);
	rc = endpoint("AZURE_AUTHORITY_HOST", row->authority, loopback, &cloud.authority, err);
	if (rc == 0)
		rc = endpoint("HSMCTL_ARM_ENDPOINT", row->arm, loopback, &cloud.arm, err);
	if (rc == 0)
		rc = pause_scale(loopback, &cloud.pause_scale, err);
	if (rc < 0)
		return rc;
	*ret = cloud;
	cloud = (struct azure_cloud){0};
	return 0;
}
