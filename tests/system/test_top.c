/* supctl top on a real terminal: a pane of tmux, typed into and read. The
 * sizes, the keys, the ways out, and a supd that goes away. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/shell.h"

TestSuite(top, .fini = run_fini, .timeout = 200);

#define TMUX "tmux -S $D/tmux -f /dev/null"
#define WHERE "D=%s\nexport LC_ALL=C.UTF-8 TERM=screen\n"

static struct gateway_run *
start(unsigned plugins)
{
	struct gateway_run *g = run_create();
	char id[16];

	if (!shell_has("tmux"))
		cr_skip_test("tmux is not installed");
	run_add_hello(g);
	for (unsigned i = 1; i < plugins; i++) {
		snprintf(id, sizeof(id), "p%02u", i);
		run_plugin(
			g, id, "use: hello, mount: /%s, namespace: %s", id, id);
	}
	run_start(g);
	return g;
}

/* A script in a pane of that size. The pane stays when the script is over, and
 * ends after 180 s if the test does not end it. */
static void
pane_open(struct gateway_run *g, unsigned columns, unsigned rows,
	const char *script)
{
	char *path = memory_format("%s/pane", g->dir);

	files_write(path, "%s\nexec cat\n", script);
	free(path);
	free(shell_expect(g, 0,
		WHERE TMUX " new-session -d -x %u -y %u "
			   "\"timeout -k 9 --foreground 180 bash $D/pane\"",
		g->dir, columns, rows));
}

static void
pane_type(struct gateway_run *g, const char *keys)
{
	free(shell_expect(g, 0, WHERE TMUX " send-keys %s", g->dir, keys));
}

static char *
pane_text(struct gateway_run *g)
{
	return shell_expect(g, 0, WHERE TMUX " capture-pane -p", g->dir);
}

/* The screen once it has all of these strings and not `without`, which may be
 * NULL. Before that, tmux may show half a picture, or one of another size. */
static char *
pane_await_all(struct gateway_run *g, const char *const *needles, size_t count,
	const char *without)
{
	struct patience p = patience_for(RUN_DEADLINE_MS);

	for (;;) {
		char *text = pane_text(g);
		size_t seen = 0;

		while (seen < count && strstr(text, needles[seen]))
			seen++;
		if (seen == count && (!without || !strstr(text, without)))
			return text;
		cr_assert(patience_lasts(&p), "'%s' %s: %s",
			seen < count ? needles[seen] : without,
			seen < count ? "never came" : "stays", text);
		free(text);
	}
}

static char *
pane_await(struct gateway_run *g, const char *needle, bool there)
{
	return pane_await_all(g, &needle, there, there ? NULL : needle);
}

/* A whole picture of top. */
static char *
pane_await_picture(struct gateway_run *g, const char *with, const char *without)
{
	const char *const needles[] = {"REQ/S", "q quit", with};

	return pane_await_all(g, needles, with ? 3 : 2, without);
}

static void
pane_see(struct gateway_run *g, const char *needle)
{
	free(pane_await(g, needle, true));
}

static void
pane_close(struct gateway_run *g)
{
	free(shell_expect(g, 0, WHERE TMUX " kill-server", g->dir));
}

static void
expect_width(const char *text, size_t width)
{
	for (const char *at = text; *at; at += strcspn(at, "\n") + 1) {
		cr_expect_leq(strcspn(at, "\n"), width, "%.*s",
			(int)strcspn(at, "\n"), at);
		if (!at[strcspn(at, "\n")])
			break;
	}
}

/* ---- what is shown ---- */

Test(top, shows_80_and_200_columns_and_follows_the_size)
{
	struct gateway_run *g = start(3);
	char *text;

	pane_open(g, 80, 24, "\"$SUPCTL\" top -d 200ms");
	text = pane_await_picture(g, "1-3 of 3", NULL);
	expect_width(text, 80);
	for (size_t i = 0; i < 9; i++) {
		static const char *const heads[] = {"PLUGIN", "STATE", "P50",
			"P99", "FLIGHT", "HELD", "MEM", "CPU%", "RELOAD"};

		cr_expect(strstr(text, heads[i]), "%s: %s", heads[i], text);
	}
	cr_expect(strstr(text, "3 plugins: 3 serving"), "%s", text);
	free(text);
	free(shell_expect(
		g, 0, WHERE TMUX " resize-window -x 200 -y 30", g->dir));
	text = pane_await_picture(g, " PID ", NULL);
	expect_width(text, 200);
	free(text);
	free(shell_expect(
		g, 0, WHERE TMUX " resize-window -x 50 -y 10", g->dir));
	text = pane_await_picture(g, NULL, "RELOAD");
	expect_width(text, 50);
	free(text);
	pane_close(g);
	run_end(g);
}

Test(top, shows_rates_and_percentiles_of_what_happens)
{
	struct gateway_run *g = start(2);
	struct patience p = patience_for(RUN_DEADLINE_MS);
	char *text = NULL, *row;
	double rate = 0;

	pane_open(g, 200, 24, "\"$SUPCTL\" top -d 500ms --sort id");
	pane_see(g, "hello");
	while (rate <= 0) {
		free(text);
		for (int i = 0; i < 10; i++)
			cr_expect_eq(http_status(g->http, "/hello"), 200);
		text = pane_text(g);
		row = strstr(text, "\nhello"); /* not in half a picture */
		if (row)
			sscanf(row, " hello serving %lf", &rate);
		cr_assert(rate > 0 || patience_lasts(&p), "%s", text);
	}
	cr_expect(strstr(text, "ms "), "%s", text);
	free(text);
	pane_close(g);
	run_end(g);
}

Test(top, sorts_and_pages)
{
	struct gateway_run *g = start(6);
	char *text;

	pane_open(g, 100, 8, "\"$SUPCTL\" top -d 200ms --sort id");
	text = pane_await_picture(g, "1-4 of 6", "\np04 ");
	cr_expect(strstr(text, "\nhello "), "%s", text);
	free(text);
	pane_type(g, "NPage");
	text = pane_await_picture(g, "3-6 of 6", "\nhello ");
	cr_expect(strstr(text, "\np05 "), "%s", text);
	free(text);
	pane_type(g, "Up");
	pane_see(g, "2-5 of 6");
	pane_type(g, "Home");
	pane_see(g, "1-4 of 6");
	pane_type(g, "R");
	free(pane_await_picture(g, "\np05 ", "\nhello "));
	/* No key, a sequence that is none, and one that may take the next key
	 * with it. */
	pane_type(g, "x F5 Escape");
	pane_type(g, "i i");
	pane_see(g, "\nhello ");
	pane_close(g);
	run_end(g);
}

/* ---- ways out ---- */

/* Runs top; prints how it ended and whether the terminal is as it was. ^C goes
 * to every process in the pane. */
#define WITNESSED                                                              \
	"trap : INT\n"                                                         \
	"stty -g >$D/before\n"                                                 \
	"bash -c 'echo $$ >'$D'/pid; exec \"$SUPCTL\" top -d 200ms'\n"         \
	"echo exit=$?\n"                                                       \
	"stty -g >$D/after; cmp $D/before $D/after && echo restored\n"

static struct gateway_run *
start_witnessed(void)
{
	struct gateway_run *g = start(1);
	char *script = memory_format("D=%s\n%s", g->dir, WITNESSED);

	pane_open(g, 80, 24, script);
	pane_see(g, "REQ/S");
	free(script);
	return g;
}

static void
expect_exit(struct gateway_run *g, const char *exit)
{
	char *text = pane_await(g, "restored", true);

	cr_expect(strstr(text, exit), "%s: %s", exit, text);
	cr_expect(!strstr(text, "REQ/S"), "the screen is back: %s", text);
	free(text);
	pane_close(g);
	run_end(g);
}

Test(top, leaves_the_terminal_as_it_was_at_q)
{
	struct gateway_run *g = start_witnessed();

	pane_type(g, "q");
	expect_exit(g, "exit=0");
}

Test(top, leaves_the_terminal_as_it_was_at_an_interrupt)
{
	struct gateway_run *g = start_witnessed();

	pane_type(g, "C-c");
	expect_exit(g, "exit=130");
}

Test(top, leaves_the_terminal_as_it_was_at_a_term)
{
	struct gateway_run *g = start_witnessed();

	free(shell_expect(g, 0, "kill -TERM $(cat %s/pid)", g->dir));
	expect_exit(g, "exit=143");
}

Test(top, gives_the_terminal_back_while_it_is_stopped)
{
	struct gateway_run *g = start(1);

	pane_open(g, 80, 24,
		"set -m\nexport PS1='ready> '\nexec bash --norc --noprofile "
		"-i");
	pane_see(g, "ready>");
	pane_type(g, "'\"$SUPCTL\" top -d 200ms' Enter");
	pane_see(g, "REQ/S");
	pane_type(g, "C-z");
	pane_see(g, "Stopped");
	pane_type(g, "'stty -a | grep -o \" echo \" && echo is-back' Enter");
	pane_see(g, "\nis-back");
	pane_type(g, "fg Enter");
	pane_see(g, "REQ/S");
	pane_type(g, "q");
	free(pane_await(g, "REQ/S", false));
	pane_close(g);
	run_end(g);
}

/* ---- without supd, without a terminal ---- */

Test(top, says_that_supd_is_gone_and_finds_it_again)
{
	struct gateway_run *g = start(1);
	char *text;

	pane_open(g, 120, 24, "\"$SUPCTL\" top -d 200ms");
	pane_see(g, "1 serving");
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	text = pane_await_picture(g, "asking again", NULL);
	cr_expect(strstr(text, "supd"), "%s", text);
	cr_expect(strstr(text, "hello"), "the last figures stay: %s", text);
	free(text);
	run_start(g);
	free(pane_await(g, "asking again", false));
	pane_see(g, "1 serving");
	pane_close(g);
	run_end(g);
}

Test(top, is_a_table_where_there_is_no_terminal)
{
	struct gateway_run *g = start(2);
	char *text = shell_expect(g, 0, "\"$SUPCTL\" top -d 100ms");
	struct ctl *c;

	cr_expect(strstr(text, "REQ/S") && strstr(text, "\np01 "), "%s", text);
	cr_expect(!strchr(text, '\033'), "%s", text);
	free(text);
	text = shell_expect(
		g, 0, "\"$SUPCTL\" top -b -n 2 -d 100ms | grep -c REQ/S");
	cr_expect_str_eq(text, "2\n");
	free(text);
	text = shell_expect(g, 2, "\"$SUPCTL\" top --sort colour");
	cr_expect(
		strstr(text, "requests") && strstr(text, "colour"), "%s", text);
	free(text);
	c = ctl_expect(g, 0, "top", "-d", "100ms", NULL);
	cr_expect_str_eq(ctl_text(c, "plugins.0.id"), "hello");
	cr_expect_gt(ctl_number(c, "plugins.0.memoryBytes"), 0);
	ctl_destroy(c);
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	text = shell_expect(g, 3, "\"$SUPCTL\" top -b");
	cr_expect(strstr(text, "not running"), "%s", text);
	free(text);
	run_forget(g);
}
