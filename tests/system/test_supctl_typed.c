/* What supctl makes of what people type: near misses, aliases, several ids,
 * abbreviated options, and a call that its caller may not make. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/shell.h"

TestSuite(supctl_typed, .fini = run_fini, .timeout = 200);

#define NOBODY 65534

static struct gateway_run *
start(void)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_add_hello(g);
	run_start(g);
	return g;
}

struct typed {
	const char *script;
	int exit_code;
	const char *says[3];
};

static void
expect_typed(struct gateway_run *g, const struct typed *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct typed *row = &rows[i];
		char *out = shell_expect(g, row->exit_code, "%s", row->script);

		for (size_t n = 0; n < 3 && row->says[n]; n++)
			cr_expect(strstr(out, row->says[n]), "%s: no '%s': %s",
				row->script, row->says[n], out);
		free(out);
	}
}

#define EXPECT_TYPED(g, rows)                                                  \
	expect_typed(g, rows, sizeof(rows) / sizeof(*(rows)))

Test(supctl_typed, a_near_miss_is_named)
{
	static const struct typed rows[] = {
		{"$SUPCTL stauts", 2, {"did you mean 'status'?"}},
		{"$SUPCTL --jsn status", 2, {"did you mean '--json'?"}},
		{"$SUPCTL show helo", 5,
			{"no such plugin: 'helo'", "did you mean 'hello'?"}},
		{"$SUPCTL reload hello faultt", 5, {"did you mean 'fault'?"}},
		{"$SUPCTL stop faul", 5, {"did you mean 'fault'?"}},
		{"$SUPCTL call tool hallo", 5,
			{"no plugin has the tool 'hallo'",
				"did you mean 'hello'?"}},
		{"$SUPCTL show quite-different", 5, {"no such plugin"}},
	};
	struct gateway_run *g = start();

	EXPECT_TYPED(g, rows);
	run_end(g);
}

Test(supctl_typed, other_names_of_verbs_work)
{
	static const struct typed rows[] = {
		{"$SUPCTL ps", 0, {"hello", "serving"}},
		{"$SUPCTL log hello", 0, {""}},
		{"$SUPCTL describe hello", 0, {"registrations", "workers"}},
		{"$SUPCTL ps --help", 0, {"supctl [OPTION]... status", "ps"}},
	};
	struct gateway_run *g = start();

	EXPECT_TYPED(g, rows);
	run_end(g);
}

Test(supctl_typed, no_option_may_be_cut_short)
{
	static const struct typed rows[] = {
		{"$SUPCTL --js status", 2, {"unknown option --js"}},
		{"$SUPCTL --time=1s status", 2, {"--time", "'--timeout'?"}},
		{"$SUPCTL --timeout 5s status", 0, {"ready"}},
		{"$SUPCTL --timeout=5s status", 0, {"ready"}},
		{"$SUPCTL reload hello --forc", 2, {"did you mean '--force'?"}},
		{"$SUPD --chec", 2, {"--chec", "did you mean '--check'?"}},
		{"$SUPD --conf /x --check", 2, {"--conf"}},
		{"$SUPD --config=/no/such.yaml --check", 1, {"/no/such.yaml"}},
		{"$SUPD --config --chec --check", 1, {"--chec"}},
		{"$SUPD --version", 0, {"supd "}},
	};
	struct gateway_run *g = start();

	EXPECT_TYPED(g, rows);
	run_end(g);
}

Test(supctl_typed, several_ids_are_done_one_by_one)
{
	static const struct typed rows[] = {
		{"$SUPCTL stop hello fault", 0,
			{"hello: stopped", "fault: stopped", "2 of 2 stopped"}},
		{"$SUPCTL start hello fault hello", 0, {"2 of 2 started"}},
		{"$SUPCTL restart hello fault", 0, {"2 of 2 restarted"}},
		{"$SUPCTL disable hello fault", 0, {"2 of 2 disabled"}},
		{"$SUPCTL enable hello", 0, {"hello: started"}},
		{"$SUPCTL start hello fault", 8, {"disabled", "1 of 2"}},
		{"$SUPCTL enable hello fault", 0, {"2 of 2 enabled"}},
		{"$SUPCTL stop hello none", 5, {"no such plugin: 'none'"}},
		{"$SUPCTL status hello fault | grep -c serving", 0, {"3"}},
		{"$SUPCTL status hello | grep -c ' serving '", 0, {"1"}},
		{"$SUPCTL status hello none", 5, {"no such plugin: 'none'"}},
	};
	struct gateway_run *g = start();
	struct ctl *c;

	EXPECT_TYPED(g, rows);
	c = ctl_expect(g, 0, "restart", "hello", "fault", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 2, "%s", c->out);
	cr_expect(json_is_true(ctl_at(c, "success")), "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "restart", "hello", NULL);
	cr_expect_str_eq(ctl_text(c, "pluginId"), "hello");
	ctl_destroy(c);
	run_end(g);
}

/* fault prints a line at its start, on either stream. */
Test(supctl_typed, logs_are_of_all_plugins_or_of_those_lines_that_are_wanted)
{
	static const struct typed rows[] = {
		{"$SUPCTL reload fault; $SUPCTL reload fault; $SUPCTL logs", 0,
			{" fault g1[", "starting in mode"}},
		{"$SUPCTL logs --since 1h --grep 'no such text' | wc -l", 0,
			{"0"}},
		{"$SUPCTL logs hello -n 3 --since '2026-01-01 10:00'", 0, {""}},
		{"$SUPCTL logs --since yesterday", 2, {"--since needs a time"}},
		{"$SUPCTL logs helo", 5, {"did you mean 'hello'?"}},
		{"$SUPCTL --json logs", 0, {"\"lines\": ["}},
	};
	struct gateway_run *g = start();

	EXPECT_TYPED(g, rows);
	run_end(g);
}

/* On a terminal of 80 columns, with an id as long as they are in practice. */
Test(supctl_typed, status_keeps_the_word_that_matters)
{
	struct gateway_run *g = run_create();
	char *out;

	run_add_hello(g);
	run_plugin(g, "a-plugin-with-a-long-name",
		"use: hello, mount: /long, namespace: long");
	run_start(g);
	free(shell_expect(g, 0, "$SUPCTL reload a-plugin-with-a-long-name"));
	out = shell_expect(g, 0,
		"unset NO_COLOR; export TERM=dumb\n"
		"script -qec \"stty cols 80; $SUPCTL status\" /dev/null |\n"
		"tr -d '\\r' | sed 's/\xe2\x80\xa6/./g' | tee /dev/stderr |\n"
		"awk 'NR > 1 && length($0) > 80 {exit 1}\n"
		"/^a-plugin/ {found = /serving/ && /(done|settled)/}\n"
		"END {exit !found}'");
	free(out);
	out = shell_expect(
		g, 0, "script -qec \"stty cols 70; $SUPCTL list\" /dev/null");
	cr_expect(strstr(out, "\xe2\x80\xa6"), "no ellipsis: %s", out);
	free(out);
	run_end(g);
}

Test(supctl_typed, history_says_what_it_was_and_by_whom)
{
	static const struct typed rows[] = {
		{"$SUPCTL stop hello && $SUPCTL start hello &&\n"
		 "$SUPCTL restart hello && $SUPCTL reload hello --prove",
			0, {""}},
		{"$SUPCTL history hello | awk '{print $5, $8, $9}'", 0,
			{"start start", "stop supctl, uid",
				"restart supctl, uid"}},
		{"$SUPCTL history hello", 0, {"prove", "reload"}},
	};
	struct gateway_run *g = start();

	free(shell_expect(g, 0, "$SUPCTL reload hello"));
	EXPECT_TYPED(g, rows);
	run_end(g);
}

Test(supctl_typed, history_names_who_applied_or_reloaded_what_changed)
{
	struct gateway_run *g = start();
	char *path, *text;

	run_plugin(g, "again", "use: hello, mount: /again, namespace: again");
	run_write_config(g);
	free(shell_expect(g, 0,
		"$SUPCTL apply && $SUPCTL --json history again |\n"
		"grep -q '\"by\": *\"uid '"));
	path = run_package_file(g, "hello", "plugin.yaml");
	text = files_read(path);
	files_write(path, "%s# changed\n", text);
	free(shell_expect(g, 0, "$SUPCTL reload --changed"));
	free(shell_expect(g, 0,
		"$SUPCTL --json history hello | tail -n 30 |\n"
		"grep -q '\"by\": *\"uid '"));
	free(text);
	free(path);
	g->may_grow = true;
	run_end(g);
}

#define BAD_MANIFEST                                                           \
	"name: bad\nvresion: 1.0.0\nexec: [python3, main.py]\n"                \
	"state: {export: 3}\n"

/* Offline, by either program, and in a reload that fails. */
Test(supctl_typed, all_problems_of_a_package_are_said_unknown_keys_first)
{
	static const char *const commands[] = {"$SUPCTL check $P",
		"$SUPCTL check $P/plugin.yaml", "$SUPD --check -c $P",
		"cd $P && $SUPCTL check ."};
	struct gateway_run *g = start();
	char *folder = memory_format("%s/packages/hello", g->dir), *path, *out;
	int code;

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		char *good = memory_format("%s/packages/fault", g->dir);

		path = memory_format("%s/plugin.yaml", folder);
		files_write(path, "%s", BAD_MANIFEST);
		free(path);
		out = shell_run(g, &code, "P=%s; %s", folder, commands[i]);
		cr_expect_eq(code, 1, "%s: %s", commands[i], out);
		cr_expect(strstr(out, "plugin.yaml:2:1: unknown key 'vresion'; "
				      "did you mean 'version'?"),
			"%s: %s", commands[i], out);
		cr_expect(strstr(out, "plugin.yaml:4:17: 'export' must be "),
			"%s", out);
		free(out);
		out = shell_expect(g, 0, "P=%s; %s", good, commands[i]);
		free(out);
		free(good);
	}
	out = shell_expect(g, 1, "$SUPCTL reload hello");
	cr_expect(strstr(out, "reload failed: "), "%s", out);
	path = strstr(out, "supd| ");
	cr_assert(path, "%s", out);
	cr_expect(strstr(path, "unknown key 'vresion'"), "%s", out);
	cr_expect(strstr(path, "'export' must be "), "%s", out);
	cr_expect_lt(strstr(path, "unknown key"), strstr(path, "'export'"));
	free(out);
	free(folder);
	run_end(g);
}

Test(supctl_typed, a_token_has_the_role_that_was_asked_for)
{
	static const struct typed rows[] = {
		{"$SUPCTL token new web --role viewer", 0,
			{"{name: \"web\", role: viewer, "}},
		{"$SUPCTL token new", 0, {"role: operator, "}},
		{"$SUPCTL token new --role king", 2, {"viewer"}},
		{"$SUPCTL --json token new --role admin", 0,
			{"\"role\": \"admin\""}},
	};
	struct gateway_run *g = run_create();

	EXPECT_TYPED(g, rows);
	run_forget(g);
}

Test(supctl_typed, who_may_not_learns_the_role_that_it_takes)
{
	static const char *const stop[] = {"stop", "hello", NULL};
	struct gateway_run *g;
	struct ctl *c;

	if (getuid())
		cr_skip_test("needs root, to call as somebody else");
	g = run_create();
	run_add_hello(g);
	free(g->extra);
	g->extra = memory_copy_text("admin: {peers: [{uid: root, role: admin}, "
				    "{uid: nobody, role: viewer}]}\n");
	run_start(g);
	c = ctl_begin(g, NOBODY, stop);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 4);
	cr_expect_str_eq(ctl_text(c, "error"),
		"permission denied: 'stop' needs the role operator; uid 65534 "
		"has the role viewer");
	ctl_destroy(c);
	run_end(g);
}
