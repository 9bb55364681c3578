/* What a plugin says cannot drive a terminal, whatever the verb; and what goes
 * into supctl and out of it as a stream: arguments from standard input and
 * files, output that can no longer be written. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clean.h"
#include "proto/util/memory.h"
#include "proto/util/utf8.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/shell.h"

TestSuite(terminal, .fini = run_fini, .timeout = 120);

#define VERSION "1.0-\u00e9\u65e5"

static const char manifest[] = "name: evil\nversion: 1.0.0\n"
			       "exec: [python3, main.py]\n"
			       "health: {call: true}\n";
static const char program[] =
	"import sys\n"
	"import supd\n"
	"BAD = '\\x1b[31m\\x9b2J\\u202e\\u2028evil\\x7f\\a'\n"
	"plugin = supd.Plugin('evil', '" VERSION "')\n"
	"@plugin.on_start\n"
	"async def start():\n"
	"    plugin.log('info', BAD)\n"
	"    print(BAD, file=sys.stderr)\n"
	"    sys.stderr.buffer.write(b'raw \\x9b2J \\xff\\n')\n"
	"    sys.stderr.flush()\n"
	"    plugin.emit('evil.began', {BAD: [BAD]})\n"
	"@plugin.health\n"
	"async def health():\n"
	"    if plugin.generation > 1:\n"
	"        raise supd.Error('busy', BAD)\n"
	"@plugin.tool('say')\n"
	"async def say(args):\n"
	"    return BAD + '\\r\\nline\\ttwo'\n"
	"@plugin.tool('object')\n"
	"async def object(args):\n"
	"    return {BAD: [BAD]}\n"
	"@plugin.tool('fail')\n"
	"async def fail(args):\n"
	"    raise supd.Error('conflict', BAD)\n"
	"@plugin.tool('mirror')\n"
	"async def mirror(args):\n"
	"    return args\n"
	"@plugin.command('length')\n"
	"async def length(text):\n"
	"    return '%d %s' % (len(text), text[:20])\n"
	"plugin.run()\n";

static struct gateway_run *
start(void)
{
	struct gateway_run *g = run_create();
	char *path;

	run_package(g, "scenario-python", "evil");
	path = run_package_file(g, "evil", "plugin.yaml");
	files_write(path, "%s", manifest);
	free(path);
	path = run_package_file(g, "evil", "main.py");
	files_write(path, "%s", program);
	free(path);
	run_plugin(g, "evil", "use: evil");
	run_announce(g, "evil");
	run_start(g);
	return g;
}

/* ---- out ---- */

Test(terminal, a_table_shows_letters_of_every_alphabet)
{
	struct gateway_run *g = start();
	char *out =
		shell_run(g, &(int){0}, "LC_ALL=C \"$SUPCTL\" show evil 2>&1");

	cr_expect(strstr(out, VERSION), "%s", out);
	free(out);
	run_end(g);
}

static void
expect_harmless(const char *line, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t left = strlen(text), length;
	uint32_t c;

	for (; left; at += length, left -= length) {
		length = utf8_read(at, left, &c);
		cr_assert(length, "%s: not UTF-8", line);
		cr_assert(c == '\n' || c == '\t' || !clean_is_harmful(c),
			"%s: U+%04X", line, c);
	}
}

Test(terminal, nothing_that_a_plugin_says_drives_it)
{
	static const char *const lines[] = {"call tool say", "call tool fail",
		"call tool object", "call tool mirror '\"\\u001b\\u009b\"'",
		"call command length $'\\e\\u9b'", "reload evil",
		"reload evil --prove", "logs evil", "events", "history",
		"status", "status evil", "list", "show evil", "routes",
		"metrics", "config", "emit evil.x '\"\\u001b\"'",
		"call tool $'no\\e'", "show $'\\e'"};
	struct gateway_run *g = start();

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		for (int json = 0; json < 2; json++) {
			char *out = shell_run(g, &(int){0},
				"export LC_ALL=C.UTF-8\n\"$SUPCTL\" %s %s 2>&1",
				json ? "--json" : "", lines[i]);

			cr_expect(*out, "%s", lines[i]);
			expect_harmless(lines[i], out);
			free(out);
		}
	run_end(g);
}

Test(terminal, what_was_said_is_still_there)
{
	static const struct {
		const char *line, *out;
	} rows[] = {
		{"call tool say", "?[31m?2J??evil??\nline\ttwo\n"},
		{"call tool say --raw",
			"\033[31m\302\2332J\342\200\256\342\200\250evil\177\a"
			"\r\nline\ttwo"},
		{"call tool object",
			"{\"\\u001b["
			"31m\\u009b2J\\u202e\\u2028evil\\u007f\\u0007\": "
			"[\"\\u001b["
			"31m\\u009b2J\\u202e\\u2028evil\\u007f\\u0007\"]}"
			"\n"},
		{"logs evil --raw | grep -c $'\\e\\\\[31m\\u009b2J'", "2\n"},
	};
	struct gateway_run *g = start();

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *out = shell_expect(g, 0,
			"export LC_ALL=C.UTF-8\n\"$SUPCTL\" %s", rows[i].line);

		cr_expect_str_eq(out, rows[i].out, "%s: %s", rows[i].line, out);
		free(out);
	}
	run_end(g);
}

/* ---- in ---- */

Test(terminal, arguments_come_from_standard_input_and_files)
{
	static const struct {
		int exit_code;
		const char *line, *out;
	} rows[] = {
		{0, "echo '[1, 2.50]' | $C call tool mirror -", "[1, 2.5]\n"},
		{0, "echo '[1]' >$D/a; $C call tool mirror @$D/a", "[1]\n"},
		{0,
			"python3 -c 'print(\"\\\"\" + \"x\" * 500000 + "
			"\"\\\"\")' |"
			"$C call tool mirror - | wc -c",
			"500001\n"},
		{0, "printf 'a\\nb' | $C call command length -", "3 a\nb\n"},
		{0, "printf 'abc' >$D/a; $C call command length @$D/a",
			"3 abc\n"},
		{0, "$C call command length - x", "3 - x\n"},
		{0, "printf %s - | $C call command length -", "1 -\n"},
		{0, "echo '{\"a\": 1}' | $C emit test.x -", "test.x emitted\n"},
		{0, "echo 7 >$D/a; $C emit test.x @$D/a", "test.x emitted\n"},
		{2,
			"printf '{\"a\":1,\\n\"a\":2}' | $C call tool mirror - "
			"2>&1",
			"standard input: malformed JSON at line 2, column 3"},
		{2, "echo '[' >$D/a; $C emit test.x @$D/a 2>&1",
			"/a: malformed JSON at line 2, column 0"},
		{2, "$C call tool mirror '{' 2>&1",
			"the argument: malformed JSON at line 1, column 1"},
		{2, "$C call tool mirror @/none 2>&1", "/none: No such file"},
		{2, "$C call tool mirror @ 2>&1", "No such file"},
		{2, "head -c 2000000 /dev/zero | $C call tool mirror - 2>&1",
			"larger than the 1024 KiB"},
		{2, "printf 'a\\0b' | $C call command length - 2>&1",
			"string without NUL"},
		{2, "printf '\\377' | $C call command length - 2>&1",
			"not UTF-8"},
		{2,
			"python3 -c 'print(\"[\" * 30 + \"]\" * 30)' | "
			"$C call tool mirror - 2>&1",
			"nested deeper than 24"},
	};
	struct gateway_run *g = start();

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *out = shell_expect(g, rows[i].exit_code,
			"C=$SUPCTL D=%s\n%s", g->dir, rows[i].line);

		cr_expect(rows[i].exit_code ? !!strstr(out, rows[i].out)
					    : !strcmp(out, rows[i].out),
			"%s: %.200s", rows[i].line, out);
		free(out);
	}
	run_end(g);
}

/* ---- the end ---- */

Test(terminal, a_follow_mode_ends_when_its_output_cannot_be_written)
{
	static const char *const lines[] = {
		/* nobody reads, and nothing is written either */
		"\"$SUPCTL\" events -f -n 0 2>/dev/null | true\n"
		"exit ${PIPESTATUS[0]}",
		"\"$SUPCTL\" logs -f -n 0 evil 2>/dev/null | true\n"
		"exit ${PIPESTATUS[0]}",
		"\"$SUPCTL\" events -f 2>/dev/null | head -n 1 >/dev/null\n"
		"exit ${PIPESTATUS[0]}",
		"\"$SUPCTL\" events -f >/dev/full 2>/dev/null",
		"\"$SUPCTL\" logs -f evil >/dev/full 2>/dev/null",
		"\"$SUPCTL\" events >/dev/full 2>/dev/null",
	};
	struct gateway_run *g = start();

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		free(shell_expect(g, 1, "%s", lines[i]));
	run_end(g);
}

/* A key of a megabyte is a change, too: people see its two ends. */
Test(terminal, a_long_key_is_cut_for_people_and_whole_for_programs)
{
	const size_t bytes = 900000;
	char *key = memory_alloc(bytes + 1), *plugins, *out;
	struct gateway_run *g = run_create();
	struct ctl *c;
	size_t mark;

	memset(key, 'k', bytes);
	run_add_hello(g);
	run_start(g);
	mark = capture_length(&g->log);
	plugins = memory_format("  hello:\n    settings:\n      ? %s\n"
				"      : 1\n",
		key);
	free(g->plugins);
	g->plugins = plugins;
	run_write_config(g);
	c = ctl_expect(g, 0, "plan", NULL);
	cr_expect(strstr(c->out, key));
	ctl_destroy(c);
	for (int i = 0; i < 2; i++) {
		out = shell_expect(g, 0,
			"export LC_ALL=C.UTF-8\n\"$SUPCTL\" %s",
			i ? "apply" : "plan");
		cr_expect(strstr(out, "plugins.hello.settings.kkk"), "%.200s",
			out);
		cr_expect(!i || strstr(out, "k\xe2\x80\xa6k"), "%.2000s", out);
		cr_expect_leq(strlen(out), 8192);
		free(out);
	}
	run_await_log(g, mark, "configuration: plugins.hello.settings.kkk");
	cr_expect_not(run_log_has(g, mark, "log lines dropped"));
	free(key);
	run_end(g);
}
