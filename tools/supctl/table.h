/* table: columns for a terminal or a pipe, by libsmartcols. */
#pragma once

#define TABLE_TEXT_BYTES                                                       \
	1024 /* of a cell; longer ones are cut in the middle                   \
	      */

#include <stdbool.h>

struct table_column {
	const char *name;
	bool right; /* numbers */
	bool cut;   /* may be cut to fit a terminal */
	/* On a terminal that is too narrow, columns are left out in this order,
	 * those that tell nothing ("0", "yes", "-") first; 0: never. */
	int leave;
};

struct table;
struct table *table_create(
	const struct table_column *columns, unsigned count, bool color);
void table_row(struct table *t);
/* The next cell of the row; NULL or "" prints "-". The text is copied. */
void table_text(struct table *t, const char *text);
void table_number(struct table *t, long long number);
/* Like table_text, coloured if the table is. color: a name like "green", NULL:
 * none. */
void table_colored(struct table *t, const char *text, const char *color);
/* For a terminal, too: leaves nothing out and cuts nothing. */
void table_keep_all(struct table *t);
/* Prints and frees. */
void table_finish(struct table *t);
