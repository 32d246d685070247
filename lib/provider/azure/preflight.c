/* SPDX-License-Identifier: Apache-2.0 */
/* What the document alone tells to be wrong. */
#include "provider/azure/preflight.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/azure/preflight_private.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

enum {
	GROUP_MAX = 90,
	TAGS_MAX = 50,
	ZONE_TAGS_MAX = 15,	/* private DNS zones carry fewer */
	TAG_NAME_MAX = 512,
	TAG_VALUE_MAX = 256,
	ID_PARTS = 16,
	SKU_MAX = 80,
	UUID = 36,
};

void preflight_tell(struct preflight *p, const char *noun, const char *name, const struct err *found)
{
	owned(mem) char *subject = name ? mem_printf("%s %s", noun, name) : mem_strdup(noun);

	if (p->rc < 0)
		return;
	p->rc = subject ? provider_plan_problem(p->plan, subject, found, p->err) : err_no_memory(p->err);
}

void preflight_tell_of(struct preflight *p, const struct azure_node *node, const struct err *found)
{
	const struct fleet_device *device = node->device ? node->device : node->serves;

	if (device)
		preflight_tell(p, "device", device->name, found);
	else if (node->region)
		preflight_tell(p, "region", node->region->name, found);
	else
		preflight_tell(p, "azure", NULL, found);
}

/* ---- ids ---- */

bool preflight_is_id(const char *text)
{
	return text && *text == '/';
}

static bool is_uuid(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	return len == UUID;
}

struct part {
	const char *text;
	size_t len;
};

/* The parts between slashes; 0 when there are too many or one is empty. */
static size_t split(const char *text, struct part ret[static ID_PARTS])
{
	size_t n = 0;

	for (;;) {
		size_t len = strcspn(text, "/");

		if (!len || n == ID_PARTS)
			return 0;
		ret[n++] = (struct part){text, len};
		if (!text[len])
			return n;
		text += len + 1;
	}
}

static bool same_part(const struct part *a, const struct part *b)
{
	return a->len == b->len && strncasecmp(a->text, b->text, a->len) == 0;
}

/* Names go into URLs as they are. */
static bool is_plain(const struct part *part)
{
	return strspn(part->text, LETTERS DIGITS "-_.()") >= part->len;
}

/* A pattern's parts that are "*" take any name. */
static bool fits(const char *id, const char *pattern)
{
	static const struct part any = {"*", 1};
	struct part have[ID_PARTS], want[ID_PARTS];
	size_t n = split(id + 1, have), m = split(pattern, want);

	if (!n || n != m || !is_uuid(have[1].text, have[1].len))
		return false;
	for (size_t i = 0; i < n; i++)
		if (same_part(&want[i], &any) ? !is_plain(&have[i]) : !same_part(&have[i], &want[i]))
			return false;
	return true;
}

/* "subscriptions/X/resourceGroups/X/providers/NAMESPACE/TYPE/X/CHILD/X" */
static char *pattern_of(const char *type, const char *any)
{
	const char *rest = strchr(type, '/') + 1, *child = strchr(rest, '/');
	int len = child ? (int)(child - type) : (int)strlen(type);

	return mem_printf("subscriptions/%s/resourceGroups/%s/providers/%.*s/%s%s%s%s", any, any, len, type, any,
			  child ? child : "", child ? "/" : "", child ? any : "");
}

bool preflight_check_id(struct preflight *p, const char *noun, const char *name, const char *field, const char *id,
			const char *type)
{
	owned(mem) char *pattern = pattern_of(type, "*"), *shown = pattern_of(type, "…");
	struct err found = {0};

	if (!id || p->rc < 0)
		return true;
	if (!pattern || !shown)
		p->rc = err_no_memory(p->err);
	else if (!preflight_is_id(id) || !fits(id, pattern)) {
		err_set(&found, ERR_INVALID, "'%s' is no id of a resource of type %s: '%.200s'", field, type, id);
		err_hint(&found, "write \"%s\": \"/%s\"", field, shown);
		preflight_tell(p, noun, name, &found);
		return false;
	}
	return true;
}

/* ---- where all of it is ---- */

static void check_uuid(struct preflight *p, const char *field, const char *value)
{
	struct err found = {0};

	if (!value || is_uuid(value, strlen(value)))
		return;
	err_set(&found, ERR_INVALID, "'%s' is no id: '%.80s'", field, value);
	err_hint(&found, "write its UUID, as 'az account show' says it: 01234567-89ab-cdef-0123-456789abcdef");
	preflight_tell(p, "azure", NULL, &found);
}

static void check_subscription(struct preflight *p)
{
	struct err found = {0};

	check_uuid(p, "subscription", p->fleet->azure.subscription);
	check_uuid(p, "tenant", p->fleet->azure.tenant);
	if (p->fleet->azure.subscription)
		return;
	err_set(&found, ERR_INVALID, "no subscription is named");
	err_hint(&found, "write \"subscription\" into the document's azure section, or use --subscription or "
			 "AZURE_SUBSCRIPTION_ID");
	preflight_tell(p, "azure", NULL, &found);
}

static void check_group(struct preflight *p)
{
	const char *name = azure_group_name(p->fleet);
	size_t len = strlen(name);
	struct err found = {0};

	if (len && len <= GROUP_MAX && strspn(name, LETTERS DIGITS "-_.()") == len && name[len - 1] != '.')
		return;
	err_set(&found, ERR_INVALID, "'%.100s' is no name for a resource group", name);
	err_hint(&found, "write \"resource_group\" with 1 to %d letters, digits and any of - _ . ( ), not ending with "
			 "a full stop", GROUP_MAX);
	preflight_tell(p, "azure", NULL, &found);
}

void preflight_check_location(struct preflight *p, const char *noun, const char *name, const char *location)
{
	char plain[40];
	struct err found = {0};
	size_t n = 0;

	if (!location || (*location && strspn(location, LETTERS DIGITS) == strlen(location)))
		return;
	for (const char *c = location; *c && n < sizeof(plain) - 1; c++)
		if (isalnum((unsigned char)*c))
			plain[n++] = (char)tolower((unsigned char)*c);
	plain[n] = 0;
	err_set(&found, ERR_INVALID, "'%.80s' is no name of a location: it has letters and digits only", location);
	err_hint(&found, "write \"location\": \"%s\"; 'az account list-locations' names them all",
		 n ? plain : "westus");
	preflight_tell(p, noun, name, &found);
}

/* YYYY-MM-DD, with -preview or another word behind it: it becomes part of URLs. */
static bool is_api_version(const char *text)
{
	static const char shape[] = "dddd-dd-dd";
	size_t i = 0;

	for (; shape[i]; i++)
		if (shape[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != shape[i])
			return false;
	return !text[i] || (text[i] == '-' && text[i + 1] && strspn(text + i, LETTERS DIGITS "-") == strlen(text + i));
}

static void check_api(struct preflight *p, const char *field, const char *version, const char *usual)
{
	struct err found = {0};

	if (!version || is_api_version(version))
		return;
	err_set(&found, ERR_INVALID, "'%s' is no api-version: '%.80s'", field, version);
	err_hint(&found, "write a date, as in \"%s\": \"%s\", or leave it out", field, usual);
	preflight_tell(p, "azure", NULL, &found);
}

static void check_home(struct preflight *p)
{
	const struct fleet_azure *azure = &p->fleet->azure;

	check_subscription(p);
	check_group(p);
	preflight_check_location(p, "azure", NULL, azure->location);
	check_api(p, "dedicated_hsm_api", azure->dedicated_hsm_api, "2021-11-30");
	check_api(p, "cloud_hsm_api", azure->cloud_hsm_api, "2025-03-31");
	check_api(p, "network_api", azure->network_api, "2024-01-01");
}

/* ---- tags ---- */

bool preflight_makes_endpoints(const struct fleet *fleet, const char *region)
{
	for (size_t i = 0; i < fleet->n_devices; i++) {
		const struct fleet_device *device = &fleet->devices[i];
		const struct fleet_datacenter *datacenter = fleet_datacenter(fleet, device->datacenter);

		if (azure_is_cloud(fleet, device) && !device->azure.endpoint &&
		    (!region || str_eq(datacenter->region, region)))
			return true;
	}
	return false;
}

static void tag_problem(struct preflight *p, const char *name, const char *what, const char *hint)
{
	struct err found = {0};

	err_set(&found, ERR_INVALID, "tag '%.80s' %s", name, what);
	err_hint(&found, "%s", hint);
	preflight_tell(p, "azure", NULL, &found);
}

static bool is_reserved(const char *name)
{
	static const char *const prefixes[] = {"microsoft", "azure", "windows", "hsmctl-", NULL};

	for (size_t i = 0; prefixes[i]; i++)
		if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void check_tag_name(struct preflight *p, const char *name, bool zones)
{
	if (!*name || characters(name) > TAG_NAME_MAX)
		tag_problem(p, name, "has a name that Azure does not take", "write 1 to 512 characters");
	else if (strpbrk(name, "<>%&\\?/"))
		tag_problem(p, name, "has a name that Azure does not take", "leave out < > % & \\ ? /");
	else if (strchr(name, ','))
		tag_problem(p, name, "has a comma in its name, which hsmctl needs to list names",
			    "write a hyphen instead");
	else if (is_reserved(name))
		tag_problem(p, name, "has a name that is reserved",
			    "choose one that does not begin with microsoft, azure, windows or hsmctl-");
	else if (zones && (strspn(name, LETTERS DIGITS "-_.") != strlen(name) || !strchr(LETTERS, *name)))
		tag_problem(p, name, "has a name that private DNS zones do not take",
			    "begin with a letter, and use letters, digits and - _ . only");
}

static void check_tag(struct preflight *p, size_t i, bool zones)
{
	const struct json_pair *tags = p->fleet->azure.tags;

	check_tag_name(p, tags[i].name, zones);
	if (tags[i].value && characters(tags[i].value) > TAG_VALUE_MAX)
		tag_problem(p, tags[i].name, "has a value of more than 256 characters", "shorten it");
	if (tags[i].value && strstr(tags[i].value, azure_key_marker))
		tag_problem(p, tags[i].name, "has a value that stands for the key of connections", "choose another one");
	for (size_t j = 0; j < i; j++)
		if (strcasecmp(tags[i].name, tags[j].name) == 0) {
			tag_problem(p, tags[i].name, "is there twice, since Azure does not tell capitals from others",
				    "leave one of them out");
			return;
		}
}

static void check_tags(struct preflight *p)
{
	const struct fleet_azure *azure = &p->fleet->azure;
	bool zones = preflight_makes_endpoints(p->fleet, NULL);
	size_t most = (zones ? ZONE_TAGS_MAX : TAGS_MAX) - 2, names = 0;
	struct err found = {0};

	for (size_t i = 0; i < azure->n_tags; i++) {
		check_tag(p, i, zones);
		names += characters(azure->tags[i].name) + (i > 0);
	}
	if (azure->n_tags > most) {
		err_set(&found, ERR_INVALID, "%zu tags are too many", azure->n_tags);
		err_hint(&found, "%s up to %d, and hsmctl needs two of them: leave %zu out",
			 zones ? "private DNS zones carry" : "Azure takes", zones ? ZONE_TAGS_MAX : TAGS_MAX,
			 azure->n_tags - most);
		preflight_tell(p, "azure", NULL, &found);
	} else if (names > TAG_VALUE_MAX) {
		err_set(&found, ERR_INVALID, "the names of all tags have %zu characters together", names);
		err_hint(&found, "hsmctl lists them in the tag %s, which holds %d: use shorter names", azure_names_tag,
			 TAG_VALUE_MAX);
		preflight_tell(p, "azure", NULL, &found);
	}
}

/* ---- names of resources ---- */

static const char network_rule[] =
	"letters, digits and - _ . that begin with a letter or digit and end with one or _";
static const char hsm_rule[] =
	"letters, digits and single hyphens that begin with a letter and end with a letter or digit";

struct naming {
	size_t min, max;
	bool hsm;
};

static struct naming naming_of(enum azure_kind_name kind)
{
	switch (kind) {
	case AZURE_DEDICATED_HSM:
		return (struct naming){3, 24, true};
	case AZURE_CLOUD_HSM:
		return (struct naming){3, 23, true};
	case AZURE_NETWORK:
	case AZURE_PRIVATE_ENDPOINT:
		return (struct naming){2, 64, false};
	default:
		return (struct naming){1, 80, false};
	}
}

static bool is_name(const char *name, const struct naming *naming)
{
	const char *set = naming->hsm ? LETTERS DIGITS "-" : LETTERS DIGITS "-_.";
	const char *first = naming->hsm ? LETTERS : LETTERS DIGITS;
	const char *last = naming->hsm ? LETTERS DIGITS : LETTERS DIGITS "_";
	size_t len = strlen(name);

	return len >= naming->min && len <= naming->max && strspn(name, set) == len && strchr(first, *name) &&
	       strchr(last, name[len - 1]) && !(naming->hsm && strstr(name, "--"));
}

static void hint_name(const struct azure_node *node, struct err *found)
{
	if (node->device || node->serves)
		err_hint(found, "write \"azure\": {\"name\": …} into the device, with a name that Azure takes");
	else if (node->kind == AZURE_NETWORK)
		err_hint(found, "write \"network\" into the region, with a name that Azure takes");
	else
		err_hint(found, "it is made of the names of the fleet and its regions: give them shorter and plainer "
				"ones");
}

static void check_name(struct preflight *p, const struct azure_node *node)
{
	struct naming naming = naming_of(node->kind);
	const char *slash = strrchr(node->name, '/'), *name = node->name;
	struct err found = {0};

	/* A name of the user's may hold slashes, where there should be none. */
	if (strchr(strchr(azure_kinds[node->kind].type, '/') + 1, '/') && slash)
		name = slash + 1;
	if (is_name(name, &naming))
		return;
	err_set(&found, ERR_INVALID, "'%.100s' is no name for a %s, which has %zu to %zu %s", name,
		azure_kinds[node->kind].noun, naming.min, naming.max, naming.hsm ? hsm_rule : network_rule);
	hint_name(node, &found);
	preflight_tell_of(p, node, &found);
}

static void check_twice(struct preflight *p, const struct azure_layout *layout, size_t i)
{
	const struct azure_node *node = &layout->nodes[i];
	int first = azure_layout_find(layout, node->id);
	const struct azure_node *other = &layout->nodes[first];
	const struct fleet_device *device = other->device ? other->device : other->serves;
	struct err found = {0};

	bool shared = node->external && (node->kind == AZURE_NETWORK || node->kind == AZURE_GATEWAY);

	/* Subnets of a network that is there twice are told with it; what exists may serve several regions. */
	if ((size_t)first == i || shared || (node->kind == AZURE_SUBNET && !node->external))
		return;
	if (device)
		err_set(&found, ERR_INVALID, "%s is also that of device '%s'", node->label, device->name);
	else if (other->region)
		err_set(&found, ERR_INVALID, "%s is also that of region '%s'", node->label, other->region->name);
	else
		err_set(&found, ERR_INVALID, "%s is there twice", node->label);
	if (node->external)
		err_hint(&found, "name one that serves nothing else");
	else
		hint_name(node, &found);
	preflight_tell_of(p, node, &found);
}

static void check_names(struct preflight *p)
{
	owned(azure_layout) struct azure_layout layout = {0};

	if (p->rc == 0)
		p->rc = azure_layout_make(p->fleet, &layout, p->err);
	for (size_t i = 0; p->rc == 0 && i < layout.n_nodes; i++) {
		const struct azure_node *node = &layout.nodes[i];
		/* Azure took the name of what exists. */
		bool exists = node->device && node->device->azure.id;

		if (!node->external && !exists && node->kind != AZURE_GROUP)
			check_name(p, node);
		check_twice(p, &layout, i);
	}
}

/* ---- devices and where they stand ---- */

bool preflight_check_sku(struct preflight *p, const char *noun, const char *name, const char *field, const char *sku)
{
	size_t len = sku ? strlen(sku) : 0;
	struct err found = {0};

	if (!sku || (len && len <= SKU_MAX && strspn(sku, LETTERS DIGITS "-_. ") == len && *sku != ' ' &&
		     sku[len - 1] != ' '))
		return true;
	err_set(&found, ERR_INVALID, "'%s' is no name of a SKU: '%.80s'", field, sku);
	err_hint(&found, "leave it out for the usual one");
	preflight_tell(p, noun, name, &found);
	return false;
}

static void check_sku(struct preflight *p, const struct fleet_device *device)
{
	struct err found = {0};

	if (!preflight_check_sku(p, "device", device->name, "sku", device->azure.sku) || !device->azure.sku || strncasecmp(device->azure.sku, "payShield", 9) != 0)
		return;
	err_set(&found, ERR_UNSUPPORTED, "hsmctl shows devices of SKU '%.60s' and does not make them",
		device->azure.sku);
	err_hint(&found, "leave \"sku\" out for a SafeNet Luna Network HSM A790");
	preflight_tell(p, "device", device->name, &found);
}

static void check_scope(struct preflight *p, const struct fleet_device *device)
{
	static const char *const scopes[] = {"TenantReuse", "SubscriptionReuse", "ResourceGroupReuse", "NoReuse", NULL};
	struct err found = {0};

	if (!device->azure.name_scope || str_index(scopes, device->azure.name_scope) >= 0)
		return;
	err_set(&found, ERR_INVALID, "'name_scope' cannot be '%.60s'", device->azure.name_scope);
	err_hint(&found, "write TenantReuse, SubscriptionReuse, ResourceGroupReuse or NoReuse");
	preflight_tell(p, "device", device->name, &found);
}

static void refuse_field(struct preflight *p, const struct fleet_device *device, const char *field, const char *value)
{
	struct err found = {0};

	if (!value)
		return;
	err_set(&found, ERR_INVALID, "a dedicated HSM has no '%s'", field);
	err_hint(&found, "leave it out: only Cloud HSMs have one");
	preflight_tell(p, "device", device->name, &found);
}

static void check_device(struct preflight *p, const struct fleet_device *device)
{
	const struct fleet_azure_device *azure = &device->azure;

	check_sku(p, device);
	if (azure_is_dedicated(p->fleet, device)) {
		refuse_field(p, device, "endpoint", azure->endpoint);
		refuse_field(p, device, "identity", azure->identity);
		refuse_field(p, device, "name_scope", azure->name_scope);
		return;
	}
	check_scope(p, device);
	preflight_check_id(p, "device", device->name, "endpoint", azure->endpoint,
			   azure_kinds[AZURE_PRIVATE_ENDPOINT].type);
	preflight_check_id(p, "device", device->name, "identity", azure->identity,
			   "Microsoft.ManagedIdentity/userAssignedIdentities");
}

/* Every region has two; not the "stamp01" of some examples. */
static bool is_stamp(const char *stamp)
{
	return str_eq(stamp, "stamp1") || str_eq(stamp, "stamp2");
}

static void check_place(struct preflight *p, const struct fleet_datacenter *datacenter)
{
	struct err found = {0};

	if (datacenter->stamp && !is_stamp(datacenter->stamp)) {
		err_set(&found, ERR_INVALID, "'%.60s' is no stamp", datacenter->stamp);
		err_hint(&found, "write \"stamp\": \"stamp1\" or \"stamp2\"");
	} else if (datacenter->zone && (!*datacenter->zone ||
					strspn(datacenter->zone, LETTERS DIGITS) != strlen(datacenter->zone))) {
		err_set(&found, ERR_INVALID, "'%.60s' is no availability zone", datacenter->zone);
		err_hint(&found, "write \"zone\": \"1\", \"2\" or \"3\"");
	}
	if (found.code)
		preflight_tell(p, "datacenter", datacenter->name, &found);
}

/* A region has zones or it has none. */
static void check_mixture(struct preflight *p, const struct fleet_datacenter *datacenter)
{
	const struct fleet_datacenter *first = p->fleet->datacenters;
	struct err found = {0};

	while (first < datacenter && !(str_eq(first->region, datacenter->region) && (first->stamp || first->zone)))
		first++;
	if (!first->stamp == !datacenter->stamp)
		return;
	err_set(&found, ERR_INVALID, "it has a %s, and datacenter '%s' of the same region a %s",
		datacenter->stamp ? "stamp" : "zone", first->name, first->stamp ? "stamp" : "zone");
	err_hint(&found, "write \"zone\" in regions with availability zones, \"stamp\" in others");
	preflight_tell(p, "datacenter", datacenter->name, &found);
}

static void check_datacenters(struct preflight *p)
{
	for (size_t i = 0; i < p->fleet->n_datacenters; i++) {
		const struct fleet_datacenter *datacenter = &p->fleet->datacenters[i];

		if (!datacenter->stamp && !datacenter->zone)
			continue;
		check_place(p, datacenter);
		check_mixture(p, datacenter);
	}
}

int azure_preflight_document(const struct fleet *fleet, struct provider_plan *plan, struct err *err)
{
	struct preflight p = {.fleet = fleet, .plan = plan, .err = err};

	check_home(&p);
	check_tags(&p);
	preflight_network(&p);
	check_datacenters(&p);
	for (size_t i = 0; i < fleet->n_devices; i++)
		if (azure_is_dedicated(fleet, &fleet->devices[i]) || azure_is_cloud(fleet, &fleet->devices[i]))
			check_device(&p, &fleet->devices[i]);
	check_names(&p);
	return p.rc;
}
