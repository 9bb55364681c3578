/* The control socket and the HTTP API on the built programs: who may, what is
 * refused, what reading leaves as it was, and many at once. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/load.h"
#include "tests/system/harness/run.h"

TestSuite(control, .fini = run_fini, .timeout = 200);

#define NOBODY 65534

static struct ctl *
begin(struct gateway_run *g, const char *a, const char *b)
{
	const char *args[] = {a, b, NULL};

	return ctl_begin(g, 0, args);
}

/* ---- reading changes nothing ---- */

/* supd --check of the run's own configuration: its exit code. */
static int
check_offline(struct gateway_run *g)
{
	char *command = memory_format(
		"%s/supervisor/supd --check -c %s/supd.yaml >/dev/null 2>&1",
		run_build_root(), g->dir);
	int status = system(command);

	free(command);
	return WEXITSTATUS(status);
}

Test(control, reading_leaves_pids_and_table_alone_and_runs_no_plugin_code)
{
	static const char *const readers[][3] = {{"status"}, {"list"},
		{"show", "fault"}, {"routes"}, {"can-reload", "fault"},
		{"status", "fault"}, {"logs", "fault"}, {"version"}};
	struct gateway_run *g = run_create();
	struct ctl *before, *after;
	char *marker, *text, *settings;

	run_add_hello(g);
	run_package(g, "fault", "fault");
	marker = memory_format("%s/marker", g->dir);
	settings = memory_format("marker: \"%s\"", marker);
	run_fault(g, "fault", "", settings);
	run_plugin(g, "fault", "use: fault");
	run_plugin(g, "idle", "use: fault, enabled: false");
	run_start(g);
	before = ctl_expect(g, 0, "routes", NULL);
	for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++)
		ctl_destroy(
			ctl_expect(g, 0, readers[i][0], readers[i][1], NULL));
	cr_expect_eq(check_offline(g), 0);
	after = ctl_expect(g, 0, "routes", NULL);
	cr_expect_str_eq(before->out, after->out);
	text = files_read(marker);
	cr_assert(text);
	cr_expect_str_eq(text, "1\n", "the plugin was started again: %s", text);
	cr_expect_eq(ctl_status_number(g, "fault", "restarts"), 0);
	ctl_destroy(before);
	ctl_destroy(after);
	free(text);
	free(marker);
	free(settings);
	run_end(g);
}

Test(control, list_shows_what_the_workers_registered)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_hello(g);
	run_start(g);
	c = ctl_expect(g, 0, "list", NULL);
	cr_expect_str_eq(ctl_text(c, "plugins.0.pluginId"), "hello");
	cr_expect_str_eq(ctl_text(c, "plugins.0.state"), "serving");
	cr_expect_str_eq(ctl_text(c, "plugins.0.type"), "mixed");
	cr_expect(strstr(ctl_text(c, "plugins.0.source"), "packages/hello"));
	cr_expect(json_is_true(ctl_at(c, "plugins.0.canReload")));
	ctl_destroy(c);
	c = ctl_expect(g, 0, "routes", "--kind", "http", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "routes")), 1);
	cr_expect_str_eq(ctl_text(c, "routes.0.path"), "/hello");
	cr_expect_str_eq(ctl_text(c, "routes.0.pluginId"), "hello");
	ctl_destroy(c);
	run_end(g);
}

/* ---- refused ---- */

Test(control, reload_of_a_disabled_plugin_is_refused_and_changes_nothing)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	char *state;

	run_package(g, "fault", "fault");
	run_plugin(g, "fault", "enabled: false");
	run_add_hello(g);
	run_start(g);
	c = ctl_expect(g, 6, "reload", "fault", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "disabled"), "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "state"), "refused");
	ctl_destroy(c);
	state = ctl_status_text(g, "fault", "state");
	cr_expect_str_eq(state, "disabled");
	free(state);
	cr_expect_eq(http_status(g->http, "/fault"), 404);
	ctl_destroy(ctl_expect(g, 0, "reload", "--all", NULL));
	state = ctl_status_text(g, "fault", "state");
	cr_expect_str_eq(state, "disabled");
	free(state);
	run_end(g);
}

Test(control, the_same_plugin_twice_one_runs_and_the_other_is_told)
{
	struct gateway_run *g = run_create();
	struct ctl *first, *second;
	size_t mark;

	run_add_fault(g);
	run_start(g);
	run_fault(g, "fault", "slow_start", "start_ms: 1000");
	mark = capture_length(&g->log);
	first = begin(g, "reload", "fault");
	run_await_log(g, mark, "starting in mode 'slow_start'");
	second = ctl_expect(g, 6, "reload", "fault", NULL);
	cr_expect(
		strstr(ctl_text(second, "error"), "reload already in progress"),
		"%s", second->out);
	ctl_destroy(second);
	second = ctl_expect(g, 6, "can-reload", "fault", NULL);
	cr_expect(json_is_false(ctl_at(second, "safe")));
	cr_expect(strstr(ctl_text(second, "reason"), "already in progress"));
	ctl_destroy(second);
	ctl_wait(first);
	cr_expect_eq(first->exit_code, 0, "%s%s", first->out, first->err);
	cr_expect_eq(ctl_number(first, "generation"), 2);
	ctl_destroy(first);
	run_end(g);
}

Test(control, ids_that_are_no_ids_are_refused)
{
	static const char *const ids[] = {"..", "../hello", "hel/lo", "/hello",
		"Hello", "hello\n", "-", ".", "hello ", "*",
		"0123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789"};
	struct gateway_run *g = run_create();
	long pid;

	run_add_hello(g);
	run_start(g);
	pid = ctl_status_number(g, "hello", "pid");
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		ctl_destroy(ctl_expect(g, 5, "reload", "--", ids[i], NULL));
		ctl_destroy(ctl_expect(g, 5, "show", "--", ids[i], NULL));
	}
	cr_expect_eq(ctl_status_number(g, "hello", "pid"), pid);
	run_end(g);
}

Test(control, exit_codes_are_those_of_the_contract)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_fault(g);
	/* 3: supd not running, and nothing is started. */
	c = ctl_expect(g, 3, "status", NULL);
	cr_expect(*c->err, "it says why");
	ctl_destroy(c);
	run_start(g);
	ctl_destroy(ctl_expect(g, 2, "frobnicate", NULL));
	ctl_destroy(ctl_expect(g, 2, "reload", NULL));
	ctl_destroy(ctl_expect(g, 2, "status", "--force", NULL));
	ctl_destroy(ctl_expect(g, 2, "reload", "--no-such", "fault", NULL));
	ctl_destroy(ctl_expect(g, 5, "reload", "other", NULL));
	c = ctl_expect(g, 1, "watch", "on", "fault", NULL);
	cr_expect(strstr(c->err, "reload.watch is false"), "%s", c->err);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 1);
	run_end(g);
}

Test(control, a_timeout_and_an_interrupt_end_the_waiting_not_the_reload)
{
	static const char *const args[] = {"reload", "fault", NULL};
	struct gateway_run *g = run_create();
	struct ctl *c;
	size_t mark;

	run_add_fault(g);
	run_start(g);
	run_fault(g, "fault", "slow_start", "start_ms: 1500");
	ctl_destroy(ctl_expect(
		g, 7, "--timeout", "300ms", "reload", "fault", NULL));
	ctl_await_number(g, "fault", "generation", 2);
	mark = capture_length(&g->log);
	c = ctl_begin(g, 0, args);
	run_await_log(g, mark, "starting in mode 'slow_start'");
	kill(c->pid, SIGINT);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 130);
	cr_expect_str_eq(ctl_text(c, "error"), "interrupted");
	cr_expect_eq(ctl_number(c, "exitCode"), 130);
	ctl_destroy(c);
	ctl_await_number(g, "fault", "generation", 3);
	run_end(g);
}

Test(control, no_wait_prints_the_id_and_if_safe_refuses_when_it_is_not)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_fault(g);
	run_start(g);
	run_fault(g, "fault", "slow_start", "start_ms: 1500");
	c = ctl_expect(g, 0, "reload", "--no-wait", "fault", NULL);
	cr_expect(!strncmp(ctl_text(c, "id"), "r-", 2), "%s", c->out);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 6, "reload", "--if-safe", "fault", NULL));
	ctl_await_number(g, "fault", "generation", 2);
	run_end(g);
}

/* ---- who may ---- */

Test(control, an_unprivileged_caller_is_denied_100_of_100_times)
{
	static const char *const calls[][4] = {{"reload", "fault", NULL},
		{"status", NULL}, {"stop", "fault", NULL}, {"shutdown", NULL}};
	struct gateway_run *g;
	long pid;

	if (getuid())
		cr_skip_test("needs root, to call as somebody else");
	g = run_create();
	run_add_fault(g);
	run_start(g);
	pid = ctl_status_number(g, "fault", "pid");
	for (int i = 0; i < 100; i++) {
		struct ctl *c = ctl_begin(g, NOBODY, calls[i % 4]);

		ctl_wait(c);
		cr_assert_neq(c->exit_code, 126);
		cr_expect_eq(c->exit_code, 4, "%d: %s%s", i, c->out, c->err);
		cr_expect(strstr(c->err, "permission denied") ||
				  strstr(c->out, "permission denied"),
			"%s%s", c->out, c->err);
		ctl_destroy(c);
	}
	cr_expect_eq(ctl_status_number(g, "fault", "pid"), pid);
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 1);
	run_end(g);
}

Test(control, a_viewer_may_look_and_not_touch)
{
	static const char *const look[] = {"status", NULL};
	static const char *const touch[] = {"reload", "fault", NULL};
	struct gateway_run *g;
	struct ctl *c;

	if (getuid())
		cr_skip_test("needs root, to call as somebody else");
	g = run_create();
	run_add_fault(g);
	free(g->extra);
	g->extra = memory_copy_text("admin: {peers: [{uid: 0, role: admin}, "
				    "{uid: 65534, role: viewer}]}\n");
	run_start(g);
	c = ctl_begin(g, NOBODY, look);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0, "%s", c->err);
	ctl_destroy(c);
	c = ctl_begin(g, NOBODY, touch);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 4, "%s", c->err);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 1);
	run_end(g);
}

/* ---- the API ---- */

static struct answer
api(struct gateway_run *g, const char *method, const char *path,
	const char *token, const char *body)
{
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c,
		"%s %s HTTP/1.1\r\nHost: test\r\n%s%s%s"
		"Content-Length: %zu\r\n\r\n%s",
		method, path, token ? "Authorization: Bearer " : "",
		token ? token : "", token ? "\r\n" : "", strlen(body), body));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	client_close(&c);
	return a;
}

static char *
sha256_of(const char *text)
{
	char *command = memory_format("printf %%s %s | sha256sum", text);
	FILE *pipe = popen(command, "r");
	char hex[65] = "";

	cr_assert(pipe && fgets(hex, sizeof(hex), pipe));
	pclose(pipe);
	free(command);
	return memory_copy_text(hex);
}

Test(control, the_api_answers_as_the_contract_says)
{
	struct gateway_run *g = run_create();
	char *ops = sha256_of("ops-token"), *view = sha256_of("view-token");
	static const struct {
		const char *method, *path, *token, *body;
		int status;
		const char *says;
	} rows[] = {
		{"GET", "/api/plugins", NULL, "", 401, "error"},
		{"GET", "/api/plugins", "wrong", "", 401, "error"},
		{"GET", "/api/plugins", "view-token", "", 200, "pluginId"},
		{"GET", "/api/plugins/fault", "view-token", "", 200,
			"counters"},
		{"GET", "/api/plugins/nope", "view-token", "", 404, "error"},
		{"GET", "/api/plugins/fault/can-reload", "view-token", "", 200,
			"\"safe\":true"},
		{"POST", "/api/plugins/reload", "view-token",
			"{\"pluginId\":\"fault\"}", 403, "error"},
		{"POST", "/api/plugins/reload", NULL,
			"{\"pluginId\":\"fault\"}", 401, "error"},
		{"POST", "/api/plugins/reload", "ops-token",
			"{\"pluginId\":\"fault\"}", 200, "\"success\":true"},
		{"POST", "/api/plugins/reload", "ops-token",
			"{\"pluginIds\":[\"fault\"]}", 200, "\"results\":["},
		{"POST", "/api/plugins/reload", "ops-token",
			"{\"pluginId\":\"nope\"}", 404, "error"},
		{"POST", "/api/plugins/reload", "ops-token",
			"{\"pluginId\":\"off\"}", 409, "disabled"},
		{"POST", "/api/plugins/reload", "ops-token",
			"{\"pluginId\":\n \"fault\"", 400, "line 2"},
		{"POST", "/api/plugins/reload", "ops-token", "[]", 400,
			"error"},
		{"POST", "/api/plugins/reload", "ops-token",
			"{\"pluginId\":\"../fault\"}", 404, "error"},
		{"POST", "/api/plugins/reload", "ops-token",
			"{\"pluginId\":\"fault\\u0000\"}", 400, "error"},
		{"GET", "/api/plugins/reload", "ops-token", "", 405, "error"},
		{"DELETE", "/api/plugins", "ops-token", "", 405, "error"},
		{"GET", "/api/nothing", "ops-token", "", 404, "error"},
		{"GET", "/livez", NULL, "", 200, ""},
		{"GET", "/readyz", NULL, "", 200, ""},
	};

	run_add_fault(g);
	run_plugin(g, "off",
		"use: fault, enabled: false, mount: /off, "
		"namespace: off");
	free(g->extra);
	g->extra = memory_format(
		"admin: {tokens: [{name: ops, role: operator, sha256: \"%s\"}, "
		"{name: view, role: viewer, sha256: \"%s\"}]}\n",
		ops, view);
	run_start(g);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct answer a = api(g, rows[i].method, rows[i].path,
			rows[i].token, rows[i].body);

		cr_expect_eq(a.status, rows[i].status, "%zu %s %s: %d %s", i,
			rows[i].method, rows[i].path, a.status, a.body);
		cr_expect(strstr(a.body, rows[i].says), "%zu %s %s: %s", i,
			rows[i].method, rows[i].path, a.body);
		answer_finish(&a);
	}
	run_fault(g, "fault", "exit_at_start", "");
	struct answer a = api(g, "POST", "/api/plugins/reload", "ops-token",
		"{\"pluginId\":\"fault\"}");
	cr_expect_eq(a.status, 422);
	cr_expect(strstr(a.body, "\"state\":\"rolled_back\""), "%s", a.body);
	answer_finish(&a);
	run_fault(g, "fault", "", "");
	a = api(g, "POST", "/api/plugins/reload", "ops-token",
		"{\"pluginId\":\"fault\",\"wait\":false}");
	cr_expect_eq(a.status, 202, "%s", a.body);
	answer_finish(&a);
	ctl_await_state(g, "fault", "serving");
	free(ops);
	free(view);
	run_end(g);
}

/* ---- many at once ---- */

#define MANY_PLUGINS 10
#define MANY_RELOADS 50

Test(control, fifty_parallel_reloads_of_ten_plugins_end_with_ten_workers)
{
	struct gateway_run *g = run_create();
	struct ctl *calls[MANY_RELOADS], *status;
	int done = 0;
	long generations = 0;
	char id[16];

	run_package(g, "bench", "bench");
	for (int i = 0; i < MANY_PLUGINS; i++) {
		snprintf(id, sizeof(id), "p%d", i);
		run_plugin(g, id, "use: bench, mount: /p%d", i);
	}
	run_start(g);
	for (int i = 0; i < MANY_RELOADS; i++) {
		snprintf(id, sizeof(id), "p%d", i % MANY_PLUGINS);
		calls[i] = begin(g, "reload", id);
	}
	for (int i = 0; i < MANY_RELOADS; i++) {
		ctl_wait(calls[i]);
		cr_expect(!calls[i]->exit_code || calls[i]->exit_code == 6,
			"%d: %s%s", calls[i]->exit_code, calls[i]->out,
			calls[i]->err);
		done += !calls[i]->exit_code;
		ctl_destroy(calls[i]);
	}
	cr_expect(done >= MANY_PLUGINS);
	status = ctl_expect(g, 0, "status", NULL);
	cr_expect_eq(json_array_size(ctl_at(status, "plugins")), MANY_PLUGINS);
	for (int i = 0; i < MANY_PLUGINS; i++) {
		char path[48];
		long pid;

		snprintf(path, sizeof(path), "plugins.%d.state", i);
		cr_expect_str_eq(ctl_text(status, path), "serving");
		snprintf(path, sizeof(path), "plugins.%d.generation", i);
		generations += ctl_number(status, path);
		snprintf(path, sizeof(path), "plugins.%d.pid", i);
		pid = ctl_number(status, path);
		snprintf(path, sizeof(path), "plugins.%d.id", i);
		snprintf(id, sizeof(id), "%s", ctl_text(status, path));
		snprintf(path, sizeof(path), "/%s/hello", id);
		cr_expect_eq(http_pid(g->http, path), pid);
	}
	cr_expect_eq(generations, MANY_PLUGINS + done);
	ctl_destroy(status);
	run_end(g);
}

/* ---- logs and calls ---- */

Test(control, logs_show_what_a_worker_wrote)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_fault(g);
	run_start(g);
	c = ctl_expect(g, 0, "logs", "fault", NULL);
	cr_expect(strstr(c->out, "fault: starting in mode ''"), "%s", c->out);
	ctl_destroy(c);
	cr_expect(run_log_has(g, 0, "fault: starting in mode ''"));
	c = ctl_expect(g, 0, "logs", "-n", "1", "fault", NULL);
	cr_expect(c->json, "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

Test(control, call_reaches_tools_commands_and_methods)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_fault(g);
	run_start(g);
	c = ctl_expect(g, 0, "call", "tool", "fault", "{\"a\":[1,null]}", NULL);
	cr_expect(strstr(c->out, "[1,null]"), "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "call", "method", "fault", "{\"b\":2}", NULL);
	cr_expect(strstr(c->out, ":2}"), "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "call", "command", "fault", "some words", NULL);
	cr_expect(strstr(c->out, "some words"), "%s", c->out);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 5, "call", "tool", "nope", "{}", NULL));
	run_end(g);
}

/* ---- the socket from outside ---- */

/* [0, 1, "control", ["version", {}]] */
static const char version_call[] = "\x94\x00\x01\xa7"
				   "control\x92\xa7version\x80";

Test(control, nngcat_speaks_with_the_control_socket)
{
	struct gateway_run *g;
	char *file, *command, out[4096];
	FILE *pipe;
	size_t got;

	if (system("command -v nngcat >/dev/null"))
		cr_skip_test("needs nngcat: apt install nng-utils");
	g = run_create();
	run_add_hello(g);
	run_start(g);
	file = memory_format("%s/call", g->dir);
	files_write(file, "-");
	files_overwrite(file, version_call, sizeof(version_call) - 1);
	command = memory_format("nngcat --pair0 --dial 'ipc://%s' --file %s "
				"--raw --recv-timeout 5 2>&1",
		g->control, file);
	pipe = popen(command, "r");
	got = fread(out, 1, sizeof(out) - 1, pipe);
	out[got] = 0;
	for (size_t i = 0; i < got; i++)
		if (!out[i])
			out[i] = '.';
	pclose(pipe);
	cr_expect(strstr(out, "outcome") && strstr(out, "protocol"), "%s: %s",
		command, out);
	free(command);
	free(file);
	run_end(g);
}

Test(control, garbage_on_the_control_socket_ends_that_session_alone)
{
	static const char sp[] = "\0SP\0\0\x10\0\0";
	struct gateway_run *g = run_create();
	struct client c;

	run_add_hello(g);
	run_start(g);
	for (int i = 0; i < 3; i++) {
		char bytes[64];

		memset(bytes, 0xff - i, sizeof(bytes));
		cr_assert(client_open(&c, g->control));
		if (i)
			client_send(&c, sp, sizeof(sp) - 1);
		client_send(&c, bytes, sizeof(bytes));
		shutdown(c.fd, SHUT_WR);
		while (recv(c.fd, bytes, sizeof(bytes), 0) > 0)
			continue;
		client_close(&c);
	}
	ctl_destroy(ctl_expect(g, 0, "status", NULL));
	run_end(g);
}
