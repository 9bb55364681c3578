/* table: the route table: which plugin and worker serve a name or path, for all
 * kinds. A hash for names and a trie by path segment; rows point to a plugin's
 * slot, slots to the serving worker. Plugins and workers are numbers here. A
 * change is prepared (may fail, changes nothing) and then committed (cannot
 * fail). */
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
/* The number of commits and removals so far. */
uint64_t route_table_generation(const struct route_table *t);

/* Calls on_change(user, plugin) at the end of each commit and removal that
 * changed the rows of a plugin. It must not change the table. */
void route_table_watch(struct route_table *t,
	void (*on_change)(void *user, uint32_t plugin), void *user);

/* One row: a registration under its full name. It keeps its address over
 * commits of sets that contain it. */
struct route_row {
	enum registration_kind kind;
	char *name;	/* "GET /bot-a/hook", "GET /bot-a/chat websocket" or
			   "bot-a.say": with mount/namespace */
	char *method;	/* http only, else NULL */
	char *path;	/* http only: the full pattern */
	bool websocket; /* for WebSocket connections, not for other requests */
	uint32_t plugin;
	uint32_t registration; /* its index in the serving worker's set */
	/* What the serving worker declared, without mount and namespace: the
	 * table's own copy, replaced by the plugin's next commit. */
	const struct registration *declared;
};

enum route_verdict {
	ROUTE_FOUND,
	ROUTE_NONE,
	ROUTE_WRONG_METHOD,
	ROUTE_UPGRADE, /* GET of what takes WebSocket connections only */
};

struct route_match {
	const struct route_row *row; /* valid until the next commit */
	uint32_t plugin, worker;     /* worker 0: no worker serves now */
	uint32_t registration;
	struct {
		const char *name;   /* of the row */
		struct bytes value; /* points into the path */
	} params[PATH_MAX_PARAMS];  /* `{x}` by name, a last * as "*" */
	unsigned param_count;
	char allow[128]; /* ROUTE_WRONG_METHOD: "GET, HEAD, POST" */
};

/* Finds the row for a request. From the left, a literal wins over {} and {}
 * over *, with backtracking. HEAD uses the row of GET. If the best pattern
 * lacks the method, later ones are tried; if all lack it, `allow` lists the
 * methods of all that match. */
enum route_verdict route_find_http(const struct route_table *t,
	struct bytes method, const struct path *path, struct route_match *out);
/* The same for a WebSocket connection; a row of another kind is never found. */
enum route_verdict route_find_websocket(const struct route_table *t,
	const struct path *path, struct route_match *out);
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
/* Methods on one path; a request may compare each of them. */
#define ROUTE_METHODS_MAX 64
struct route_edit *route_edit_prepare(struct route_table *t, uint32_t plugin,
	const struct registration_set *set, const char *mount,
	const char *name_space, const char *(*plugin_name)(uint32_t, void *),
	void *user, struct error *err);
/* Prepares edits of several plugins that are committed in one go, or all
 * discarded. They are checked against the table as it will be after all of
 * them, so a row may move from one plugin to another. Returns 0 with all edits
 * set, or -1 with none. set NULL: unknown yet; such an edit only says that the
 * plugin's rows may go, and must be discarded. */
struct route_wish {
	uint32_t plugin;
	const struct registration_set *set;
	const char *mount, *name_space;
	struct route_edit *edit; /* the result */
	bool refused;		 /* with -1: this one was refused */
};
int route_edit_prepare_all(struct route_table *t, struct route_wish *wishes,
	size_t count, const char *(*plugin_name)(uint32_t, void *), void *user,
	struct error *err);
/* Commits the rows, their indices and the slot's worker in one step, without
 * allocating. An equal set (same order and declarations) costs one assignment.
 * Commit and discard free the edit; discarding NULL is fine. */
void route_edit_commit(struct route_edit *e, uint32_t worker);
void route_edit_discard(struct route_edit *e);

/* Changes the worker of a plugin's slot; 0: none serves. The rows and the
 * table's generation stay. */
void route_table_point(struct route_table *t, uint32_t plugin, uint32_t worker);
uint32_t route_table_worker(const struct route_table *t, uint32_t plugin);
/* Removes a plugin's rows and its worker (disabled, removed). This is a commit.
 * A prepared edit must be discarded first (assert). */
void route_table_remove(struct route_table *t, uint32_t plugin);
/* Walks over all rows: returns the row at *plugin and *index and advances both,
 * which begin at 0. NULL: no more rows. Commits are allowed in between; rows
 * that change meanwhile may be missed. */
const struct route_row *route_table_next(
	const struct route_table *t, uint32_t *plugin, uint32_t *index);
