/* The take-over on the built programs: what cannot exist twice goes from the
 * old worker to the new one, and back if the new one cannot have it. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/taker.h"

TestSuite(takeover, .fini = run_fini, .timeout = 280);

#define EXCLUSIVE "reload: exclusive\n"

static struct gateway_run *
start(const char *settings, const char *manifest, const char *entry)
{
	struct gateway_run *g = run_create();

	taker_add(g, "a", settings, manifest, entry);
	run_start(g);
	return g;
}

static void
expect_after(struct gateway_run *g, const char *from, const char *expected)
{
	char *journal = taker_journal(g, "a"), *at = strstr(journal, from);

	cr_assert(at, "%s", journal);
	cr_expect_str_eq(at, expected);
	free(journal);
}

Test(takeover, of_a_service_goes_step_by_step)
{
	struct gateway_run *g = start("services: \"one,two\"", "", "");
	struct ctl *c;

	taker_await(g, "a", "1 runs two\n", 1);
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	cr_expect(json_is_number(ctl_at(c, "takeMs")), "%s", c->out);
	cr_expect(json_is_number(ctl_at(c, "phases.taking")), "%s", c->out);
	cr_expect(json_is_number(ctl_at(c, "phases.quiescing")));
	cr_expect_eq(ctl_number(c, "held"), 0);
	ctl_destroy(c);
	expect_after(g, "1 stop one\n",
		"1 stop one\n1 stopped one\n1 stop two\n1 stopped two\n"
		"1 quiesce quiesce\n2 take take\n2 epoch 2\n2 start one\n"
		"2 runs one\n2 start two\n2 runs two\n");
	run_end(g);
}

Test(takeover, of_a_manifest_goes_by_quiesce_and_take)
{
	struct gateway_run *g = start("exclusive: true", EXCLUSIVE, "");
	struct ctl *c;

	taker_await(g, "a", "1 epoch 1\n", 1);
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	ctl_destroy(c);
	expect_after(
		g, "1 quiesce", "1 quiesce quiesce\n2 take take\n2 epoch 2\n");
	run_end(g);
}

Test(takeover, is_not_made_without_something_exclusive)
{
	struct gateway_run *g = start("", "", "");
	struct ctl *c = ctl_expect(g, 0, "reload", "a", NULL);
	char *journal = taker_journal(g, "a");

	cr_expect_str_eq(ctl_text(c, "mode"), "overlap");
	cr_expect_null(ctl_at(c, "takeMs"));
	cr_expect_null(ctl_at(c, "phases.taking"));
	cr_expect_str_eq(journal, "");
	free(journal);
	ctl_destroy(c);
	run_end(g);
}

Test(takeover, needs_handlers_only_where_the_manifest_says_exclusive)
{
	struct gateway_run *g = start("services: one, plain: true", "", "");
	struct ctl *c;

	taker_await(g, "a", "1 runs one\n", 1);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	cr_expect_eq(taker_count(g, "a", "2 runs one\n"), 1);
	taker_manifest(g, "a", "services: one, plain: true", EXCLUSIVE);
	run_announce(g, "has no handler of take");
	c = ctl_expect(g, 1, "reload", "a", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "no handler of take"), "%s",
		c->out);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "a", "generation"), 2);
	run_end(g);
}

Test(takeover, of_a_service_that_starts_late_is_tried_three_times)
{
	struct gateway_run *g = start("services: one", "", "");
	struct ctl *c;

	taker_await(g, "a", "1 runs one\n", 1);
	taker_manifest(g, "a", "services: one, start: \"fail,fail,ok\"", "");
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_eq(taker_count(g, "a", "2 start one\n"), 3);
	cr_expect_geq(ctl_number(c, "takeMs"), 500); /* both pauses */
	ctl_destroy(c);
	run_end(g);
}

Test(takeover, goes_back_when_the_new_one_cannot_start_three_times)
{
	struct gateway_run *g = start("services: \"one,two\"", "", "");
	long pid;
	struct ctl *c;

	taker_await(g, "a", "1 runs two\n", 1);
	pid = ctl_status_number(g, "a", "pid");
	taker_manifest(
		g, "a", "services: \"one,two\", only: two, start: fail", "");
	c = ctl_expect(g, 1, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "state"), "rolled_back");
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	cr_expect_str_eq(ctl_text(c, "error"),
		"taking: 3 tries: service 'two' did not start: start of two "
		"fails as asked");
	cr_expect(json_is_number(ctl_at(c, "takeMs")));
	cr_expect(json_is_number(ctl_at(c, "phases.givingBack")), "%s", c->out);
	ctl_destroy(c);
	cr_expect_eq(taker_count(g, "a", "2 start two\n"), 3);
	expect_after(g, "2 stop one\n",
		"2 stop one\n2 stopped one\n2 quiesce quiesce\n1 take take\n"
		"1 epoch 3\n1 start one\n1 runs one\n1 start two\n"
		"1 runs two\n");
	cr_expect_eq(ctl_status_number(g, "a", "pid"), pid);
	taker_expect_order(g, "a");

	taker_manifest(g, "a", "services: \"one,two\"", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	cr_expect_eq(taker_expect_order(g, "a"), 4);
	run_end(g);
}

/* ---- services that may run twice ---- */

Test(takeover, services_with_overlap_are_started_first_and_stopped_last)
{
	struct gateway_run *g = start("overlap: \"o1,o2\"", "", "");
	struct ctl *c;

	taker_await(g, "a", "1 runs o2\n", 1);
	c = ctl_expect(g, 0, "reload", "a", "--wait", "settled", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "overlap");
	cr_expect_null(ctl_at(c, "takeMs"));
	ctl_destroy(c);
	expect_after(g, "2 start o1\n",
		"2 start o1\n2 runs o1\n2 start o2\n2 runs o2\n1 stop o1\n"
		"1 stopped o1\n1 stop o2\n1 stopped o2\n");
	run_end(g);
}

Test(takeover, a_service_with_overlap_that_does_not_start_fails_the_proof)
{
	struct gateway_run *g = start("overlap: \"o1,o2\"", "", "");
	struct ctl *c;

	taker_await(g, "a", "1 runs o2\n", 1);
	taker_manifest(
		g, "a", "overlap: \"o1,o2\", only: o2, start: \"fail\"", "");
	c = ctl_expect(g, 1, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "error"),
		"checking: 3 tries: service 'o2' did not start: start of o2 "
		"fails as asked");
	ctl_destroy(c);
	taker_await(g, "a", "2 stopped o1\n", 1);
	cr_expect_eq(taker_count(g, "a", "1 stop"), 0);
	run_end(g);
}

/* ---- ways not to take over ---- */

Test(takeover, a_proof_takes_nothing)
{
	struct gateway_run *g = start("services: one", "", "");

	taker_await(g, "a", "1 runs one\n", 1);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", "--prove", NULL));
	expect_after(g, "1 start one\n", "1 start one\n1 runs one\n");
	run_end(g);
}

Test(takeover, a_service_that_did_not_run_before_fails_no_reload)
{
	struct gateway_run *g = start("services: \"one,two\", only: one, "
				      "start: fail",
		"", "");
	struct ctl *c;

	taker_await(g, "a", "1 runs two\n", 1);
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	ctl_destroy(c);
	cr_expect_eq(taker_count(g, "a", "2 runs two\n"), 1);
	taker_await(g, "a", "2 start one\n", 3); /* again and again */
	run_end(g);
}

static void
hung_start(const char *start_script)
{
	char *settings = memory_format(
		"services: \"one,two\", only: one, start: %s", start_script);
	struct gateway_run *g =
		start(settings, "", "start_timeout: 20s, drain_timeout: 200ms");
	struct ctl *c;

	taker_await(g, "a", "1 start one\n", 1);
	taker_manifest(g, "a", "services: \"one,two\"", "");
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	ctl_destroy(c);
	cr_expect_eq(taker_count(g, "a", "1 stopped one\n"), 1);
	cr_expect_eq(taker_count(g, "a", "2 runs one\n"), 1);
	free(settings);
	run_end(g);
}

Test(takeover, a_start_that_hangs_is_cancelled_and_stopped_by_a_reload)
{
	hung_start("hang");
}

Test(takeover, a_start_that_is_deaf_does_not_keep_a_reload)
{
	hung_start("deaf");
}

/* Its time is over, and the worker still owes the answer. */
Test(takeover, a_start_that_was_given_up_does_not_keep_a_reload)
{
	struct gateway_run *g =
		start("services: \"one,two\", only: one, start: deaf", "",
			"start_timeout: 3s, drain_timeout: 200ms");

	taker_await(g, "a", "1 runs two\n", 1);
	taker_manifest(g, "a", "services: \"one,two\"", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	cr_expect_eq(taker_count(g, "a", "2 runs one\n"), 1);
	run_end(g);
}

Test(takeover, a_stop_in_the_middle_ends_it_at_once)
{
	static const char *const reload[] = {"reload", "a", NULL};
	struct gateway_run *g = start("services: one", "", "");
	struct ctl *c;

	taker_await(g, "a", "1 runs one\n", 1);
	taker_manifest(g, "a", "services: one, start: hang", "");
	c = ctl_begin(g, 0, reload);
	taker_await(g, "a", "2 start one\n", 1);
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 1, "%s", c->out);
	ctl_destroy(c);
	cr_expect_eq(taker_count(g, "a", "1 runs one\n"), 1);
	ctl_await_state(g, "a", "stopped");
	taker_manifest(g, "a", "services: one", "");
	ctl_destroy(ctl_expect(g, 0, "start", "a", NULL));
	taker_await(g, "a", "3 runs one\n", 1);
	taker_expect_order(g, "a");
	run_end(g);
}

Test(takeover, of_what_the_old_one_never_had_fails_no_reload)
{
	struct gateway_run *g =
		start("services: one, take: fail", EXCLUSIVE, "");
	struct ctl *c;

	taker_await(g, "a", "1 take take\n", 1);
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	cr_expect_str_eq(ctl_text(c, "take.state"), "waiting", "%s", c->out);
	cr_expect(*ctl_text(c, "take.text"), "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "services.0.state"), "waiting");
	ctl_destroy(c);
	cr_expect_eq(taker_count(g, "a", " start one\n"), 0);
	c = ctl_expect(g, 0, "show", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "take.state"), "waiting");
	ctl_destroy(c);
	taker_manifest(g, "a", "services: one", EXCLUSIVE);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	cr_expect_eq(taker_count(g, "a", "3 runs one\n"), 1);
	run_end(g);
}

Test(takeover, with_a_great_number_of_services_is_shown_in_part)
{
	struct gateway_run *g = run_create();
	char names[400] = "services: \"s0";
	struct ctl *c;

	for (int i = 1; i < 40; i++)
		sprintf(names + strlen(names), ",s%d", i);
	strcat(names, "\", only: s7, start: fail");
	taker_add(g, "a", names, "", "");
	run_start(g);
	taker_await(g, "a", "1 runs s39\n", 1);
	c = ctl_expect(g, 0, "status", "a", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "plugins.0.services")), 1);
	cr_expect_str_eq(ctl_text(c, "plugins.0.services.0.name"), "s7");
	ctl_destroy(c);
	c = ctl_expect(g, 0, "show", "a", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "services")), 40);
	ctl_destroy(c);
	run_end(g);
}

/* ---- requests ---- */

/* Begins a reload in whose middle requests come: the new one starts late, or
 * fails. Returns the client of each; they are held. */
static void
hold(struct gateway_run *g, struct client *clients, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		cr_assert(client_open(&clients[i], g->http));
		cr_assert(client_say(
			&clients[i], "GET /a/gen HTTP/1.1\r\nHost: x\r\n\r\n"));
	}
	ctl_await_number(g, "a", "held", count);
}

static void
expect_answers(struct client *clients, unsigned count, long generation)
{
	struct answer a;

	for (unsigned i = 0; i < count; i++) {
		cr_assert(
			client_read(&clients[i], &a, false, HTTP_DEADLINE_MS));
		cr_expect_eq(a.status, 200, "%d %s", a.status, a.body);
		cr_expect_eq(answer_number(&a, "generation"), generation);
		answer_finish(&a);
		client_close(&clients[i]);
	}
}

#define HELD 50

static void
held_requests_go_to(const char *start_script, int exit_code, long generation)
{
	static const char *const reload[] = {"reload", "a", NULL};
	struct gateway_run *g = start("services: one", "", "hold_timeout: 20s");
	char *settings =
		memory_format("services: one, start: \"%s\"", start_script);
	struct client clients[HELD];
	struct ctl *c;

	taker_await(g, "a", "1 runs one\n", 1);
	taker_manifest(g, "a", settings, "");
	c = ctl_begin(g, 0, reload);
	taker_await(g, "a", "2 start one\n", 1);
	hold(g, clients, HELD);
	taker_open_gate(g, "a");
	ctl_wait(c);
	cr_expect_eq(c->exit_code, exit_code, "%s", c->out);
	cr_expect_eq(ctl_number(c, "held"), HELD);
	ctl_destroy(c);
	expect_answers(clients, HELD, generation);
	free(settings);
	run_end(g);
}

Test(takeover, held_requests_go_to_the_new_one)
{
	held_requests_go_to("gate", 0, 2);
}

Test(takeover, held_requests_go_to_the_old_one_if_it_fails)
{
	held_requests_go_to("gatefail", 1, 1);
}

Test(takeover, waits_for_answers_in_flight_unless_it_is_forced)
{
	static const char *const reload[] = {"reload", "a", NULL};
	struct gateway_run *g = start("services: one", "",
		"hold_timeout: 20s, drain_timeout: 200ms, "
		"stop_timeout: 1s");
	struct client slow;
	struct answer a;
	struct ctl *c;

	taker_await(g, "a", "1 runs one\n", 1);
	cr_assert(client_open(&slow, g->http));
	cr_assert(client_say(&slow, "GET /a/slow HTTP/1.1\r\nHost: x\r\n\r\n"));
	ctl_await_number(g, "a", "inFlight", 1);
	taker_manifest(g, "a", "services: one", "");
	c = ctl_begin(g, 0, reload);
	run_await_log(g, 0, "checking->quiescing");
	cr_expect_eq(taker_count(g, "a", "1 stop one\n"), 0);
	/* its answer needs another request, which is held: so force it */
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	ctl_wait(c);
	ctl_destroy(c);
	client_close(&slow);

	ctl_destroy(ctl_expect(g, 0, "start", "a", NULL));
	taker_await(g, "a", "3 runs one\n", 1);
	cr_assert(client_open(&slow, g->http));
	cr_assert(client_say(&slow, "GET /a/slow HTTP/1.1\r\nHost: x\r\n\r\n"));
	ctl_await_number(g, "a", "inFlight", 1);
	c = ctl_expect(g, 0, "reload", "a", "--force", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	ctl_destroy(c);
	cr_assert(client_read(&slow, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 504);
	answer_finish(&a);
	client_close(&slow);
	run_end(g);
}

/* ---- a real resource ---- */

#define RELOADS 50

static bool
can_connect(int port)
{
	char where[32];
	struct client c;
	bool connected;

	snprintf(where, sizeof(where), "127.0.0.1:%d", port);
	connected = client_open(&c, where);
	if (connected)
		client_close(&c);
	return connected;
}

/* A TCP port that only one process can bind; the locks find two holders. */
Test(takeover, of_a_port_over_many_reloads)
{
	int port = http_free_port();
	char *settings = memory_format("services: \"one,two\", port: %d, "
				       "exclusive: true",
		port);
	struct gateway_run *g = start(settings, EXCLUSIVE, "");
	double most_ms = 0, ms;
	struct ctl *c;

	taker_await(g, "a", "1 runs two\n", 1);
	for (int i = 0; i < RELOADS; i++) {
		c = ctl_expect(g, 0, "reload", "a", NULL);
		ms = json_number_value(ctl_at(c, "takeMs"));
		most_ms = ms > most_ms ? ms : most_ms;
		ctl_destroy(c);
		cr_assert(can_connect(port), "reload %d", i);
	}
	cr_log_info("the longest interruption: %.2f ms", most_ms);
	cr_expect_eq(taker_expect_order(g, "a"), RELOADS + 1);
	cr_expect_eq(taker_count(g, "a", "no-port"), 0);
	free(settings);
	run_end(g);
}
