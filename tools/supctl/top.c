/* top: live figures of the plugins on a terminal, or as tables one after the
 * other where there is none. One call for each picture; if supd is gone, top
 * says so and asks again. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tools/supctl/supctl.h"
#include "tools/supctl/terminal.h"
#include "tools/supctl/top_document.h"
#include "tools/supctl/top_view.h"

#define DELAY_MS 2000
#define LOOK_MS 100 /* between looks at the keys during a call */
#define HEAD_LINES 4

struct top {
	const struct options *options;
	struct top_figures figures;
	struct top_view view;
	struct terminal terminal;
	size_t first;	   /* row on the screen */
	char *trouble;	   /* why there are no fresh figures, or NULL */
	unsigned pictures; /* still to be made; 0: without end */
	uint64_t delay_ms;
};

/* ---- one answer ---- */

/* 0: taken; else the exit code, with trouble set. */
static int
take(struct top *t, const struct answer *a)
{
	struct error err;

	free(t->trouble);
	t->trouble = NULL;
	if (a->error) {
		t->trouble = supctl_clean(memory_copy_text(a->error));
		return a->exit_code;
	}
	if (top_figures_take(&t->figures, a->data, &err) < 0) {
		t->trouble = memory_copy_text(err.text);
		return EXIT_MALFORMED;
	}
	return 0;
}

static int
ask(struct top *t, const struct client_watch *watch)
{
	struct answer answer;
	int exit_code;

	supctl_call(t->options, NULL, watch, &answer);
	exit_code = take(t, &answer);
	answer_finish(&answer);
	top_figures_sort(&t->figures, t->view.sort, t->view.reversed);
	return exit_code;
}

/* ---- the screen ---- */

static size_t
rows_shown(const struct top *t)
{
	return t->terminal.rows > HEAD_LINES ? t->terminal.rows - HEAD_LINES
					     : 1;
}

static void
scroll_to(struct top *t, size_t first)
{
	size_t count = t->figures.count, shown = rows_shown(t);
	size_t last = count > shown ? count - shown : 0;

	t->first = first < last ? first : last;
}

static void
put_foot(const struct top *t, struct buffer *out)
{
	static const char keys[] =
		"q quit  r 9 5 c m f h s l i t sort, R reverse  PgUp PgDn";
	size_t end = t->first + rows_shown(t);
	char *line = memory_format("%zu-%zu of %zu  %s",
		t->figures.count ? t->first + 1 : 0,
		end < t->figures.count ? end : t->figures.count,
		t->figures.count, keys);

	top_view_text(&t->view, line, out);
	free(line);
}

static void
put_trouble(const struct top *t, struct buffer *out)
{
	char *line = NULL;

	if (t->trouble)
		line = memory_format("%s; asking again every %g s", t->trouble,
			(double)t->delay_ms / 1e3);
	top_view_text(&t->view, line ? line : "", out);
	free(line);
}

static void
draw(struct top *t)
{
	struct buffer lines = {0};
	size_t shown = rows_shown(t);

	top_view_fit(&t->view, t->terminal.columns, &t->figures);
	scroll_to(t, t->first);
	top_view_title(&t->view, &t->figures, &lines);
	buffer_append_byte(&lines, '\n');
	put_trouble(t, &lines);
	buffer_append_byte(&lines, '\n');
	top_view_head(&t->view, &lines);
	for (size_t i = 0; i < shown; i++) {
		buffer_append_byte(&lines, '\n');
		if (t->first + i < t->figures.count)
			top_view_row(&t->view,
				&t->figures
					 .rows[t->figures.order[t->first + i]],
				&lines);
	}
	buffer_append_byte(&lines, '\n');
	put_foot(t, &lines);
	terminal_draw(&t->terminal, &lines);
	buffer_finish(&lines);
}

/* ---- keys ---- */

static void
sort_by(struct top *t, enum top_column_id column, bool reversed)
{
	t->view.sort = column;
	t->view.reversed = reversed;
	top_figures_sort(&t->figures, column, reversed);
}

static void
take_key(struct top *t, int key)
{
	size_t page = rows_shown(t);
	int column = key < 128 ? top_column_by_key((char)key) : -1;

	if (key == 'R')
		sort_by(t, t->view.sort, !t->view.reversed);
	else if (key == '<' || key == '>')
		sort_by(t,
			top_view_next(
				&t->view, t->view.sort, key == '<' ? -1 : 1),
			false);
	else if (column >= 0)
		sort_by(t, (enum top_column_id)column, false);
	else if (key == KEY_UP || key == 'k')
		scroll_to(t, t->first ? t->first - 1 : 0);
	else if (key == KEY_DOWN || key == 'j')
		scroll_to(t, t->first + 1);
	else if (key == KEY_PAGE_UP)
		scroll_to(t, t->first > page ? t->first - page : 0);
	else if (key == KEY_PAGE_DOWN || key == ' ')
		scroll_to(t, t->first + page);
	else if (key == KEY_HOME)
		scroll_to(t, 0);
	else if (key == KEY_END)
		scroll_to(t, t->figures.count);
}

static void
leave(struct top *t, int exit_code)
{
	terminal_leave(&t->terminal);
	exit(exit_code);
}

/* Handles what happens within that time; may end the program. */
static void
look(struct top *t, int timeout_ms)
{
	switch (terminal_wait(&t->terminal, timeout_ms)) {
	case TERMINAL_NOTHING:
		return;
	case TERMINAL_ENDED:
		terminal_leave(&t->terminal);
		exit(terminal_exit(&t->terminal));
	case TERMINAL_KEY:
		if (t->terminal.key == 'q' || t->terminal.key == 'Q')
			leave(t, 0);
		take_key(t, t->terminal.key);
		break;
	case TERMINAL_RESIZED:
		break;
	}
	draw(t);
}

static void
on_tick(void *user)
{
	look(user, 0);
}

static int
run_live(struct top *t)
{
	const struct client_watch watch = {
		.on_tick = on_tick, .tick_ms = LOOK_MS, .user = t};

	for (;;) {
		int exit_code = ask(t, &watch);
		uint64_t due_ms = clock_ms() + t->delay_ms, now;

		if (exit_code == EXIT_DENIED || exit_code == EXIT_USAGE) {
			terminal_leave(&t->terminal);
			return supctl_fail(
				t->options, exit_code, "%s", t->trouble);
		}
		draw(t);
		while ((now = clock_ms()) < due_ms)
			look(t, (int)(due_ms - now));
		if (t->pictures && !--t->pictures)
			leave(t, 0);
	}
}

/* ---- tables ---- */

static void
print_document(const struct top *t)
{
	json_t *document = top_document(&t->figures);

	supctl_print_json(document);
	json_decref(document);
}

static void
print_table(struct top *t)
{
	struct winsize size = {0};
	struct buffer lines = {0};

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	top_view_fit(&t->view, size.ws_col, &t->figures);
	top_view_title(&t->view, &t->figures, &lines);
	buffer_append_byte(&lines, '\n');
	top_view_head(&t->view, &lines);
	for (size_t i = 0; i < t->figures.count; i++) {
		buffer_append_byte(&lines, '\n');
		top_view_row(&t->view, &t->figures.rows[t->figures.order[i]],
			&lines);
	}
	buffer_append_byte(&lines, '\n');
	fwrite(buffer_bytes(&lines), 1, buffer_length(&lines), stdout);
	buffer_finish(&lines);
}

/* The first answer is what the second is compared with. */
static int
run_tables(struct top *t)
{
	unsigned made = 0;

	for (;;) {
		int exit_code = ask(t, NULL);

		if (exit_code)
			return supctl_fail(
				t->options, exit_code, "%s", t->trouble);
		if (made && t->options->json)
			print_document(t);
		else if (made)
			print_table(t);
		supctl_flush(0);
		if (made && made == t->pictures)
			return 0;
		if (made && !t->options->json)
			putchar('\n');
		made++;
		poll(NULL, 0, (int)t->delay_ms);
	}
}

/* ---- the verb ---- */

static int
read_sort(const struct options *o, struct top *t)
{
	struct buffer names = {0};
	int column = o->sort ? top_column_by_name(o->sort) : TOP_RATE;
	int exit_code;

	if (column >= 0) {
		t->view.sort = (enum top_column_id)column;
		return 0;
	}
	top_column_names(&names);
	buffer_append_byte(&names, '\0');
	exit_code =
		supctl_fail(o, EXIT_USAGE, "--sort must be one of %s, not '%s'",
			(const char *)buffer_bytes(&names), o->sort);
	buffer_finish(&names);
	return exit_code;
}

int
verb_top(const struct options *o)
{
	bool is_live = !o->batch && !o->json && isatty(STDIN_FILENO) &&
		       isatty(STDOUT_FILENO);
	struct top t = {
		.options = o, .delay_ms = o->delay_ms ? o->delay_ms : DELAY_MS};
	int exit_code = read_sort(o, &t);

	if (exit_code)
		return exit_code;
	top_figures_init(&t.figures);
	if (option_is_given(o, OPTION_LINES))
		t.pictures = o->lines;
	else if (!is_live && !(o->batch && !o->json))
		t.pictures = 1;
	t.view.color = is_live && supctl_has_color(o, STDOUT_FILENO);
	if (is_live)
		exit_code = ask(&t, NULL);
	if (exit_code)
		supctl_fail(o, exit_code, "%s", t.trouble);
	else if (is_live && !terminal_enter(&t.terminal))
		exit_code = run_live(&t);
	else
		exit_code = run_tables(&t);
	free(t.trouble);
	top_figures_finish(&t.figures);
	return exit_code;
}
