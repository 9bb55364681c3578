/* reload --prove: a candidate is started and checked, shown and discarded, and
 * nothing else notices. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/load.h"
#include "tests/system/raw.h"

TestSuite(prove, .fini = run_fini, .timeout = 120);

static struct gateway_run *
start(const char *settings)
{
	struct gateway_run *g = run_create();

	raw_add(g, "a", settings);
	run_start(g);
	return g;
}

static size_t
workers_of(struct gateway_run *g, const char *id)
{
	struct ctl *c = ctl_expect(g, 0, "show", id, NULL);
	size_t count = json_array_size(ctl_at(c, "workers"));

	ctl_destroy(c);
	return count;
}

Test(prove, shows_what_would_come_and_go_and_changes_nothing)
{
	struct gateway_run *g = start("routes: [GET /x, GET /y]");
	long pid = ctl_status_number(g, "a", "pid");
	struct load load = {0};
	struct ctl *c;

	load_start(&load, g->http, "/a/x", NULL);
	raw_manifest(g, "a", "routes: [GET /y, GET /z]", "");
	c = ctl_expect(g, 0, "reload", "a", "--prove", NULL);
	cr_expect(json_is_true(ctl_at(c, "proved")));
	cr_expect(json_is_true(ctl_at(c, "success")));
	cr_expect_str_eq(ctl_text(c, "state"), "done");
	cr_expect_str_eq(ctl_text(c, "mode"), "overlap");
	cr_expect_eq(json_array_size(ctl_at(c, "added")), 1);
	cr_expect_str_eq(ctl_text(c, "added.0"), "http:GET /z");
	cr_expect_eq(json_array_size(ctl_at(c, "dropped")), 1);
	cr_expect_str_eq(ctl_text(c, "dropped.0"), "http:GET /x");
	cr_expect_eq(ctl_number(c, "removed.httpRoutes"), 3);
	cr_expect_eq(ctl_number(c, "registered.httpRoutes"), 3);
	cr_expect_eq(ctl_number(c, "generation"), 1);
	cr_expect_eq(ctl_number(c, "pid"), pid);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "a", "pid"), pid);
	cr_expect_eq(ctl_status_number(g, "a", "generation"), 1);
	cr_expect_eq(http_status(g->http, "/a/z"), 404);
	load_stop_clean(&load);
	cr_expect_eq(load.pid_count, 1);
	run_await_log(g, 0, "worker stopping->dead");
	cr_expect_eq(workers_of(g, "a"), 1);
	/* The generation it had is not used again. */
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_eq(ctl_number(c, "generation"), 3);
	cr_expect_eq(ctl_number(c, "previousGeneration"), 1);
	ctl_destroy(c);
	run_end(g);
}

Test(prove, of_one_that_is_no_good_fails_as_its_reload_would)
{
	static const struct {
		const char *settings, *text;
	} faults[] = {
		{"fail: before_ready", "checking: the worker "},
		{"fail: health", "checking: the health call failed: not well"},
		{"routes: [GET /raw]", "registered twice"},
	};
	struct gateway_run *g = start("");
	long pid = ctl_status_number(g, "a", "pid");
	char *failure;
	struct ctl *c;

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		raw_manifest(g, "a", faults[i].settings, "");
		c = ctl_expect(g, 1, "reload", "a", "--prove", NULL);
		cr_expect(json_is_false(ctl_at(c, "proved")));
		cr_expect_str_eq(ctl_text(c, "state"), "rolled_back");
		cr_expect(strstr(ctl_text(c, "error"), faults[i].text), "%s",
			ctl_text(c, "error"));
		if (!i)
			cr_expect(strstr(c->out, "failing before ready"), "%s",
				c->out);
		ctl_destroy(c);
	}
	cr_expect_eq(ctl_status_number(g, "a", "pid"), pid);
	/* It is no reload: the last one of these is the start. */
	failure = ctl_status_text(g, "a", "lastReload.trigger");
	cr_expect_str_eq(failure, "start");
	free(failure);
	run_end(g);
}

Test(prove, minds_no_drop)
{
	struct gateway_run *g = start("routes: [GET /x]");
	struct ctl *c;

	raw_manifest(g, "a", "", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "a", "--prove", NULL));
	c = ctl_expect(g, 1, "reload", "a", "--prove", "--no-drop", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "http:GET /x would be dropped"));
	ctl_destroy(c);
	run_end(g);
}

/* A row that moves inside the set is good, and each is discarded. */
Test(prove, of_a_set_is_that_of_all_its_members)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	raw_add(g, "a", "only: true, routes: [GET /x, GET /a]");
	raw_add(g, "b", "only: true, routes: [GET /b]");
	run_start(g);
	raw_manifest(g, "a", "only: true, routes: [GET /a]", "");
	raw_manifest(g, "b", "only: true, routes: [GET /b, GET /x]", "");
	c = ctl_expect(g, 0, "reload", "a", "b", "--prove", "--atomic", NULL);
	cr_expect_str_eq(ctl_text(c, "results.0.dropped.0"), "http:GET /x");
	cr_expect_str_eq(ctl_text(c, "results.1.added.0"), "http:GET /x");
	ctl_destroy(c);
	cr_expect_eq(
		http_pid(g->http, "/x"), (int)ctl_status_number(g, "a", "pid"));
	cr_expect_eq(ctl_status_number(g, "a", "generation"), 1);
	cr_expect_eq(ctl_status_number(g, "b", "generation"), 1);
	raw_manifest(g, "b", "only: true, routes: [GET /b, GET /a]", "");
	ctl_destroy(ctl_expect(
		g, 1, "reload", "a", "b", "--prove", "--atomic", NULL));
	run_end(g);
}

/* The worker that crashed is restarted when the proof is over. */
Test(prove, does_not_keep_a_crashed_worker_from_coming_back)
{
	static const char *const args[] = {"reload", "a", "--prove", NULL};
	struct gateway_run *g = start("");
	struct ctl *c;

	raw_manifest(g, "a", "ready_ms: 700", "");
	c = ctl_begin(g, 0, args);
	run_await_log(g, 0, "stream=stderr raw: starting\n");
	run_await_log(g, 0, "plugin=a gen=2");
	kill((pid_t)ctl_status_number(g, "a", "pid"), 9);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0);
	ctl_destroy(c);
	ctl_await_state(g, "a", "serving");
	/* From what served, not from what was proven. */
	cr_expect_eq(ctl_status_number(g, "a", "generation"), 3);
	run_end(g);
}

Test(prove, is_told_in_words)
{
	struct gateway_run *g = start("routes: [GET /x]");
	char *command, said[1024];
	FILE *pipe;
	size_t got;

	raw_manifest(g, "a", "routes: [GET /z]", "");
	command = memory_format("%s/tools/supctl/supctl -s %s reload a --prove "
				"2>/dev/null",
		run_build_root(), g->control);
	pipe = popen(command, "r");
	cr_assert(pipe);
	got = fread(said, 1, sizeof(said) - 1, pipe);
	said[got] = '\0';
	cr_expect_eq(pclose(pipe), 0);
	free(command);
	cr_expect(strstr(said, "would add: http:GET /z; would remove: "
			       "http:GET /x; generation 1 (pid"),
		"%s", said);
	run_end(g);
}
