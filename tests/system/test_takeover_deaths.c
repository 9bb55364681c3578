/* Workers that die in a take-over, at each of its steps: somebody has the
 * resource afterwards, and never two. And what hangs. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/taker.h"

TestSuite(takeover_deaths, .fini = run_fini, .timeout = 120);

#define EXCLUSIVE "reload: exclusive\n"
#define KILLED "killed by signal 9"

static struct gateway_run *
start(const char *settings, const char *entry)
{
	struct gateway_run *g = run_create();

	taker_add(g, "a", settings, "", entry);
	run_start(g);
	taker_await(g, "a", "1 runs one\n", 1);
	run_announce(g, KILLED);
	return g;
}

static struct ctl *
reload_begins(struct gateway_run *g)
{
	static const char *const reload[] = {"reload", "a", NULL};

	return ctl_begin(g, 0, reload);
}

static pid_t
pid_of(struct gateway_run *g, const char *role)
{
	struct ctl *c = ctl_expect(g, 0, "show", "a", NULL);
	char path[32];
	pid_t pid = 0;

	for (int i = 0; i < 4 && !pid; i++) {
		snprintf(path, sizeof(path), "workers.%d.role", i);
		if (strcmp(ctl_text(c, path), role) != 0)
			continue;
		snprintf(path, sizeof(path), "workers.%d.pid", i);
		pid = (pid_t)ctl_number(c, path);
	}
	cr_assert_gt(pid, 0, "no %s: %s", role, c->out);
	ctl_destroy(c);
	return pid;
}

static void
end(struct gateway_run *g)
{
	taker_expect_order(g, "a");
	cr_expect_eq(http_status(g->http, "/a/gen"), 200);
	run_end(g);
}

/* ---- the old one ---- */

static void
the_candidate_takes(const char *settings)
{
	struct gateway_run *g = start(settings, "");
	struct ctl *c;

	taker_manifest(g, "a", "services: \"one,two\"", "");
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	cr_expect_eq(ctl_number(c, "generation"), 2);
	cr_expect_eq(ctl_number(c, "previousGeneration"), 1);
	cr_expect_str_eq(
		ctl_text(c, "removed.services.1"), "two", "%s", c->out);
	cr_expect_eq(ctl_number(c, "removed.httpRoutes"),
		ctl_number(c, "registered.httpRoutes"));
	ctl_destroy(c);
	cr_expect_eq(taker_count(g, "a", "2 runs two\n"), 1);
	end(g);
}

Test(takeover_deaths, of_the_old_one_in_its_first_stop)
{
	the_candidate_takes("services: \"one,two\", stop: die");
}

Test(takeover_deaths, of_the_old_one_in_its_last_stop)
{
	the_candidate_takes("services: \"one,two\", stop: \"ok,die\"");
}

Test(takeover_deaths, of_the_old_one_in_quiesce)
{
	the_candidate_takes("services: \"one,two\", quiesce: die");
}

Test(takeover_deaths, of_the_old_one_while_the_new_one_takes)
{
	struct gateway_run *g = start("services: one", "");
	struct ctl *c;

	taker_manifest(g, "a", "services: one, start: gate", "");
	c = reload_begins(g);
	taker_await(g, "a", "2 runs one\n", 1);
	kill(pid_of(g, "active"), SIGKILL);
	run_await_log(g, 0, "serving->stopping");
	taker_open_gate(g, "a");
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0, "%s%s", c->out, c->err);
	ctl_destroy(c);
	end(g);
}

Test(takeover_deaths, of_the_old_one_while_it_takes_back)
{
	struct gateway_run *g =
		start("services: one, start: \"ok,die,ok\"", "");
	struct ctl *c;

	taker_manifest(
		g, "a", "services: one, start: \"fail,fail,fail,ok\"", "");
	c = ctl_expect(g, 1, "reload", "a", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "taking: "), "%s", c->out);
	cr_expect(strstr(ctl_text(c, "error"),
			  "; giving back to the old worker failed: the "
			  "worker"),
		"%s", c->out);
	cr_expect_str_eq(ctl_text(c, "state"), "failed");
	ctl_destroy(c);
	taker_await(g, "a", "3 runs one\n", 1); /* of the proven copy */
	ctl_await_state(g, "a", "serving");
	end(g);
}

/* ---- the new one ---- */

static void
the_old_one_takes_back(const char *settings)
{
	struct gateway_run *g = start("services: \"one,two\"", "");
	long pid = ctl_status_number(g, "a", "pid");
	struct ctl *c;

	taker_await(g, "a", "1 runs two\n", 1);
	taker_manifest(g, "a", settings, "");
	c = ctl_expect(g, 1, "reload", "a", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "taking: "), "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "state"), "rolled_back");
	ctl_destroy(c);
	cr_expect_eq(taker_count(g, "a", "1 runs two\n"), 2);
	cr_expect_eq(ctl_status_number(g, "a", "pid"), pid);
	end(g);
}

Test(takeover_deaths, of_the_new_one_in_take)
{
	the_old_one_takes_back("services: \"one,two\", take: die");
}

Test(takeover_deaths, of_the_new_one_in_its_first_start)
{
	the_old_one_takes_back("services: \"one,two\", start: die");
}

Test(takeover_deaths, of_the_new_one_in_its_last_start)
{
	the_old_one_takes_back("services: \"one,two\", start: \"ok,die\"");
}

Test(takeover_deaths, of_the_new_one_while_the_old_one_stops)
{
	struct gateway_run *g = start("services: one, stop: gate", "");
	struct ctl *c = reload_begins(g);

	taker_await(g, "a", "1 stop one\n", 1);
	kill(pid_of(g, "candidate"), SIGKILL);
	ctl_wait(c);
	taker_open_gate(g, "a");
	cr_expect_eq(c->exit_code, 1, "%s%s", c->out, c->err);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "a", "generation"), 1);
	taker_await(g, "a", "1 runs one\n", 2);
	end(g);
}

Test(takeover_deaths, of_the_new_one_while_it_gives_back)
{
	struct gateway_run *g = start("services: \"one,two\"", "");
	struct ctl *c;

	taker_await(g, "a", "1 runs two\n", 1);
	taker_manifest(g, "a",
		"services: \"one,two\", start: \"ok,fail\", stop: die", "");
	c = ctl_expect(g, 1, "reload", "a", NULL);
	ctl_destroy(c);
	cr_expect_eq(taker_count(g, "a", "2 stop one\n"), 1);
	cr_expect_eq(taker_count(g, "a", "1 runs two\n"), 2);
	end(g);
}

Test(takeover_deaths, of_the_new_one_in_its_probation)
{
	struct gateway_run *g = start("services: one", "probation: 1m");
	unsigned long long epoch;
	struct ctl *c;

	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	epoch = taker_expect_order(g, "a");
	kill(pid_of(g, "active"), SIGKILL);
	taker_await(g, "a", "1 runs one\n", 2);
	cr_expect_gt(taker_expect_order(g, "a"), epoch);
	cr_expect_eq(ctl_status_number(g, "a", "generation"), 1);
	c = ctl_expect(g, 0, "show", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "lastReload.state"), "reverted");
	ctl_destroy(c);
	end(g);
}

/* ---- what hangs, and the time ---- */

Test(takeover_deaths, a_quiesce_that_hangs_ends_at_half_of_the_time)
{
	struct gateway_run *g = start(
		"services: one, quiesce: \"hang,ok\"", "hold_timeout: 2s");
	struct ctl *c = ctl_expect(g, 1, "reload", "a", NULL);

	cr_expect(strstr(ctl_text(c, "error"),
			  "quiescing: what only one worker may have was not "
			  "stopped: no answer within 7"),
		"%s", c->out);
	cr_expect_geq(ctl_number(c, "takeMs"), 700);
	ctl_destroy(c);
	cr_expect_eq(taker_count(g, "a", "1 runs one\n"), 2);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	end(g);
}

Test(takeover_deaths, a_start_that_hangs_leaves_time_for_giving_back)
{
	struct gateway_run *g = start("services: one", "hold_timeout: 2s");
	struct ctl *c;

	taker_manifest(g, "a", "services: one, start: hang", "");
	c = ctl_expect(g, 1, "reload", "a", NULL);
	cr_expect(strstr(ctl_text(c, "error"),
			  "taking: service 'one' did not start: no answer"),
		"%s", c->out);
	ctl_destroy(c);
	cr_expect_eq(taker_count(g, "a", "1 runs one\n"), 2);
	end(g);
}

Test(takeover_deaths, a_stop_that_hangs_is_no_end_of_the_service)
{
	struct gateway_run *g =
		start("services: one, stop: \"hang,ok\"", "hold_timeout: 2s");

	ctl_destroy(ctl_expect(g, 1, "reload", "a", NULL));
	cr_expect_eq(taker_count(g, "a", "1 runs one\n"), 2);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	end(g);
}

/* ---- giving back fails, too ---- */

Test(takeover_deaths, giving_back_that_fails_makes_the_plugin_failed)
{
	struct gateway_run *g =
		start("services: one, start: \"ok,fail\"", "hold_timeout: 2s");
	struct client waiting;
	struct answer a;
	struct ctl *c;

	run_add_hello(g);
	taker_manifest(g, "a", "services: one, start: fail", "");
	run_announce(g, "plugin failed");
	c = reload_begins(g);
	taker_await(g, "a", "2 start one\n", 1);
	cr_assert(client_open(&waiting, g->http));
	cr_assert(
		client_say(&waiting, "GET /a/gen HTTP/1.1\r\nHost: x\r\n\r\n"));
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 1);
	cr_expect(strstr(ctl_text(c, "error"),
			  "taking: 3 tries: service 'one' did not start: "),
		"%s", c->out);
	cr_expect(strstr(ctl_text(c, "error"),
			  "; giving back to the old worker failed: "),
		"%s", c->out);
	cr_expect_str_eq(ctl_text(c, "state"), "failed");
	ctl_destroy(c);
	cr_assert(client_read(&waiting, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 503, "%d %s", a.status, a.body);
	answer_finish(&a);
	client_close(&waiting);
	ctl_await_state(g, "a", "failed");
	c = ctl_expect(g, 0, "status", "a", NULL);
	cr_expect(strstr(ctl_text(c, "plugins.0.failure"), "giving back"), "%s",
		c->out);
	ctl_destroy(c);
	a = http_get(g->http, "/metrics");
	cr_expect(strstr(a.body, "supd_plugin_reloads_total{plugin=\"a\","
				 "outcome=\"failed\"} 1"));
	answer_finish(&a);

	taker_manifest(g, "a", "services: one", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	taker_await(g, "a", "3 runs one\n", 1);
	end(g);
}

/* ---- supd ---- */

Test(takeover_deaths, of_supd_in_the_middle_never_repeats_an_epoch)
{
	struct gateway_run *g = start("services: one", "");
	unsigned long long epoch;
	struct ctl *c;

	taker_manifest(g, "a", "services: one, start: \"late,ok\"", "");
	c = reload_begins(g);
	taker_await(g, "a", "2 runs one\n", 1);
	epoch = taker_expect_order(g, "a");
	run_signal(g, SIGKILL);
	run_wait(g);
	ctl_wait(c);
	ctl_destroy(c);
	run_start(g);
	taker_await(g, "a", "3 runs one\n", 1);
	cr_expect_gt(taker_expect_order(g, "a"), epoch);
	end(g);
}

Test(takeover_deaths, a_store_that_is_lost_takes_no_epoch_back)
{
	struct gateway_run *g = start("services: one", "");
	unsigned long long epoch;
	char *path;

	for (int i = 0; i < 3; i++)
		ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	epoch = taker_expect_order(g, "a");
	run_signal(g, SIGTERM);
	run_wait(g);
	for (int copy = 0; copy < 2; copy++) {
		path = memory_format(
			"%s/state/plugins/a%s.json", g->dir, copy ? ".2" : "");
		files_write(path, "damaged\n");
		free(path);
	}
	run_announce(g, "stored state lost");
	run_start(g);
	taker_await(g, "a", " runs one\n", 5);
	cr_expect_gt(taker_expect_order(g, "a"), epoch);
	end(g);
}
