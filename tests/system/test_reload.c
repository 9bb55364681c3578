/* A reload on the built programs: what it swaps, what it says, and that a new
 * version that is no good changes nothing. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/load.h"
#include "tests/system/harness/run.h"

TestSuite(reload, .fini = run_fini, .timeout = 200);

static struct gateway_run *
start_bench(const char *more)
{
	struct gateway_run *g = run_create();

	run_package(g, "bench", "bench");
	run_version(g, "1");
	run_plugin(g, "bench", "settings: {version_file: \"%s/version\"}%s%s",
		g->dir, *more ? ", " : "", more);
	run_start(g);
	return g;
}

static long
version_served(struct gateway_run *g)
{
	struct answer a = http_get(g->http, "/hello");
	long version = answer_number(&a, "v=");

	cr_expect_eq(a.status, 200);
	answer_finish(&a);
	return version;
}

/* ---- what it swaps ---- */

static void
swap_unnoticed(const char *link)
{
	struct gateway_run *g = start_bench(link);
	struct load load = {0};
	int before = http_pid(g->http, "/hello");
	struct ctl *c;

	load_start(&load, g->http, "/hello", "/hello");
	run_version(g, "2");
	c = ctl_expect(g, 0, "reload", "bench", NULL);
	cr_expect_eq(version_served(g), 2);
	cr_expect_eq(http_pid(g->http, "/hello"), ctl_number(c, "pid"));
	cr_expect_eq(ctl_number(c, "previousPid"), before);
	cr_expect_neq(ctl_number(c, "pid"), before);
	cr_expect_eq(ctl_number(c, "generation"), 2);
	cr_expect_str_eq(ctl_text(c, "state"), "done");
	ctl_destroy(c);
	load_await(&load, 40);
	load_stop_clean(&load);
	cr_expect_eq(load.pid_count, 2);
	run_end(g);
}

Test(reload, swaps_to_the_new_version_and_nobody_notices_on_link_nng)
{
	swap_unnoticed("link: nng");
}

Test(reload, swaps_to_the_new_version_and_nobody_notices_on_link_native)
{
	swap_unnoticed("link: native");
}

/* No answer of the old version comes to a request sent after the verdict. */
Test(reload, twenty_in_a_row_never_serve_an_old_version_after_the_verdict)
{
	struct gateway_run *g = start_bench("");
	struct load load = {0};

	load_start(&load, g->http, "/hello", "/hello");
	for (int i = 2; i < 22; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		run_version(g, text);
		ctl_destroy(ctl_expect(g, 0, "reload", "bench", NULL));
		cr_assert_eq(version_served(g), i);
	}
	load_stop_clean(&load);
	cr_expect_eq(ctl_status_number(g, "bench", "generation"), 21);
	run_end(g);
}

Test(reload, touches_no_other_plugin)
{
	struct gateway_run *g = run_create();
	struct load load = {0};
	long pid;

	run_add_bench(g);
	run_add_fault(g);
	run_start(g);
	pid = ctl_status_number(g, "fault", "pid");
	load_start(&load, g->http, "/fault", "/fault/echo");
	for (int i = 0; i < 5; i++)
		ctl_destroy(ctl_expect(g, 0, "reload", "bench", NULL));
	load_stop_clean(&load);
	cr_expect_eq(load.pid_count, 1);
	cr_expect_eq(ctl_status_number(g, "fault", "pid"), pid);
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 1);
	cr_expect_eq(ctl_status_number(g, "fault", "restarts"), 0);
	run_end(g);
}

Test(reload, drops_what_the_new_version_no_longer_registers_and_lists_it)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_fault(g);
	run_fault(g, "fault", "", "extra: true");
	run_start(g);
	cr_expect_eq(http_status(g->http, "/fault/extra"), 200);
	run_fault(g, "fault", "", "");
	c = ctl_expect(g, 0, "reload", "fault", NULL);
	cr_expect_str_eq(ctl_text(c, "dropped.0"), "http:GET /fault/extra");
	cr_expect_eq(http_status(g->http, "/fault/extra"), 404);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	ctl_destroy(c);
	/* And one that is new answers on the first call after the verdict. */
	run_fault(g, "fault", "", "extra: true");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	cr_expect_eq(http_status(g->http, "/fault/extra"), 200);
	/* A restart has no old worker at its commit, and lists it as well. */
	run_fault(g, "fault", "", "");
	c = ctl_expect(g, 0, "restart", "fault", NULL);
	cr_expect_str_eq(ctl_text(c, "dropped.0"), "http:GET /fault/extra");
	ctl_destroy(c);
	run_end(g);
}

Test(reload, no_drop_makes_a_loss_a_failure)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_fault(g);
	run_fault(g, "fault", "", "extra: true");
	run_start(g);
	run_fault(g, "fault", "", "");
	c = ctl_expect(g, 1, "reload", "--no-drop", "fault", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "GET /fault/extra"), "%s",
		ctl_text(c, "error"));
	cr_expect_eq(http_status(g->http, "/fault/extra"), 200);
	ctl_destroy(c);
	run_end(g);
}

/* ---- what it says ---- */

static void
expect_keys(const json_t *object, const char *const *keys, const char *what)
{
	size_t count = 0;

	for (; keys[count]; count++)
		cr_expect(json_object_get(object, keys[count]), "%s has no %s",
			what, keys[count]);
	cr_expect_eq(json_object_size(object), count, "%s has more keys: %s",
		what, json_dumps(object, JSON_COMPACT));
}

static const char *const receipt_keys[] = {"id", "pluginId", "success", "state",
	"trigger", "kind", "by", "mode", "fallback", "generation",
	"previousGeneration", "pid", "previousPid", "version", "digest",
	"removed", "registered", "dropped", "durationMs", "phases", "held",
	"drained", "aborted", "error", "log", NULL};
static const char *const count_keys[] = {"channels", "tools", "commands",
	"httpRoutes", "wsMethods", "services", "hooks", "schedules", "cli",
	NULL};
static const char *const phase_keys[] = {
	"staging", "spawning", "checking", "commit", "draining", NULL};

static void
expect_receipt_keys(struct ctl *c, const char *what)
{
	expect_keys(c->json, receipt_keys, what);
	expect_keys(ctl_at(c, "removed"), count_keys, "removed");
	expect_keys(ctl_at(c, "registered"), count_keys, "registered");
	expect_keys(ctl_at(c, "phases"), phase_keys, "phases");
}

Test(reload, gives_a_receipt_with_exactly_the_promised_keys)
{
	struct gateway_run *g = run_create();
	struct ctl *c, *routes;

	run_add_fault(g);
	run_start(g);
	c = ctl_expect(g, 0, "reload", "fault", NULL);
	expect_receipt_keys(c, "a receipt");
	cr_expect_str_eq(ctl_text(c, "trigger"), "supctl");
	cr_expect_str_eq(ctl_text(c, "kind"), "reload");
	cr_expect(!strncmp(ctl_text(c, "by"), "uid ", 4), "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "mode"), "overlap");
	cr_expect_str_eq(ctl_text(c, "version"), "1.0.0");
	cr_expect(!strncmp(ctl_text(c, "digest"), "sha256:", 7));
	routes = ctl_expect(
		g, 0, "routes", "--plugin", "fault", "--kind", "http", NULL);
	cr_expect_eq(ctl_number(c, "registered.httpRoutes"),
		json_array_size(ctl_at(routes, "routes")));
	cr_expect_eq(ctl_number(c, "removed.httpRoutes"),
		json_array_size(ctl_at(routes, "routes")));
	ctl_destroy(routes);
	cr_expect_str_eq(ctl_text(c, "registered.tools.0"), "fault");
	cr_expect_str_eq(ctl_text(c, "registered.wsMethods.0"), "fault");
	cr_expect(json_is_null(ctl_at(c, "drained")));
	cr_expect(json_is_null(ctl_at(c, "phases.draining")));
	cr_expect(json_is_null(ctl_at(c, "error")));
	ctl_destroy(c);
	c = ctl_expect(g, 0, "reload", "--wait", "settled", "fault", NULL);
	expect_receipt_keys(c, "a settled receipt");
	cr_expect_str_eq(ctl_text(c, "state"), "settled");
	cr_expect_eq(ctl_number(c, "drained"), 0);
	cr_expect_eq(ctl_number(c, "aborted"), 0);
	cr_expect(ctl_number(c, "phases.draining") >= 0);
	ctl_destroy(c);
	run_fault(g, "fault", "exit_at_start", "");
	c = ctl_expect(g, 1, "reload", "fault", NULL);
	expect_receipt_keys(c, "a receipt of a failure");
	cr_expect_eq(ctl_number(c, "registered.httpRoutes"), 0);
	cr_expect_eq(json_array_size(ctl_at(c, "registered.tools")), 0);
	ctl_destroy(c);
	run_end(g);
}

/* Another one begins and ends between its verdict and its end. */
Test(reload, a_receipt_is_of_one_worker_from_its_verdict_to_its_end)
{
	static const char *const args[] = {
		"reload", "--wait", "settled", "fault", NULL};
	struct gateway_run *g = run_create();
	struct client client;
	struct ctl *second, *first;
	struct answer a;

	run_add_fault(g);
	run_defaults(g, "probation: 1ms");
	run_start(g);
	cr_assert(client_open(&client, g->http));
	cr_assert(client_say(
		&client, "GET /fault/slow?1500 HTTP/1.1\r\nHost: x\r\n\r\n"));
	ctl_await_number(g, "fault", "inFlight", 1);
	first = ctl_begin(g, 0, args);
	ctl_await_number(g, "fault", "generation", 2);
	second = ctl_expect(g, 0, "reload", "fault", NULL);
	ctl_wait(first);
	cr_expect_eq(ctl_number(first, "generation"), 2, "%s", first->out);
	cr_expect_eq(ctl_number(first, "pid"),
		ctl_number(second, "previousPid"), "%s", first->out);
	ctl_destroy(first);
	ctl_destroy(second);
	cr_assert(client_read(&client, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 200);
	answer_finish(&a);
	client_close(&client);
	run_end(g);
}

Test(reload, of_several_gives_results)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_bench(g);
	run_add_fault(g);
	run_start(g);
	c = ctl_expect(g, 0, "reload", "bench", "fault", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 2);
	cr_expect(json_is_true(ctl_at(c, "success")));
	ctl_destroy(c);
	run_fault(g, "fault", "exit_at_start", "");
	c = ctl_expect(g, 8, "reload", "--all", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 2);
	cr_expect(json_is_false(ctl_at(c, "success")));
	ctl_destroy(c);
	run_version(g, "EXIT");
	ctl_destroy(ctl_expect(g, 1, "reload", "--all", NULL));
	run_end(g);
}

/* ---- what is no good changes nothing ---- */

struct bad_version {
	const char *mode, *settings; /* of the fault plugin; or */
	const char *manifest;	     /* or a whole manifest */
	const char *phase, *cause;   /* in the receipt's error */
	const char *log;	     /* in the receipt's log, or NULL */
};

static void
break_package(struct gateway_run *g, const struct bad_version *bad)
{
	char *path = run_package_file(g, "fault", "plugin.yaml");

	if (bad->mode)
		run_fault(g, "fault", bad->mode,
			bad->settings ? bad->settings : "");
	else
		files_write(path, "%s", bad->manifest);
	free(path);
}

static void
expect_cause(struct ctl *c, const struct bad_version *bad)
{
	const char *error = ctl_text(c, "error");
	char *log = json_dumps(ctl_at(c, "log"), 0);

	cr_expect(!strncmp(error, bad->phase, strlen(bad->phase)),
		"the phase is not %s: %s", bad->phase, error);
	cr_expect(strstr(error, bad->cause), "the cause is not '%s': %s",
		bad->cause, error);
	cr_expect(!bad->log || (log && strstr(log, bad->log)),
		"the log does not say '%s': %s", bad->log, log);
	free(log);
}

static void
keeps_old(const struct bad_version *bad)
{
	struct gateway_run *g = run_create();
	struct load load = {.clients = 2};
	long pid;
	struct ctl *c;

	run_add_hello(g);
	run_add_fault(g);
	run_defaults(g, "probation: 300ms, start_timeout: 4s, "
			"health_timeout: 4s, stop_timeout: 1s");
	run_start(g);
	pid = ctl_status_number(g, "fault", "pid");
	load_start(&load, g->http, "/fault", "/fault/echo");
	break_package(g, bad);
	/* Twice, to see that a failure leaves nothing; a hang only once. */
	for (int i = 0; i < (strstr(bad->cause, "within") ? 1 : 2); i++) {
		c = ctl_expect(g, 1, "reload", "fault", NULL);
		cr_expect(json_is_false(ctl_at(c, "success")));
		cr_expect_str_eq(ctl_text(c, "state"), "rolled_back");
		cr_expect_eq(ctl_number(c, "pid"), pid);
		cr_expect_eq(ctl_number(c, "generation"), 1);
		expect_cause(c, bad);
		ctl_destroy(c);
	}
	cr_expect_eq(http_pid(g->http, "/fault"), pid);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	cr_expect_eq(ctl_status_number(g, "fault", "pid"), pid);
	run_fault(g, "fault", "", "");
	c = ctl_expect(g, 0, "reload", "fault", NULL);
	cr_expect_neq(ctl_number(c, "pid"), pid);
	cr_expect_eq(http_pid(g->http, "/fault"), ctl_number(c, "pid"));
	ctl_destroy(c);
	load_await(&load, 10);
	load_stop_clean(&load);
	cr_expect_eq(load.pid_count, 2);
	run_end(g);
}

#define KEEPS_OLD(name, ...)                                                   \
	Test(reload, keeps_the_old_worker_when_the_new_one_##name)             \
	{                                                                      \
		keeps_old(&(struct bad_version){__VA_ARGS__});                 \
	}

/* clang-format off: a row reads as one thing */
KEEPS_OLD(exits, .mode = "exit_at_start", .phase = "checking", .cause = "exit",
	.log = "exiting at start")
KEEPS_OLD(fails_to_initialise, .mode = "fail_init", .phase = "checking",
	.cause = "", .log = "fault: starting")
KEEPS_OLD(hangs_at_start, .mode = "hang_at_start", .phase = "checking",
	.cause = "not ready within", .log = "fault: starting")
KEEPS_OLD(never_gets_ready, .mode = "never_ready", .phase = "checking",
	.cause = "not ready within")
KEEPS_OLD(registers_nothing, .mode = "registers_nothing", .phase = "checking",
	.cause = "regist")
KEEPS_OLD(fails_its_health_call, .mode = "fail_health", .phase = "checking",
	.cause = "told to be unhealthy")
KEEPS_OLD(hangs_in_its_health_call, .mode = "hang_health", .phase = "checking",
	.cause = "checks within")
KEEPS_OLD(registers_a_conflict, .mode = "conflict", .phase = "checking",
	.cause = "hello")
KEEPS_OLD(never_says_hello, .mode = "never_hello", .phase = "spawning",
	.cause = "hello within")
KEEPS_OLD(never_connects, .mode = "never_connects", .phase = "spawning",
	.cause = "hello within")
KEEPS_OLD(says_a_bad_hello, .mode = "bad_hello", .phase = "spawning",
	.cause = "hello")
KEEPS_OLD(says_hello_with_the_wrong_version, .mode = "wrong_version",
	.phase = "spawning", .cause = "99")
KEEPS_OLD(sends_garbage, .mode = "garbage", .phase = "spawning", .cause = "")
KEEPS_OLD(sends_a_count_that_lies, .mode = "garbage_message",
	.phase = "spawning", .cause = "")
KEEPS_OLD(fails_its_probe, .phase = "checking", .cause = "GET /fault",
	.manifest = "name: fault\nversion: 1.0.0\nrun: fault.so\n"
		    "health: {probes: [{http: GET /fault, expect: 201}]}\n")
KEEPS_OLD(fails_a_probe_that_it_does_not_serve, .phase = "checking",
	.cause = "GET /nowhere",
	.manifest = "name: fault\nversion: 1.0.0\nrun: fault.so\n"
		    "health: {probes: [{http: GET /nowhere, expect: 200}]}\n")
KEEPS_OLD(loses_what_the_manifest_keeps, .phase = "checking",
	.cause = "http:GET /kept",
	.manifest = "name: fault\nversion: 1.0.0\nrun: fault.so\n"
		    "keep: [\"http:GET /kept\"]\n")
KEEPS_OLD(lacks_its_module, .phase = "", .cause = "missing.so",
	.manifest = "name: fault\nversion: 1.0.0\nrun: missing.so\n")
KEEPS_OLD(lacks_its_program, .phase = "", .cause = "",
	.manifest = "name: fault\nversion: 1.0.0\nexec: [no-such-program]\n")
KEEPS_OLD(has_a_broken_manifest, .phase = "staging",
	.cause = "plugin.yaml:", .manifest = "name: fault\nversion: [\n")
/* clang-format on */

Test(reload, verdict_of_a_worker_that_exits_comes_at_its_exit)
{
	struct gateway_run *g = start_bench("");
	struct ctl *c;

	run_version(g, "EXIT");
	c = ctl_expect(g, 1, "reload", "bench", NULL);
	cr_expect(c->took_ms < 5000, "it took %u ms", c->took_ms);
	cr_expect(strstr(ctl_text(c, "error"), "3"), "its status: %s",
		ctl_text(c, "error"));
	ctl_destroy(c);
	run_end(g);
}

/* ---- the package under a running worker ---- */

Test(reload, overwriting_truncating_or_deleting_the_package_hurts_nobody)
{
	struct gateway_run *g = start_bench("");
	struct load load = {0};
	char *module = run_package_file(g, "bench", "bench.so");
	char *folder = run_package_file(g, "bench", ".");
	long pid = http_pid(g->http, "/hello"), again;
	struct ctl *c;

	load_start(&load, g->http, "/hello", NULL);
	files_overwrite(module, "garbage", 7);
	load_await(&load, 20);
	files_overwrite(module, "", 0);
	load_await(&load, 20);
	c = ctl_expect(g, 1, "reload", "bench", NULL);
	cr_expect_eq(ctl_number(c, "pid"), pid);
	ctl_destroy(c);
	files_remove_tree(folder);
	load_await(&load, 20);
	ctl_destroy(ctl_expect(g, 1, "reload", "bench", NULL));
	cr_expect_eq(http_pid(g->http, "/hello"), pid);
	/* A crash now starts what was serving. */
	kill((pid_t)pid, SIGKILL);
	load_await(&load, 40);
	again = http_pid(g->http, "/hello");
	cr_expect_neq(again, pid);
	cr_expect_eq(version_served(g), 1);
	load_stop_clean(&load);
	free(module);
	free(folder);
	run_end(g);
}

Test(reload, digest_is_that_of_what_runs_even_if_the_file_changes)
{
	struct gateway_run *g = run_create();
	char *path, *digest;
	struct ctl *c;

	run_add_fault(g);
	run_start(g);
	path = run_package_file(g, "fault", "plugin.yaml");
	c = ctl_expect(g, 0, "reload", "fault", NULL);
	digest = memory_copy_text(ctl_text(c, "digest"));
	ctl_destroy(c);
	/* The same bytes give the same digest. */
	c = ctl_expect(g, 0, "reload", "fault", NULL);
	cr_expect_str_eq(ctl_text(c, "digest"), digest);
	ctl_destroy(c);
	/* Others do not count until they are what runs. */
	run_fault(g, "fault", "", "extra: true");
	free(path);
	path = ctl_status_text(g, "fault", "digest");
	cr_expect_str_eq(path, digest);
	c = ctl_expect(g, 0, "reload", "fault", NULL);
	cr_expect_str_neq(ctl_text(c, "digest"), digest);
	ctl_destroy(c);
	free(path);
	free(digest);
	run_end(g);
}

/* The change comes between staging and the swap: a slow start. */
Test(reload, a_change_after_staging_is_not_in_the_digest)
{
	static const char *const args[] = {"reload", "fault", NULL};
	struct gateway_run *g = run_create();
	struct ctl *c, *status;
	size_t mark;

	run_add_fault(g);
	run_start(g);
	run_fault(g, "fault", "slow_start", "start_ms: 700");
	mark = capture_length(&g->log);
	c = ctl_begin(g, 0, args);
	run_await_log(g, mark, "fault: starting in mode 'slow_start'");
	run_fault(g, "fault", "", "extra: true");
	ctl_wait(c);
	cr_assert_eq(c->exit_code, 0, "%s%s", c->out, c->err);
	status = ctl_expect(g, 0, "status", "fault", NULL);
	cr_expect_str_eq(
		ctl_text(status, "plugins.0.digest"), ctl_text(c, "digest"));
	cr_expect_eq(http_status(g->http, "/fault/extra"), 404);
	ctl_destroy(status);
	ctl_destroy(c);
	run_end(g);
}

Test(reload, reads_version_and_settings_from_the_manifest_of_its_stage)
{
	struct gateway_run *g = run_create();
	struct answer a;

	run_add_fault(g);
	run_start(g);
	run_fault(g, "fault", "odd", "");
	a = http_get(g->http, "/fault");
	cr_expect(strstr(a.body, "\"mode\":\"\""), "%s", a.body);
	answer_finish(&a);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	a = http_get(g->http, "/fault");
	cr_expect(strstr(a.body, "\"mode\":\"odd\""), "%s", a.body);
	answer_finish(&a);
	run_end(g);
}
