/* rows: a page that is one JSON object with a list (or map) of rows, some per
 * turn. */
#pragma once

#include <jansson.h>

#include "supervisor/control/job.h"
#include "supervisor/control/page.h"
#include "supervisor/gateway/gateway.h"

/* An answer with no more rows and bytes than this is made at once. */
#define ROWS_AT_ONCE_MAX 64
#define ROWS_AT_ONCE_BYTES (64 * 1024)
#define ROWS_SLICE 50		      /* written per turn, */
#define ROWS_SLICE_BYTES (128 * 1024) /* or fewer, if they are long */

struct rows {
	struct page_recipe recipe;
	struct gateway *gateway;
	const char *name; /* the key of the list in the answer */
	/* Called before the first row. Returns the members before the list, or
	 * NULL. */
	json_t *(*begin)(struct rows *r);
	/* Appends the next row, or nothing if it has gone; false: there are no
	 * more rows. */
	bool (*next)(struct rows *r, struct buffer *text);
	/* Called after the last row; may be NULL. Returns the members after the
	 * list. */
	json_t *(*finish)(struct rows *r);
	void (*free)(
		struct rows *r); /* frees what the owner added; may be NULL */
	void *user;
	uint64_t at, end, count; /* for begin() and next() */
	char *id;		 /* of a plugin, or NULL */
	int kind;
	struct config *config; /* a reference, or NULL */
	bool is_map;	       /* next() writes members rather than values */
	bool began, any;
};

/* Creates rows; the caller then sets the members that begin() and next() need.
 * id is copied. */
struct rows *rows_create(struct gateway *g, const char *name, const char *id);
/* For next(): appends the row, whose reference is taken. */
void rows_put(struct buffer *text, json_t *row);
/* The next row of the route table; at: the plugin's number, and the index among
 * its rows. NULL: there are no more. */
const struct route_row *rows_next_route(struct rows *r);
/* Whether the rows from r->at to those of the plugin r->end can be written at
 * once. */
bool rows_of_routes_are_few(const struct rows *r);
/* Ends the call with the rows: at once if they are few, else as a page. key
 * must name the verb and everything that next() depends on. */
void rows_finish(struct command_call *call, struct rows *r, const char *key,
	bool is_few);
