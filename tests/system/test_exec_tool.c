/* The package exec-tool behind the built programs: what a script gets, what
 * becomes of what it writes, and each of its limits. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/run.h"

TestSuite(exec_tool, .fini = run_fini, .timeout = 120);

static struct gateway_run *
prepare(const char *settings)
{
	struct gateway_run *g = run_create();

	run_package(g, "exec-tool", "exec-tool");
	run_plugin(
		g, "exec-tool", "env: {PLAIN: word}, settings: %s", settings);
	return g;
}

/* With one tool `t` that runs a shell's script; more is "key: value, ". */
static struct gateway_run *
start(const char *script, const char *more)
{
	char *settings = memory_format(
		"{tools: [{name: t, %scommand: [sh, -c, \"%s\"]}]}", more,
		script);
	struct gateway_run *g = prepare(settings);

	free(settings);
	run_start(g);
	return g;
}

static struct ctl *
begin_call(struct gateway_run *g, const char *args)
{
	const char *const words[] = {"call", "tool", "t", args, NULL};

	return ctl_begin(g, 0, words);
}

/* The result as JSON text. */
static void
expect_result(struct gateway_run *g, const char *args, const char *result)
{
	struct ctl *c = ctl_expect(g, 0, "call", "tool", "t", args, NULL);
	json_t *value = json_loads(c->out, JSON_DECODE_ANY, NULL);
	char *text = json_dumps(
		value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

	cr_expect(
		text && !strcmp(text, result), "%s is not %s", c->out, result);
	free(text);
	json_decref(value);
	ctl_destroy(c);
}

static void
expect_failure(struct gateway_run *g, const char *part)
{
	struct ctl *c = ctl_expect(g, 1, "call", "tool", "t", "{}", NULL);

	cr_expect(strstr(c->err, part) || strstr(c->out, part),
		"%s is not in %s%s", part, c->out, c->err);
	ctl_destroy(c);
}

/* A file that a script has written its pid into. */
static pid_t
await_pid(const char *path)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	pid_t pid = 0;
	char *text;

	while (!pid) {
		cr_assert_lt(clock_ms(), until, "%s is never written", path);
		text = files_read(path);
		pid = text ? atoi(text) : 0;
		free(text);
	}
	return pid;
}

static void
await_gone(pid_t pid)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	while (!kill(pid, 0))
		cr_assert_lt(clock_ms(), until, "%d never ends", (int)pid);
	cr_expect_eq(errno, ESRCH);
}

/* ---- what a script gets and gives ---- */

Test(exec_tool, arguments_come_on_stdin_and_json_goes_back)
{
	struct gateway_run *g = start("cat", "");

	expect_result(g, "{\"a\": [1, \"x\", null]}", "{\"a\":[1,\"x\",null]}");
	run_end(g);
}

Test(exec_tool, arguments_are_never_on_the_command_line)
{
	struct gateway_run *g = start(
		"tr '\\\\0' ' ' </proc/$$/cmdline | grep -c 'hu[s]h'; true",
		"");

	expect_result(g, "{\"password\": \"hush\"}", "0");
	run_end(g);
}

Test(exec_tool, what_is_no_json_is_text)
{
	struct gateway_run *g = start("echo one; echo two", "");

	expect_result(g, "{}", "\"one\\ntwo\\n\"");
	run_end(g);
}

Test(exec_tool, a_script_of_the_package_runs_as_a_copy)
{
	struct gateway_run *g = prepare(
		"{tools: [{name: t, description: counts, schema: {type: "
		"object}, command: [./count, --lines]}]}");
	char *path = run_package_file(g, "exec-tool", "count");

	files_write(path, "#!/bin/sh\necho \"{\\\"said\\\":\\\"$1\\\"}\"\n");
	cr_assert(!chmod(path, 0755));
	run_start(g);
	cr_assert(!unlink(path));
	expect_result(g, "{}", "{\"said\":\"--lines\"}");
	free(path);
	run_end(g);
}

Test(exec_tool, its_environment_is_clean_and_has_its_own)
{
	struct gateway_run *g = start(
		"echo $PLAIN,$OWN,$TZ,$SUPD_TOOL,$SUPD_PLUGIN,$SUPD_NONCE,"
		"$SUPD_SOCKET,; test -d $SUPD_DATA_DIR && echo data",
		"env: {OWN: mine, TZ: UTC}, ");

	expect_result(g, "{}", "\"word,mine,UTC,t,exec-tool,,,\\ndata\\n\"");
	run_end(g);
}

Test(exec_tool, it_has_three_descriptors_and_default_signals)
{
	struct gateway_run *g = start("ls /proc/self/fd | wc -l; "
				      "grep -c 'SigIgn:.0000000000000000' "
				      "/proc/self/status",
		"");

	/* the fourth is the folder that ls reads */
	expect_result(g, "{}", "\"4\\n1\\n\"");
	run_end(g);
}

/* ---- failures ---- */

Test(exec_tool, an_exit_status_is_an_error_with_what_it_said)
{
	struct gateway_run *g = start(
		"echo ignored; echo first >&2; echo last >&2; exit 3", "");

	expect_failure(g, "t exited with 3: first");
	expect_failure(g, "last");
	run_end(g);
}

Test(exec_tool, a_signal_is_an_error)
{
	struct gateway_run *g = start("kill -9 $$", "");

	expect_failure(g, "t was killed by signal 9");
	run_end(g);
}

Test(exec_tool, a_program_that_is_not_there_is_named)
{
	struct gateway_run *g =
		prepare("{tools: [{name: t, command: [no-such-program]}]}");

	run_start(g);
	expect_failure(g, "cannot start no-such-program: No such file");
	run_end(g);
}

Test(exec_tool, only_the_last_of_much_stderr_is_told)
{
	struct gateway_run *g = start(
		"yes chatter | head -n 100000 >&2; echo the end >&2; exit 1",
		"");

	expect_failure(g, "the end");
	run_end(g);
}

/* ---- limits ---- */

Test(exec_tool, what_takes_too_long_is_ended_with_all_that_it_started)
{
	struct gateway_run *g = run_create();
	char *path = memory_format("%s/child", g->dir);
	struct ctl *c;

	run_package(g, "exec-tool", "exec-tool");
	run_plugin(g, "exec-tool",
		"settings: {tools: [{name: t, timeout: 300ms, command: [sh, "
		"-c, \"sleep 600 & echo $! >%s; wait\"]}]}",
		path);
	run_start(g);
	c = begin_call(g, "{}");
	await_gone(await_pid(path));
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 1);
	cr_expect(strstr(c->err, "t took longer than 300 ms") ||
			  strstr(c->out, "t took longer than 300 ms"),
		"%s%s", c->out, c->err);
	ctl_destroy(c);
	free(path);
	run_end(g);
}

Test(exec_tool, who_ignores_the_end_is_killed)
{
	struct gateway_run *g = start("trap '' TERM; while :; do sleep 600; "
				      "done",
		"timeout: 200ms, ");
	struct ctl *c = ctl_run(g, "call", "tool", "t", "{}", NULL);

	cr_expect_eq(c->exit_code, 1, "%s", c->err);
	cr_expect_geq(c->took_ms, 2000);
	ctl_destroy(c);
	run_end(g);
}

Test(exec_tool, who_writes_too_much_is_ended)
{
	struct gateway_run *g = start("yes", "output_limit: 10KiB, ");

	expect_failure(g, "t wrote more than 10240 bytes");
	run_end(g);
	g = start("head -c 10240 /dev/zero | tr '\\\\0' x",
		"output_limit: 10KiB, ");
	ctl_destroy(ctl_expect(g, 0, "call", "tool", "t", "{}", NULL));
	run_end(g);
}

Test(exec_tool, what_is_left_running_ends_and_does_not_hold_the_answer)
{
	struct gateway_run *g = run_create();
	char *path = memory_format("%s/child", g->dir);

	run_package(g, "exec-tool", "exec-tool");
	run_plugin(g, "exec-tool",
		"settings: {tools: [{name: t, command: [sh, -c, "
		"\"sleep 600 & echo $! >%s; echo 7\"]}]}",
		path);
	run_start(g);
	expect_result(g, "{}", "7");
	await_gone(await_pid(path));
	free(path);
	run_end(g);
}

Test(exec_tool, json_that_is_nested_too_deeply_is_an_error)
{
	struct gateway_run *g = start("printf '%040d' 0 | tr 0 '['; "
				      "printf '%040d' 0 | tr 0 ']'",
		"");
	long pid = ctl_status_number(g, "exec-tool", "pid");

	expect_failure(g, "nested");
	cr_expect_eq(ctl_status_number(g, "exec-tool", "pid"), pid);
	run_end(g);
}

static void
expect_busy(const char *limit)
{
	struct gateway_run *g = run_create();
	char *fifo = memory_format("%s/fifo", g->dir);
	char *path = memory_format("%s/pid", g->dir);
	struct ctl *first, *second;

	cr_assert(!mkfifo(fifo, 0600));
	run_package(g, "exec-tool", "exec-tool");
	run_plugin(g, "exec-tool",
		"settings: {%stools: [{name: t, %scommand: [sh, -c, "
		"\"echo $$ >%s; cat %s\"]}]}",
		*limit == 'c' ? "" : "concurrency: 1, ",
		*limit == 'c' ? "concurrency: 1, " : "", path, fifo);
	run_start(g);
	first = begin_call(g, "{}");
	await_pid(path);
	second = ctl_run(g, "call", "tool", "t", "{}", NULL);
	cr_expect_neq(second->exit_code, 0);
	cr_expect(strstr(second->err, "t is busy: 1 run") ||
			  strstr(second->out, "t is busy: 1 run"),
		"%s%s", second->out, second->err);
	files_overwrite(fifo, "42", 2);
	ctl_wait(first);
	cr_expect_eq(first->exit_code, 0, "%s", first->err);
	ctl_destroy(first);
	ctl_destroy(second);
	free(fifo);
	free(path);
	run_end(g);
}

Test(exec_tool, more_than_may_run_at_once_are_refused)
{
	expect_busy("c: of the tool");
	expect_busy("of all");
}

Test(exec_tool, a_script_ends_with_its_request)
{
	struct gateway_run *g = run_create();
	char *path = memory_format("%s/pid", g->dir);
	struct ctl *c;

	run_defaults(g, "request_timeout: 300ms, probation: 300ms");
	run_package(g, "exec-tool", "exec-tool");
	run_plugin(g, "exec-tool",
		"settings: {tools: [{name: t, timeout: 1h, command: [sh, -c, "
		"\"echo $$ >%s; sleep 600\"]}]}",
		path);
	run_start(g);
	c = begin_call(g, "{}");
	await_gone(await_pid(path));
	ctl_wait(c);
	cr_expect_neq(c->exit_code, 0);
	ctl_destroy(c);
	ctl_await_number(g, "exec-tool", "inFlight", 0);
	free(path);
	run_end(g);
}

Test(exec_tool, a_script_dies_with_a_worker_that_is_killed)
{
	struct gateway_run *g = run_create();
	char *path = memory_format("%s/pid", g->dir);
	struct ctl *c;

	run_package(g, "exec-tool", "exec-tool");
	run_plugin(g, "exec-tool",
		"settings: {tools: [{name: t, timeout: 1h, command: [sh, -c, "
		"\"echo $$ >%s; exec sleep 600\"]}]}",
		path);
	run_announce(g, "exec-tool");
	run_start(g);
	c = begin_call(g, "{}");
	await_pid(path);
	kill((pid_t)ctl_status_number(g, "exec-tool", "pid"), SIGKILL);
	await_gone(await_pid(path));
	ctl_wait(c);
	cr_expect_neq(c->exit_code, 0);
	ctl_destroy(c);
	ctl_await_state(g, "exec-tool", "serving");
	free(path);
	run_end(g);
}

/* The tool starts a process that no group reaches and waits. */
Test(exec_tool, what_a_running_script_started_ends_after_a_killed_supd)
{
	struct gateway_run *g = run_create();
	char *path = memory_format("%s/pid", g->dir);
	char *inner = memory_format("%s/inner", g->dir);
	pid_t outer_pid, inner_pid;
	struct ctl *c;

	run_package(g, "exec-tool", "exec-tool");
	run_plugin(g, "exec-tool",
		"settings: {tools: [{name: t, timeout: 1h, command: [sh, -c, "
		"\"setsid sleep 600 & echo $! >%s; echo $$ >%s; wait\"]}]}",
		inner, path);
	run_announce(g, "exec-tool");
	run_start(g);
	c = begin_call(g, "{}");
	outer_pid = await_pid(path);
	inner_pid = await_pid(inner);
	run_signal(g, SIGKILL);
	run_wait(g);
	ctl_wait(c);
	ctl_destroy(c);
	await_gone(outer_pid);
	cr_expect_eq(kill(inner_pid, 0), 0);
	run_start(g);
	await_gone(inner_pid);
	free(inner);
	free(path);
	run_end(g);
}

/* ---- what does not start ---- */

static void
expect_script_failure(const char *first_line, const char *part)
{
	struct gateway_run *g = run_create();
	char *path = memory_format("%s/script", g->dir);

	files_write(path, "%s\necho 1\n", first_line);
	cr_assert_eq(chmod(path, 0755), 0);
	run_package(g, "exec-tool", "exec-tool");
	run_plugin(g, "exec-tool",
		"settings: {tools: [{name: t, command: [\"%s\"]}]}", path);
	run_start(g);
	expect_failure(g, part);
	free(path);
	run_end(g);
}

Test(exec_tool, line_ends_of_windows_are_named)
{
	expect_script_failure("#!/bin/sh\r", "ends in CR LF");
}

Test(exec_tool, so_is_one_that_env_runs)
{
	expect_script_failure("#!/usr/bin/env sh\r", "ends in CR LF");
}

Test(exec_tool, a_missing_interpreter_is_named)
{
	expect_script_failure("#!/opt/none/such -x", "the interpreter of");
	expect_script_failure(
		"#!/opt/none/such -x", "/opt/none/such, does not exist");
}

/* ---- JSON that cannot be passed on ---- */

Test(exec_tool, a_value_beyond_the_wire_is_an_error_with_its_place)
{
	static const struct {
		const char *wrote, *part;
	} rows[] = {
		{"{\\\"a\\\": 123456789012345678901234}", "line 1, column "},
		{"[1, 1e999]", "line 1, column "},
		{"123456789012345678901234", "too big integer"},
		{"{\\\"a\\\": 1, \\\"a\\\": 2}", "duplicate"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *script = memory_format("echo '%s'", rows[i].wrote);
		struct gateway_run *g = start(script, "");

		expect_failure(g, rows[i].part);
		free(script);
		run_end(g);
	}
}

Test(exec_tool, what_only_looks_like_json_is_text)
{
	struct gateway_run *g = start("echo '[info] done'", "");

	expect_result(g, "{}", "\"[info] done\\n\"");
	run_end(g);
}

/* ---- settings ---- */

#define MANIFEST                                                               \
	"name: exec-tool\nversion: 1.0.0\nrun: exec-tool.so\n"                 \
	"settings: {tools: [%s]}\n"

Test(exec_tool, settings_that_make_no_sense_fail_the_reload_and_say_why)
{
	struct gateway_run *g = run_create();
	char *path = run_package_file(g, "exec-tool", "plugin.yaml");
	struct ctl *c;

	run_package(g, "exec-tool", "exec-tool");
	run_plugin(g, "exec-tool", "enabled: true");
	files_write(path, MANIFEST, "{name: t, command: [echo, '1']}");
	run_start(g);
	files_write(path, MANIFEST, "{name: t}");
	run_announce(g, "exec-tool");
	c = ctl_expect(g, 1, "reload", "exec-tool", NULL);
	cr_expect(strstr(c->out, "number 1 (t): command is missing"), "%s",
		c->out);
	ctl_destroy(c);
	expect_result(g, "{}", "1");
	free(path);
	run_end(g);
}
