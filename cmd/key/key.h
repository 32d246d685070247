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
	char **missing_on, **still_on;
	size_t n_missing_on, n_still_on;
};
extern const struct json_type key_view_type;	/* inner type */
extern const struct json_type key_document_type;	/* schema "key": one by itself */

/* have: the sites that have it; replicas counts them. Neither list of members is filled. */
int key_view_fill(struct key_view *view, const struct record *record, const struct replica_sites *sites, uint32_t have,
		  struct err *err);

/* Append the names of the sites in mask to a list of a document. */
int key_names(const struct replica_sites *sites, uint32_t mask, char ***ret, size_t *count, struct err *err);

/* Tell on stderr "BEFORE 'hsm-1', 'hsm-2'AFTER"; nothing for an empty mask. */
void key_note(struct cli *cli, const struct replica_sites *sites, uint32_t mask, const char *before, const char *after);

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
/* The second half of that: look->admin is open. */
int key_look_read(struct cli *cli, struct key_look *look, struct err *err);

/*
 * The live key with exactly this label (and CKA_ID, hexadecimal of either case, when given).
 * ERR_NOT_FOUND, ERR_AMBIGUOUS, ERR_USAGE for an id that is none.
 */
int key_look_find(const struct key_look *look, const char *label, const char *id, const struct census_key **ret,
		  struct err *err);
/* The sites that list it. */
uint32_t key_look_sites(const struct key_look *look, const struct census_key *key);
/* Is it a key that there is? Other objects of applications are not the business of these commands. */
bool key_look_is_live(const struct census_key *key);

/* Live completer: labels of the keys of the GROUP before it. Asks the members, with PINs from files and variables only. */
void key_complete_labels(struct cli *cli, struct cli_completion *c);

#endif
