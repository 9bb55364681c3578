/* What `supd --check` calls an error refuses an apply and a HUP as a whole,
 * with nothing changed; a configuration that says nothing is one such error. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(refuse, .fini = run_fini, .timeout = 200);

static char *
config_path(struct gateway_run *g)
{
	return memory_format("%s/supd.yaml", g->dir);
}

static struct gateway_run *
start_two(void)
{
	struct gateway_run *g = run_create();

	run_add_hello(g);
	run_add_fault(g);
	run_announce(g, "configuration not applied");
	run_announce(g, "no plugins: if none is wanted");
	run_announce(g, "no listeners: if none is wanted");
	run_announce(g, "' not found in ");
	run_start(g);
	return g;
}

static void
expect_as_before(struct gateway_run *g, const long pids[2], const char *what)
{
	cr_expect_eq(ctl_status_number(g, "hello", "pid"), pids[0], "%s", what);
	cr_expect_eq(ctl_status_number(g, "fault", "pid"), pids[1], "%s", what);
	cr_expect_eq(http_status(g->http, "/hello"), 200, "%s", what);
}

Test(refuse, a_configuration_that_says_nothing_changes_nothing)
{
	static const char *const said[] = {"", "\n", "# cut\n", "---\n",
		"plugins:\n", "plugins: {}\n", "listen: []\n",
		"listen:\nplugins:\n", "plugin_dirs: [packages]\n"};
	struct gateway_run *g = start_two();
	char *path = config_path(g), *whole = files_read(path);
	long pids[] = {ctl_status_number(g, "hello", "pid"),
		ctl_status_number(g, "fault", "pid")};

	for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++) {
		size_t mark = capture_length(&g->log);

		files_overwrite(path, said[i], strlen(said[i]));
		ctl_destroy(ctl_expect(g, 1, "plan", NULL));
		ctl_destroy(ctl_expect(g, 1, "apply", NULL));
		ctl_destroy(ctl_expect(g, 1, "apply", "--atomic", NULL));
		expect_as_before(g, pids, said[i]);
		run_signal(g, SIGHUP);
		run_await_log(g, mark, "configuration not applied");
		expect_as_before(g, pids, said[i]);
	}
	files_overwrite(path, whole, strlen(whole));
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	expect_as_before(g, pids, "whole again");
	free(whole);
	free(path);
	run_end(g);
}

Test(refuse, what_stops_most_of_what_serves_says_so)
{
	struct gateway_run *g = start_two();
	struct ctl *c;

	run_no_plugins(g);
	run_write_config(g); /* it says `plugins: {}` */
	c = ctl_expect(g, 0, "plan", NULL);
	cr_expect(strstr(c->out, "stops 2 of the 2 plugins that serve"), "%s",
		c->out);
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	c = ctl_expect(g, 0, "apply", NULL);
	cr_expect(strstr(c->out, "stops 2 of the 2 plugins that serve"), "%s",
		c->out);
	ctl_destroy(c);
	cr_expect(run_log_has(g, 0, "stops 2 of the 2 plugins that serve"));
	cr_expect_eq(http_status(g->http, "/hello"), 404);
	run_end(g);
}

Test(refuse, an_error_of_check_keeps_what_was_taken_out_serving)
{
	struct gateway_run *g = start_two();
	long pids[] = {ctl_status_number(g, "hello", "pid"),
		ctl_status_number(g, "fault", "pid")};
	struct ctl *c;
	size_t mark;

	/* fault is taken out; what is put in has no package. */
	run_no_plugins(g);
	run_plugin(g, "hello", "use: hello, request_timeout: 7s");
	run_plugin(g, "gone", "use: gone");
	run_write_config(g);
	for (int atomic = 0; atomic < 2; atomic++) {
		c = ctl_expect(g, 1, "apply", atomic ? "--atomic" : NULL, NULL);
		cr_expect(strstr(ctl_text(c, "problems.0.text"),
				  "package 'gone' not found"),
			"%s", c->out);
		cr_expect_eq(json_array_size(ctl_at(c, "results")), 0);
		ctl_destroy(c);
		expect_as_before(g, pids, "apply");
	}
	mark = capture_length(&g->log);
	run_signal(g, SIGHUP);
	run_await_log(g, mark, "configuration not applied");
	expect_as_before(g, pids, "HUP");
	/* Nothing of it is in force: neither live values nor the order. */
	c = ctl_expect(g, 0, "show", "hello", NULL);
	cr_expect_neq(ctl_number(c, "plugins.0.limits.requestTimeoutMs"), 7000);
	ctl_destroy(c);
	run_package(g, "hello", "gone");
	run_end(g);
}

Test(refuse, a_start_refuses_a_configuration_that_says_nothing)
{
	struct gateway_run *g = run_create();
	char *path = config_path(g), *command;

	files_write(path, "%s", "");
	command = memory_format(
		"%s/supervisor/supd -c %s --runtime-dir %s/run --state-dir "
		"%s/state 2>/dev/null",
		run_build_root(), path, g->dir, g->dir);
	cr_expect_eq(WEXITSTATUS(system(command)), 1);
	free(command);
	free(path);
	run_fini();
}

/* At the start nothing serves that a refusal could save. */
Test(refuse, a_start_fails_the_plugin_alone_whose_package_is_missing)
{
	struct gateway_run *g = run_create();

	run_add_hello(g);
	run_plugin(g, "gone", "use: gone, crash: {early_max: 1, within: 5m}");
	run_announce(g, "plugin failed");
	run_spawn(g);
	run_await_log(g, 0, "plugin failed");
	ctl_await_state(g, "hello", "serving");
	ctl_await_state(g, "gone", "failed");
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	g->may_grow = true;
	run_end(g);
}

/* ---- bursts ---- */

#define BURST 2000
/* SHA-256 of "one". */
#define ONE "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"

static void
ask_for_reloads(struct gateway_run *g, const char *id, int count, int status)
{
	char *body = memory_format("{\"pluginId\":\"%s\"}", id);
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	for (int i = 0; i < count; i++) {
		cr_assert(client_say(&c,
			"POST /api/plugins/reload HTTP/1.1\r\nHost: x\r\n"
			"Authorization: Bearer one\r\nContent-Length: %zu\r\n"
			"\r\n%s",
			strlen(body), body));
		cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
		cr_assert_eq(a.status, status, "%s", a.body);
		answer_finish(&a);
	}
	client_close(&c);
	free(body);
}

static long
newest_event(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "events", "-n", "1", NULL);
	long seq = ctl_number(c, "events.0.seq");

	ctl_destroy(c);
	return seq;
}

static void
expect_counted(struct gateway_run *g, const char *id, const char *outcome)
{
	struct answer a = http_get(g->http, "/metrics");
	char *line = memory_format(
		"{plugin=\"%s\",outcome=\"%s\"} %d\n", id, outcome, BURST);

	cr_expect(strstr(a.body, line), "no %s", line);
	free(line);
	answer_finish(&a);
}

Test(refuse, a_burst_of_refused_reloads_floods_neither_log_nor_events)
{
	struct gateway_run *g = run_create();
	struct ctl *reload;
	size_t mark;
	long seq;

	run_add_fault(g);
	run_plugin(g, "off", "use: fault, enabled: false");
	free(g->extra);
	g->extra = memory_copy_text("admin: {tokens: [{name: one, role: "
				    "operator, sha256: \"" ONE "\"}]}\n");
	run_start(g);
	run_fault(g, "fault", "never_ready", "");
	mark = capture_length(&g->log);
	reload =
		ctl_begin(g, 0, (const char *const[]){"reload", "fault", NULL});
	run_await_log(g, mark, "starting in mode 'never_ready'");
	mark = capture_length(&g->log);
	seq = newest_event(g);
	ask_for_reloads(g, "fault", BURST, 409);
	ask_for_reloads(g, "off", BURST, 409);
	cr_expect_leq(newest_event(g) - seq, 10);
	cr_expect_leq(capture_count(&g->log, mark, "\n"), 20);
	expect_counted(g, "fault", "refused");
	expect_counted(g, "off", "refused");
	ctl_wait(reload);
	cr_expect_eq(reload->exit_code, 1);
	ctl_destroy(reload);
	run_end(g);
}

Test(refuse, a_burst_of_failed_reloads_is_summed_up)
{
	struct gateway_run *g = run_create();
	char *manifest;
	struct ctl *c;
	size_t mark;
	long seq;

	run_add_fault(g);
	run_add_hello(g);
	free(g->extra);
	g->extra = memory_copy_text("admin: {tokens: [{name: one, role: "
				    "operator, sha256: \"" ONE "\"}]}\n");
	run_start(g);
	manifest = run_package_file(g, "fault", "plugin.yaml");
	cr_assert_eq(unlink(manifest), 0);
	mark = capture_length(&g->log);
	seq = newest_event(g);
	ask_for_reloads(g, "fault", BURST, 422);
	/* Other plugins are not cut short. */
	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	run_await_log(g, mark, "more reloads failed");
	run_await_log(g, mark, "the last failure: staging: ");
	c = ctl_expect(g, 0, "events", "-n", "1000", NULL);
	cr_expect(strstr(c->out, "\"reload.repeated\""), "%s", c->out);
	cr_expect(strstr(c->out, "\"error\": \"staging: "), "%s", c->out);
	ctl_destroy(c);
	cr_expect_leq(newest_event(g) - seq, 200);
	cr_expect_leq(capture_count(&g->log, mark, "rolled back ("), 60);
	c = ctl_expect(g, 0, "history", "-n", "1000", "fault", NULL);
	cr_expect_leq(json_array_size(ctl_at(c, "receipts")), 80);
	ctl_destroy(c);
	expect_counted(g, "fault", "rolled_back");
	files_write(manifest, "name: fault\nversion: 1.0.0\nrun: fault.so\n");
	mark = capture_length(&g->log);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	run_await_log(g, mark, " done (supctl)");
	free(manifest);
	run_end(g);
}
