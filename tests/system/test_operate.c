/* supd as a service on the built program: start, stop, HUP, restarts, a second
 * one, the service manager, PID 1. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/after.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/load.h"
#include "tests/system/harness/notify.h"
#include "tests/system/harness/run.h"

TestSuite(operate, .fini = run_fini, .timeout = 200);

static void
hup(struct gateway_run *g, const char *outcome)
{
	size_t mark = capture_length(&g->log);

	run_write_config(g);
	run_signal(g, SIGHUP);
	run_await_log(g, mark, outcome);
}

/* ---- stop ---- */

Test(operate, term_finishes_a_request_in_flight)
{
	struct gateway_run *g = run_create();
	struct client c;
	struct answer a;

	run_add_fault(g);
	run_start(g);
	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(
		&c, "GET /fault/slow?800 HTTP/1.1\r\nHost: test\r\n\r\n"));
	ctl_await_number(g, "fault", "inFlight", 1);
	run_signal(g, SIGTERM);
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 200, "%d %s", a.status, a.body);
	answer_finish(&a);
	cr_expect(client_sees_close(&c, HTTP_DEADLINE_MS));
	client_close(&c);
	cr_expect_eq(run_wait(g), 0);
	run_forget(g);
}

Test(operate, stop_is_within_its_limit_with_work_in_flight)
{
	struct gateway_run *g = run_create();
	struct client c;
	struct answer a;
	uint64_t began;

	run_defaults(g, "stop_timeout: 700ms");
	run_add_fault(g);
	run_start(g);
	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(
		&c, "GET /fault/slow?60000 HTTP/1.1\r\nHost: test\r\n\r\n"));
	ctl_await_number(g, "fault", "inFlight", 1);
	began = clock_ms();
	run_signal(g, SIGTERM);
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS),
		"what is cut short is answered");
	cr_expect(
		a.status >= 502 && a.status <= 504, "%d %s", a.status, a.body);
	answer_finish(&a);
	client_close(&c);
	cr_expect_eq(run_wait(g), 0);
	cr_expect(clock_ms() - began < 10000);
	run_forget(g);
}

Test(operate, stop_kills_a_worker_that_ignores_term)
{
	struct gateway_run *g = run_create();

	run_defaults(g, "stop_timeout: 500ms");
	run_add_fault(g);
	run_fault(g, "fault", "ignore_term", "");
	run_start(g);
	run_end(g);
}

Test(operate, shutdown_stops_it)
{
	struct gateway_run *g = run_create();

	run_add_hello(g);
	run_start(g);
	ctl_destroy(ctl_expect(g, 0, "shutdown", NULL));
	cr_expect_eq(run_wait(g), 0);
	run_forget(g);
}

Test(operate, sigkill_of_supd_leaves_no_orphan_and_the_next_start_works)
{
	struct gateway_run *g = run_create();

	run_add_hello(g);
	run_add_fault(g);
	run_fault(g, "fault", "ignore_term", "");
	run_start(g);
	run_signal(g, SIGKILL);
	cr_expect_eq(run_wait(g), -1);
	after_await_no_process(g);
	cr_expect(files_exist(g->control), "a stale socket is what we try");
	run_start(g);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	cr_expect_eq(ctl_status_number(g, "hello", "generation"), 2);
	run_end(g);
}

/* ---- a second one ---- */

/* Runs supd with DIR/NAME.yaml to its end; what it said. The caller frees. */
static char *
run_second(struct gateway_run *g, const char *runtime, const char *listen,
	int *status_out)
{
	char *config = memory_format("%s/second.yaml", g->dir);
	char *command = memory_format(
		"%s/supervisor/supd -c %s --runtime-dir %s/%s --state-dir "
		"%s/second-state 2>&1",
		run_build_root(), config, g->dir, runtime, g->dir);
	char said[8192];
	size_t got;
	FILE *pipe;

	files_write(config, "listen: [{http: \"%s\"}]\nplugins: {}\n", listen);
	pipe = popen(command, "r");
	cr_assert(pipe);
	got = fread(said, 1, sizeof(said) - 1, pipe);
	said[got] = 0;
	*status_out = WEXITSTATUS(pclose(pipe));
	free(config);
	free(command);
	return memory_copy_text(said);
}

Test(operate, a_second_one_fails_and_names_the_owner)
{
	struct gateway_run *g = run_create();
	char *said, *pid, *port;
	int status;

	run_add_hello(g);
	port = memory_format("127.0.0.1:%d", http_free_port());
	snprintf(g->http, sizeof(g->http), "%s", port);
	run_start(g);
	pid = memory_format("%d", (int)g->pid);
	said = run_second(g, "run", "unix:/tmp/never", &status);
	cr_expect_eq(status, 1);
	cr_expect(strstr(said, pid) && strstr(said, g->dir), "%s", said);
	free(said);
	said = run_second(g, "second-run", port, &status);
	cr_expect_eq(status, 1);
	cr_expect(strstr(said, pid) && strstr(said, port), "%s", said);
	free(said);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	ctl_destroy(ctl_expect(g, 0, "status", NULL));
	free(pid);
	free(port);
	run_end(g);
}

Test(operate, a_bad_configuration_exits_1_and_tells_where)
{
	struct gateway_run *g = run_create();

	free(g->extra);
	g->extra = memory_copy_text("no_such_key: 1\nlimits: {bodi: 3}\n");
	run_announce(g, "error");
	run_spawn(g);
	cr_expect_eq(run_wait(g), 1);
	run_await_log(g, 0, "supd.yaml:5:1: ");
	run_await_log(g, 0, "supd.yaml:6:10: ");
	run_forget(g);
}

/* ---- HUP ---- */

Test(operate, hup_adds_removes_and_changes_plugins_and_leaves_the_others)
{
	struct gateway_run *g = run_create();
	struct load load = {.clients = 2};
	struct answer a;

	run_add_hello(g);
	run_package(g, "fault", "fault");
	run_plugin(g, "one", "use: fault, mount: /one, namespace: one");
	run_plugin(g, "two", "use: fault, mount: /two, namespace: two");
	run_start(g);
	load_start(&load, g->http, "/hello", NULL);
	run_no_plugins(g);
	run_plugin(g, "hello", "enabled: true");
	run_plugin(g, "two",
		"use: fault, mount: /two, namespace: two, settings: {mode: x}");
	run_plugin(g, "three", "use: fault, mount: /three, namespace: three");
	g->may_grow = true;
	hup(g, "configuration applied in");
	cr_expect_eq(http_status(g->http, "/one/fault"), 404);
	a = http_get(g->http, "/two/fault");
	cr_expect(strstr(a.body, "\"mode\":\"x\""), "%s", a.body);
	cr_expect_eq(answer_number(&a, "\"generation\":"), 2);
	answer_finish(&a);
	a = http_get(g->http, "/three/fault");
	cr_expect(strstr(a.body, "\"plugin\":\"three\""), "%s", a.body);
	answer_finish(&a);
	load_stop_clean(&load);
	cr_expect_eq(load.pid_count, 1);
	cr_expect_eq(ctl_status_number(g, "hello", "generation"), 1);
	ctl_destroy(ctl_expect(g, 5, "show", "one", NULL));
	run_end(g);
}

Test(operate, hup_with_an_invalid_file_changes_nothing)
{
	struct gateway_run *g = run_create();
	long pid;

	run_add_hello(g);
	run_start(g);
	pid = ctl_status_number(g, "hello", "pid");
	run_announce(g, "supd.yaml:");
	run_announce(g, "configuration not applied");
	run_no_plugins(g);
	run_plugin(g, "hello", "no_such_key: 1");
	hup(g, "configuration not applied");
	cr_expect_eq(ctl_status_number(g, "hello", "pid"), pid);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	run_no_plugins(g);
	run_plugin(g, "hello", "enabled: true");
	hup(g, "configuration applied in");
	cr_expect_eq(ctl_status_number(g, "hello", "pid"), pid);
	run_end(g);
}

Test(operate, hup_reloads_what_changed_on_disk_and_nothing_else)
{
	struct gateway_run *g = run_create();
	long pid;

	run_add_hello(g);
	run_add_fault(g);
	run_start(g);
	pid = ctl_status_number(g, "hello", "pid");
	run_fault(g, "fault", "odd", "");
	hup(g, "configuration applied in");
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 2);
	cr_expect_eq(ctl_status_number(g, "hello", "pid"), pid);
	hup(g, "configuration applied in");
	cr_expect_eq(ctl_status_number(g, "hello", "generation"), 1);
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 2);
	run_end(g);
}

Test(operate, a_hundred_hups_make_at_most_two_passes_and_the_last_file_counts)
{
	struct gateway_run *g = run_create();
	size_t mark;
	unsigned passes;
	struct answer a;

	run_package(g, "fault", "fault");
	run_plugin(g, "fault", "settings: {mode: first}");
	run_start(g);
	mark = capture_length(&g->log);
	run_no_plugins(g);
	run_plugin(g, "fault", "settings: {mode: last}");
	run_write_config(g);
	/* All within a second, and none together with another. */
	for (int i = 0; i < 100; i++) {
		run_signal(g, SIGHUP);
		poll(NULL, 0, 8);
	}
	run_await_log(g, mark, "configuration applied in");
	/* A pass that came of the burst would be over before this one's. */
	ctl_await_state(g, "fault", "serving");
	hup(g, "configuration applied in");
	passes = capture_count(&g->log, mark, "configuration applied in");
	cr_expect(passes <= 3, "%u passes", passes);
	a = http_get(g->http, "/fault");
	cr_expect(strstr(a.body, "\"mode\":\"last\""), "%s", a.body);
	answer_finish(&a);
	run_end(g);
}

Test(operate, hup_during_a_reload_causes_exactly_one_more)
{
	static const char *const args[] = {"reload", "fault", NULL};
	struct gateway_run *g = run_create();
	struct answer a;
	struct ctl *c;
	size_t mark;

	run_add_fault(g);
	run_start(g);
	run_fault(g, "fault", "slow_start", "start_ms: 1000");
	mark = capture_length(&g->log);
	c = ctl_begin(g, 0, args);
	run_await_log(g, mark, "starting in mode 'slow_start'");
	run_fault(g, "fault", "after", "");
	for (int i = 0; i < 5; i++)
		run_signal(g, SIGHUP);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0);
	ctl_destroy(c);
	ctl_await_number(g, "fault", "generation", 3);
	a = http_get(g->http, "/fault");
	cr_expect(strstr(a.body, "\"mode\":\"after\""), "%s", a.body);
	answer_finish(&a);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 4);
	run_end(g);
}

Test(operate, hup_moves_listeners_and_keeps_connections)
{
	struct gateway_run *g = run_create();
	struct client c;
	struct answer a;

	run_add_hello(g);
	run_start(g);
	cr_assert(client_open(&c, g->http));
	cr_assert(client_get(&c, "/hello", &a));
	answer_finish(&a);
	snprintf(g->http, sizeof(g->http), "%s/other.sock", g->dir);
	hup(g, "configuration applied in");
	cr_expect(client_get(&c, "/hello", &a), "the connection lives on");
	answer_finish(&a);
	client_close(&c);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	run_end(g);
}

/* ---- the service manager ---- */

Test(operate, the_service_manager_hears_ready_reloading_ready_stopping)
{
	struct gateway_run *g = run_create();
	int fd = notify_listen(g);

	run_add_fault(g);
	run_fault(g, "fault", "slow_start", "start_ms: 300");
	run_start(g);
	notify_await(fd, "READY=1", "STOPPING");
	run_signal(g, SIGHUP);
	cr_expect(strstr(
		notify_await(fd, "RELOADING=1", "READY=1"), "MONOTONIC_USEC="));
	notify_await(fd, "READY=1", "STOPPING");
	/* An invalid file must not leave it reloading for ever. */
	run_announce(g, "supd.yaml:");
	run_announce(g, "configuration not applied");
	run_no_plugins(g);
	run_plugin(g, "fault", "no_such_key: 1");
	run_write_config(g);
	run_signal(g, SIGHUP);
	notify_await(fd, "RELOADING=1", NULL);
	notify_await(fd, "READY=1", NULL);
	run_signal(g, SIGTERM);
	notify_await(fd, "STOPPING=1", NULL);
	cr_expect_eq(run_wait(g), 0);
	close(fd);
	run_forget(g);
}

Test(operate, a_hup_before_it_is_ready_does_not_kill_it)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_fault(g, "fault", "slow_start", "start_ms: 500");
	run_spawn(g);
	run_await_log(g, 0, "with 1 plugin");
	for (int i = 0; i < 20; i++)
		run_signal(g, SIGHUP);
	run_await_log(g, 0, " ready in ");
	g->fds_at_start = after_count_fds(g->pid);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	run_end(g);
}

Test(operate, readyz_and_status_tell_when_a_required_plugin_is_not_there)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_hello(g);
	run_add_fault(g);
	run_fault(g, "fault", "exit_at_start", "");
	run_defaults(g, "crash: {early_max: 2, within: 1m}");
	run_announce(g, "plugin failed: crashed 2 times");
	run_spawn(g);
	run_await_log(g, 0, "plugin failed: crashed 2 times");
	g->may_grow = true;
	cr_expect_eq(http_status(g->http, "/livez"), 200);
	cr_expect_eq(http_status(g->http, "/readyz"), 503);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	c = ctl_expect(g, 0, "status", NULL);
	cr_expect(json_is_false(ctl_at(c, "ready")));
	ctl_destroy(c);
	run_fault(g, "fault", "", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	cr_expect_eq(http_status(g->http, "/readyz"), 200);
	run_end(g);
}

/* ---- what lasts ---- */

Test(operate, generations_go_on_and_a_stop_lasts_over_a_restart_of_supd)
{
	struct gateway_run *g = run_create();
	char *state;

	run_add_fault(g);
	run_add_hello(g);
	run_start(g);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	ctl_destroy(ctl_expect(g, 0, "stop", "hello", NULL));
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	run_spawn(g);
	run_await_log(g, 0, "generation 0 -> 3");
	g->may_grow = true;
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 3);
	state = ctl_status_text(g, "hello", "state");
	cr_expect_str_eq(state, "stopped");
	free(state);
	run_end(g);
}

Test(operate, a_broken_package_at_start_gives_way_to_the_last_proven_stage)
{
	struct gateway_run *g = run_create();
	char *module;

	run_add_fault(g);
	run_start(g);
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	module = run_package_file(g, "fault", "fault.so");
	files_overwrite(module, "broken", 6);
	run_start(g);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	free(module);
	run_end(g);
}

static char *
variable_of(const char *environment, const char *name)
{
	const char *at = strstr(environment, name);

	if (!at)
		return NULL;
	at += strlen(name) + 1;
	return memory_format("%.*s", (int)strcspn(at, "\n"), at);
}

Test(operate, the_environment_is_clean_and_the_data_folder_lasts)
{
	struct gateway_run *g = run_create();
	struct answer a;
	char *before, *after, *file;
	int fd = notify_listen(g);

	setenv("SECRET_OF_SUPD", "hush", 1);
	run_package(g, "fault", "fault");
	run_fault(g, "fault", "", "");
	run_plugin(g, "fault", "env: {COLOUR: green}");
	run_start(g);
	a = http_get(g->http, "/fault/env");
	cr_expect(!strstr(a.body, "SECRET_OF_SUPD") &&
			  !strstr(a.body, "NOTIFY_SOCKET") &&
			  !strstr(a.body, "LISTEN_FDS"),
		"%s", a.body);
	cr_expect(strstr(a.body, "COLOUR=green\n"));
	cr_expect(strstr(a.body, "SUPD_PLUGIN=fault\n"));
	cr_expect(strstr(a.body, "SUPD_GENERATION=1\n"));
	before = variable_of(a.body, "SUPD_DATA_DIR");
	answer_finish(&a);
	cr_assert(before);
	file = memory_format("%s/kept", before);
	files_write(file, "kept");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	a = http_get(g->http, "/fault/env");
	after = variable_of(a.body, "SUPD_DATA_DIR");
	answer_finish(&a);
	cr_expect_str_eq(after, before);
	cr_expect(files_exist(file));
	free(before);
	free(after);
	free(file);
	close(fd);
	run_end(g);
}

/* ---- PID 1 ---- */

/* The pid of the child of supd that reads DIR/fifo; 0: there is none. */
static int
find_stranger(struct gateway_run *g)
{
	char *command = memory_format(
		"pgrep -P $(pgrep -P %d) -f %s/fifo", (int)g->pid, g->dir);
	FILE *pipe = popen(command, "r");
	int pid = 0;

	cr_assert(pipe);
	if (fscanf(pipe, "%d", &pid) != 1)
		pid = 0;
	pclose(pipe);
	free(command);
	return pid;
}

/* Looks again with pauses: a foreign child's end is no event for a test. */
static bool
is_reaped(int pid)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	while (!kill(pid, 0) && clock_ms() < until)
		poll(NULL, 0, 10);
	return kill(pid, 0) != 0;
}

/* Starts supd as PID 1 after a line of shell, which has DIR/fifo as $fifo and
 * leaves processes behind. The caller frees *script_out after the run. */
static struct gateway_run *
start_as_pid_1(const char *line, char **script_out)
{
	static const char *const wrapper[] = {
		"unshare", "-pf", "--kill-child", "--mount-proc", "sh", "-c"};
	struct gateway_run *g;
	char *fifo;

	if (system("unshare -pf --mount-proc true 2>/dev/null"))
		cr_skip_test("needs permission to make a PID namespace");
	g = run_create();
	run_add_hello(g);
	fifo = memory_format("%s/fifo", g->dir);
	cr_assert(!mkfifo(fifo, 0600));
	*script_out = memory_format(
		"fifo=%s; %s; exec \"$@\"", fifo, line); /* keeps the pid */
	memcpy(g->wrapper, wrapper, sizeof(wrapper));
	g->wrapper[6] = *script_out;
	g->wrapper[7] = "sh";
	run_spawn(g);
	run_await_log(g, 0, " ready in ");
	run_await_log(g, 0, "(pid 1)");
	free(fifo);
	return g;
}

/* Ends what reads the fifo. */
static void
open_fifo(struct gateway_run *g)
{
	char *fifo = memory_format("%s/fifo", g->dir);
	int fd = open(fifo, O_WRONLY | O_CLOEXEC);

	cr_assert(fd >= 0);
	close(fd);
	free(fifo);
}

static void
stop_pid_1(struct gateway_run *g, char *script)
{
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	ctl_destroy(ctl_expect(g, 0, "shutdown", NULL));
	cr_expect_eq(run_wait(g), 0);
	free(script);
	run_forget(g);
}

Test(operate, as_pid_1_it_reaps_strangers_and_stops)
{
	char *script;
	struct gateway_run *g =
		start_as_pid_1("(sh -c \"read x < $fifo; true\" &)", &script);
	int stranger = find_stranger(g);

	cr_assert(stranger, "the stranger is not there");
	open_fifo(g);
	cr_expect(is_reaped(stranger), "the stranger was not reaped");
	stop_pid_1(g, script);
}

static int
count_children(struct gateway_run *g)
{
	char *command = memory_format(
		"pgrep -c -P $(pgrep -P %d | head -n 1)", (int)g->pid);
	FILE *pipe = popen(command, "r");
	int count = -1;

	cr_assert(pipe && fscanf(pipe, "%d", &count) == 1);
	pclose(pipe);
	free(command);
	return count;
}

/* More of them than are reaped in one turn of the loop, at once. */
Test(operate, as_pid_1_it_reaps_a_crowd_of_strangers)
{
	char *script;
	struct gateway_run *g = start_as_pid_1(
		"for i in $(seq 200); do (read x < $fifo &) ; done", &script);
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	int before = count_children(g), now = before;

	cr_assert_geq(before, 200);
	open_fifo(g);
	while (now > before - 200 && clock_ms() < until) {
		poll(NULL, 0, 10);
		now = count_children(g);
	}
	cr_expect_leq(now, before - 200, "%d of %d are left", now, before);
	stop_pid_1(g, script);
}
