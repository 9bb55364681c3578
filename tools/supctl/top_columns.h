/* top_columns: the columns of `top`: their names, keys and widths, and the text
 * of their cells. */
#pragma once

#include "proto/util/buffer.h"
#include "tools/supctl/top_figures.h"

#define TOP_CELL_BYTES 24

extern const struct top_column {
	const char *name, *head;
	char key;
	unsigned width;
	int leave; /* left out in this order; 0: never */
	/* Writes at most `width` characters. */
	void (*put)(char *out, const struct top_row *row);
} top_columns[TOP_COLUMN_COUNT];

/* The column that a user means by a name ("cpu") or a key ('c'); -1: none. */
int top_column_by_name(const char *name);
int top_column_by_key(char key);
/* "id, requests, ...", for messages. */
void top_column_names(struct buffer *out);

/* Cells of their own; out has TOP_CELL_BYTES. */
void top_put_rate(char *out, double rate);
void top_put_age(char *out, double seconds);
