/* Every verb of --help acts on the running daemon, and every option does
 * something: two tables with a test for each row of proto/verbs.h and of
 * supctl's options, so that none can be forgotten. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/verbs.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/shell.h"
#include "tools/supctl/options.h"

TestSuite(supctl, .fini = run_fini, .timeout = 250);

/* hello, and fault twice: "fault" and "twin" share the package. */
static struct gateway_run *
start(void)
{
	struct gateway_run *g = run_create();

	run_add_hello(g);
	run_add_fault(g);
	run_plugin(g, "twin", "use: fault, mount: /twin, namespace: twin");
	run_start(g);
	return g;
}

static void
expect_state(struct gateway_run *g, const char *id, const char *state)
{
	char *now = ctl_status_text(g, id, "state");

	cr_expect_str_eq(now, state, "%s is %s", id, now);
	free(now);
}

static void
expect_generation(struct gateway_run *g, const char *id, long generation)
{
	long now = ctl_status_number(g, id, "generation");

	cr_expect_eq(now, generation, "%s has generation %ld", id, now);
}

static bool
has_text(const struct ctl *c, const char *text)
{
	return strstr(c->out, text) != NULL;
}

/* ---- verbs ---- */

static void
try_status(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "status", NULL);

	cr_expect_eq(ctl_number(c, "pid"), g->pid);
	cr_expect_eq(json_array_size(ctl_at(c, "plugins")), 3);
	ctl_destroy(c);
	expect_state(g, "hello", "serving");
}

static void
try_list(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "list", NULL);

	cr_expect_str_eq(ctl_text(c, "plugins.0.pluginId"), "hello");
	cr_expect_eq(ctl_number(c, "plugins.0.pid"),
		ctl_status_number(g, "hello", "pid"));
	ctl_destroy(c);
}

static void
try_show(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "show", "hello", NULL);

	cr_expect_eq(ctl_number(c, "pid"), http_pid(g->http, "/hello"));
	ctl_destroy(c);
}

static void
try_routes(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "routes", NULL);

	cr_expect(has_text(c, "\"/hello\"") && has_text(c, "/twin/fault"));
	ctl_destroy(c);
}

static void
try_hooks(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 0, "hooks", NULL));
	ctl_destroy(ctl_expect(g, 0, "hooks", "reload.verdict", NULL));
	ctl_destroy(ctl_expect(g, 2, "hooks", "not.*", NULL));
}

/* Runs of command lines are in test_x. */
static void
try_x(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 0, "x", NULL));
}

static void
try_schedule(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 5, "schedule", "run", "none", NULL));
}

/* More of these three is in test_channels. */
static void
try_channels(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 0, "channels", NULL));
}

static void
try_send(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 5, "send", "none", "bob", "hello", NULL));
}

static void
try_messages(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 0, "messages", "list", NULL));
	ctl_destroy(ctl_expect(g, 5, "messages", "show", "1", NULL));
	ctl_destroy(ctl_expect(g, 2, "messages", "show", "one", NULL));
}

static void
try_reload(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "reload", "hello", NULL);

	cr_expect_eq(ctl_number(c, "pid"), http_pid(g->http, "/hello"));
	cr_expect_eq(ctl_number(c, "generation"), 2);
	ctl_destroy(c);
}

static void
try_can_reload(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 0, "can-reload", "hello", NULL));
	ctl_destroy(ctl_expect(g, 0, "stop", "hello", NULL));
	ctl_destroy(ctl_expect(g, 0, "can-reload", "fault", NULL));
	ctl_destroy(ctl_expect(g, 5, "can-reload", "nobody", NULL));
}

static void
try_start(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 0, "stop", "hello", NULL));
	ctl_destroy(ctl_expect(g, 0, "start", "hello", NULL));
	expect_state(g, "hello", "serving");
	cr_expect_eq(http_status(g->http, "/hello"), 200);
}

static void
try_stop(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 0, "stop", "hello", NULL));
	expect_state(g, "hello", "stopped");
	cr_expect_eq(http_status(g->http, "/hello"), 503);
}

static void
try_restart(struct gateway_run *g)
{
	long pid = ctl_status_number(g, "hello", "pid");

	ctl_destroy(ctl_expect(g, 0, "restart", "hello", NULL));
	cr_expect_neq(ctl_status_number(g, "hello", "pid"), pid);
	expect_state(g, "hello", "serving");
}

static void
try_disable(struct gateway_run *g)
{
	char *by;

	ctl_destroy(ctl_expect(g, 0, "disable", "hello", NULL));
	expect_state(g, "hello", "disabled");
	cr_expect_eq(http_status(g->http, "/hello"), 404);
	by = ctl_status_text(g, "hello", "enabledBy");
	cr_expect_str_neq(by, "config");
	free(by);
	ctl_destroy(ctl_expect(g, 6, "reload", "hello", NULL));
}

static void
try_enable(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 0, "disable", "hello", NULL));
	ctl_destroy(ctl_expect(g, 0, "enable", "hello", NULL));
	expect_state(g, "hello", "serving");
	cr_expect_eq(http_status(g->http, "/hello"), 200);
}

static void
try_check(struct gateway_run *g)
{
	char *file = memory_format("%s/supd.yaml", g->dir);

	ctl_destroy(ctl_expect(g, 0, "check", file, NULL));
	run_plugin(g, "bad", "use: nowhere");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 1, "check", file, NULL));
	free(file);
}

/* A plugin more, and another setting of one. */
static void
change_config(struct gateway_run *g)
{
	run_plugin(g, "more", "use: fault, mount: /more, namespace: more");
	run_write_config(g);
}

static void
try_plan(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "plan", NULL);
	char *out;

	cr_expect_eq(json_array_size(ctl_at(c, "plugins")), 0, "%s", c->out);
	ctl_destroy(c);
	change_config(g);
	c = ctl_expect(g, 0, "plan", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "plugins")), 1, "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "plugins.0.pluginId"), "more");
	ctl_destroy(c);
	out = shell_expect(g, 0, "$SUPCTL plan");
	cr_expect(strstr(out, "more") && strstr(out, "start"), "%s", out);
	free(out);
	ctl_destroy(ctl_expect(g, 5, "status", "more", NULL));
}

static void
try_apply(struct gateway_run *g)
{
	char *out;

	change_config(g);
	g->may_grow = true;
	out = shell_expect(g, 0, "$SUPCTL apply 2>/dev/null");
	cr_expect(strstr(out, "more: started"), "%s", out);
	cr_expect(strstr(out, "applied in "), "%s", out);
	free(out);
	expect_state(g, "more", "serving");
	out = shell_expect(g, 0, "$SUPCTL apply 2>/dev/null");
	cr_expect(strstr(out, "nothing has changed"), "%s", out);
	free(out);
}

static void
try_scan(struct gateway_run *g)
{
	char *out;

	change_config(g);
	g->may_grow = true;
	out = shell_expect(g, 0, "$SUPCTL scan 2>/dev/null");
	cr_expect(strstr(out, "1 of 1 started"), "%s", out);
	free(out);
	expect_state(g, "more", "serving");
	expect_generation(g, "hello", 1);
	out = shell_expect(g, 0, "$SUPCTL scan 2>/dev/null");
	cr_expect(strstr(out, "nothing was added"), "%s", out);
	free(out);
}

static void
try_logs(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "logs", "fault", NULL);

	cr_expect(has_text(c, "starting in mode"), "%s", c->out);
	ctl_destroy(c);
}

static void
try_call(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "call", "tool", "hello", NULL);

	cr_expect_eq(ctl_number(c, "pid"), ctl_status_number(g, "hello", "pid"),
		"%s", c->out);
	ctl_destroy(c);
}

static void
try_emit(struct gateway_run *g)
{
	struct ctl *c =
		ctl_expect(g, 0, "emit", "weather.rain", "{\"mm\":4}", NULL);

	ctl_destroy(c);
	c = ctl_expect(g, 0, "events", "-n", "1", NULL);
	cr_expect_str_eq(ctl_text(c, "events.0.event"), "weather.rain");
	cr_expect_eq(ctl_number(c, "events.0.data.mm"), 4);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 2, "emit", "reload.verdict", NULL));
}

static void
try_events(struct gateway_run *g)
{
	char *out;

	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	out = shell_expect(g, 0, "$SUPCTL events");
	cr_expect(
		strstr(out, "reload.verdict hello reloaded 1 -> 2"), "%s", out);
	free(out);
}

static void
try_history(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "reload", "hello", NULL);
	char *id = memory_copy_text(ctl_text(c, "id")), *out;

	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	c = ctl_expect(g, 0, "history", "hello", "-n", "1", NULL);
	cr_expect_str_eq(ctl_text(c, "receipts.0.id"), id, "%s", c->out);
	cr_expect(*ctl_text(c, "receipts.0.at"));
	ctl_destroy(c);
	out = shell_expect(g, 0, "$SUPCTL history");
	cr_expect(strstr(out, id) && strstr(out, "fault"), "%s", out);
	free(out);
	free(id);
}

static void
try_config(struct gateway_run *g)
{
	char *out = shell_expect(g, 0, "$SUPCTL config");

	cr_expect(strstr(out, "plugins:\n"), "%s", out);
	cr_expect(strstr(out, "  twin:\n"), "%s", out);
	cr_expect(strstr(out, "/twin"), "%s", out);
	free(out);
}

static void
try_metrics(struct gateway_run *g)
{
	char *out = shell_expect(g, 0, "$SUPCTL metrics");

	cr_expect(strstr(out, "# TYPE supd_"), "%s", out);
	cr_expect(strstr(out, "plugin=\"twin\""), "%s", out);
	free(out);
}

static void
try_top(struct gateway_run *g)
{
	char *out = shell_expect(g, 0, "$SUPCTL top -d 100ms");

	cr_expect(strstr(out, "REQ/S"), "%s", out);
	cr_expect(strstr(out, "\nhello "), "%s", out);
	free(out);
}

static void
try_token(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "token", "new", "web", NULL);

	cr_expect_str_eq(ctl_text(c, "name"), "web");
	cr_expect_eq(strlen(ctl_text(c, "token")), 43);
	ctl_destroy(c);
}

/* A package made is one that is found. */
static void
try_new(struct gateway_run *g)
{
	struct ctl *c;

	free(shell_expect(
		g, 0, "$SUPCTL new python fresh --dir %s/packages", g->dir));
	run_plugin(g, "fresh", "use: fresh");
	run_write_config(g);
	free(shell_expect(g, 0, "$SUPCTL check %s/supd.yaml", g->dir));
	c = ctl_run(g, "new", "python", "hello", "--dir", g->dir, NULL);
	cr_expect_eq(c->exit_code, 0);
	cr_expect_eq(json_array_size(ctl_at(c, "files")), 4, "%s", c->out);
	ctl_destroy(c);
	c = ctl_run(g, "new", "python", "hello", "--dir", g->dir, NULL);
	cr_expect_eq(c->exit_code, 1, "written over");
	ctl_destroy(c);
}

static void
try_watch(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "watch", "status", NULL);

	cr_expect_eq(json_array_size(ctl_at(c, "plugins")), 3);
	cr_expect(strstr(ctl_text(c, "gate"), "reload.watch"), "%s", c->out);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 1, "watch", "on", "hello", NULL));
	ctl_destroy(ctl_expect(g, 0, "watch", "off", "hello", NULL));
}

static void
try_completion(struct gateway_run *g)
{
	char *out = shell_expect(g, 0, "$SUPCTL completion ids");

	cr_expect_str_eq(out, "hello\nfault\ntwin\n");
	free(out);
	out = shell_expect(g, 3, "SUPCTL_SOCKET=/none $SUPCTL completion ids");
	cr_expect_str_eq(out, "");
	free(out);
}

static void
try_version(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "version", NULL);

	cr_expect_eq(ctl_number(c, "supd.pid"), g->pid);
	ctl_destroy(c);
}

/* try_shutdown is a test of its own: it ends the run. */
static void
try_shutdown(struct gateway_run *g)
{
	run_await_log(g, 0, "ready in ");
}

typedef void trial(struct gateway_run *g);

static trial *const verb_trials[VERB_COUNT] = {
	[VERB_STATUS] = try_status,
	[VERB_LIST] = try_list,
	[VERB_SHOW] = try_show,
	[VERB_ROUTES] = try_routes,
	[VERB_RELOAD] = try_reload,
	[VERB_CAN_RELOAD] = try_can_reload,
	[VERB_START] = try_start,
	[VERB_STOP] = try_stop,
	[VERB_RESTART] = try_restart,
	[VERB_ENABLE] = try_enable,
	[VERB_DISABLE] = try_disable,
	[VERB_CHECK] = try_check,
	[VERB_PLAN] = try_plan,
	[VERB_APPLY] = try_apply,
	[VERB_SCAN] = try_scan,
	[VERB_WATCH] = try_watch,
	[VERB_LOGS] = try_logs,
	[VERB_CALL] = try_call,
	[VERB_EMIT] = try_emit,
	[VERB_X] = try_x,
	[VERB_SCHEDULE] = try_schedule,
	[VERB_CHANNELS] = try_channels,
	[VERB_SEND] = try_send,
	[VERB_MESSAGES] = try_messages,
	[VERB_HOOKS] = try_hooks,
	[VERB_EVENTS] = try_events,
	[VERB_HISTORY] = try_history,
	[VERB_CONFIG] = try_config,
	[VERB_METRICS] = try_metrics,
	[VERB_TOP] = try_top,
	[VERB_TOKEN] = try_token,
	[VERB_NEW] = try_new,
	[VERB_COMPLETION] = try_completion,
	[VERB_VERSION] = try_version,
	[VERB_SHUTDOWN] = try_shutdown,
};

Test(supctl, every_verb_acts_on_the_running_daemon)
{
	for (int verb = 0; verb < VERB_COUNT; verb++) {
		struct gateway_run *g;

		cr_assert(verb_trials[verb], "nobody tries the verb '%s'",
			verb_rows[verb].name);
		g = start();
		verb_trials[verb](g);
		run_end(g);
	}
}

Test(supctl, shutdown_ends_the_daemon_and_says_when_it_is_gone)
{
	struct gateway_run *g = start();
	char *out = shell_expect(g, 0, "$SUPCTL shutdown");

	cr_expect(strstr(out, "has stopped"), "%s", out);
	free(out);
	cr_expect_eq(run_wait(g), 0);
	ctl_destroy(ctl_expect(g, 3, "status", NULL));
	run_forget(g);
}

Test(supctl, shutdown_without_waiting_says_that_it_has_begun)
{
	struct gateway_run *g = start();
	char *out = shell_expect(g, 0, "$SUPCTL shutdown --no-wait");

	cr_expect(strstr(out, "is stopping"), "%s", out);
	free(out);
	cr_expect_eq(run_wait(g), 0);
	run_forget(g);
}

/* ---- options ---- */

static void
opt_socket(struct gateway_run *g)
{
	free(shell_expect(g, 3, "$SUPCTL -s %s/none status", g->dir));
	free(shell_expect(g, 0,
		"s=$SUPCTL_SOCKET; SUPCTL_SOCKET=/none $SUPCTL -s \"$s\" "
		"status"));
}

static void
opt_json(struct gateway_run *g)
{
	free(shell_expect(g, 0,
		"$SUPCTL --json status | python3 -m json.tool >/dev/null && "
		"! $SUPCTL status | python3 -m json.tool >/dev/null 2>&1"));
}

static void
opt_timeout(struct gateway_run *g)
{
	struct ctl *c;

	run_fault(g, "fault", "slow_start", "start_ms: 1500");
	c = ctl_expect(g, 7, "--timeout", "200ms", "reload", "fault", NULL);
	cr_expect_lt(c->took_ms, 1400);
	ctl_destroy(c);
	ctl_await_number(g, "fault", "generation", 2);
}

static void
opt_no_color(struct gateway_run *g)
{
	free(shell_expect(g, 0,
		"export TERM=xterm; unset NO_COLOR; esc=$'\\033[3'\n"
		"script -qec '$SUPCTL status' /dev/null | grep -qF \"$esc\" &&"
		"! script -qec '$SUPCTL --no-color status' /dev/null | "
		"grep -qF \"$esc\""));
}

static void
opt_help(struct gateway_run *g)
{
	char *out = shell_expect(g, 0, "$SUPCTL reload --help");

	cr_expect(strstr(out, "Usage: supctl"), "%s", out);
	free(out);
	expect_generation(g, "hello", 1);
}

static void
opt_version(struct gateway_run *g)
{
	char *out = shell_expect(g, 0, "SUPCTL_SOCKET=/none $SUPCTL --version");

	cr_expect(!strncmp(out, "supctl ", 7), "%s", out);
	free(out);
}

static void
opt_kind(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "routes", "--kind", "tool", NULL);

	cr_expect_eq(json_array_size(ctl_at(c, "routes")), 3, "%s", c->out);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 2, "routes", "--kind", "frob", NULL));
}

static void
opt_plugin(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "routes", "--plugin", "twin", NULL);

	cr_expect(has_text(c, "twin") && !has_text(c, "hello"), "%s", c->out);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 5, "routes", "--plugin", "nobody", NULL));
}

static void
opt_all(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "reload", "--all", NULL);

	cr_expect_eq(json_array_size(ctl_at(c, "results")), 3);
	ctl_destroy(c);
	expect_generation(g, "hello", 2);
	expect_generation(g, "twin", 2);
}

static void
opt_changed(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "reload", "--changed", NULL);

	cr_expect_eq(json_array_size(ctl_at(c, "results")), 0, "%s", c->out);
	ctl_destroy(c);
	run_fault(g, "fault", "", "extra: true");
	c = ctl_expect(g, 0, "reload", "--changed", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 2, "%s", c->out);
	ctl_destroy(c);
	expect_generation(g, "hello", 1);
	expect_generation(g, "fault", 2);
}

static void
opt_package(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 0, "reload", "--package", "fault", NULL));
	expect_generation(g, "hello", 1);
	expect_generation(g, "fault", 2);
	expect_generation(g, "twin", 2);
}

static void
opt_atomic(struct gateway_run *g)
{
	run_fault(g, "fault", "exit_at_start", "");
	ctl_destroy(
		ctl_expect(g, 1, "reload", "--atomic", "hello", "fault", NULL));
	expect_generation(g, "hello", 1);
	ctl_destroy(ctl_expect(g, 8, "reload", "hello", "fault", NULL));
	cr_expect_gt(ctl_status_number(g, "hello", "generation"), 1);
}

static void
opt_plan(struct gateway_run *g)
{
	struct ctl *c;
	char *out;

	run_fault(g, "fault", "", "extra: true");
	c = ctl_expect(g, 0, "reload", "--plan", "fault", "hello", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "plugins")), 2, "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "plugins.0.action"), "reload");
	cr_expect_str_eq(ctl_text(c, "plugins.1.action"), "none");
	ctl_destroy(c);
	out = shell_expect(g, 0, "$SUPCTL reload --plan fault hello");
	cr_expect(strstr(out, "ACTION") && strstr(out, "none"), "%s", out);
	free(out);
	expect_generation(g, "fault", 1);
}

static void
opt_prove(struct gateway_run *g)
{
	long pid = ctl_status_number(g, "fault", "pid");
	char *out;

	run_fault(g, "fault", "", "extra: true");
	out = shell_expect(g, 0, "$SUPCTL reload --prove fault 2>/dev/null");
	cr_expect(strstr(out, "/fault/extra"), "%s", out);
	free(out);
	cr_expect_eq(ctl_status_number(g, "fault", "pid"), pid);
	cr_expect_eq(http_status(g->http, "/fault/extra"), 404);
}

static struct client
ask_slow(struct gateway_run *g)
{
	struct client client;

	cr_assert(client_open(&client, g->http));
	cr_assert(client_say(&client,
		"GET /fault/slow?60000 HTTP/1.1\r\nHost: test\r\n\r\n"));
	ctl_await_number(g, "fault", "inFlight", 1);
	return client;
}

static void
opt_force(struct gateway_run *g)
{
	struct client client = ask_slow(g);
	struct ctl *c = ctl_expect(
		g, 0, "reload", "--force", "--wait", "settled", "fault", NULL);

	cr_expect_eq(ctl_number(c, "aborted"), 1, "%s", c->out);
	ctl_destroy(c);
	client_close(&client);
}

static void
opt_no_drop(struct gateway_run *g)
{
	run_fault(g, "fault", "", "extra: true");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	run_fault(g, "fault", "", "");
	ctl_destroy(ctl_expect(g, 1, "reload", "--no-drop", "fault", NULL));
	expect_generation(g, "fault", 2);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
}

static void
opt_if_safe(struct gateway_run *g)
{
	static const char *const args[] = {"reload", "fault", NULL};
	size_t mark = capture_length(&g->log);
	struct ctl *first, *second;

	run_fault(g, "fault", "slow_start", "start_ms: 1500");
	first = ctl_begin(g, 0, args);
	run_await_log(g, mark, "starting in mode 'slow_start'");
	second = ctl_expect(g, 6, "reload", "--if-safe", "fault", NULL);
	cr_expect(strstr(ctl_text(second, "error"), "not safe now"), "%s",
		second->out);
	ctl_destroy(second);
	ctl_wait(first);
	ctl_destroy(first);
}

static void
opt_wait(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(
		g, 0, "reload", "--wait", "committed", "fault", NULL);

	cr_expect_str_eq(ctl_text(c, "state"), "done");
	ctl_destroy(c);
	c = ctl_expect(g, 0, "reload", "--wait", "settled", "fault", NULL);
	cr_expect_str_eq(ctl_text(c, "state"), "settled");
	cr_expect(json_is_number(ctl_at(c, "drained")));
	ctl_destroy(c);
}

static void
opt_no_wait(struct gateway_run *g)
{
	char *out;

	run_fault(g, "fault", "slow_start", "start_ms: 500");
	out = shell_expect(g, 0, "$SUPCTL reload --no-wait fault");
	cr_expect(!strncmp(out, "r-", 2) && strlen(out) < 10, "%s", out);
	free(out);
	expect_generation(g, "fault", 1);
	ctl_await_number(g, "fault", "generation", 2);
}

static void
opt_follow(struct gateway_run *g)
{
	char *out = shell_expect(g, 0,
		"exec 3< <(exec $SUPCTL --json events -f -n 0)\n"
		"follower=$!\n"
		"for i in 1 2 3 4 5 6 7 8 9; do\n"
		"	$SUPCTL emit some.thing $i >/dev/null\n"
		"	read -r -t 1 line <&3 && break\n"
		"done\n"
		"kill $follower; echo \"$line\"");

	cr_expect(strstr(out, "\"event\": \"some.thing\"") ||
			  strstr(out, "\"event\":\"some.thing\""),
		"%s", out);
	free(out);
}

static void
opt_lines(struct gateway_run *g)
{
	static const char *const verbs[][2] = {{"logs", "lines"},
		{"events", "events"}, {"history", "receipts"}};

	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	for (size_t i = 0; i < 3; i++) {
		struct ctl *c = ctl_expect(g, 0, verbs[i][0], "-n", "1",
			i == 1 ? NULL : "fault", NULL);

		cr_expect_eq(json_array_size(ctl_at(c, verbs[i][1])), 1, "%s",
			c->out);
		ctl_destroy(c);
		c = ctl_expect(
			g, 0, verbs[i][0], i == 1 ? NULL : "fault", NULL);
		cr_expect_gt(json_array_size(ctl_at(c, verbs[i][1])), 1, "%s",
			c->out);
		ctl_destroy(c);
	}
}

static void
opt_raw(struct gateway_run *g)
{
	char *out = shell_expect(g, 0,
		"$SUPCTL call command fault --raw $'a\\e[1m' | od -An -c");

	cr_expect(strstr(out, "033"), "%s", out);
	cr_expect_not(strstr(out, "\\n"), "%s", out);
	free(out);
}

static void
opt_dir(struct gateway_run *g)
{
	char *file = memory_format("%s/fresh/plugin.yaml", g->dir);

	ctl_destroy(
		ctl_expect(g, 0, "new", "c", "fresh", "--dir", g->dir, NULL));
	cr_expect(files_exist(file));
	free(file);
}

static void
opt_role(struct gateway_run *g)
{
	struct ctl *c =
		ctl_expect(g, 0, "token", "new", "--role", "viewer", NULL);

	cr_expect_str_eq(ctl_text(c, "role"), "viewer");
	ctl_destroy(c);
}

static void
expect_log_lines(
	struct gateway_run *g, const char *option, const char *value, bool any)
{
	struct ctl *c = ctl_expect(g, 0, "logs", "fault", option, value, NULL);

	cr_expect_eq(json_array_size(ctl_at(c, "lines")) > 0, any, "%s %s: %s",
		option, value, c->out);
	ctl_destroy(c);
}

static void
opt_since(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	expect_log_lines(g, "--since", "1h", true);
	expect_log_lines(g, "--since", "2000-01-01 10:00", true);
	expect_log_lines(g, "--since", "2100-01-01", false);
}

static void
opt_grep(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	expect_log_lines(g, "--grep", "starting in mode", true);
	expect_log_lines(g, "--grep", "start.*mode", false);
}

static void
opt_wide(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "status", "-w", "fault", NULL);
	char *out = shell_expect(g, 0, "$SUPCTL status --wide");

	cr_expect_gt(
		ctl_number(c, "plugins.0.memoryBytes"), 100000, "%s", c->out);
	cr_expect(
		json_is_real(ctl_at(c, "plugins.0.cpuSeconds")), "%s", c->out);
	cr_expect(strstr(out, "MEM") && strstr(out, "CPU"), "%s", out);
	free(out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "status", NULL);
	cr_expect_null(ctl_at(c, "plugins.0.memoryBytes"), "%s", c->out);
	ctl_destroy(c);
}

static void
opt_ready(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "status", "--ready", NULL);

	ctl_destroy(c);
	run_plugin(g, "broken", "use: fault, env: {FAULT_MODE: bad_hello}");
	run_write_config(g);
	run_announce(g, "broken");
	ctl_destroy(ctl_expect(g, 1, "apply", NULL));
	ctl_destroy(ctl_expect(g, 0, "status", NULL));
	c = ctl_expect(g, 1, "status", "--ready", NULL);
	cr_expect(json_is_false(ctl_at(c, "ready")), "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "waitingFor.0.pluginId"), "broken");
	ctl_destroy(c);
	free(shell_expect(g, 1, "$SUPCTL status --ready"));
}

static void
opt_before(struct gateway_run *g)
{
	ctl_destroy(
		ctl_expect(g, 0, "messages", "list", "--before", "5", NULL));
	ctl_destroy(
		ctl_expect(g, 2, "messages", "list", "--before", "x", NULL));
}

/* test_channels tries them on a channel. */
static void
opt_edit(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(
		g, 5, "send", "none", "bob", "new", "--edit", "m1", NULL));
	ctl_destroy(
		ctl_expect(g, 2, "send", "none", "bob", "--edit", "m1", NULL));
}

static void
opt_delete(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(
		g, 5, "send", "none", "bob", "--delete", "m1", NULL));
}

static void
opt_react(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(
		g, 5, "send", "none", "bob", "+", "--react", "m1", NULL));
}

static void
opt_batch(struct gateway_run *g)
{
	free(shell_expect(g, 0,
		"test $($SUPCTL top --batch -d 100ms -n 3 | grep -c REQ/S) "
		"= 3"));
}

static void
opt_delay(struct gateway_run *g)
{
	free(shell_expect(g, 2, "$SUPCTL top --delay 10ms"));
	free(shell_expect(g, 124, "timeout 1 $SUPCTL top --delay 50m"));
	free(shell_expect(g, 0, "$SUPCTL top --delay 100ms"));
}

static void
opt_sort(struct gateway_run *g)
{
	char *out = shell_expect(g, 0, "$SUPCTL top -d 100ms --sort id");

	cr_expect(strstr(out, "\nhello ") < strstr(out, "\ntwin "), "%s", out);
	free(out);
	free(shell_expect(g, 2, "$SUPCTL top --sort name"));
}

static trial *const option_trials[OPTION_COUNT] = {
	[OPTION_SOCKET] = opt_socket,
	[OPTION_JSON] = opt_json,
	[OPTION_TIMEOUT] = opt_timeout,
	[OPTION_NO_COLOR] = opt_no_color,
	[OPTION_HELP] = opt_help,
	[OPTION_VERSION] = opt_version,
	[OPTION_KIND] = opt_kind,
	[OPTION_PLUGIN] = opt_plugin,
	[OPTION_ALL] = opt_all,
	[OPTION_CHANGED] = opt_changed,
	[OPTION_PACKAGE] = opt_package,
	[OPTION_ATOMIC] = opt_atomic,
	[OPTION_PLAN] = opt_plan,
	[OPTION_PROVE] = opt_prove,
	[OPTION_FORCE] = opt_force,
	[OPTION_NO_DROP] = opt_no_drop,
	[OPTION_IF_SAFE] = opt_if_safe,
	[OPTION_WAIT] = opt_wait,
	[OPTION_NO_WAIT] = opt_no_wait,
	[OPTION_FOLLOW] = opt_follow,
	[OPTION_LINES] = opt_lines,
	[OPTION_DIR] = opt_dir,
	[OPTION_RAW] = opt_raw,
	[OPTION_ROLE] = opt_role,
	[OPTION_SINCE] = opt_since,
	[OPTION_GREP] = opt_grep,
	[OPTION_WIDE] = opt_wide,
	[OPTION_READY] = opt_ready,
	[OPTION_BEFORE] = opt_before,
	[OPTION_EDIT] = opt_edit,
	[OPTION_DELETE] = opt_delete,
	[OPTION_REACT] = opt_react,
	[OPTION_BATCH] = opt_batch,
	[OPTION_DELAY] = opt_delay,
	[OPTION_SORT] = opt_sort,
};

Test(supctl, every_option_does_what_it_says)
{
	for (int id = 0; id < OPTION_COUNT; id++) {
		struct gateway_run *g;

		cr_assert(option_trials[id], "nobody tries --%s",
			option_rows[id].name);
		g = start();
		option_trials[id](g);
		run_end(g);
	}
}

Test(supctl, a_bad_file_is_told_with_its_places_by_plan_apply_and_scan)
{
	static const char *const verbs[] = {"plan", "apply", "scan"};
	struct gateway_run *g = start();

	free(g->extra);
	g->extra = memory_copy_text("limitz: {}\n");
	run_write_config(g);
	run_announce(g, "limitz");
	run_announce(g, "configuration");
	for (size_t i = 0; i < 3; i++) {
		char *out = shell_expect(g, 1, "$SUPCTL %s", verbs[i]);

		cr_expect(strstr(out, "supd.yaml:5:1: unknown key 'limitz'"),
			"%s: %s", verbs[i], out);
		cr_expect(strstr(out, "supctl: the configuration has 1 error"),
			"%s: %s", verbs[i], out);
		cr_expect(!strstr(out, "nothing"), "%s: %s", verbs[i], out);
		free(out);
	}
	run_end(g);
}

Test(supctl, what_only_a_restart_changes_is_named)
{
	struct gateway_run *g = start();
	char *out;

	free(g->extra);
	g->extra = memory_copy_text("state_dir: /nowhere/else\n");
	run_write_config(g);
	run_announce(g, "state_dir takes effect only");
	out = shell_expect(g, 0, "$SUPCTL plan");
	cr_expect(strstr(out, "restart changed state_dir"), "%s", out);
	cr_expect(strstr(out, "supd.yaml:5: state_dir: not applied: takes "
			      "effect only"),
		"%s", out);
	free(out);
	out = shell_expect(g, 1, "$SUPCTL apply");
	cr_expect(strstr(out, "supd.yaml:5: state_dir: not applied: takes "
			      "effect only"),
		"%s", out);
	cr_expect(!strstr(out, ":0:0:"), "%s", out);
	free(out);
	run_end(g);
}

Test(supctl, apply_atomic_changes_all_or_nothing)
{
	struct gateway_run *g = start();

	change_config(g);
	run_fault(g, "fault", "exit_at_start", "");
	run_announce(g, "configuration not applied");
	ctl_destroy(ctl_expect(g, 1, "apply", "--atomic", NULL));
	expect_generation(g, "hello", 1);
	expect_generation(g, "fault", 1);
	run_end(g);
}
