/* What a worker registers is probed before it serves. If it does not know a
 * registration, the reload fails, and the old worker still serves. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(probe, .fini = run_fini, .timeout = 300);

static void
set_mode(struct gateway_run *g, const char *mode, int rows)
{
	char *file = run_package_file(g, "raw-probe", "plugin.yaml");

	files_write(file,
		"name: raw-probe\nversion: 1.0.0\nexec: [python3, main.py]\n"
		"health: {call: true, probes: [{http: GET /probe, expect: "
		"200}]}\nsettings: {mode: %s, rows: %d}\n",
		mode, rows);
	free(file);
}

static struct gateway_run *
start(const char *mode, int rows, const char *entry)
{
	struct gateway_run *g = run_create();

	run_package(g, "raw-probe", "raw-probe");
	set_mode(g, mode, rows);
	run_plugin(g, "raw-probe", "%s", entry);
	run_start(g);
	return g;
}

/* Each once, by its index, kind and name without mount and namespace. */
static void
expect_asked(struct gateway_run *g, int rows)
{
	struct ctl *c = ctl_expect(g, 0, "call", "tool", "ns.asked", NULL);
	json_t *first = json_pack("[iss]", 0, "http", "GET /probe");
	json_t *third = json_pack("[iss]", 2, "tool", "ghost");

	cr_assert(json_is_array(c->json), "%s", c->out);
	cr_expect_eq(json_array_size(c->json), 3 + (size_t)rows);
	cr_expect(json_equal(json_array_get(c->json, 0), first), "%s", c->out);
	cr_expect(json_equal(json_array_get(c->json, 2), third), "%s", c->out);
	json_decref(first);
	json_decref(third);
	ctl_destroy(c);
}

Test(probe, asks_about_each_registration_once)
{
	struct gateway_run *g =
		start("knows", 1000, "mount: /m, namespace: ns");

	expect_asked(g, 1000);
	ctl_destroy(ctl_expect(g, 0, "reload", "raw-probe", NULL));
	expect_asked(g, 1000);
	cr_expect_eq(http_status(g->http, "/m/probe"), 200);
	run_end(g);
}

static const struct {
	const char *mode, *error;
} refused[] = {
	{"ghost", "the worker has registered tool:ghost but does not know it: "
		  "there is no ghost"},
	{"none", "the worker has registered http:GET /probe but does not know "
		 "it: there is no GET /probe (and 2 more like it)"},
	{"fails", "the probe of tool:ghost failed: the lookup failed"},
};

Test(probe, a_registration_that_the_worker_does_not_know_changes_nothing)
{
	struct gateway_run *g = start("knows", 0, "");
	long pid = ctl_status_number(g, "raw-probe", "pid");

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct ctl *c;

		set_mode(g, refused[i].mode, 0);
		c = ctl_expect(g, 1, "reload", "raw-probe", NULL);
		cr_expect_str_eq(ctl_text(c, "state"), "rolled_back");
		cr_expect(strstr(ctl_text(c, "error"), refused[i].error),
			"%s: %s", refused[i].mode, ctl_text(c, "error"));
		cr_expect(!strncmp(ctl_text(c, "error"), "checking: ", 10),
			"%s", ctl_text(c, "error"));
		cr_expect_eq(ctl_number(c, "pid"), pid);
		ctl_destroy(c);
		cr_expect_eq(http_status(g->http, "/probe"), 200);
	}
	set_mode(g, "knows", 0);
	ctl_destroy(ctl_expect(g, 0, "reload", "raw-probe", NULL));
	cr_expect_neq(ctl_status_number(g, "raw-probe", "pid"), pid);
	run_end(g);
}

Test(probe, one_that_is_not_answered_in_time_changes_nothing)
{
	struct gateway_run *g = start("knows", 0, "");
	long pid = ctl_status_number(g, "raw-probe", "pid");
	struct ctl *c;

	run_no_plugins(g);
	run_plugin(g, "raw-probe", "health_timeout: 1s");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	set_mode(g, "silent", 0);
	c = ctl_expect(g, 1, "reload", "raw-probe", NULL);
	cr_expect(strstr(ctl_text(c, "error"),
			  "the worker did not pass its checks within 1s: it "
			  "has not answered the probe of tool:ghost"),
		"%s", ctl_text(c, "error"));
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "raw-probe", "pid"), pid);
	cr_expect_eq(http_status(g->http, "/probe"), 200);
	run_end(g);
}

/* It answers as it does to any request that it does not know, in whatever
 * words. */
Test(probe, a_worker_older_than_probe_serves_and_the_log_says_so)
{
	static const char *const modes[] = {
		"older", "older_bad", "older_dumb", "mute"};
	struct gateway_run *g = start("knows", 0, "");

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		size_t from = capture_length(&g->log);

		set_mode(g, modes[i], 0);
		ctl_destroy(ctl_expect(g, 0, "reload", "raw-probe", NULL));
		run_await_log(g, from, "its SDK (raw) does not know probe");
		cr_expect_eq(http_status(g->http, "/probe"), 200);
	}
	run_end(g);
}

static void
expect_probed(const char *package, const char *entry)
{
	struct gateway_run *g = run_create();

	run_package(g, package, package);
	run_plugin(g, package, "settings: {dir: \"%s\"}%s", g->dir, entry);
	run_start(g);
	g->may_grow = true; /* by the message store of a channel */
	ctl_destroy(ctl_expect(g, 0, "reload", package, NULL));
	cr_expect(!run_log_has(g, 0, "does not know probe"), "%s", package);
	run_end(g);
}

Test(probe, the_sdks_answer_it_for_every_kind)
{
	expect_probed("scenario-c", ", link: nng");
	expect_probed("scenario-c", ", link: native");
	expect_probed("scenario-python", "");
	expect_probed("scenario-node", "");
	expect_probed("chat-c", "");
	expect_probed("chat-python", "");
	expect_probed("chat-node", "");
}
