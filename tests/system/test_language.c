/* Workers in other languages, without any SDK, behind the built programs: what
 * proto/README.md promises to their authors. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(language, .fini = run_fini, .timeout = 60);

/* More than the credit that a stream begins with. */
#define BODY_BYTES (300 * 1024)

static struct gateway_run *
start(const char *package)
{
	struct gateway_run *g = run_create();

	run_package(g, package, package);
	run_plugin(g, package, "use: %s", package);
	run_start(g);
	return g;
}

static void
reloads(const char *package, const char *path)
{
	struct gateway_run *g = start(package);
	int before = http_pid(g->http, path);
	struct ctl *c = ctl_run(g, "reload", package, NULL);

	cr_assert_eq(c->exit_code, 0, "%s", c->err);
	cr_assert_eq(ctl_number(c, "previousPid"), before);
	cr_assert_eq(http_pid(g->http, path), ctl_number(c, "pid"));
	ctl_destroy(c);
	run_end(g);
}

Test(language, a_worker_in_python_is_reloaded)
{
	reloads("raw-python", "/raw");
}

Test(language, a_worker_in_perl_is_reloaded)
{
	reloads("raw-perl", "/perl/x");
}

static void
expect_mode(struct gateway_run *g, const char *verb, const char *id,
	const char *mode)
{
	struct ctl *c = ctl_expect(g, 0, verb, id, NULL);

	cr_expect(strstr(c->out, mode), "%s is not in %s", mode, c->out);
	ctl_destroy(c);
}

static struct gateway_run *
start_lua(void)
{
	if (system("lua5.4 -e 'require(\"socket.unix\")' 2>/dev/null"))
		cr_skip_test("needs Lua: apt install lua5.4 lua-socket");
	return start("raw-lua");
}

static void
expect_text(struct gateway_run *g, const char *path, const char *text)
{
	struct answer a = http_get(g->http, path);

	cr_expect_eq(a.status, 200);
	cr_expect(!strcmp(a.body, text), "%s is %.80s", path, a.body);
	answer_finish(&a);
}

Test(language, state_above_one_message_goes_along_in_pieces)
{
	struct gateway_run *g = start_lua();
	char *note = malloc(BODY_BYTES + 1);
	struct answer a;

	for (size_t i = 0; i < BODY_BYTES; i++)
		note[i] = (char)('a' + i / 7 % 26);
	note[BODY_BYTES] = '\0';
	expect_text(g, "/hi/Ada", "Hello, Ada (1)\n");
	a = http_post(g->http, "/note", note);
	cr_assert_eq(a.status, 200);
	answer_finish(&a);
	expect_text(g, "/note", note);
	expect_mode(g, "reload", "raw-lua", "\"stateBytes\": 307208");
	expect_text(g, "/note", note);
	expect_text(g, "/hi/Ada", "Hello, Ada (2)\n");
	free(note);
	run_end(g);
}

Test(language, a_worker_in_lua_streams_over_a_reload_and_is_told_who_left)
{
	struct gateway_run *g = start_lua();
	struct buffer all = {0};
	struct client c;

	cr_assert(client_open(&c, g->http));
	client_say(&c, "GET /ticks HTTP/1.1\r\nHost: a\r\n\r\n");
	cr_assert(client_read_until(&c, &all, "tick"));
	expect_mode(g, "reload", "raw-lua", "\"success\": true");
	buffer_clear(&all);
	cr_expect(client_read_until(&c, &all, "tick"));
	client_close(&c);
	buffer_clear(&all);

	/* of the new one */
	cr_assert(client_open(&c, g->http));
	client_say(&c, "GET /ticks HTTP/1.1\r\nHost: a\r\n\r\n");
	cr_assert(client_read_until(&c, &all, "tick"));
	client_close(&c);
	buffer_finish(&all);
	expect_text(g, "/left", "1\n");
	run_end(g);
}

Test(language, a_worker_in_lua_is_paced_called_and_calls)
{
	struct gateway_run *g = start_lua();
	struct answer a = http_get(g->http, "/lines/100000");
	struct ctl *c;

	cr_expect(a.body_bytes > 100000 &&
		  !strcmp(a.body + a.body_bytes - 12, "line 100000\n"));
	answer_finish(&a);
	c = ctl_expect(
		g, 0, "call", "tool", "sum", "{\"numbers\": [1, 2.5]}", NULL);
	cr_expect(strstr(c->out, "3.5"), "%s", c->out);
	ctl_destroy(c);
	expect_text(g, "/others", "1\n");
	run_end(g);
}

Test(language, a_large_body_streams_both_ways_under_credit)
{
	struct gateway_run *g = start("raw-perl");
	char *body = malloc(BODY_BYTES + 1);
	struct answer a;

	for (size_t i = 0; i < BODY_BYTES; i++)
		body[i] = (char)('a' + i / 7 % 26);
	body[BODY_BYTES] = '\0';
	a = http_post(g->http, "/perl/x", body);
	cr_assert_eq(a.status, 200);
	cr_assert_eq(a.body_bytes, BODY_BYTES);
	cr_assert(!memcmp(a.body, body, BODY_BYTES));
	answer_finish(&a);
	free(body);
	run_end(g);
}

static void
expect_command(struct gateway_run *g, const char *answer)
{
	struct ctl *c = ctl_expect(g, 0, "call", "command", "perl", "", NULL);

	cr_expect(strstr(c->out, answer), "%s is not in %s", answer, c->out);
	ctl_destroy(c);
}

Test(language, its_state_goes_along_and_its_settings_change_while_it_runs)
{
	struct gateway_run *g = start("raw-perl");
	struct ctl *c;

	expect_command(g, "Hello 1");
	expect_command(g, "Hello 2");
	expect_mode(g, "reload", "raw-perl", "\"stateBytes\": 1");
	expect_command(g, "Hello 3");
	run_no_plugins(g);
	run_plugin(g, "raw-perl", "use: raw-perl, settings: {greeting: Hi}");
	run_write_config(g);
	expect_mode(g, "apply", NULL, "\"mode\": \"configure\"");
	expect_command(g, "Hi 4");
	c = ctl_expect(g, 0, "events", "-n", "1", NULL);
	cr_expect(strstr(c->out, "perl.asked"), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}
