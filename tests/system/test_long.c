/* What only many repetitions show, on the built programs: not run by default
 * (meson test --suite slow). ROUNDS changes how many. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/after.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/load.h"
#include "tests/system/harness/process.h"
#include "tests/system/harness/run.h"

TestSuite(long_runs, .fini = run_fini, .timeout = 3600);

#define GROWTH_MAX_KIB 2048

static unsigned
rounds(unsigned fallback)
{
	const char *text = getenv("ROUNDS");

	return text ? (unsigned)atoi(text) : fallback;
}

static unsigned
threads_of(pid_t pid)
{
	char *path = memory_format("/proc/%d/task", (int)pid);
	unsigned count = files_count(path);

	free(path);
	return count;
}

static void
reload_settled(struct gateway_run *g)
{
	ctl_destroy(
		ctl_expect(g, 0, "reload", "--wait", "settled", "bench", NULL));
}

Test(long_runs, a_thousand_reloads_leave_everything_flat)
{
	struct gateway_run *g = run_create();
	struct load load = {.clients = 2, .pause_ms = 5};
	char *stages, *workers;
	unsigned fds, threads;
	long rss;

	run_defaults(g, "probation: 1ms");
	run_add_bench(g);
	run_start(g);
	stages = memory_format("%s/state/run/bench", g->dir);
	workers = memory_format("%s/run/w", g->dir);
	load_start(&load, g->http, "/hello", "/hello");
	for (unsigned i = 0; i < rounds(1000) / 5; i++)
		reload_settled(g);
	rss = process_rss_kib(g->pid);
	fds = after_count_fds(g->pid);
	threads = threads_of(g->pid);
	for (unsigned i = 0; i < rounds(1000); i++)
		reload_settled(g);
	cr_expect(process_rss_kib(g->pid) <=
			  rss + process_growth_max_kib(GROWTH_MAX_KIB),
		"resident memory grew from %ld to %ld KiB", rss,
		process_rss_kib(g->pid));
	cr_expect(after_count_fds(g->pid) <= fds + 4, "descriptors: %u, %u",
		fds, after_count_fds(g->pid));
	cr_expect_eq(threads_of(g->pid), threads);
	cr_expect(files_count(stages) <= 2, "%u stages", files_count(stages));
	cr_expect(files_count(workers) <= 2);
	load_stop_clean(&load);
	free(stages);
	free(workers);
	run_end(g);
}

/* Times that a process slept of its own will. */
#define SLEEPS "\nvoluntary_ctxt_switches:"

Test(long_runs, an_idle_supd_sleeps)
{
	struct gateway_run *g = run_create();
	struct pollfd exits;
	struct client idle;
	long before;

	run_add_bench(g);
	run_start(g);
	cr_assert(client_open(&idle, g->http));
	exits = (struct pollfd){.fd = g->pidfd, .events = POLLIN};
	cr_assert_eq(poll(&exits, 1, 7000), 0); /* its probation is over */
	before = process_status(g->pid, SLEEPS);
	cr_assert_eq(poll(&exits, 1, 10000), 0);
	cr_expect_leq(process_status(g->pid, SLEEPS) - before, 20,
		"it woke %ld times", process_status(g->pid, SLEEPS) - before);
	client_close(&idle);
	run_end(g);
}

/* Each holds a descriptor here as well. */
#define IDLE_CLIENTS 10000

Test(long_runs, ten_thousand_idle_connections_cost_little_and_delay_nobody)
{
	struct rlimit files;
	struct gateway_run *g = run_create();
	struct client *idle = memory_alloc(IDLE_CLIENTS * sizeof(*idle));
	struct load load = {.clients = 4};
	struct answer a;
	long before, kib;

	cr_assert(!getrlimit(RLIMIT_NOFILE, &files));
	files.rlim_cur = files.rlim_max;
	cr_assert(!setrlimit(RLIMIT_NOFILE, &files));
	cr_assert_gt(files.rlim_max, IDLE_CLIENTS + 100);
	run_add_bench(g);
	free(g->extra);
	g->extra = memory_format("limits: {connections: %d, head_timeout: 5m, "
				 "idle_timeout: 5m}\n",
		IDLE_CLIENTS + 100);
	run_start(g);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	before = process_rss_kib(g->pid);
	for (int i = 0; i < IDLE_CLIENTS; i++) {
		cr_assert(client_open(&idle[i], g->http), "%d", i);
		/* One of three is silent, one has asked, one asks slowly. */
		if (i % 3 == 1) {
			cr_assert(client_get(&idle[i], "/hello", &a), "%d", i);
			answer_finish(&a);
		} else if (i % 3 == 2) {
			cr_assert(client_say(&idle[i], "GET /hel"));
		}
	}
	load_start(&load, g->http, "/hello", "/hello");
	load_await(&load, 2000);
	load_stop_clean(&load);
	kib = process_rss_kib(g->pid) - before;
	cr_log_warn("%d idle connections: %ld KiB, %ld bytes each",
		IDLE_CLIENTS, kib, kib * 1024 / IDLE_CLIENTS);
	cr_expect_leq(kib,
		IDLE_CLIENTS + process_growth_max_kib(GROWTH_MAX_KIB),
		"%ld KiB", kib);
	for (int i = 2; i < IDLE_CLIENTS; i += 300) {
		cr_assert(
			client_say(&idle[i], "lo HTTP/1.1\r\nHost: x\r\n\r\n"));
		cr_assert(client_read(&idle[i], &a, false, HTTP_DEADLINE_MS));
		cr_expect_eq(a.status, 200);
		answer_finish(&a);
	}
	for (int i = 0; i < IDLE_CLIENTS; i++)
		client_close(&idle[i]);
	free(idle);
	run_end(g);
}

Test(long_runs, failed_reloads_leave_everything_flat)
{
	struct gateway_run *g = run_create();
	char *stages;
	unsigned fds;
	long rss;

	run_defaults(g, "probation: 1ms");
	run_add_bench(g);
	run_start(g);
	run_version(g, "EXIT");
	stages = memory_format("%s/state/run/bench", g->dir);
	for (unsigned i = 0; i < rounds(300) / 5; i++)
		ctl_destroy(ctl_expect(g, 1, "reload", "bench", NULL));
	rss = process_rss_kib(g->pid);
	fds = after_count_fds(g->pid);
	for (unsigned i = 0; i < rounds(300); i++)
		ctl_destroy(ctl_expect(g, 1, "reload", "bench", NULL));
	cr_expect(process_rss_kib(g->pid) <=
			  rss + process_growth_max_kib(GROWTH_MAX_KIB),
		"resident memory grew from %ld to %ld KiB", rss,
		process_rss_kib(g->pid));
	cr_expect(after_count_fds(g->pid) <= fds + 2);
	cr_expect(files_count(stages) <= 2, "%u stages", files_count(stages));
	free(stages);
	run_end(g);
}

Test(long_runs, a_hundred_kills_under_load_lose_no_get)
{
	struct gateway_run *g = run_create();
	struct load load = {.clients = 8};

	run_add_bench(g);
	run_start(g);
	load_start(&load, g->http, "/hello", NULL);
	for (unsigned i = 0; i < rounds(100); i++) {
		uint64_t until = clock_ms() + 1000;

		do
			load_await(&load, 10);
		while (clock_ms() < until);
		kill(http_pid(g->http, "/hello"), SIGKILL);
		load_await(&load, 20);
	}
	load_stop_clean(&load);
	run_end(g);
}

Test(long_runs, reverts_under_load_lose_no_get)
{
	struct gateway_run *g = run_create();
	struct load load = {.clients = 8};
	int pid;

	run_defaults(g, "probation: 20s");
	run_add_fault(g);
	run_start(g);
	pid = http_pid(g->http, "/fault");
	load_start(&load, g->http, "/fault", NULL);
	run_fault(g, "fault", "exit_after_swap", "exit_after_ms: 50");
	for (unsigned i = 0; i < rounds(100); i++) {
		size_t mark = capture_length(&g->log);

		ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
		run_await_log(g, mark, " reverted: ");
		cr_expect_eq(http_pid(g->http, "/fault"), pid);
	}
	load_stop_clean(&load);
	run_end(g);
}
