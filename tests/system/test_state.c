/* The hand-over of state on the built programs: what happens meanwhile is in
 * it or in the next worker, every way to fail leaves the old one serving, and
 * nothing that was held is lost or out of order. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/deadline.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/load.h"
#include "tests/system/harness/process.h"
#include "tests/system/raw.h"

TestSuite(state, .fini = run_fini, .timeout = 120);

#define EXPORTS "state: {export: true}\n"
#define OPTIONAL "state: {export: true, optional: true}\n"

static struct gateway_run *
start(const char *settings, const char *state, const char *defaults)
{
	struct gateway_run *g = run_create();
	char *text = memory_format(
		"count: true%s%s", *settings ? ", " : "", settings);

	raw_add_more(g, "a", text, "", state);
	if (defaults)
		run_defaults(g, defaults);
	run_start(g);
	free(text);
	return g;
}

static void
next_version(struct gateway_run *g, const char *settings, const char *state)
{
	char *text = memory_format(
		"count: true%s%s", *settings ? ", " : "", settings);

	raw_manifest(g, "a", text, state);
	free(text);
}

static long
count_up(struct gateway_run *g)
{
	struct answer a = http_post(g->http, "/a/count", "");
	long count = answer_number(&a, "count");

	cr_expect_eq(a.status, 200, "%s", a.body);
	answer_finish(&a);
	return count;
}

static long
look(struct gateway_run *g, const char *key)
{
	struct answer a = http_get(g->http, "/a/count");
	long number = answer_number(&a, key);

	cr_expect_eq(a.status, 200, "%s", a.body);
	answer_finish(&a);
	return number;
}

static struct ctl *
reload(struct gateway_run *g, int exit_code)
{
	return ctl_expect(g, exit_code, "reload", "a", NULL);
}

/* ---- what goes over ---- */

Test(state, goes_to_the_next_worker)
{
	struct gateway_run *g = start("", EXPORTS, NULL);
	struct ctl *c;

	for (int i = 0; i < 5; i++)
		count_up(g);
	c = reload(g, 0);
	cr_expect_eq(ctl_number(c, "stateBytes"), look(g, "imported"));
	cr_expect_gt(ctl_number(c, "stateBytes"), 5);
	cr_expect(json_is_number(ctl_at(c, "phases.state")));
	cr_expect_null(ctl_at(c, "stateLost"));
	cr_expect_null(json_string_value(ctl_at(c, "fallback")));
	ctl_destroy(c);
	cr_expect_eq(count_up(g), 6);
	run_end(g);
}

Test(state, stays_out_where_one_side_does_not_know_of_it)
{
	struct gateway_run *g = start("", "", NULL);
	struct ctl *c;

	count_up(g);
	next_version(g, "", EXPORTS);
	c = reload(g, 0);
	cr_expect_null(ctl_at(c, "stateBytes"));
	cr_expect_null(ctl_at(c, "phases.state"));
	ctl_destroy(c);
	cr_expect_eq(count_up(g), 1);
	next_version(g, "", "");
	ctl_destroy(reload(g, 0));
	cr_expect_eq(count_up(g), 1);
	run_end(g);
}

/* Chunks under credit, both ways; nothing of it stays in supd. */
Test(state, of_fifteen_mebibytes_goes_in_pieces)
{
	struct gateway_run *g = start("state: {size: 15000000}", EXPORTS, NULL);
	struct ctl *c;

	count_up(g);
	for (int i = 0; i < 3; i++) {
		c = reload(g, 0);
		cr_expect_eq(ctl_number(c, "stateBytes"), 15000000);
		ctl_destroy(c);
	}
	cr_expect_eq(look(g, "imported"), 15000000);
	cr_expect_eq(count_up(g), 2);
	run_end(g);
}

Test(state, is_not_kept_in_supd)
{
	struct gateway_run *g = start("state: {size: 15000000}", EXPORTS, NULL);
	long before = process_rss_kib(g->pid);

	for (int i = 0; i < 5; i++)
		ctl_destroy(reload(g, 0));
	cr_expect_lt(process_rss_kib(g->pid) - before,
		process_growth_max_kib(8 * 1024));
	run_end(g);
}

Test(state, of_sixteen_mebibytes_goes_over)
{
	struct gateway_run *g = start("state: {size: 16777216}", EXPORTS, NULL);
	struct ctl *c;

	count_up(g);
	c = reload(g, 0);
	cr_expect_eq(ctl_number(c, "stateBytes"), 16777216);
	ctl_destroy(c);
	cr_expect_eq(look(g, "imported"), 16777216);
	cr_expect_eq(count_up(g), 2);
	run_end(g);
}

Test(state, of_a_byte_more_fails_the_reload)
{
	struct gateway_run *g = start("state: {size: 16777217}", EXPORTS, NULL);
	struct ctl *c;

	count_up(g);
	c = reload(g, 1);
	cr_expect(strstr(ctl_text(c, "error"), "larger than 16 MiB"), "%s",
		ctl_text(c, "error"));
	ctl_destroy(c);
	cr_expect_eq(count_up(g), 2);
	run_end(g);
}

Test(state, is_not_there_after_a_crash_nor_a_restart)
{
	struct gateway_run *g = start("", EXPORTS, NULL);

	count_up(g);
	kill((pid_t)ctl_status_number(g, "a", "pid"), SIGKILL);
	ctl_await_number(g, "a", "restarts", 1);
	ctl_await_state(g, "a", "serving");
	cr_expect_eq(count_up(g), 1);
	ctl_destroy(ctl_expect(g, 0, "restart", "a", NULL));
	cr_expect_eq(count_up(g), 1);
	run_end(g);
}

/* The old one goes on with what it had when it exported. */
Test(state, that_came_after_the_reload_is_lost_when_it_reverts)
{
	struct gateway_run *g = start("", EXPORTS, "probation: 60s");
	long pid = ctl_status_number(g, "a", "pid");
	struct ctl *c;

	count_up(g);
	c = reload(g, 0);
	cr_expect_eq(count_up(g), 2);
	kill((pid_t)ctl_number(c, "pid"), SIGKILL);
	ctl_destroy(c);
	ctl_await_number(g, "a", "pid", pid);
	cr_expect_eq(count_up(g), 2);
	run_end(g);
}

/* The candidate is lost while the old one is asked; that it may start empty
 * must not make it serve. */
Test(state, of_a_plugin_that_may_lose_it_does_not_go_to_a_lost_candidate)
{
	struct gateway_run *g = start(
		"state: {fault: export_cut}", OPTIONAL, "stop_timeout: 3s");
	long pid = ctl_status_number(g, "a", "pid");
	struct ctl *c;

	count_up(g);
	c = reload(g, 1);
	cr_expect(strstr(ctl_text(c, "error"), "closed its connection"), "%s",
		ctl_text(c, "error"));
	cr_expect_str_eq(ctl_text(c, "state"), "rolled_back");
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "a", "pid"), pid);
	cr_expect_eq(count_up(g), 2);
	run_end(g);
}

/* ---- what happens meanwhile ---- */

/* Every POST that was answered is in the count, over twenty reloads. */
Test(state, loses_no_request_that_comes_meanwhile)
{
	struct gateway_run *g = start("state: {size: 300000}", EXPORTS, NULL);
	struct load load = {.clients = 4};
	long held = 0;

	load_start(&load, g->http, "/a/count", "/a/count");
	for (int i = 0; i < 20; i++) {
		struct ctl *c = reload(g, 0);

		held += ctl_number(c, "held");
		ctl_destroy(c);
	}
	load_await(&load, 20);
	load_stop_clean(&load);
	cr_expect_eq(look(g, "count"), (long)load.posts);
	cr_expect_gt(held, 0);
	cr_expect_eq(ctl_status_number(g, "a", "held"), 0);
	run_end(g);
}

/* The package that ships, with the SDK for Node. */
Test(state, of_the_shipped_counter_goes_on_over_reloads_under_load)
{
	struct gateway_run *g = run_create();
	struct load load = {.clients = 3};
	struct answer a;

	run_package(g, "counter", "counter");
	run_plugin(g, "counter", "use: counter");
	run_start(g);
	load_start(&load, g->http, "/count/x", "/count/x");
	for (int i = 0; i < 10; i++)
		ctl_destroy(ctl_expect(g, 0, "reload", "counter", NULL));
	load_await(&load, 10);
	load_stop_clean(&load);
	a = http_get(g->http, "/count/x");
	cr_expect_eq(
		answer_number(&a, "count"), (long)load.posts, "%s", a.body);
	answer_finish(&a);
	run_end(g);
}

struct background {
	struct client client;
	struct answer answer;
};

static void
post_in_background(
	struct background *b, struct gateway_run *g, const char *target)
{
	cr_assert(client_open(&b->client, g->http));
	cr_assert(client_say(&b->client,
		"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		target));
}

static int
end_background(struct background *b)
{
	int status;

	cr_assert(client_read(&b->client, &b->answer, false, 20000));
	status = b->answer.status;
	answer_finish(&b->answer);
	client_close(&b->client);
	return status;
}

Test(state, waits_for_the_single_answers_in_flight)
{
	struct gateway_run *g = start("", EXPORTS, NULL);
	struct background slow;
	struct ctl *c;

	post_in_background(&slow, g, "/a/count?later=2500");
	ctl_await_number(g, "a", "inFlight", 1);
	c = reload(g, 0);
	cr_expect_gt(json_number_value(ctl_at(c, "phases.state")), 100., "%s",
		c->out);
	cr_expect_eq(ctl_number(c, "aborted"), -1);
	ctl_destroy(c);
	cr_expect_eq(end_background(&slow), 200);
	cr_expect_eq(count_up(g), 2);
	run_end(g);
}

Test(state, does_not_wait_for_streams)
{
	struct gateway_run *g = start("", EXPORTS, NULL);
	struct client stream;
	char first[4096];

	count_up(g);
	cr_assert(client_open(&stream, g->http));
	cr_assert(client_say(
		&stream, "GET /a/stream HTTP/1.1\r\nHost: x\r\n\r\n"));
	cr_assert_gt(read(stream.fd, first, sizeof(first)), 0);
	ctl_destroy(reload(g, 0));
	cr_expect_eq(count_up(g), 2);
	client_close(&stream);
	run_end(g);
}

/* Fails before what is held expires; --force ends them instead. */
Test(state, of_a_worker_that_does_not_get_quiet_stays_where_it_is)
{
	struct gateway_run *g = start("", EXPORTS, "drain_timeout: 600ms");
	struct background slow, held;
	char *later = memory_format("/a/count?later=%d", DEADLINE_MS(3000));
	struct ctl *c;
	static const char *const args[] = {"reload", "a", NULL};

	post_in_background(&slow, g, later);
	ctl_await_number(g, "a", "inFlight", 1);
	c = ctl_begin(g, 0, args);
	ctl_await_state(g, "a", "reloading");
	run_await_log(g, 0, "checking->exporting");
	post_in_background(&held, g, "/a/count");
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 1);
	cr_expect(strstr(ctl_text(c, "error"), "state: 1 requests in flight"),
		"%s", ctl_text(c, "error"));
	ctl_destroy(c);
	cr_expect_eq(end_background(&held), 200);
	c = ctl_expect(g, 0, "reload", "a", "--force", NULL);
	ctl_destroy(c);
	cr_expect_eq(end_background(&slow), 504);
	cr_expect_eq(look(g, "count"), 2);
	free(later);
	run_end(g);
}

/* What is in flight calls the plugin itself: that is not held. */
Test(state, lets_pass_what_a_request_in_flight_calls)
{
	struct gateway_run *g = start("", EXPORTS, NULL);
	struct background slow;
	static const char *const args[] = {"reload", "a", NULL};
	struct ctl *c;

	post_in_background(&slow, g, "/a/count?call=1500");
	ctl_await_number(g, "a", "inFlight", 1);
	c = ctl_begin(g, 0, args);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0, "%s", c->out);
	cr_expect_gt(json_number_value(ctl_at(c, "phases.state")), 100.);
	ctl_destroy(c);
	cr_expect_eq(end_background(&slow), 200);
	cr_expect_eq(count_up(g), 2);
	run_end(g);
}

/* The request in which it asks for its own reload is not waited for. */
Test(state, goes_over_when_a_plugin_asks_for_its_own_reload)
{
	struct gateway_run *g = start("", EXPORTS, NULL);
	struct answer a;

	count_up(g);
	a = http_post(g->http, "/a/self", "");
	cr_expect_eq(a.status, 200);
	cr_expect(strstr(a.body, "\"success\": true"), "%s", a.body);
	cr_expect(strstr(a.body, "\"generation\": 2"), "%s", a.body);
	answer_finish(&a);
	cr_expect_eq(count_up(g), 2);
	run_end(g);
}

/* ---- ways to fail ---- */

#define QUICK "probation: 100ms, drain_timeout: 500ms, stop_timeout: 500ms"

struct fault {
	const char *old, *next; /* settings.state of the two */
	const char *text;
	bool is_late; /* the deadline: optional does not help */
};

static const struct fault faults[] = {
	{"fault: export_error", "",
		"state: the old worker did not export its state: cannot export",
		false},
	{"fault: export_malformed", "", "malformed", false},
	{"fault: export_sum", "", "checksum of the state is wrong", false},
	{"fault: export_short, size: 300000", "", "checksum", false},
	{"version: 7", "", "version 7, its manifest says 1", false},
	{"", "fault: import_error", "the new worker refused the state", false},
	{"", "accepts: [5]", "cannot import version 1", false},
	{"fault: export_hang", "", "did not export its state in time", true},
	{"", "fault: import_hang", "did not take the state in time", true},
	{"size: 2000000", "fault: import_starve, size: 2000000",
		"did not take the state in time", true},
	{"", "fault: import_die", "state: the worker ", true},
};
#define FAULT_COUNT (sizeof(faults) / sizeof(*faults))

static char *
settings_of(const char *state)
{
	return memory_format("state: {%s}", state);
}

/* The old one serves on with its count, and the same command works again. */
static void
expect_rollback(const struct fault *f)
{
	char *old = settings_of(f->old), *next = settings_of(f->next);
	struct gateway_run *g = start(old, EXPORTS, QUICK);
	struct load load = {.clients = 2};
	long pid = ctl_status_number(g, "a", "pid");
	struct ctl *c;

	load_start(&load, g->http, "/a/count", "/a/count");
	load_await(&load, 10);
	next_version(g, next, EXPORTS);
	c = reload(g, 1);
	cr_expect(strstr(ctl_text(c, "error"), f->text), "%s: %s", f->text,
		ctl_text(c, "error"));
	cr_expect(!strncmp(ctl_text(c, "error"), "state: ", 7));
	cr_expect_eq(ctl_number(c, "pid"), pid);
	cr_expect_null(ctl_at(c, "stateLost"));
	ctl_destroy(c);
	load_await(&load, 10);
	load_stop_clean(&load);
	cr_expect_eq(load.pid_count, 1);
	cr_expect_eq(look(g, "count"), (long)load.posts);
	if (!*f->old) {
		next_version(g, "", EXPORTS);
		ctl_destroy(reload(g, 0));
		cr_expect_eq(look(g, "count"), (long)load.posts);
	}
	run_end(g);
	free(old);
	free(next);
}

Test(state, that_cannot_be_handed_over_fails_the_reload)
{
	for (size_t i = 0; i < FAULT_COUNT; i++)
		if (!faults[i].is_late)
			expect_rollback(&faults[i]);
}

Test(state, that_is_not_handed_over_in_time_fails_the_reload)
{
	for (size_t i = 0; i < FAULT_COUNT; i++)
		if (faults[i].is_late)
			expect_rollback(&faults[i]);
}

Test(state, that_is_optional_is_lost_and_the_receipt_says_so)
{
	for (size_t i = 0; i < FAULT_COUNT; i++) {
		const struct fault *f = &faults[i];
		char *old = settings_of(f->old), *next = settings_of(f->next);
		struct gateway_run *g = start(old, OPTIONAL, QUICK);
		struct ctl *c;

		count_up(g);
		next_version(g, next, OPTIONAL);
		c = reload(g, f->is_late);
		if (!f->is_late) {
			cr_expect(json_is_true(ctl_at(c, "stateLost")), "%s",
				f->text);
			cr_expect(json_is_null(ctl_at(c, "stateBytes")));
			run_await_log(g, 0, "the state is lost");
		}
		ctl_destroy(c);
		cr_expect_eq(count_up(g), f->is_late ? 2 : 1, "%s", f->text);
		run_end(g);
		free(old);
		free(next);
	}
}

Test(state, that_cannot_be_had_is_lost_by_a_forced_reload)
{
	static const char *const how[] = {
		"fault: export_hang", "fault: export_error"};

	for (size_t i = 0; i < sizeof(how) / sizeof(*how); i++) {
		char *old = settings_of(how[i]);
		struct gateway_run *g = start(
			old, EXPORTS, "probation: 100ms, stop_timeout: 500ms");
		struct ctl *c;

		count_up(g);
		next_version(g, "", EXPORTS);
		c = ctl_expect(g, 0, "reload", "a", "--force", NULL);
		cr_expect(json_is_true(ctl_at(c, "stateLost")), "%s", how[i]);
		ctl_destroy(c);
		cr_expect_eq(count_up(g), 1, "%s", how[i]);
		run_end(g);
		free(old);
	}
}

/* It is gone either way: the proven one serves. */
Test(state, of_a_worker_that_dies_exporting_is_lost)
{
	struct gateway_run *g =
		start("state: {fault: export_die}", EXPORTS, NULL);
	struct ctl *c;

	next_version(g, "", EXPORTS);
	c = reload(g, 0);
	cr_expect(json_is_true(ctl_at(c, "stateLost")));
	cr_expect_eq(ctl_number(c, "generation"), 2);
	ctl_destroy(c);
	cr_expect_eq(count_up(g), 1);
	cr_expect_eq(ctl_status_number(g, "a", "restarts"), 0);
	run_end(g);
}

/* ---- with others ---- */

Test(state, of_the_members_of_a_set_goes_over_together)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	raw_add_more(g, "a", "count: true", "", EXPORTS);
	raw_add_more(g, "b", "count: true, state: {size: 200000}", "", EXPORTS);
	raw_add(g, "plain", "");
	run_start(g);
	count_up(g);
	c = ctl_expect(g, 0, "reload", "--all", "--atomic", NULL);
	ctl_destroy(c);
	cr_expect_eq(count_up(g), 2);
	/* One that refuses keeps all of them as they were. */
	raw_manifest(
		g, "b", "count: true, state: {fault: import_error}", EXPORTS);
	c = ctl_expect(g, 1, "reload", "--all", "--atomic", NULL);
	cr_expect(strstr(c->out, "plugin 'b' of the set failed: state: "));
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "plain", "generation"), 2);
	cr_expect_eq(count_up(g), 3);
	raw_manifest(g, "b", "count: true", EXPORTS);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", "b", NULL));
	cr_expect_eq(count_up(g), 4);
	run_end(g);
}

Test(state, is_left_alone_by_a_proof)
{
	struct gateway_run *g =
		start("state: {fault: export_hang}", EXPORTS, NULL);

	ctl_destroy(ctl_expect(g, 0, "reload", "a", "--prove", NULL));
	count_up(g);
	run_end(g);
}

/* A hand-over under way does not keep supd from stopping. */
Test(state, hand_over_ends_with_supd)
{
	static const char *const args[] = {"reload", "a", NULL};
	struct gateway_run *g =
		start("state: {fault: export_hang}", EXPORTS, NULL);
	struct ctl *c = ctl_begin(g, 0, args);

	run_await_log(g, 0, "checking->exporting");
	run_end(g);
	ctl_wait(c);
	ctl_destroy(c);
}
