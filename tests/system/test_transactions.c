/* Transactions side by side and what is held meanwhile: order, once each, and
 * one consistent table whatever runs in parallel. */
#include <criterion/criterion.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/load.h"
#include "tests/system/raw.h"

TestSuite(transactions, .fini = run_fini, .timeout = 200);

#define EXPORTS "state: {export: true}\n"
#define COUNT_UP                                                               \
	"POST /a/count HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"

static struct gateway_run *
start_counter(const char *settings, const char *defaults)
{
	struct gateway_run *g = run_create();
	char *text = memory_format(
		"count: true%s%s", *settings ? ", " : "", settings);

	raw_add_more(g, "a", text, "", EXPORTS);
	run_defaults(g, defaults);
	run_start(g);
	free(text);
	return g;
}

static long
read_count(struct client *c, int status)
{
	struct answer a;
	long count;

	cr_assert(client_read(c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, status, "%d %s", a.status, a.body);
	count = a.status == 200 ? answer_number(&a, "count") : 0;
	answer_finish(&a);
	return count;
}

/* ---- in order, once each ---- */

/* 100 messages of one sender, five between two reloads, some of them while
 * the hand-over holds them: each answer is the next number. */
Test(transactions, messages_of_a_sender_come_once_and_in_order_over_reloads)
{
	static const char *const args[] = {"reload", "a", NULL};
	struct gateway_run *g = start_counter("", "probation: 100ms");
	struct client c;
	long count = 0;

	cr_assert(client_open(&c, g->http));
	for (int round = 0; round < 20; round++) {
		struct ctl *reload = ctl_begin(g, 0, args);

		for (int i = 0; i < 5; i++) {
			cr_assert(client_say(&c, COUNT_UP));
			if (i == 1)
				ctl_wait(reload);
			cr_expect_eq(read_count(&c, 200), ++count);
		}
		cr_expect_eq(reload->exit_code, 0, "%s", reload->out);
		ctl_destroy(reload);
	}
	cr_expect_eq(count, 100);
	cr_expect_eq(ctl_status_number(g, "a", "generation"), 21);
	client_close(&c);
	run_end(g);
}

/* Each from a sender of its own, so that only the hold queue orders them. */
static void
hold_in_order(struct gateway_run *g, struct client *clients, int count)
{
	for (int i = 0; i < count; i++) {
		cr_assert(client_open(&clients[i], g->http));
		cr_assert(client_say(&clients[i], COUNT_UP));
		ctl_await_number(g, "a", "held", i + 1);
	}
}

static struct ctl *
begin_hand_over(struct gateway_run *g)
{
	static const char *const args[] = {"reload", "a", NULL};
	size_t mark = capture_length(&g->log);
	struct ctl *c = ctl_begin(g, 0, args);

	run_await_log(g, mark, "checking->exporting");
	return c;
}

Test(transactions, what_a_hand_over_holds_is_released_in_order_to_the_new_one)
{
	struct gateway_run *g = start_counter("", "drain_timeout: 20s");
	struct client clients[5], slow;
	struct ctl *c;

	cr_assert(client_open(&slow, g->http));
	cr_assert(client_say(&slow, "POST /a/count?later=2500 HTTP/1.1\r\n"
				    "Host: x\r\nContent-Length: 0\r\n\r\n"));
	ctl_await_number(g, "a", "inFlight", 1);
	c = begin_hand_over(g);
	hold_in_order(g, clients, 5);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0, "%s", c->out);
	cr_expect_eq(ctl_number(c, "held"), 5);
	ctl_destroy(c);
	cr_expect_eq(read_count(&slow, 200), 1);
	client_close(&slow);
	for (int i = 0; i < 5; i++) {
		cr_expect_eq(read_count(&clients[i], 200), i + 2);
		client_close(&clients[i]);
	}
	run_end(g);
}

Test(transactions, what_a_failed_hand_over_held_goes_to_the_old_one_in_order)
{
	struct gateway_run *g = start_counter("state: {fault: export_hang}",
		"drain_timeout: 2500ms, hold_max: 3");
	long pid = ctl_status_number(g, "a", "pid");
	struct client clients[3], more;
	struct answer a;
	struct ctl *c = begin_hand_over(g), *show;

	hold_in_order(g, clients, 3);
	/* The fourth is told and counted. */
	cr_assert(client_open(&more, g->http));
	cr_assert(client_say(&more, COUNT_UP));
	cr_assert(client_read(&more, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 503);
	cr_expect(answer_header(&a, "Retry-After"));
	answer_finish(&a);
	client_close(&more);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 1);
	ctl_destroy(c);
	for (int i = 0; i < 3; i++) {
		cr_expect_eq(read_count(&clients[i], 200), i + 1);
		client_close(&clients[i]);
	}
	show = ctl_expect(g, 0, "show", "a", NULL);
	cr_expect_eq(ctl_number(show, "counters.overflow"), 1);
	cr_expect_eq(ctl_number(show, "counters.held"), 3);
	cr_expect_eq(ctl_number(show, "pid"), pid);
	ctl_destroy(show);
	run_end(g);
}

/* A client that leaves while it is held is not counted. */
Test(transactions, a_held_request_whose_client_leaves_is_forgotten)
{
	struct gateway_run *g = start_counter(
		"state: {fault: export_hang}", "drain_timeout: 2500ms");
	struct client clients[2];
	struct ctl *c = begin_hand_over(g);

	hold_in_order(g, clients, 2);
	client_close(&clients[0]);
	ctl_await_number(g, "a", "held", 1);
	ctl_wait(c);
	ctl_destroy(c);
	cr_expect_eq(read_count(&clients[1], 200), 1);
	client_close(&clients[1]);
	run_end(g);
}

/* ---- side by side ---- */

#define PLUGINS 10
#define CALLS 50

static long
expect_one_worker_each(struct gateway_run *g)
{
	long generations = 0;
	char path[48], id[8];

	for (int i = 0; i < PLUGINS; i++) {
		struct ctl *c;

		snprintf(id, sizeof(id), "p%d", i);
		ctl_await_state(g, id, "serving");
		c = ctl_expect(g, 0, "show", id, NULL);
		generations += ctl_number(c, "generation");
		cr_expect_str_eq(ctl_text(c, "workers.0.role"), "active");
		for (size_t k = 1; k < json_array_size(ctl_at(c, "workers"));
			k++) {
			snprintf(path, sizeof(path), "workers.%zu.role", k);
			cr_expect_str_eq(ctl_text(c, path), "retired");
		}
		snprintf(path, sizeof(path), "/%s/hello", id);
		cr_expect_eq(http_pid(g->http, path), ctl_number(c, "pid"));
		ctl_destroy(c);
	}
	return generations;
}

/* Sets, proofs and single ones of the same plugins: each set is all or none,
 * whoever comes too late is told, and every generation that was taken is one
 * that a receipt names. */
Test(transactions, fifty_of_all_kinds_in_parallel_leave_one_consistent_table)
{
	struct gateway_run *g = run_create();
	struct ctl *calls[CALLS];
	long swaps = 0, proofs = 0;
	char ids[2][8];

	run_package(g, "bench", "bench");
	for (int i = 0; i < PLUGINS; i++) {
		snprintf(ids[0], sizeof(ids[0]), "p%d", i);
		run_plugin(g, ids[0], "use: bench, mount: /p%d", i);
	}
	run_start(g);
	for (int i = 0; i < CALLS; i++) {
		const char *args[] = {"reload", ids[0], NULL, NULL, NULL};

		snprintf(ids[0], sizeof(ids[0]), "p%d", i * 7 % PLUGINS);
		snprintf(ids[1], sizeof(ids[1]), "p%d", (i * 3 + 1) % PLUGINS);
		if (i % 3 == 1 && strcmp(ids[0], ids[1]) != 0) {
			args[2] = ids[1];
			args[3] = "--atomic";
		} else if (i % 3 == 2) {
			args[2] = "--prove";
		}
		calls[i] = ctl_begin(g, 0, args);
	}
	for (int i = 0; i < CALLS; i++) {
		struct ctl *c = calls[i];
		json_t *results;

		ctl_wait(c);
		results = ctl_at(c, "results");
		if (results && !c->exit_code) {
			swaps += (long)json_array_size(results);
		} else if (results) {
			cr_expect_eq(c->exit_code, 1, "%s", c->out);
			cr_expect(strstr(c->out, "already in progress"), "%s",
				c->out);
		} else if (c->exit_code) {
			cr_expect_eq(c->exit_code, 6, "%s", c->out);
		} else if (ctl_at(c, "proved")) {
			proofs++;
		} else {
			swaps++;
		}
		ctl_destroy(c);
	}
	cr_expect_geq(swaps, 1);
	cr_expect_leq(expect_one_worker_each(g), PLUGINS + swaps + proofs);
	cr_expect_geq(expect_one_worker_each(g), PLUGINS + swaps);
	run_end(g);
}

/* supctl alone takes longer to start under a sanitizer. */
#ifdef __SANITIZE_ADDRESS__
#define STATUS_MS 1000
#else
#define STATUS_MS 100
#endif

/* Nothing that supd does for a worker that refuses to stop takes the loop:
 * the time is that of the whole program supctl, so the best of ten counts. */
Test(transactions, status_is_answered_while_a_worker_refuses_to_stop)
{
	struct gateway_run *g = run_create();
	size_t mark;
	unsigned best = CTL_DEADLINE_MS;

	run_package(g, "fault", "fault");
	run_fault(g, "fault", "ignore_term", "");
	run_plugin(g, "fault", "use: fault");
	run_defaults(g, "probation: 0s, stop_timeout: 8s");
	run_start(g);
	mark = capture_length(&g->log);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	run_await_log(g, mark, "worker standby->stopping");
	for (int i = 0; i < 10; i++) {
		struct ctl *c = ctl_expect(g, 0, "status", NULL);

		best = c->took_ms < best ? c->took_ms : best;
		ctl_destroy(c);
	}
	cr_expect(!run_log_has(g, mark, "killed by signal 9"));
	cr_expect_lt(best, STATUS_MS);
	run_fault(g, "fault", "", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	run_await_log(g, mark, "killed by signal 9");
	run_end(g);
}

/* ---- whether it is safe ---- */

static void
expect_unsafe(struct gateway_run *g, const char *reason)
{
	struct ctl *c = ctl_expect(g, 6, "can-reload", "hello", NULL);

	cr_expect(json_is_false(ctl_at(c, "safe")));
	cr_expect_str_eq(ctl_text(c, "reason"), reason);
	ctl_destroy(c);
	c = ctl_expect(g, 6, "reload", "--if-safe", "hello", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "not safe now"), "%s", c->out);
	cr_expect(strstr(ctl_text(c, "error"), reason), "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "state"), "refused");
	ctl_destroy(c);
}

Test(transactions, if_safe_refuses_where_can_reload_says_no)
{
	struct gateway_run *g = run_create();
	char *file, *folder, *aside;
	struct ctl *c;

	run_add_hello(g);
	run_start(g);
	c = ctl_expect(g, 0, "can-reload", "hello", NULL);
	cr_expect(json_is_true(ctl_at(c, "safe")));
	cr_expect(json_is_null(ctl_at(c, "reason")));
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "reload", "--if-safe", "hello", NULL));
	file = run_package_file(g, "hello", "plugin.yaml");
	folder = memory_copy_text(file);
	*strrchr(folder, '/') = '\0';
	aside = memory_format("%s/aside", g->dir);
	cr_assert_eq(rename(folder, aside), 0);
	expect_unsafe(g, "package missing");
	/* Without the flag it is tried, and fails. */
	ctl_destroy(ctl_expect(g, 1, "reload", "hello", NULL));
	cr_assert_eq(rename(aside, folder), 0);
	ctl_destroy(ctl_expect(g, 0, "disable", "hello", NULL));
	expect_unsafe(g, "disabled");
	ctl_destroy(ctl_expect(g, 0, "enable", "hello", NULL));
	ctl_destroy(ctl_expect(g, 0, "stop", "hello", NULL));
	expect_unsafe(g, "stopped");
	free(file);
	free(folder);
	free(aside);
	run_end(g);
}

/* Also the old workers of reloads that have not settled: theirs were streams
 * that may go on for an hour. */
Test(transactions, a_stop_is_a_stop_of_every_worker_that_the_plugin_has)
{
	struct gateway_run *g = run_create();
	struct client stream;
	struct pollfd gone = {.events = POLLIN};
	char first[4096];

	raw_add(g, "a", "count: true");
	run_defaults(g, "probation: 100ms, stop_timeout: 500ms");
	run_start(g);
	gone.fd = (int)syscall(
		SYS_pidfd_open, (pid_t)ctl_status_number(g, "a", "pid"), 0);
	cr_assert(client_open(&stream, g->http));
	cr_assert(client_say(
		&stream, "GET /a/stream HTTP/1.1\r\nHost: x\r\n\r\n"));
	cr_assert_gt(read(stream.fd, first, sizeof(first)), 0);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	cr_expect_eq(poll(&gone, 1, 5000), 1, "an old worker runs on");
	close(gone.fd);
	client_close(&stream);
	run_end(g);
}

/* ---- the old worker dies meanwhile ---- */

static void
kill_old(struct gateway_run *g, long pid, const char *when)
{
	run_await_log(g, 0, when);
	cr_assert_eq(kill((pid_t)pid, SIGKILL), 0);
}

Test(transactions, the_old_worker_may_die_while_the_new_one_is_checked)
{
	static const char *const args[] = {"reload", "a", NULL};
	struct gateway_run *g = start_counter("", "");
	long pid = ctl_status_number(g, "a", "pid");
	struct ctl *c;

	raw_manifest(g, "a", "count: true, ready_ms: 1500", "");
	c = ctl_begin(g, 0, args);
	kill_old(g, pid, "spawning->checking");
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0, "%s", c->out);
	cr_expect_eq(ctl_number(c, "generation"), 2);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "a", "restarts"), 0);
	run_end(g);
}

/* Then nobody has the state any more, and the one that was proven last starts
 * without it. */
Test(transactions, the_old_worker_may_die_while_the_new_one_takes_its_state)
{
	static const char *const args[] = {"reload", "a", NULL};
	struct gateway_run *g = start_counter("", "drain_timeout: 2s");
	long pid = ctl_status_number(g, "a", "pid");
	struct ctl *c;

	raw_manifest(g, "a", "count: true, state: {fault: import_hang}",
		"state: {export: true}\n");
	c = ctl_begin(g, 0, args);
	kill_old(g, pid, "exporting->importing");
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 1, "%s", c->out);
	cr_expect(strstr(ctl_text(c, "error"), "did not take the state"), "%s",
		c->out);
	ctl_destroy(c);
	ctl_await_state(g, "a", "serving");
	run_end(g);
}

Test(transactions, the_death_of_the_old_worker_after_the_commit_ends_them)
{
	static const char *const args[] = {
		"reload", "a", "--wait", "settled", NULL};
	struct gateway_run *g = start_counter("", "probation: 1h");
	long pid = ctl_status_number(g, "a", "pid");
	struct ctl *c = ctl_begin(g, 0, args);

	kill_old(g, pid, "committed->settling");
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0, "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "state"), "settled");
	ctl_destroy(c);
	run_end(g);
}
