/* What a worker says of itself is checked where it comes in, so that it reaches
 * no figure, no file and no terminal; and what a worker or a caller says about
 * time is cut to a day. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(words, .fini = run_fini, .timeout = 200);

#define DAY_MS 86400000L

static void
write_settings(struct gateway_run *g, const char *settings)
{
	char *path = run_package_file(g, "hostile", "plugin.yaml");

	files_write(path,
		"name: raw-hostile\nversion: 1.0.0\nexec: [python3, main.py]\n"
		"settings: {%s}\n",
		settings);
	free(path);
}

static struct gateway_run *
start(const char *settings)
{
	struct gateway_run *g = run_create();

	run_package(g, "raw-hostile", "hostile");
	write_settings(g, settings);
	run_plugin(g, "hostile", "use: hostile");
	run_start(g);
	return g;
}

/* ---- names and texts ---- */

Test(words, each_is_checked_where_it_comes_in)
{
	static const struct {
		const char *settings, *error;
	} rows[] = {
		{"version: {hex: ff}", "version must be UTF-8 text"},
		{"version: {hex: 1b5d}", "version must be UTF-8 text"},
		{"version: {hex: c29b}", "version must be UTF-8 text"},
		{"version: {hex: 31000a}", "version must be UTF-8 text"},
		{"row: {kind: tool, name: t, description: {hex: 1b}}",
			"description must be UTF-8 text"},
		{"row: {kind: tool, name: t, description: {hex: c2}}",
			"description must be UTF-8 text"},
		{"row: {kind: command, name: t, help: {hex: c285}}",
			"help must be UTF-8 text"},
		{"row: {kind: tool, name: {hex: 1b}}",
			"name must be UTF-8 text"},
		{"row: {kind: {hex: 1b}, name: t}",
			"its kind must be a string"},
		{"row: {kind: http, method: GET, path: {hex: 2fc29b}}",
			"path must be UTF-8 text"},
		{"row: {kind: http, method: {hex: 1b}, path: /x}",
			"method must be UTF-8 text"},
		{"row: {kind: tool, name: t, schema: {hex: ff}}", "schema: "},
	};
	struct gateway_run *g = start("");

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ctl *c;

		write_settings(g, rows[i].settings);
		c = ctl_expect(g, 1, "reload", "hostile", NULL);
		cr_expect(strstr(ctl_text(c, "error"), rows[i].error), "%s: %s",
			rows[i].settings, c->out);
		ctl_destroy(c);
	}
	cr_expect_eq(http_status(g->http, "/hostile"), 200);
	run_end(g);
}

static void
expect_refused_length(struct gateway_run *g, const char *before, unsigned size,
	const char *after, const char *error)
{
	char *text = memory_alloc(size + 1);
	char *settings;
	struct ctl *c;

	memset(text, 'v', size);
	settings = memory_format("%s%s%s", before, text, after);
	write_settings(g, settings);
	c = ctl_expect(g, 1, "reload", "hostile", NULL);
	cr_expect(strstr(ctl_text(c, "error"), error), "%s", c->out);
	ctl_destroy(c);
	free(settings);
	free(text);
}

Test(words, each_has_a_longest_length)
{
	struct gateway_run *g = start("");

	expect_refused_length(
		g, "version: ", 129, "", "version must be UTF-8 text of at");
	expect_refused_length(
		g, "version: ", 90000, "", "version must be UTF-8 text of at");
	expect_refused_length(g,
		"row: {kind: tool, name: t, description: ", 20000, "}",
		"description is longer than 16384 bytes");
	run_end(g);
}

Test(words, a_worker_whose_sdk_is_no_text_never_starts)
{
	struct gateway_run *g = start("");
	struct ctl *c;

	run_no_plugins(g);
	run_plugin(g, "hostile", "use: hostile, env: {SDK: \"a\\tb\"}");
	run_write_config(g);
	c = ctl_expect(g, 1, "apply", NULL);
	cr_expect(strstr(c->out, "sdk must be UTF-8 text"), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

/* ---- time ---- */

Test(words, a_deadline_is_at_most_a_day)
{
	static const char *const longer[] = {"86400001", "4294967296",
		"999999999999999999", "18446744073709551615"};
	struct gateway_run *g = start("");
	struct answer a;
	struct ctl *c;

	for (size_t i = 0; i < sizeof(longer) / sizeof(*longer); i++) {
		char *path = memory_format("/hostile?deadline=%s", longer[i]);
		long left;

		a = http_get(g->http, path);
		left = strtol(a.body, NULL, 10);
		cr_expect(left <= DAY_MS && left > DAY_MS - 60000, "%s: %s",
			longer[i], a.body);
		answer_finish(&a);
		free(path);
	}
	a = http_get(g->http, "/hostile?deadline=5000");
	cr_expect(strtol(a.body, NULL, 10) <= 5000, "%s", a.body);
	answer_finish(&a);
	c = ctl_expect(
		g, 0, "--timeout", "99999h", "call", "tool", "deadline", NULL);
	cr_expect(ctl_number(c, "result") <= DAY_MS, "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

/* SHA-256 of "one". */
#define ONE "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"

static struct answer
call(struct gateway_run *g, const char *name, const char *query)
{
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c,
		"POST /api/tools/%s%s HTTP/1.1\r\nHost: x\r\n"
		"Authorization: Bearer one\r\nContent-Length: 0\r\n\r\n",
		name, query));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	client_close(&c);
	return a;
}

Test(words, a_timeout_of_an_api_call_is_kept_cut_or_refused)
{
	static const struct {
		const char *query;
		int status;
		long least_ms, most_ms; /* that the tool sees */
	} rows[] = {
		{"", 200, 20000, 30000}, /* the gateway's */
		{"?timeoutMs=0", 200, 20000, 30000},
		{"?timeoutMs=5000", 200, 4000, 5000},
		{"?timeoutMs=86400000", 200, DAY_MS - 60000, DAY_MS},
		{"?timeoutMs=86400001", 200, DAY_MS - 60000, DAY_MS},
		{"?timeoutMs=999999999999999999", 200, DAY_MS - 60000, DAY_MS},
		{"?timeoutMs=9999999999999999999", 400, 0, 0},
		{"?timeoutMs=-1", 400, 0, 0},
		{"?timeoutMs=1.5", 400, 0, 0},
		{"?timeoutMs=1e3", 400, 0, 0},
		{"?timeoutMs=%201", 400, 0, 0},
		{"?timeoutMs=0x10", 400, 0, 0},
		{"?timeoutMs=5s", 400, 0, 0},
		{"?timeoutMs=true", 400, 0, 0},
		{"?timeoutMs=", 400, 0, 0},
		{"?timeoutMs=1&timeoutMs=1", 400, 0, 0},
		{"?timeout=1", 400, 0, 0},
	};
	struct gateway_run *g = start("");
	struct answer a;

	free(g->extra);
	g->extra = memory_copy_text("admin: {tokens: [{name: one, role: "
				    "operator, sha256: \"" ONE "\"}]}\n");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		long left;

		a = call(g, "deadline", rows[i].query);
		left = a.body ? strtol(a.body, NULL, 10) : 0;
		cr_expect_eq(a.status, rows[i].status, "%s: %d %s",
			rows[i].query, a.status, a.body);
		if (a.status == 200)
			cr_expect(left >= rows[i].least_ms &&
					  left <= rows[i].most_ms,
				"%s: %s", rows[i].query, a.body);
		else
			cr_expect(strstr(a.body, "\"error\":"), "%s: %s",
				rows[i].query, a.body);
		if (strstr(rows[i].query, "Ms=") && a.status == 400 &&
			!strchr(rows[i].query, '&'))
			cr_expect(strstr(a.body, "'timeoutMs' must be"),
				"%s: %s", rows[i].query, a.body);
		answer_finish(&a);
	}
	run_end(g);
}

/* ---- depth ---- */

/* `depth` maps in each other. */
static char *
nested(unsigned depth)
{
	char *text = memory_alloc(8 * depth + 8), *at = text;

	for (unsigned i = 1; i < depth; i++)
		at = stpcpy(at, "{a: ");
	at = stpcpy(at, "{}");
	for (unsigned i = 1; i < depth; i++)
		at = stpcpy(at, "}");
	return text;
}

/* What check lets through is shown and sent; one level more is refused. */
Test(words, settings_that_pass_can_be_sent_and_shown)
{
	struct gateway_run *g = run_create();
	char *deepest = nested(24), *deeper = nested(25);
	char *config = memory_format("%s/supd.yaml", g->dir), *large;
	struct ctl *c;

	run_package(g, "raw-hostile", "hostile");
	run_plugin(g, "hostile", "use: hostile, settings: %s", deepest);
	run_start(g);
	cr_expect_eq(http_status(g->http, "/hostile"), 200);
	ctl_destroy(ctl_expect(g, 0, "config", NULL));
	ctl_destroy(ctl_expect(g, 0, "show", "hostile", NULL));
	run_no_plugins(g);
	run_plugin(g, "hostile", "use: hostile, settings: %s", deeper);
	run_write_config(g);
	c = ctl_expect(g, 1, "check", config, NULL);
	cr_expect(strstr(c->out, "nested deeper than 24") ||
			  strstr(c->err, "nested deeper than 24"),
		"%s%s", c->out, c->err);
	ctl_destroy(c);
	large = memory_alloc(1024 * 1024);
	memset(large, 'x', 1010 * 1024);
	run_no_plugins(g);
	run_plugin(g, "hostile", "use: hostile, settings: {a: %s}", large);
	run_write_config(g);
	c = ctl_expect(g, 1, "check", config, NULL);
	cr_expect(strstr(c->out, "must not be larger than 1008 KiB") ||
			  strstr(c->err, "must not be larger than 1008 KiB"),
		"%s%s", c->out, c->err);
	ctl_destroy(c);
	free(large);
	free(deepest);
	free(deeper);
	free(config);
	run_end(g);
}
