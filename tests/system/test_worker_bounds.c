/* What one hostile worker costs the others: a bound on memory and on the time
 * of a turn for each thing that a worker can send, and a clear end for one
 * that does not read. The attacks are those of tests/plugins/raw-hostile. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/process.h"
#include "tests/system/harness/run.h"

TestSuite(worker_bounds, .fini = run_fini, .timeout = 200);

#define REQUESTS 300
/* 19 of 20 requests are answered faster than this, on a machine that the
 * attacker keeps busy; a loop that it blocks takes seconds. */
#define SLOW_MAX_US 250000
/* What supd may hold because of one worker, and what the allocator keeps. */
#define GROWTH_MAX_KIB (40 * 1024)

static struct gateway_run *
start(const char *entry)
{
	struct gateway_run *g = run_create();

	run_add_hello(g);
	run_package(g, "raw-hostile", "hostile");
	run_plugin(g, "hostile", "use: hostile%s%s", *entry ? ", " : "", entry);
	run_start(g);
	return g;
}

static int
compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

/* Asks another plugin again and again; *rss_out: the most that supd had. */
static uint64_t
slow_us(struct gateway_run *g, long *rss_out)
{
	static uint64_t took[REQUESTS];
	struct client c;
	struct answer a;

	*rss_out = 0;
	cr_assert(client_open(&c, g->http));
	for (unsigned i = 0; i < REQUESTS; i++) {
		uint64_t begin = clock_us();
		long rss;

		cr_assert(client_get(&c, "/hello", &a), "request %u", i);
		cr_assert_eq(a.status, 200);
		answer_finish(&a);
		took[i] = clock_us() - begin;
		rss = process_rss_kib(g->pid);
		if (rss > *rss_out)
			*rss_out = rss;
	}
	client_close(&c);
	qsort(took, REQUESTS, sizeof(*took), compare);
	return took[REQUESTS * 95 / 100];
}

static void
attack(struct gateway_run *g, const char *name)
{
	size_t mark = capture_length(&g->log);
	char *path = memory_format("/hostile?%s", name);
	struct client c;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path));
	run_await_log(g, mark, "hostile: attacking");
	client_close(&c);
	free(path);
}

static void
expect_harmless(struct gateway_run *g, const char *name)
{
	long before = process_rss_kib(g->pid), most;
	uint64_t slow;

	attack(g, name);
	slow = slow_us(g, &most);
	cr_log_info("%s: p95 %llu us, %ld KiB more", name,
		(unsigned long long)slow, most - before);
	cr_expect(slow < SLOW_MAX_US, "%s: %llu us", name,
		(unsigned long long)slow);
	cr_expect(most - before < process_growth_max_kib(GROWTH_MAX_KIB),
		"%s: %ld KiB more", name, most - before);
}

static void
end(struct gateway_run *g)
{
	run_end(g);
}

/* ---- what it sends, reading the answers ---- */

static void
floods_while_it_reads(const char *name)
{
	struct gateway_run *g = start("settings: {reads: true}");

	expect_harmless(g, name);
	ctl_destroy(ctl_expect(g, 0, "stop", "hostile", NULL));
	end(g);
}

Test(worker_bounds, unknown_requests_cost_the_others_little)
{
	floods_while_it_reads("unknown");
}

Test(worker_bounds, calls_of_supd_cost_the_others_little)
{
	floods_while_it_reads("list");
}

Test(worker_bounds, calls_with_large_arguments_cost_the_others_little)
{
	floods_while_it_reads("args");
}

Test(worker_bounds, log_messages_of_a_million_lines_cost_the_others_little)
{
	floods_while_it_reads("logs");
}

Test(worker_bounds, large_events_cost_the_others_little)
{
	floods_while_it_reads("emits");
}

Test(worker_bounds, words_about_unknown_requests_cost_the_others_little)
{
	floods_while_it_reads("cancels");
}

Test(worker_bounds, messages_of_tiny_objects_cost_the_others_little)
{
	floods_while_it_reads("objects");
}

Test(worker_bounds, values_without_number_cost_the_others_little)
{
	floods_while_it_reads("tiny");
}

Test(worker_bounds, empty_chunks_cost_the_others_little)
{
	floods_while_it_reads("chunks");
}

/* Its text is cut, and of its changes one a second is an event. */
Test(worker_bounds, states_of_services_cost_the_others_little)
{
	struct gateway_run *g = start("settings: {reads: true, row: {kind: "
				      "service, name: s}}");
	uint64_t begin = clock_ms();
	unsigned events;
	struct ctl *c;

	ctl_await_shown(g, "hostile", "services.0.state", "running");
	expect_harmless(g, "status");
	c = ctl_expect(g, 0, "events", "--plugin", "hostile", NULL);
	events = 0;
	for (const char *at = c->out; (at = strstr(at, "service.status")); at++)
		events++;
	cr_expect_gt(events, 0);
	cr_expect_leq(events, (clock_ms() - begin) / 1000 + 2, "%u", events);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "show", "hostile", NULL);
	cr_expect_leq(strlen(ctl_text(c, "services.0.text")), 256);
	cr_expect_null(strchr(ctl_text(c, "services.0.text"), '\x1b'));
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "stop", "hostile", NULL));
	end(g);
}

/* ---- what it makes supd keep ---- */

Test(worker_bounds, calls_in_flight_keep_a_bounded_number_of_bytes)
{
	floods_while_it_reads("calls");
}

/* ---- what it does not read ---- */

static void
does_not_read(const char *name)
{
	struct gateway_run *g = start("ping_timeout: 2s");
	struct ctl *c;
	size_t mark = capture_length(&g->log);
	long restarts = ctl_status_number(g, "hostile", "restarts");

	expect_harmless(g, name);
	run_await_log(g, mark, "does not read");
	ctl_await_number(g, "hostile", "restarts", restarts + 1);
	ctl_await_state(g, "hostile", "serving");
	c = ctl_expect(g, 0, "events", NULL);
	cr_expect(strstr(c->out, "does not read"), "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "metrics", NULL);
	cr_expect(
		strstr(c->out, "supd_plugin_workers_cut_total"), "%s", c->out);
	ctl_destroy(c);
	end(g);
}

Test(worker_bounds, answers_to_unknown_requests_that_nobody_reads_are_bounded)
{
	does_not_read("unknown");
}

Test(worker_bounds, answers_of_supd_that_nobody_reads_are_bounded)
{
	does_not_read("list");
}
