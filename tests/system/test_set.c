/* Several plugins in one reload: all of them or none (--atomic), the order of
 * `requires`, and what a set does with conflicts, slots and deadlines. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/load.h"
#include "tests/system/raw.h"

TestSuite(set, .fini = run_fini, .timeout = 120);

static struct gateway_run *
start_two(const char *a, const char *b)
{
	struct gateway_run *g = run_create();

	raw_add(g, "a", a);
	raw_add(g, "b", b);
	run_start(g);
	return g;
}

static void
expect_generation(struct gateway_run *g, const char *id, long generation)
{
	cr_expect_eq(ctl_status_number(g, id, "generation"), generation,
		"generation of %s", id);
	cr_expect_eq(ctl_status_number(g, id, "restarts"), 0);
}

/* Where the log first says so of a generation of a plugin. */
static const char *
in_log(const char *log, const char *id, int generation, const char *text)
{
	char *label = memory_format("plugin=%s gen=%d ", id, generation);
	const char *at = log;

	while ((at = strstr(at, label))) {
		const char *end = strchr(at, '\n');
		const char *found = strstr(at, text);

		if (found && end && found < end)
			break;
		at = end ? end : at + 1;
	}
	free(label);
	return at;
}

/* ---- all or none ---- */

Test(set, all_members_commit_together)
{
	struct gateway_run *g = start_two("", "");
	struct ctl *c;

	c = ctl_expect(g, 0, "reload", "a", "b", "--atomic", NULL);
	cr_expect(json_is_true(ctl_at(c, "success")));
	for (int i = 0; i < 2; i++) {
		char path[32];

		snprintf(path, sizeof(path), "results.%d.generation", i);
		cr_expect_eq(ctl_number(c, path), 2);
		snprintf(path, sizeof(path), "results.%d.state", i);
		cr_expect_str_eq(ctl_text(c, path), "done");
	}
	ctl_destroy(c);
	expect_generation(g, "a", 2);
	expect_generation(g, "b", 2);
	run_end(g);
}

/* Without --atomic the good one would serve. */
Test(set, one_that_fails_fails_all_and_nothing_changes)
{
	static const char *const faults[] = {"fail: before_ready",
		"fail: after_ready", "fail: health", "routes: [GET /raw]"};
	struct gateway_run *g = start_two("", "");
	long pid = ctl_status_number(g, "a", "pid");
	struct ctl *c;

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		raw_manifest(g, "b", faults[i], "");
		c = ctl_expect(g, 1, "reload", "--all", "--atomic", NULL);
		cr_expect(json_is_false(ctl_at(c, "success")));
		cr_expect_str_eq(ctl_text(c, "results.0.state"), "rolled_back");
		cr_expect_str_eq(ctl_text(c, "results.1.state"), "rolled_back");
		cr_expect(strstr(ctl_text(c, "results.0.error"),
				  "plugin 'b' of the set failed"),
			"%s", ctl_text(c, "results.0.error"));
		cr_expect_eq(ctl_number(c, "results.0.pid"), pid);
		ctl_destroy(c);
		expect_generation(g, "a", 1);
		expect_generation(g, "b", 1);
	}
	cr_expect_eq(ctl_status_number(g, "a", "pid"), pid);
	raw_manifest(g, "b", "", "");
	c = ctl_expect(g, 0, "reload", "--all", "--atomic", NULL);
	ctl_destroy(c);
	run_end(g);
}

Test(set, without_atomic_the_others_are_reloaded)
{
	struct gateway_run *g = start_two("", "");
	struct ctl *c;

	raw_manifest(g, "b", "fail: before_ready", "");
	c = ctl_expect(g, 8, "reload", "a", "b", NULL);
	cr_expect(json_is_false(ctl_at(c, "success")));
	ctl_destroy(c);
	expect_generation(g, "a", 2);
	expect_generation(g, "b", 1);
	run_end(g);
}

Test(set, a_candidate_that_dies_while_others_are_proven_fails_all)
{
	struct gateway_run *g = start_two("", "");
	struct ctl *c;

	raw_manifest(g, "a", "die_ms: 100", "");
	raw_manifest(g, "b", "ready_ms: 700", "");
	c = ctl_expect(g, 1, "reload", "a", "b", "--atomic", NULL);
	cr_expect(strstr(ctl_text(c, "results.0.error"), "exit status 6"), "%s",
		ctl_text(c, "results.0.error"));
	cr_expect(strstr(ctl_text(c, "results.1.error"), "plugin 'a'"));
	ctl_destroy(c);
	expect_generation(g, "a", 1);
	expect_generation(g, "b", 1);
	run_end(g);
}

Test(set, one_that_would_be_refused_is_the_end_of_it_before_it_begins)
{
	struct gateway_run *g = start_two("", "");
	struct ctl *c;

	ctl_destroy(ctl_expect(g, 0, "stop", "b", NULL));
	c = ctl_expect(g, 1, "reload", "a", "b", "--atomic", NULL);
	cr_expect_str_eq(ctl_text(c, "results.0.state"), "refused");
	cr_expect(strstr(ctl_text(c, "results.0.error"), "plugin 'b'"));
	cr_expect_str_eq(ctl_text(c, "results.1.state"), "refused");
	cr_expect(strstr(ctl_text(c, "results.1.error"), "stopped"));
	ctl_destroy(c);
	expect_generation(g, "a", 1);
	run_end(g);
}

Test(set, comes_by_http_as_well)
{
	static const char body[] =
		"{\"pluginIds\":[\"a\",\"b\"],\"atomic\":true}";
	struct gateway_run *g = run_create();
	struct client client;
	struct answer a;

	raw_add(g, "a", "");
	raw_add(g, "b", "");
	raw_open_api(g);
	run_start(g);
	raw_manifest(g, "b", "fail: health", "");
	cr_assert(client_open(&client, g->http));
	for (int round = 0; round < 2; round++) {
		cr_assert(client_say(&client,
			"POST /api/plugins/reload HTTP/1.1\r\nHost: x\r\n"
			"Authorization: Bearer " RAW_TOKEN "\r\n"
			"Content-Type: application/json\r\n"
			"Content-Length: %zu\r\n\r\n%s",
			strlen(body), body));
		cr_assert(client_read(&client, &a, false, HTTP_DEADLINE_MS));
		cr_expect_eq(a.status, round ? 200 : 422, "%s", a.body);
		cr_expect(strstr(a.body, round ? "\"success\":true"
					       : "\"success\":false"),
			"%s", a.body);
		cr_expect(strstr(a.body, "\"results\":["));
		answer_finish(&a);
		expect_generation(g, "a", round ? 3 : 1);
		raw_manifest(g, "b", "", "");
	}
	client_close(&client);
	run_end(g);
}

/* ---- the table as it is after all of them ---- */

Test(set, a_route_moves_from_one_member_to_another)
{
	struct gateway_run *g = start_two("only: true, routes: [GET /x, GET "
					  "/one]",
		"only: true, routes: [GET /two]");
	struct load load = {0};
	struct ctl *c;

	load_start(&load, g->http, "/x", NULL);
	raw_manifest(g, "a", "only: true, routes: [GET /one]", "");
	raw_manifest(g, "b", "only: true, routes: [GET /two, GET /x]", "");
	/* By itself the second one cannot have it. */
	c = ctl_expect(g, 1, "reload", "b", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "taken by plugin 'a'"));
	ctl_destroy(c);
	c = ctl_expect(g, 0, "reload", "b", "a", "--atomic", NULL);
	cr_expect_str_eq(ctl_text(c, "results.1.dropped.0"), "http:GET /x");
	ctl_destroy(c);
	cr_expect_eq(
		http_pid(g->http, "/x"), (int)ctl_status_number(g, "b", "pid"));
	/* And back. */
	raw_manifest(g, "a", "only: true, routes: [GET /one, GET /x]", "");
	raw_manifest(g, "b", "only: true, routes: [GET /two]", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "b", "a", "--atomic", NULL));
	cr_expect_eq(
		http_pid(g->http, "/x"), (int)ctl_status_number(g, "a", "pid"));
	load_stop_clean(&load);
	run_end(g);
}

Test(set, members_that_want_the_same_row_fail)
{
	struct gateway_run *g = start_two("only: true, routes: [GET /one]",
		"only: true, routes: [GET /two]");
	struct ctl *c;

	raw_manifest(g, "a", "only: true, routes: [GET /x]", "");
	raw_manifest(g, "b", "only: true, routes: [GET /x]", "");
	c = ctl_expect(g, 1, "reload", "a", "b", "--atomic", NULL);
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/one"), 200);
	cr_expect_eq(http_status(g->http, "/two"), 200);
	cr_expect_eq(http_status(g->http, "/x"), 404);
	run_end(g);
}

/* ---- order, slots, deadline ---- */

static void
order(const char *atomic)
{
	struct gateway_run *g = run_create();
	char *log;
	const char *first, *then;

	raw_add(g, "a", "");
	raw_add(g, "b", "");
	run_start(g);
	raw_manifest(g, "a", "ready_ms: 300", "");
	/* b comes first in the call and would be ready first. */
	raw_manifest(g, "b", "", "requires: [a]\n");
	ctl_destroy(ctl_expect(g, 0, "reload", "b", "a", atomic, NULL));
	run_await_log(g, 0, "r-3 done");
	run_await_log(g, 0, "r-4 done");
	log = capture_copy(&g->log);
	first = in_log(log, "a", 2, "raw: ready");
	then = in_log(log, "b", 2, "raw: starting");
	cr_assert(first && then);
	cr_expect(first < then);
	free(log);
	run_end(g);
}

Test(set, a_required_member_is_proven_before_its_dependants_start)
{
	order("--atomic");
}

Test(set, several_without_atomic_go_in_the_order_of_requires)
{
	order(NULL);
}

Test(set, a_required_one_that_fails_does_not_keep_the_others_without_atomic)
{
	struct gateway_run *g = start_two("", "");

	raw_manifest(g, "a", "fail: health", "");
	raw_manifest(g, "b", "", "requires: [a]\n");
	ctl_destroy(ctl_expect(g, 8, "reload", "b", "a", NULL));
	expect_generation(g, "a", 1);
	expect_generation(g, "b", 2);
	run_end(g);
}

Test(set, plugins_that_require_each_other_are_refused)
{
	struct gateway_run *g = start_two("", "");
	struct ctl *c;

	raw_manifest(g, "a", "", "requires: [b]\n");
	raw_manifest(g, "b", "", "requires: [a]\n");
	c = ctl_expect(g, 1, "reload", "a", "b", "--atomic", NULL);
	cr_expect(strstr(c->out, "require each other in a circle: "), "%s",
		c->out);
	ctl_destroy(c);
	expect_generation(g, "a", 1);
	expect_generation(g, "b", 1);
	/* Not one transaction: the one that closes the circle fails. */
	c = ctl_expect(g, 8, "reload", "a", "b", NULL);
	cr_expect(strstr(c->out, "require each other in a circle: "));
	ctl_destroy(c);
	run_end(g);
}

Test(set, more_members_than_starting_slots_are_proven_all_the_same)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	char id[8];

	for (int i = 0; i < 12; i++) {
		snprintf(id, sizeof(id), "p%d", i);
		raw_add(g, id, "");
	}
	run_start(g);
	c = ctl_expect(g, 0, "reload", "--all", "--atomic", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 12);
	ctl_destroy(c);
	for (int i = 0; i < 12; i++) {
		snprintf(id, sizeof(id), "p%d", i);
		expect_generation(g, id, 2);
	}
	run_end(g);
}

Test(set, its_members_share_one_absolute_deadline)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	raw_add(g, "a", "");
	raw_add(g, "b", "");
	run_defaults(g, "start_timeout: 5s, health_timeout: 200ms");
	run_start(g);
	/* Each is within its own deadlines. */
	raw_manifest(g, "a", "ready_ms: 3000", "");
	raw_manifest(g, "b", "ready_ms: 3000", "requires: [a]\n");
	c = ctl_expect(g, 1, "reload", "a", "b", "--atomic", NULL);
	cr_expect(strstr(ctl_text(c, "results.1.error"),
			  "not proven within 5200 ms"),
		"%s", ctl_text(c, "results.1.error"));
	ctl_destroy(c);
	expect_generation(g, "a", 1);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", "b", NULL));
	run_end(g);
}

Test(set, ends_with_supd)
{
	static const char *const args[] = {
		"reload", "a", "b", "--atomic", NULL};
	struct gateway_run *g = start_two("", "");
	struct ctl *c;

	raw_manifest(g, "b", "ready_ms: 1000", "");
	c = ctl_begin(g, 0, args);
	run_await_log(g, 0, "plugin=b gen=2");
	run_end(g);
	ctl_wait(c);
	ctl_destroy(c);
}
