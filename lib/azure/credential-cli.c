/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: the person who has logged in with az, Azure's command line. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "azure/credential_private.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/secret.h"
#include "base/str.h"
#include "json/tree.h"

enum { OUTPUT_MAX = 1 << 20, PROFILE_MAX = 16 << 20 };

static bool in_path(const char *program)
{
	const char *path = getenv("PATH");

	for (size_t len; path; path = path[len] ? path + len + 1 : NULL) {
		char file[PATH_MAX];

		len = strcspn(path, ":");
		snprintf(file, sizeof(file), "%.*s/%s", (int)len, path, program);
		if (len && access(file, X_OK) == 0)
			return true;
	}
	return false;
}

/* Has somebody logged in? Where az is only installed, the managed identity is meant. 1, 0, ERR_NO_MEMORY. */
static int has_account(struct err *err)
{
	const char *folder = credential_environment("AZURE_CONFIG_DIR", NULL);
	const char *home = credential_environment("HOME", NULL);
	owned(mem) char *path = folder ? mem_printf("%s/azureProfile.json", folder)
				       : mem_printf("%s/.azure/azureProfile.json", home ? home : "");
	owned(buf) struct buf text = {.max = PROFILE_MAX};
	owned(json_tree) struct json_tree *tree = NULL;
	int rc = path ? file_read(path, &text, err) : err_no_memory(err);

	if (rc == 0)
		rc = json_tree_parse((const char *)text.data, text.len, path, &tree, err);
	if (rc == -ERR_NO_MEMORY)
		return rc;
	/* What cannot be read is nobody's login. */
	return rc == 0 && json_tree_count(json_tree_get(tree, "subscriptions")) > 0;
}

/* They become arguments; a leading dash would make an option of them. */
static int check_value(const char *name, const char *value, struct err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._ ()";

	if (!value || (*value && *value != '-' && strspn(value, allowed) == strlen(value)))
		return 0;
	return err_set(err, ERR_INVALID, "'%s' is no %s", value, name);
}

static int find(struct azure_credential *c, bool asked, struct err *err)
{
	int rc = 1;

	if (!asked && (credential_environment_is("ARM_USE_MSI") || !in_path("az")))
		return 0;
	if (!asked)
		rc = has_account(err);
	if (rc <= 0)
		return rc;
	if (!in_path("az")) {
		err_set(err, ERR_MISSING, "no program 'az'");
		return err_hint(err, "install azure-cli, or choose another credential");
	}
	/* The environment's tenant belongs to other sources: az refuses one for some of its accounts. */
	if (!c->given.tenant)
		c->tenant = NULL;
	rc = check_value("tenant", c->tenant, err);
	if (rc == 0)
		rc = check_value("subscription", c->given.subscription, err);
	return rc < 0 ? rc : credential_about(c, err, "account of az");
}

static int explain(const struct azure_credential *c, int status, struct buf *errors, struct err *err)
{
	const char *text = buf_text(errors);

	if (strstr(text, "az login")) {
		err_set(err, ERR_DENIED, "az is not logged in, or its login has ended");
		return err_hint(err, "az login%s%s", c->tenant ? " --tenant " : "", c->tenant ? c->tenant : "");
	}
	if (str_starts(text, "ERROR: "))
		text += 7;
	return err_set(err, strstr(text, "AADSTS") ? ERR_DENIED : ERR_FAILED, "az ended with status %d: %.*s", status,
		       (int)strcspn(text, "\r\n"), text);
}

static int read_token(struct buf *out, struct azure_token *ret, struct err *err)
{
	owned(json_tree) struct json_tree *tree = NULL;
	owned(secret) struct secret *secret = NULL;
	int rc = buf_check(out, err);

	if (rc == 0)
		rc = azure_secret_parse(out, "accessToken", "az", &secret, &tree, err);
	if (rc < 0)
		return rc;
	if (!secret || !secret->len)
		return err_set(err, ERR_PROTOCOL, "az answered without a token");
	*ret = (struct azure_token){.secret = own_take(secret), .ends_ms = azure_token_ends(tree)};
	return 0;
}

static int fetch(const struct azure_credential *c, struct azure_token *ret, struct err *err)
{
	owned(mem) char *scope = mem_printf("%s/.default", c->cloud->audience);
	owned(buf) struct buf out = {.max = OUTPUT_MAX, .wipe = true}, errors = {.max = OUTPUT_MAX, .wipe = true};
	const char *argv[12] = {"az", "account", "get-access-token", "--output", "json", "--scope", scope};
	size_t n = 7;
	int rc;

	if (!scope)
		return err_no_memory(err);
	/* az takes one of them: a subscription has a tenant. */
	if (c->tenant) {
		argv[n++] = "--tenant";
		argv[n++] = c->tenant;
	} else if (c->given.subscription) {
		argv[n++] = "--subscription";
		argv[n++] = c->given.subscription;
	}
	rc = proc_run(argv, NULL, &out, &errors, err);
	if (rc > 0)
		return explain(c, rc, &errors, err);
	return rc < 0 ? rc : read_token(&out, ret, err);
}

const struct credential_source credential_cli = {
	.source = AZURE_CLI, .wants = "an account of az", .find = find, .fetch = fetch,
};
