/* SPDX-License-Identifier: Apache-2.0 */
/* What people type who know lunacm. */
#include "cli/familiar.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"

static const char *const shorts[][2] = {{"ha", "hagroup"}, {"par", "partition"}, {"ro", "role"}, {"ccfg", "clientconfig"}};

/* The first row that fits; one without next fits whatever follows. */
static const struct row {
	const char *word, *next, *here;
} rows[] = {
	{"hagroup", "listgroups", "is 'hsmctl ha list'"},
	{"hagroup", "creategroup", "is 'hsmctl ha create GROUP --member DEVICE'"},
	{"hagroup", "addmember", "is done by 'hsmctl ha create GROUP --member DEVICE', for all members at once"},
	{"hagroup", "addstandby", "is done by 'hsmctl ha create GROUP --standby DEVICE', for all members at once"},
	{"hagroup", "deletegroup", "is 'hsmctl ha delete GROUP'"},
	{"hagroup", "synchronize", "is 'hsmctl sync GROUP'"},
	{"hagroup", "recover", "is 'hsmctl sync GROUP'; applications take a member back by themselves"},
	{"hagroup", NULL, "is 'hsmctl ha'; see 'hsmctl ha --help'"},
	{"partition", "con", "is 'hsmctl partition contents DEVICE'"},
	{"partition", "contents", "is 'hsmctl partition contents DEVICE'"},
	{"partition", "showinfo", "is 'hsmctl partition show DEVICE'"},
	{"partition", "init", "is done by 'hsmctl provision apply FILE'"},
	{"partition", "clone", "is done by 'hsmctl sync GROUP', for all keys and members"},
	{"partition", NULL, "is 'hsmctl partition'; see 'hsmctl partition --help'"},
	{"slot", NULL, "is 'hsmctl partition list'; commands name the device they work on"},
	{"role", NULL, "is not needed: each command reads the PIN where 'hsmctl ha show GROUP' says it is"},
	{"hsm", NULL, "is 'hsmctl device show DEVICE'"},
	{"clientconfig", NULL, "is done by 'hsmctl provision apply FILE'"},
	{"lunacm", NULL, "is 'hsmctl shell'"},
	{"vtl", NULL, "is 'hsmctl status'"},
};

static const char *full(const char *word)
{
	for (size_t i = 0; i < sizeof(shorts) / sizeof(shorts[0]); i++)
		if (strcasecmp(word, shorts[i][0]) == 0)
			return shorts[i][1];
	return word;
}

bool familiar_hint(const char *word, const char *next, bool exact, struct err *err)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];

		if (strcasecmp(full(word), row->word) != 0 || (exact && !row->next) ||
		    (row->next && (!next || strcasecmp(next, row->next) != 0)))
			continue;
		err_hint(err, "Luna's '%.32s%s%.32s' %s", word, row->next ? " " : "", row->next ? next : "", row->here);
		return true;
	}
	return false;
}
