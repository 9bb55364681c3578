/* table: the one answer to "who serves this", for all kinds. A hash for names
 * and a trie by path segment; rows point to a plugin's slot, slots to the
 * worker that serves. Plugins and workers are numbers here: the table looks
 * up to nobody. A change is prepared (may fail, changes nothing) and then
 * committed (cannot fail). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/registration.h"
#include "proto/util/bytes.h"
#include "proto/util/error.h"
#include "supervisor/route/path.h"

struct route_table;
struct route_edit;

struct route_table *route_table_create(void);
void route_table_destroy(struct route_table *t);
/* Counts commits and removals, never reads or prepared edits. */
uint64_t route_table_generation(const struct route_table *t);

/* One row: what a plugin registered, under its full name. It stays the same
 * row, at the same address, over commits of sets that have it. */
struct route_row {
	enum registration_kind kind;
	char *name; /* "GET /bot-a/hook" or "bot-a.say": with mount/namespace */
	char *method; /* http only, else NULL */
	char *path;   /* http only: the full pattern */
	uint32_t plugin;
	uint32_t registration; /* its index in the serving worker's set */
	/* What the serving worker declared, without mount and namespace: the
	 * table's own copy, replaced by the plugin's next commit. */
	const struct registration *declared;
};

enum route_verdict { ROUTE_FOUND, ROUTE_NONE, ROUTE_WRONG_METHOD };

struct route_match {
	const struct route_row *row; /* valid until the next commit */
	uint32_t plugin, worker;     /* worker 0: nobody serves at the moment */
	uint32_t registration;
	struct {
		const char *name;   /* of the row */
		struct bytes value; /* points into the path */
	} params[PATH_MAX_PARAMS];  /* `{x}` by name, the rest under "*" */
	unsigned param_count;
	char allow[128]; /* ROUTE_WRONG_METHOD: "GET, HEAD, POST" */
};

/* Leftmost literal before {} before *, with backtracking; HEAD falls to GET. A
 * pattern without that method lets later ones have the request; if none has
 * it, `allow` names the methods of all that match. */
enum route_verdict route_find_http(const struct route_table *t,
	struct bytes method, const struct path *path, struct route_match *out);
/* tool, command, method by full name */
enum route_verdict route_find_name(const struct route_table *t,
	enum registration_kind kind, struct bytes name,
	struct route_match *out);

/* Prepares that `plugin` serves exactly `set` (copied) under mount and
 * namespace (NULL or "": none). NULL and nothing changed if a row cannot be:
 * "http GET /hello is taken by plugin 'hello'"; plugin_name(number) is asked
 * for names. Patterns that differ in the names of parameters only are the
 * same row. Rows that stay the same stay in place: a reload with equal
 * registrations prepares no insertions and removals.
 *
 * An edit holds its names from here to commit or discard, so edits of several
 * plugins may be prepared first and then committed in one go. A plugin has at
 * most one edit at a time (assert). Plugin numbers are small: slots are an
 * array, at most ROUTE_PLUGINS_MAX. */
#define ROUTE_PLUGINS_MAX (1u << 20)
struct route_edit *route_edit_prepare(struct route_table *t, uint32_t plugin,
	const struct registration_set *set, const char *mount,
	const char *name_space, const char *(*plugin_name)(uint32_t, void *),
	void *user, struct error *err);
/* The same of several plugins whose edits are committed in one go (or all
 * discarded): what is refused or not is decided by the table as it is after
 * all of them, so a row may move from one to another. 0 with every edit set,
 * or -1 with none. set NULL: not known yet; such an edit says only that the
 * plugin's rows may go, and can but be discarded. */
struct route_wish {
	uint32_t plugin;
	const struct registration_set *set;
	const char *mount, *name_space;
	struct route_edit *edit; /* the result */
	bool refused;		 /* with -1: this is the one */
};
int route_edit_prepare_all(struct route_table *t, struct route_wish *wishes,
	size_t count, const char *(*plugin_name)(uint32_t, void *), void *user,
	struct error *err);
/* Puts the rows, their indices and the slot's worker in place in one step,
 * without allocating. A set that is equal in order and in all it declares
 * costs one assignment. Both free the edit; NULL is discarded as well. */
void route_edit_commit(struct route_edit *e, uint32_t worker);
void route_edit_discard(struct route_edit *e);

/* Repoints a plugin's slot without touching rows; 0: nobody serves. Not a
 * commit: the generation stays. */
void route_table_point(struct route_table *t, uint32_t plugin, uint32_t worker);
uint32_t route_table_worker(const struct route_table *t, uint32_t plugin);
/* All rows of a plugin go (disabled, removed), and its worker: a commit. Its
 * prepared edit, if any, is to be discarded first (assert). */
void route_table_remove(struct route_table *t, uint32_t plugin);
/* Visits the rows of one plugin (or all: UINT32_MAX) in the order of
 * registration; fn must not commit. */
void route_table_each(const struct route_table *t, uint32_t plugin,
	void (*fn)(const struct route_row *row, void *user), void *user);
