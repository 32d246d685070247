/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of hsmctl key, and what they share. */
#ifndef CMD_KEY_KEY_H
#define CMD_KEY_KEY_H

#include "admin.h"
#include "json/type.h"
#include "replica/census.h"

extern const struct cli_command key_generate_command, key_list_command, key_show_command, key_delete_command;

/* A key as `key list` shows it. */
struct key_view {
	char *label, *id, *type, *class;
	int64_t replicas, members;
};
extern const struct json_type key_view_type;	/* inner type */
extern const struct json_type key_document_type;	/* schema "key": one by itself */

/* replicas: members that list it. */
int key_view_fill(struct key_view *view, const struct record *record, int64_t replicas, int64_t members, struct err *err);

/* Everything needed to look at a group's keys. */
struct key_look {
	struct admin admin;
	struct replica_sites sites;
	struct census census;
};
void key_look_release(struct key_look *look);
OWN_DEFINE_RELEASE(key_look)

/* Open the group and take a census of the members that are up. ERR_UNREACHABLE when none is. */
int key_look_open(struct cli *cli, const char *group, struct key_look *ret, struct err *err);

/* The live key with this label (and CKA_ID, hex, when given). ERR_NOT_FOUND, ERR_AMBIGUOUS. */
int key_look_find(const struct key_look *look, const char *label, const char *id, const struct census_key **ret,
		  struct err *err);
int64_t key_look_replicas(const struct key_look *look, const struct census_key *key);

#endif
