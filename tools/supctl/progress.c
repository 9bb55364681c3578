/* progress: see progress.h. What is drawn is one write, with the cursor left
 * at the end of the last line, so that clearing goes upwards from there. */
#include "tools/supctl/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "proto/util/buffer.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tools/supctl/receipt_view.h"

struct progress_row {
	char *id, *phase;
	double ms;	  /* when the phase began */
	uint64_t seen_ms; /* and when that was, by the clock here */
};

struct progress {
	bool live, color;
	struct progress_row *rows;
	size_t count;
	unsigned lines; /* that stand on the terminal */
};

struct progress *
progress_create(bool live, bool color)
{
	struct progress *p = memory_alloc(sizeof(*p));

	p->live = live;
	p->color = color;
	return p;
}

static void
row_finish(struct progress_row *row)
{
	free(row->id);
	free(row->phase);
}

void
progress_destroy(struct progress *p)
{
	progress_clear(p);
	for (size_t i = 0; i < p->count; i++)
		row_finish(&p->rows[i]);
	free(p->rows);
	free(p);
}

static struct progress_row *
row_find(struct progress *p, const char *id)
{
	for (size_t i = 0; i < p->count; i++)
		if (!strcmp(p->rows[i].id, id))
			return &p->rows[i];
	return NULL;
}

static void
terminal_size(unsigned *rows_out, unsigned *columns_out)
{
	struct winsize size = {0};

	ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
	*rows_out = size.ws_row ? size.ws_row : 24;
	*columns_out = size.ws_col ? size.ws_col : 80;
}

/* The text is cut to the terminal: a line that wraps cannot be taken back. */
static void
put_row(struct buffer *out, const struct progress *p,
	const struct progress_row *row, unsigned columns)
{
	double ms = row->ms + (double)(clock_ms() - row->seen_ms);
	char time[24];
	int room;

	duration_text(time, sizeof(time), ms);
	room = (int)columns - 1 -
	       (int)(strlen(row->phase) + strlen(time) + strlen(":  "));
	buffer_format(out, "%.*s: %s%s%s %s", room > 0 ? room : 0, row->id,
		p->color ? "\033[36m" : "", row->phase,
		p->color ? "\033[0m" : "", time);
}

static void
put_clear(struct buffer *out, struct progress *p)
{
	for (; p->lines > 1; p->lines--)
		buffer_append_text(out, "\r\033[K\033[A");
	if (p->lines)
		buffer_append_text(out, "\r\033[K");
	p->lines = 0;
}

static void
put_rows(struct buffer *out, struct progress *p)
{
	unsigned rows, columns;
	size_t shown;

	terminal_size(&rows, &columns);
	shown = p->count < rows ? p->count : rows > 2 ? rows - 2 : 1;
	for (size_t i = 0; i < shown; i++) {
		buffer_append_text(out, p->lines++ ? "\n" : "");
		put_row(out, p, &p->rows[i], columns);
	}
	if (shown < p->count) {
		buffer_format(out, "\n... and %zu more", p->count - shown);
		p->lines++;
	}
}

static void
show(struct buffer *out)
{
	if (buffer_length(out))
		fwrite(buffer_bytes(out), 1, buffer_length(out), stderr);
	buffer_finish(out);
}

void
progress_clear(struct progress *p)
{
	struct buffer out = {0};

	put_clear(&out, p);
	show(&out);
}

void
progress_draw(struct progress *p)
{
	struct buffer out = {0};

	if (!p->live)
		return;
	put_clear(&out, p);
	put_rows(&out, p);
	show(&out);
}

void
progress_phase(struct progress *p, const char *id, const char *phase, double ms)
{
	struct progress_row *row = row_find(p, id);

	if (!p->live) {
		char time[24];

		duration_text(time, sizeof(time), ms);
		fprintf(stderr, "%s: %s (%s)\n", id, phase, time);
		return;
	}
	if (!row) {
		p->rows = memory_resize(
			p->rows, (p->count + 1) * sizeof(*p->rows));
		row = &p->rows[p->count++];
		*row = (struct progress_row){.id = memory_copy_text(id)};
	}
	free(row->phase);
	row->phase = memory_copy_text(phase);
	row->ms = ms;
	row->seen_ms = clock_ms();
	progress_draw(p);
}

void
progress_end(struct progress *p, const char *id)
{
	struct progress_row *row = row_find(p, id);
	size_t index;

	if (!row)
		return;
	index = (size_t)(row - p->rows);
	row_finish(row);
	p->count--;
	memmove(row, row + 1, (p->count - index) * sizeof(*row));
}
