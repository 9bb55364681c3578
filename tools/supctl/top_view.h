/* top_view: the lines of `top`: the columns that fit, a title, rows. Makes text
 * and draws nothing. */
#pragma once

#include "proto/util/buffer.h"
#include "tools/supctl/top_columns.h"

#define TOP_WIDTH_MAX 512 /* columns of a line */

struct top_view {
	bool color; /* escapes for bold, reverse and colours */
	enum top_column_id sort;
	bool reversed;
	/* top_view_fit() sets these: */
	unsigned width, id_width;
	bool shows[TOP_COLUMN_COUNT];
};

/* Chooses what is shown on lines of that width; 0: everything. */
void top_view_fit(
	struct top_view *v, unsigned width, const struct top_figures *f);
/* The next column that is shown, for '<' (step -1) and '>' (1). */
enum top_column_id top_view_next(
	const struct top_view *v, enum top_column_id from, int step);

/* Each appends one line without its end. */
void top_view_title(const struct top_view *v, const struct top_figures *f,
	struct buffer *out);
void top_view_head(const struct top_view *v, struct buffer *out);
void top_view_row(const struct top_view *v, const struct top_row *row,
	struct buffer *out);
/* A line of text from elsewhere, without what a terminal obeys, and cut. */
void top_view_text(
	const struct top_view *v, const char *text, struct buffer *out);
