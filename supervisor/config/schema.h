/* schema: tables that say which keys there are. One table reads a map into a
 * C struct, fills in defaults, frees, compares and documents it. Knows no key
 * by name. */
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
	SCHEMA_CHOICE,	 /* int: place in choices */
	SCHEMA_TEXTS,	 /* struct text_list */
	SCHEMA_PATHS,	 /* struct text_list, like PATH */
	SCHEMA_ENV,	 /* map to struct text_list of NAME=value */
	SCHEMA_JSON,	 /* map to json_t * */
	SCHEMA_SECTION,	 /* map: table at offset */
	SCHEMA_INLINE,	 /* no name: the table's keys stand here */
	SCHEMA_LIST,	 /* list of maps to struct schema_list */
	SCHEMA_OWN,	 /* who has the table reads, frees and compares it */
};

/* The shape of each {T *items; uint32_t count;} that a LIST row names. */
struct schema_list {
	void *items;
	uint32_t count;
};

/* Looks at a value that was just read, or derives others from it. For TEXTS
 * and PATHS once per element. */
typedef void schema_check(
	struct problems *problems, const struct node *node, void *base);

struct schema_table {
	const struct schema_row *rows; /* up to SCHEMA_END */
	size_t bytes;		       /* of the struct */
	schema_check *check;	       /* after all keys of a map; or NULL */
	/* In a LIST: the TEXT row that tells one element from another. */
	const char *identity;
};

struct schema_row {
	const char *name;
	enum schema_type type;
	size_t offset;
	uint64_t min, max;		  /* texts: bytes */
	const char *const *choices;	  /* up to NULL */
	const struct schema_table *table; /* SECTION, INLINE, LIST, OWN */
	const char *fallback;		  /* as it would be written */
	enum config_class class; /* what a change costs; schema_class() */
	bool can_configure; /* CONFIGURE where the running manifest says so */
	/* ENV, JSON: where the same stands as it may be shown, of the type of
	 * the value itself. Without it references are refused. */
	size_t shown;
	bool required;
	bool later; /* nothing but the fallback is supported yet */
	schema_check *check;
	/* OWN: what it has as it may be shown, a new reference; or NULL. */
	json_t *(*view)(const void *base);
	const char *mask; /* TEXT: shown in place of what is there */
	const char *doc;
};

void schema_defaults(const struct schema_table *table, void *base);
/* Reads what `map` has over what is in `base`. Keys that the table does not
 * know are problems. */
void schema_read(struct problems *problems, const struct schema_table *table,
	const struct node *map, void *base);
void schema_finish(const struct schema_table *table, void *base);

/* Told of each value that differs: its path, which begins with the prefix, its
 * row, and the structs that the row's offset counts from. */
typedef void schema_differ(void *user, const char *path,
	enum config_change_kind kind, const struct schema_row *row,
	const void *old, const void *new);
void schema_compare(const struct schema_table *table, const void *old,
	const void *new, const char *prefix, schema_differ *differ, void *user);

/* All that the table knows of the struct, defaults too, in the order of its
 * rows, as an object that schema_read() takes: units as they are written,
 * secrets masked. A new reference. */
json_t *schema_view(const struct schema_table *table, const void *base);

/* What a change of the row costs a plugin whose running manifest's `configure`
 * is `configures`: what decides, what is logged and what is documented. */
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

/* One value; false if a problem was told. */
bool schema_value_read(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *base);
bool schema_env_read(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *base);
bool schema_json_read(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *base);
void schema_shown_finish(const struct schema_row *row, void *base);
/* [A-Za-z_][A-Za-z0-9_]* and nothing else in `length` bytes */
bool schema_is_variable(const char *name, size_t length);
/* Whether both hold the same; for single values and lists of texts. */
bool schema_value_same(
	const struct schema_row *row, const void *a, const void *b);
void schema_value_finish(const struct schema_row *row, void *base);
/* The text that tells an element of a list from the others. */
const char *schema_identity(const struct schema_table *table,
	const struct schema_list *list, uint32_t place);
/* Appends a text that the list then owns. */
void text_list_append(struct text_list *list, char *text);
void text_list_finish(struct text_list *list);
/* `path` as seen from the folder that `file` stands in; the caller frees. */
char *path_beside(const char *file, const char *path);
/* False, with a problem, unless it is a list that is not too long. */
bool schema_is_list(
	struct problems *problems, const char *name, const struct node *node);
/* A usable text: a scalar, not null, no NUL byte in it. */
bool schema_is_text(
	struct problems *problems, const char *name, const struct node *node);
