/* What a worker that ends badly leaves where the author of its plugin looks:
 * the log, `show` and `status`. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"
#include "tests/system/harness/shell.h"

TestSuite(traces, .fini = run_fini, .timeout = 120);

static struct gateway_run *
start_fault(void)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_start(g);
	return g;
}

/* A package of one Python file. */
static void
write_program(struct gateway_run *g, const char *program)
{
	char *folder = memory_format("%s/packages/own", g->dir);
	char *file = run_package_file(g, "own", "main.py");
	char *manifest = run_package_file(g, "own", "plugin.yaml");

	cr_assert(!mkdir(folder, 0755));
	files_write(manifest,
		"name: own\nversion: 1.0.0\nexec: [python3, main.py]\n");
	files_write(file, "%s", program);
	run_plugin(g, "own", "use: own");
	free(folder);
	free(file);
	free(manifest);
}

static struct gateway_run *
make_program(const char *program)
{
	struct gateway_run *g = run_create();

	write_program(g, program);
	return g;
}

/* The text of the first line of `logs ID` that has `text`; NULL: none. */
static char *
find_line(struct gateway_run *g, const char *id, const char *text)
{
	struct ctl *c = ctl_expect(g, 0, "logs", id, NULL);
	const json_t *lines = ctl_at(c, "lines");
	char *found = NULL;

	for (size_t i = 0; !found && i < json_array_size(lines); i++) {
		const char *line = json_string_value(
			json_object_get(json_array_get(lines, i), "text"));

		if (strstr(line, text))
			found = memory_copy_text(line);
	}
	ctl_destroy(c);
	return found;
}

static void
expect_line(struct gateway_run *g, const char *id, const char *text)
{
	char *line;

	run_await_log(g, 0, text);
	line = find_line(g, id, text);
	cr_expect(line, "no line of `logs %s` has '%s'", id, text);
	free(line);
}

static const char crash_reason[] =
	"killed by signal 9 (Killed) while answering GET /fault/crash";

Test(traces, a_crash_is_a_line_of_the_plugins_log)
{
	struct gateway_run *g = start_fault();
	int pid = http_pid(g->http, "/fault");
	char *expected = memory_format(
		"worker %d of generation 1: %s", pid, crash_reason);
	struct answer a = http_get(g->http, "/fault/crash");

	cr_expect_eq(a.status, 502);
	answer_finish(&a);
	expect_line(g, "fault", expected);
	free(expected);
	run_end(g);
}

Test(traces, a_crash_is_in_show_and_the_reason_for_a_restart_in_status)
{
	struct gateway_run *g = start_fault();
	struct answer a = http_get(g->http, "/fault/crash");
	struct ctl *c;
	char *text;

	/* Tried again on the worker after it, which dies of it as well. */
	answer_finish(&a);
	ctl_await_number(g, "fault", "restarts", 2);
	ctl_await_state(g, "fault", "serving");
	c = ctl_expect(g, 0, "show", "fault", NULL);
	cr_expect_str_eq(ctl_text(c, "lastExit.reason"), crash_reason);
	cr_expect(ctl_number(c, "lastExit.pid") > 0);
	cr_expect_eq(ctl_number(c, "lastExit.generation"), 2);
	cr_expect(*ctl_text(c, "lastExit.at"));
	cr_expect(strstr(ctl_text(c, "lastCrash"), "killed by signal 9"), "%s",
		ctl_text(c, "lastCrash"));
	ctl_destroy(c);

	text = shell_expect(g, 0, "$SUPCTL status; $SUPCTL show fault");
	cr_expect(strstr(text, "fault was restarted: worker "), "%s", text);
	cr_expect(strstr(text, crash_reason), "%s", text);
	cr_expect(strstr(text, "\nlast exit\n"), "%s", text);
	free(text);
	run_end(g);
}

Test(traces, a_program_that_ends_without_run_is_told_so)
{
	struct gateway_run *g = make_program(
		"import supd\nplugin = supd.Plugin('own', '1.0.0')\n"
		"plugin.http('GET', '/own')(lambda req: 'own')\n"
		"plugin.run()\n");
	char *file = run_package_file(g, "own", "main.py");
	struct ctl *c;

	run_start(g);
	files_write(file, "import supd\n"
			  "plugin = supd.Plugin('own', '1.0.0')\n");
	c = ctl_expect(g, 1, "reload", "own", NULL);
	cr_expect(strstr(ctl_text(c, "error"),
			  "the program ended without calling run()"),
		"%s", ctl_text(c, "error"));
	ctl_destroy(c);
	expect_line(g, "own", "the program ended without calling run()");
	free(file);
	run_end(g);
}

Test(traces, a_traceback_names_the_file_of_the_package)
{
	struct gateway_run *g = make_program(
		"import supd\nplugin = supd.Plugin('own', '1.0.0')\n"
		"@plugin.http('GET', '/own')\n"
		"def own(req):\n    return 1 / 0\n"
		"plugin.run()\n");
	char *file = run_package_file(g, "own", "main.py");
	char *frame = memory_format("File \"%s\", line 5", file);
	struct ctl *c;

	run_start(g);
	run_announce(g, "stream=log");
	cr_expect_eq(http_status(g->http, "/own"), 500);
	expect_line(g, "own", frame);
	/* and so it does before the SDK is there to print it */
	files_write(file, "import supd\n\n\nnothing.here\n");
	free(frame);
	frame = memory_format("File \"%s\", line 4", file);
	c = ctl_expect(g, 1, "reload", "own", NULL);
	ctl_destroy(c);
	expect_line(g, "own", frame);
	free(frame);
	free(file);
	run_end(g);
}

Test(traces, an_address_in_use_is_named_with_what_to_do)
{
	struct gateway_run *g = run_create();
	char *program = memory_format(
		"import socket, supd\nplugin = supd.Plugin('own', '1.0.0')\n"
		"plugin.http('GET', '/own')(lambda req: 'own')\n"
		"s = socket.socket()\n"
		"s.bind(('127.0.0.1', %d))\ns.listen()\n"
		"plugin.run()\n",
		http_free_port());
	struct ctl *c;

	write_program(g, program);
	run_start(g);
	c = ctl_expect(g, 1, "reload", "own", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "\"Address already in use\""),
		"%s", ctl_text(c, "error"));
	cr_expect(strstr(ctl_text(c, "error"), "SO_REUSEPORT"), "%s",
		ctl_text(c, "error"));
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "restart", "own", NULL));
	free(program);
	run_end(g);
}

/* What `ps` shows of the plugin's worker begins with this. */
static void
expect_shown(struct gateway_run *g, const char *id, const char *text)
{
	char *path = memory_format(
		"/proc/%ld/cmdline", ctl_status_number(g, id, "pid"));
	char *shown = files_read(path);

	cr_expect(!strncmp(shown, text, strlen(text)), "%s: '%s'", id, shown);
	free(shown);
	free(path);
}

Test(traces, ps_shows_which_plugin_a_worker_is)
{
	struct gateway_run *g = make_program(
		"import sys, supd\nplugin = supd.Plugin('own', '1.0.0')\n"
		"@plugin.http('GET', '/own')\n"
		"async def own(req):\n"
		"    return [sys.executable, sys.argv]\n"
		"plugin.run()\n");
	struct answer a;

	run_add_hello(g);
	run_package(g, "counter", "a-plugin-with-a-long-id");
	run_plugin(g, "a-plugin-with-a-long-id", "mount: /long");
	run_start(g);
	expect_shown(g, "hello", "supd: hello gen 1");
	expect_shown(g, "own", "supd: own gen 1");
	expect_shown(g, "a-plugin-with-a-long-id", "a-plugin");
	/* the program itself sees no difference */
	a = http_get(g->http, "/own");
	cr_expect(
		strstr(a.body, "python3\"") && strstr(a.body, "[\"main.py\"]"),
		"%s", a.body);
	answer_finish(&a);
	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	expect_shown(g, "hello", "supd: hello gen 2");
	run_end(g);
}

Test(traces, a_stop_that_goes_well_leaves_none)
{
	struct gateway_run *g = start_fault();
	struct ctl *c;

	ctl_destroy(ctl_expect(g, 0, "restart", "fault", NULL));
	c = ctl_expect(g, 0, "show", "fault", NULL);
	cr_expect(json_is_null(ctl_at(c, "lastExit")));
	ctl_destroy(c);
	cr_expect_null(find_line(g, "fault", "of generation"));
	run_end(g);
}
