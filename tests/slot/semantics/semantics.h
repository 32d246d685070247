/* SPDX-License-Identifier: Apache-2.0 */
/*
 * semantics MODULE [ROOM] - probes of a PKCS#11 module, right and wrong calls, a line of stdout for each: its name, a
 * tab, and what came of it. Two modules that behave alike print the same, in the same order. $PIN is the user's; the
 * first slot with a token is probed, which should be empty before and is empty again afterwards.
 *
 * What stands in a line is the same in every run: names of return values, lengths, flags, values that are given; no
 * handles, nothing random, no serial numbers. Status 1 when the module cannot be used at all.
 */
#ifndef SEMANTICS_H
#define SEMANTICS_H

#include <stdbool.h>
#include <stddef.h>

#include <pkcs11.h>

/* Of v3.0, and not in every header. */
#ifndef CKM_DES3_CMAC
#define CKM_DES3_CMAC 0x00000138UL
#endif

#define N(list) (sizeof(list) / sizeof((list)[0]))

extern void *module;
extern CK_FUNCTION_LIST *p11;
extern CK_SLOT_ID slot;
/* Of the probe: read-write, and the user is logged in. */
extern CK_SESSION_HANDLE session;

/* ---- a probe and its line (main.c) ---- */

/* The last probe ends: what its session had is gone. The next one begins, in a session of its own. */
__attribute__((format(printf, 1, 2))) void probe(const char *format, ...);
/* The same with no session open before, nor afterwards. */
__attribute__((format(printf, 1, 2))) void probe_alone(const char *format, ...);
/* Adds the name of a return value to the line; returns it. */
CK_RV is(CK_RV rv);
__attribute__((format(printf, 1, 2))) void says(const char *format, ...);
/* Adds a length and what tells two contents of it apart. */
void shows(const void *bytes, CK_ULONG len);
/* What the probe made, destroyed at its end. What was made alone is labelled "made". */
void drop(CK_OBJECT_HANDLE object);

CK_SESSION_HANDLE open_session(CK_FLAGS flags);
CK_RV log_in(CK_SESSION_HANDLE s, CK_USER_TYPE user, const char *pin);

/* Cuts the next word, in place, off a text of words and spaces. NULL = there is none. */
char *next_word(char **text);

/* ---- templates in words, and the objects that all probes may use (template.c) ---- */

enum kind { BOOL, ULONG, BYTES };

struct attribute {
	const char *name;		/* without CKA_ */
	CK_ATTRIBUTE_TYPE type;
	enum kind kind;
};
extern const struct attribute attributes[];
extern const size_t n_attributes;

struct template {
	CK_ATTRIBUTE items[48];
	CK_ULONG n;
	CK_BYTE bytes[4096];		/* where values stand */
	size_t used;
};

/*
 * Words of a template, each changes it:
 *
 *	NAME=VALUE	has this value, of the attribute's kind: 0 or 1; a number or the name of a class, type or
 *			mechanism; bytes in hexadecimal, or a text after '
 *	+NAME=VALUE	has it beside what it has
 *	NAME:BYTES	has these bytes, whatever the kind
 *	NAME!		has a length and no value
 *	-NAME		does not have it
 */
void set(struct template *t, const char *words);

/* The objects: all are token objects, labelled with their names. */
struct object {
	const char *name, *words;
};
extern const struct object objects[];
extern const size_t n_objects;

/* The words of an object, and that it is the session's. */
void set_like(struct template *t, const char *name);
/* Its handle for who is logged in now, CK_INVALID_HANDLE when it could not be made. */
CK_OBJECT_HANDLE object(const char *name);
void objects_make(void);
void objects_destroy(void);
/* Handles are another login's. */
void objects_forget(void);

/* ---- the rooms ---- */

/* Before C_Initialize. */
void probe_before(void);
void probe_general(void);
void probe_sessions(void);
void probe_objects(void);
void probe_attributes(void);
void probe_operations(void);
void probe_rare(void);
void probe_keys(void);

#endif
