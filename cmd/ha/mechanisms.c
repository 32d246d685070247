/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl ha mechanisms: what the members can do, and which of them lacks what. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/observer.h"
#include "cli/cli.h"
#include "ha/verbs.h"
#include "member/member.h"
#include "replica/sites.h"

struct mechanisms {
	const char *group;
};

static const struct cli_param options[] = {CLI_END};
static const struct cli_param args[] = {
	CLI_ARG(struct mechanisms, group, "GROUP", admin_complete_groups, CLI_REQUIRED, "Group to ask the members of"),
	CLI_END
};

struct row {
	char *mechanism, *number;
	char **uses, **lacking;
	size_t n_uses, n_lacking;
	int64_t min_key_size, max_key_size;
	bool offered;
	CK_MECHANISM_TYPE type;		/* below: not written */
	CK_FLAGS flags;
	uint32_t members;
};
struct rows {
	char **asked, **away;
	size_t n_asked, n_away;
	struct row *mechanisms;
	size_t n_mechanisms;
};

static const struct json_field row_fields[] = {
	JSON_F_STRING(struct row, mechanism, JSON_COLUMN, "name, or number where there is none"),
	JSON_F_STRING(struct row, number, 0, "number, hexadecimal"),
	JSON_F_STRINGS(struct row, uses, JSON_COLUMN | JSON_WIDE, "what all that have it can do with it"),
	JSON_F_INT(struct row, min_key_size, JSON_COLUMN, 0, 0, "shortest key that all take, as tokens count; 0: unknown"),
	JSON_F_INT(struct row, max_key_size, JSON_COLUMN, 0, 0, "longest key that all take; 0: unknown"),
	JSON_F_BOOL(struct row, offered, 0, "applications of the group have it"),
	JSON_F_STRINGS(struct row, lacking, JSON_COLUMN, "members that were asked and lack it"),
	JSON_F_END
};
static const struct json_type row_type = {.summary = "A mechanism", .size = sizeof(struct row), .fields = row_fields};
static const struct json_field fields[] = {
	JSON_F_STRINGS(struct rows, asked, 0, "members that were asked"),
	JSON_F_STRINGS(struct rows, away, JSON_COLUMN, "members that could not be asked"),
	JSON_F_LIST(struct rows, mechanisms, JSON_COLUMN, row_type, "mechanisms that any member has"),
	JSON_F_END
};
static const struct json_type rows_type = {
	.schema = "mechanisms", .summary = "What the members of a group can do", .size = sizeof(struct rows),
	.fields = fields,
};

static int add_name(char ***list, size_t *count, const char *name, struct err *err)
{
	char **at = json_append(list, count, sizeof(*at));

	if (at)
		*at = mem_strdup(name);
	return at && *at ? 0 : err_no_memory(err);
}

/* ---- what they say ---- */

static struct row *find_row(struct rows *rows, CK_MECHANISM_TYPE type)
{
	for (size_t i = 0; i < rows->n_mechanisms; i++)
		if (rows->mechanisms[i].type == type)
			return &rows->mechanisms[i];
	return NULL;
}

static int new_row(struct rows *rows, const struct member_mechanism *m, struct row **ret, struct err *err)
{
	const struct p11_mech *known = p11_mech(m->type);
	struct row *row = json_append(&rows->mechanisms, &rows->n_mechanisms, sizeof(*row));

	if (!row)
		return err_no_memory(err);
	row->type = m->type;
	row->flags = P11_USES;
	row->number = mem_printf("0x%08lx", m->type);
	row->mechanism = known ? mem_strdup(known->name) : mem_printf("0x%08lx", m->type);
	*ret = row;
	return row->number && row->mechanism ? 0 : err_no_memory(err);
}

static int take(struct rows *rows, size_t member, const struct member_mechanism *m, struct err *err)
{
	struct row *row = find_row(rows, m->type);
	int64_t min = (int64_t)m->info.ulMinKeySize, max = (int64_t)m->info.ulMaxKeySize;
	int rc = row ? 0 : new_row(rows, m, &row, err);

	if (rc < 0)
		return rc;
	row->members |= 1u << member;
	row->flags &= m->info.flags;
	if (min > row->min_key_size)
		row->min_key_size = min;
	if (max > 0 && (!row->max_key_size || max < row->max_key_size))
		row->max_key_size = max;
	return 0;
}

static int ask(struct replica_site *site, struct rows *rows, struct err *err)
{
	owned(mem) struct member_mechanism *list = NULL;
	CK_ULONG count = 0;
	int rc = 0;

	if (site->channel && member_mechanisms(site->channel, &list, &count, &site->err) < 0)
		replica_site_lost(site, &site->err);
	for (CK_ULONG i = 0; i < count && rc == 0; i++)
		rc = take(rows, site->of->index, &list[i], err);
	if (rc == 0)
		rc = site->channel ? add_name(&rows->asked, &rows->n_asked, site->of->name, err)
				   : add_name(&rows->away, &rows->n_away, site->of->name, err);
	return rc;
}

/* ---- how it is told ---- */

static int tell_uses(struct row *row, struct err *err)
{
	static const struct {
		CK_FLAGS flag;
		const char *name;
	} names[] = {
		{CKF_ENCRYPT, "encrypt"}, {CKF_DECRYPT, "decrypt"}, {CKF_DIGEST, "digest"}, {CKF_SIGN, "sign"},
		{CKF_SIGN_RECOVER, "sign-recover"}, {CKF_VERIFY, "verify"}, {CKF_VERIFY_RECOVER, "verify-recover"},
		{CKF_GENERATE, "generate"}, {CKF_GENERATE_KEY_PAIR, "generate-pair"}, {CKF_WRAP, "wrap"},
		{CKF_UNWRAP, "unwrap"}, {CKF_DERIVE, "derive"}, {CKF_MESSAGE_ENCRYPT, "message-encrypt"},
		{CKF_MESSAGE_DECRYPT, "message-decrypt"}, {CKF_MESSAGE_SIGN, "message-sign"},
		{CKF_MESSAGE_VERIFY, "message-verify"},
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rc == 0; i++)
		if (row->flags & names[i].flag)
			rc = add_name(&row->uses, &row->n_uses, names[i].name, err);
	return rc;
}

static int tell(struct row *row, const struct replica_sites *sites, struct err *err)
{
	int rc = 0;

	row->flags &= p11_mech_uses(row->type);
	for (size_t i = 0; i < sites->count && rc == 0; i++)
		if (sites->sites[i].channel && !(row->members & 1u << i))
			rc = add_name(&row->lacking, &row->n_lacking, sites->sites[i].of->name, err);
	row->offered = !row->n_lacking && row->flags;
	return rc < 0 ? rc : tell_uses(row, err);
}

static int by_type(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->type > y->type) - (x->type < y->type);
}

static int ask_all(struct cli *cli, struct admin *admin, struct rows *rows, struct err *err)
{
	owned(replica_sites) struct replica_sites sites = {0};
	int rc = replica_sites_open(admin->set, UINT32_MAX, &sites, err);

	observer_step(cli->observer, admin->group->name, "asking its members", 0, 0);
	for (size_t i = 0; i < sites.count && rc == 0; i++)
		rc = ask(&sites.sites[i], rows, err);
	if (rc == 0 && !rows->n_asked)
		rc = -(int)(*err = sites.sites[0].err).code;
	for (size_t i = 0; i < rows->n_mechanisms && rc == 0; i++)
		rc = tell(&rows->mechanisms[i], &sites, err);
	if (rc == 0)
		qsort(rows->mechanisms, rows->n_mechanisms, sizeof(*rows->mechanisms), by_type);
	return rc;
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct mechanisms *a = data;
	owned(admin) struct admin admin = {0};
	struct rows rows = {0};
	int rc = admin_open(cli, a->group, &admin, err);

	if (rc == 0)
		rc = ask_all(cli, &admin, &rows, err);
	if (rc == 0)
		rc = admin_emit(cli, admin.store, &rows_type, &rows, err);
	json_release(&rows_type, &rows);
	return rc;
}

const struct cli_command ha_mechanisms_command = {
	.name = "mechanisms", .summary = "Show what the members of a group can do, and which of them lacks what",
	.options = options, .args = args, .args_size = sizeof(struct mechanisms), .output = &rows_type, .run = run,
};
