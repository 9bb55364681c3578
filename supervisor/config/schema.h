/* schema: tables of keys. One table reads a map into a C struct, fills in
 * defaults, frees, compares and documents it. Knows no key by name. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "supervisor/config/compare.h"
#include "supervisor/config/config.h"
#include "supervisor/config/node.h"

#define SCHEMA_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define SCHEMA_LIST_MAX 1000 /* elements of any list */

enum schema_type {
	SCHEMA_END,
	SCHEMA_TEXT,	 /* char * */
	SCHEMA_PATH,	 /* char *, made absolute from the file's folder */
	SCHEMA_BOOL,	 /* bool */
	SCHEMA_COUNT,	 /* uint32_t */
	SCHEMA_SIZE,	 /* uint64_t bytes */
	SCHEMA_DURATION, /* uint32_t ms */
	SCHEMA_CHOICE,	 /* int: index in choices */
	SCHEMA_FRACTION, /* double from 0 to 1 */
	SCHEMA_TEXTS,	 /* struct text_list */
	SCHEMA_PATHS,	 /* struct text_list, like PATH */
	SCHEMA_ENV,	 /* map to struct text_list of NAME=value */
	SCHEMA_JSON,	 /* map to json_t * */
	SCHEMA_SECTION,	 /* map: table at offset */
	SCHEMA_INLINE,	 /* no name: the table's keys are in this map */
	SCHEMA_LIST,	 /* list of maps to struct schema_list */
	SCHEMA_OWN,	 /* the table's owner reads, frees and compares it */
};

/* The layout of each {T *items; uint32_t count;} of a LIST row. */
struct schema_list {
	void *items;
	uint32_t count;
};

/* Checks a value that was just read, or derives others from it. Called once per
 * element of TEXTS and PATHS. */
typedef void schema_check(
	struct problems *problems, const struct node *node, void *base);

struct schema_table {
	const struct schema_row *rows; /* up to SCHEMA_END */
	size_t bytes;		       /* of the struct */
	schema_check *check;	       /* after all keys of a map; or NULL */
	/* In a LIST: the TEXT row that identifies an element. */
	const char *identity;
};

struct schema_row {
	const char *name;
	enum schema_type type;
	size_t offset;
	uint64_t min, max;		  /* texts: bytes */
	const char *const *choices;	  /* up to NULL */
	const struct schema_table *table; /* SECTION, INLINE, LIST, OWN */
	const char *fallback;		  /* the default, as in a file */
	enum config_class class; /* class of a change; see schema_class() */
	bool can_configure; /* CONFIGURE if the running manifest allows it */
	/* ENV, JSON: offset of the value as it may be shown, of the same type.
	 * 0: references are refused. */
	size_t shown;
	bool required;
	bool later; /* only the fallback is supported yet */
	schema_check *check;
	/* OWN: the value as it may be shown, a new reference; or NULL. */
	json_t *(*view)(const void *base);
	const char *mask; /* TEXT: shown instead of the value */
	const char *doc;
};

void schema_defaults(const struct schema_table *table, void *base);
/* Reads the keys of `map` into `base`, over existing values. Unknown keys are
 * problems. */
void schema_read(struct problems *problems, const struct schema_table *table,
	const struct node *map, void *base);
void schema_finish(const struct schema_table *table, void *base);

/* Called for each value that differs, with its path (prefix included), its row,
 * and the structs that the row's offset is relative to. */
typedef void schema_differ(void *user, const char *path,
	enum config_change_kind kind, const struct schema_row *row,
	const void *old, const void *new);
void schema_compare(const struct schema_table *table, const void *old,
	const void *new, const char *prefix, schema_differ *differ, void *user);

/* A new object with all keys of the table, defaults included, in the order of
 * its rows, which schema_read() can read: values with units, secrets masked. */
json_t *schema_view(const struct schema_table *table, const void *base);

/* The class of a change of the row, given the running manifest's `configure`.
 * Decisions, logs and documentation all use it. */
static inline enum config_class
schema_class(const struct schema_row *row, bool configures)
{
	return configures && row->can_configure ? CLASS_CONFIGURE : row->class;
}

/* ---- for the parts of schema ---- */

static inline void *
schema_field(const struct schema_row *row, void *base)
{
	return (char *)base + row->offset;
}

static inline const void *
schema_field_const(const struct schema_row *row, const void *base)
{
	return (const char *)base + row->offset;
}

/* Reads one value; false: a problem was added. */
bool schema_value_read(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *base);
bool schema_env_read(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *base);
bool schema_json_read(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *base);
void schema_shown_finish(const struct schema_row *row, void *base);
/* [A-Za-z_][A-Za-z0-9_]* and nothing else in `length` bytes */
bool schema_is_variable(const char *name, size_t length);
/* Whether both values are equal; for single values and lists of strings. */
bool schema_value_same(
	const struct schema_row *row, const void *a, const void *b);
void schema_value_finish(const struct schema_row *row, void *base);
/* The text that identifies an element of a list. */
const char *schema_identity(const struct schema_table *table,
	const struct schema_list *list, uint32_t index);
/* Appends a string, which the list then owns. */
void text_list_append(struct text_list *list, char *text);
void text_list_finish(struct text_list *list);
/* `path` relative to the folder of `file`; the caller frees. */
char *path_beside(const char *file, const char *path);
/* Whether it is a list of valid length; else adds a problem. */
bool schema_is_list(
	struct problems *problems, const char *name, const struct node *node);
/* Whether it is a string: a scalar, not null, without NUL; else adds a problem.
 */
bool schema_is_text(
	struct problems *problems, const char *name, const struct node *node);
