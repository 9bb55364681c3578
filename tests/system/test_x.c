/* Command lines of plugins on the built programs: bounds both ways, what a
 * reload and a death do to one that runs, and who may. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/process.h"
#include "tests/system/harness/run.h"
#include "tests/system/harness/shell.h"

TestSuite(x, .fini = run_fini, .timeout = 300);

#define PAUSE_MS 20
#define MANY_BYTES (64 << 20)

static struct gateway_run *
start(void)
{
	struct gateway_run *g = run_create();

	run_package(g, "scenario-c", "scenario");
	run_plugin(g, "it", "use: scenario");
	run_start(g);
	return g;
}

/* ---- supctl x with pipes ---- */

struct pipes {
	pid_t pid;
	int in, out; /* its stdin and stdout */
};

static struct pipes
begin(struct gateway_run *g, const char *verb, const char *word)
{
	char *program =
		memory_format("%s/tools/supctl/supctl", run_build_root());
	int in[2], out[2];
	struct pipes p;

	cr_assert(!pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC));
	p.pid = fork();
	if (!p.pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl(program, "supctl", "-s", g->control, "x", "it", verb,
			word, NULL);
		_exit(99);
	}
	cr_assert_gt(p.pid, 1);
	close(in[0]);
	close(out[1]);
	free(program);
	p.in = in[1];
	p.out = out[0];
	return p;
}

static int
end(struct pipes *p)
{
	int status;

	close(p->in);
	close(p->out);
	cr_assert_eq(waitpid(p->pid, &status, 0), p->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
expect_read(struct pipes *p, const char *text)
{
	char bytes[64] = "";
	size_t got = 0;

	while (got < strlen(text)) {
		ssize_t more = read(p->out, bytes + got, strlen(text) - got);

		cr_assert_gt(more, 0);
		got += (size_t)more;
	}
	cr_expect_str_eq(bytes, text);
}

/* Writes until the pipe takes nothing more for a while; returns how much it
 * took. */
static size_t
fill(int fd)
{
	static const char bytes[4096];
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	size_t written = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (written < MANY_BYTES && poll(&wait, 1, 1000) > 0) {
		ssize_t got = write(fd, bytes, sizeof(bytes));

		if (got > 0)
			written += (size_t)got;
		else if (errno != EAGAIN)
			break;
	}
	return written;
}

/* ---- the ordinary life ---- */

Test(x, is_listed_and_counted)
{
	struct gateway_run *g = start();
	struct ctl *c = ctl_expect(g, 0, "x", NULL);
	char *out;

	cr_expect_str_eq(ctl_text(c, "routes.1.kind"), "cli");
	cr_expect_str_eq(ctl_text(c, "routes.1.name"), "args");
	cr_expect_str_eq(ctl_text(c, "routes.1.arguments"), "STATUS WORD...");
	ctl_destroy(c);
	out = shell_expect(g, 0, "$SUPCTL x");
	cr_expect(strstr(out, "STATUS WORD... Says its arguments."), "%s", out);
	free(out);
	c = ctl_expect(g, 0, "reload", "it", NULL);
	cr_expect_str_eq(ctl_text(c, "registered.cli.0"), "cat");
	ctl_destroy(c);
	out = shell_expect(g, 0, "$SUPCTL x --help");
	cr_expect(strstr(out, "[PLUGIN] [VERB] [ARGS]..."), "%s", out);
	free(out);
	run_end(g);
}

Test(x, what_cannot_run_says_why)
{
	static const struct {
		int exit_code;
		const char *line, *says;
	} rows[] = {
		{5, "x no-such-plugin cat", "no-such-plugin"},
		{5, "x it ct", "did you mean 'cat'?"},
		{2, "x it", "usage: supctl x"},
		{2, "--json x it cat", "without --json"},
		{2, "--wide x it cat", "has no option --wide"},
	};
	struct gateway_run *g = start();
	struct answer a;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *out = shell_expect(
			g, rows[i].exit_code, "$SUPCTL %s", rows[i].line);

		cr_expect(strstr(out, rows[i].says), "%s", out);
		free(out);
	}
	ctl_destroy(ctl_expect(g, 0, "stop", "it", NULL));
	free(shell_expect(g, 6, "$SUPCTL x it cat"));
	a = http_post(g->http, "/api/x", "{}");
	cr_expect_neq(a.status, 200);
	answer_finish(&a);
	run_end(g);
}

Test(x, needs_the_role_operator)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_package(g, "scenario-c", "scenario");
	run_plugin(g, "it", "use: scenario");
	g->extra = memory_copy_text(
		"admin: {peers: [{uid: root, role: viewer}]}\n");
	run_start(g);
	if (getuid() == 0) {
		char *out = shell_expect(g, 4, "$SUPCTL x it args 0");

		cr_expect(strstr(out, "permission denied"), "%s", out);
		free(out);
		c = ctl_expect(g, 0, "x", NULL);
		ctl_destroy(c);
	}
	run_end(g);
}

/* ---- much of it ---- */

Test(x, sixty_four_mebibytes_go_through_both_ways)
{
	struct gateway_run *g = start();
	long before = process_rss_kib(g->pid);

	free(shell_expect(g, 0,
		"cd %s && head -c %d /dev/urandom >in\n"
		"$SUPCTL x it cat <in | cmp - in",
		g->dir, MANY_BYTES));
	cr_expect_leq(process_rss_kib(g->pid) - before,
		process_growth_max_kib(8 * 1024));
	run_end(g);
}

/* Whoever does not read stops the handler: at most one window and the pipes are
 * on their way. The others are served meanwhile. */
Test(x, a_user_who_does_not_read_stops_the_handler)
{
	struct gateway_run *g = start();
	struct pipes p = begin(g, "cat", NULL);
	long before = process_rss_kib(g->pid);
	size_t taken = fill(p.in);

	cr_expect_lt(taken, 4 << 20, "%zu", taken);
	cr_expect_eq(http_status(g->http, "/text"), 200);
	cr_expect_leq(process_rss_kib(g->pid) - before,
		process_growth_max_kib(8 * 1024));
	kill(p.pid, SIGINT);
	cr_expect_eq(end(&p), 130);
	ctl_await_number(g, "it", "inFlight", 0);
	run_end(g);
}

Test(x, a_handler_that_does_not_read_stops_the_user)
{
	struct gateway_run *g = start();
	struct pipes p = begin(g, "wait", NULL);
	size_t taken;

	expect_read(&p, "waiting\n");
	taken = fill(p.in);
	cr_expect_lt(taken, 4 << 20, "%zu", taken);
	cr_expect_eq(http_status(g->http, "/text"), 200);
	kill(p.pid, SIGINT);
	cr_expect_eq(end(&p), 130);
	ctl_await_number(g, "it", "inFlight", 0);
	run_end(g);
}

Test(x, output_that_nobody_reads_ends_it)
{
	struct gateway_run *g = start();

	free(shell_expect(
		g, 0, "$SUPCTL x it pour 100000000 2>/dev/null | head -c 10"));
	ctl_await_number(g, "it", "inFlight", 0);
	run_end(g);
}

/* ---- reloads and deaths ---- */

Test(x, ends_on_the_generation_that_began_it)
{
	struct gateway_run *g = start();
	struct pipes p = begin(g, "cat", NULL);
	struct ctl *c;

	cr_assert_eq(write(p.in, "before\n", 7), 7);
	expect_read(&p, "before\n");
	c = ctl_expect(g, 0, "reload", "it", NULL);
	cr_expect_eq(ctl_number(c, "generation"), 2);
	ctl_destroy(c);
	cr_assert_eq(write(p.in, "after\n", 6), 6);
	expect_read(&p, "after\n");
	c = ctl_expect(g, 0, "show", "it", NULL);
	cr_expect_str_eq(ctl_text(c, "workers.1.state"), "draining");
	cr_expect_eq(ctl_number(c, "workers.1.inFlight"), 1);
	ctl_destroy(c);
	cr_expect_eq(end(&p), 0);
	run_end(g);
}

Test(x, is_cut_at_the_end_of_the_drain_with_a_clear_error)
{
	struct gateway_run *g = run_create();
	struct pipes p;

	run_package(g, "scenario-c", "scenario");
	run_defaults(g, "stream_drain: 300ms, drain_timeout: 200ms");
	run_plugin(g, "it", "use: scenario");
	run_start(g);
	p = begin(g, "wait", NULL);
	expect_read(&p, "waiting\n");
	ctl_destroy(ctl_expect(g, 0, "reload", "it", NULL));
	cr_expect_eq(end(&p), 126);
	run_end(g);
}

Test(x, a_worker_that_dies_meanwhile_is_said)
{
	struct gateway_run *g = start();
	long pid = ctl_status_number(g, "it", "pid");
	char *out;

	cr_assert_gt(pid, 1);
	run_announce(g, "it");
	out = shell_expect(g, 126,
		"cd %s\n$SUPCTL x it wait >out 2>err & pid=$!\n"
		"until grep -q waiting out; do read -t 0.02 <> <(:); done\n"
		"kill -9 %ld; wait $pid; status=$?; cat err; exit $status",
		g->dir, pid);
	cr_expect_str_eq(out, "supctl: the worker died\n");
	free(out);
	ctl_await_state(g, "it", "serving");
	free(shell_expect(g, 3, "$SUPCTL x it args 3"));
	run_end(g);
}

Test(x, a_limit_of_the_user_ends_it)
{
	struct gateway_run *g = start();

	free(shell_expect(g, 7, "$SUPCTL --timeout 300ms x it wait"));
	ctl_await_number(g, "it", "inFlight", 0);
	run_end(g);
}
