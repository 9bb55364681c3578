/* A fault at each step of a transaction on the built programs: either all of
 * the old serves or all of the new, and the same command works again. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/load.h"
#include "tests/system/harness/notify.h"
#include "tests/system/harness/run.h"

TestSuite(faults, .fini = run_fini, .timeout = 200);

static const char *const reload_fault[] = {"reload", "fault", NULL};

static struct gateway_run *
start_fault(const char *defaults)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	if (defaults)
		run_defaults(g, defaults);
	run_start(g);
	return g;
}

/* The pid that the log gives a worker of this generation at its start. */
static int
pid_of_generation(struct gateway_run *g, int generation)
{
	char *label = memory_format("plugin=fault gen=%d pid=", generation);
	char *text, *at;
	int pid;

	run_await_log(g, 0, label);
	text = capture_copy(&g->log);
	at = strstr(text, label);
	pid = atoi(at + strlen(label));
	free(text);
	free(label);
	return pid;
}

/* Begins a reload whose worker takes a while to get ready; returns when that
 * worker runs. */
static struct ctl *
begin_slow_reload(struct gateway_run *g, int start_ms)
{
	char *settings = memory_format("start_ms: %d", start_ms);
	size_t mark = capture_length(&g->log);
	struct ctl *c;

	run_fault(g, "fault", "slow_start", settings);
	c = ctl_begin(g, 0, reload_fault);
	run_await_log(g, mark, "starting in mode 'slow_start'");
	free(settings);
	return c;
}

/* ---- steps that touch files ---- */

/* More names than supd tries when it puts aside what stands in its way. */
#define ASIDE_NAMES 999

/* What stands at `there` cannot be put aside while these exist. */
static void
take_names_aside(const char *there)
{
	for (int i = 1; i <= ASIDE_NAMES; i++) {
		char *name = memory_format("%s.bad-%d", there, i);

		cr_assert(!mkdir(name, 0700), "%s: %s", name, strerror(errno));
		free(name);
	}
}

static void
free_names_aside(const char *there)
{
	for (int i = 1; i <= ASIDE_NAMES; i++) {
		char *name = memory_format("%s.bad-%d", there, i);

		cr_assert(!rmdir(name), "%s: %s", name, strerror(errno));
		free(name);
	}
}

/* `path` beneath DIR cannot be a folder any more until it is put back. */
static void
fails_while_in_the_way(const char *path, const char *phase)
{
	struct gateway_run *g = start_fault(NULL);
	struct load load = {.clients = 2};
	char *there = memory_format("%s/%s", g->dir, path);
	char *aside = memory_format("%s.aside", there);
	int pid = http_pid(g->http, "/fault");
	struct ctl *c;

	load_start(&load, g->http, "/fault", "/fault/echo");
	take_names_aside(there);
	cr_assert(!rename(there, aside), "%s: %s", there, strerror(errno));
	files_write(there, "in the way");
	c = ctl_expect(g, 1, "reload", "fault", NULL);
	cr_expect(!strncmp(ctl_text(c, "error"), phase, strlen(phase)), "%s",
		ctl_text(c, "error"));
	cr_expect_eq(ctl_number(c, "pid"), pid);
	ctl_destroy(c);
	cr_expect_eq(http_pid(g->http, "/fault"), pid);
	cr_assert(!unlink(there) && !rename(aside, there));
	free_names_aside(there);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	load_stop_clean(&load);
	free(there);
	free(aside);
	run_end(g);
}

Test(faults, a_stage_that_cannot_be_made_rolls_back)
{
	fails_while_in_the_way("state/run/fault", "staging");
}

Test(faults, a_data_folder_that_cannot_be_made_rolls_back)
{
	fails_while_in_the_way("state/data", "spawning");
}

Test(faults, a_generation_that_cannot_be_saved_rolls_back)
{
	fails_while_in_the_way("state/plugins", "spawning");
}

Test(faults, an_endpoint_that_cannot_be_made_rolls_back)
{
	fails_while_in_the_way("run/w", "spawning");
}

Test(faults, a_package_that_is_gone_rolls_back)
{
	fails_while_in_the_way("packages/fault", "staging");
}

/* ---- workers that are killed ---- */

Test(faults, a_candidate_that_is_killed_rolls_back_at_once)
{
	struct gateway_run *g = start_fault(NULL);
	int pid = http_pid(g->http, "/fault");
	struct ctl *c = begin_slow_reload(g, 20000);

	kill(pid_of_generation(g, 2), SIGKILL);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 1);
	cr_expect(strstr(ctl_text(c, "error"), "ill"), "%s", c->out);
	cr_expect(c->took_ms < 15000);
	cr_expect_eq(ctl_number(c, "pid"), pid);
	ctl_destroy(c);
	cr_expect_eq(http_pid(g->http, "/fault"), pid);
	run_end(g);
}

Test(faults, the_old_worker_dies_while_the_new_one_is_proved)
{
	struct gateway_run *g = start_fault(NULL);
	struct load load = {.clients = 2};
	int pid = http_pid(g->http, "/fault");
	struct ctl *c = begin_slow_reload(g, 1000);

	load_start(&load, g->http, "/fault", NULL);
	kill(pid, SIGKILL);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0, "%s%s", c->out, c->err);
	cr_expect_eq(http_pid(g->http, "/fault"), ctl_number(c, "pid"));
	ctl_destroy(c);
	load_await(&load, 10);
	load_stop_clean(&load);
	run_end(g);
}

Test(faults, both_die_and_what_was_proven_last_serves_again)
{
	struct gateway_run *g = start_fault(NULL);
	struct load load = {.clients = 2};
	int pid = http_pid(g->http, "/fault");
	struct ctl *c = begin_slow_reload(g, 1000);

	load_start(&load, g->http, "/fault", NULL);
	run_fault(g, "fault", "exit_at_start", "");
	kill(pid, SIGKILL);
	kill(pid_of_generation(g, 2), SIGKILL);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 1, "%s%s", c->out, c->err);
	ctl_destroy(c);
	load_await(&load, 10);
	load_stop_clean(&load);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	run_end(g);
}

Test(faults, a_crash_after_a_failed_reload_starts_what_was_serving)
{
	struct gateway_run *g = start_fault(NULL);
	struct load load = {.clients = 2};

	run_fault(g, "fault", "exit_at_start", "");
	ctl_destroy(ctl_expect(g, 1, "reload", "fault", NULL));
	load_start(&load, g->http, "/fault", NULL);
	kill(http_pid(g->http, "/fault"), SIGKILL);
	load_await(&load, 20);
	load_stop_clean(&load);
	cr_expect_eq(load.pid_count, 2);
	run_end(g);
}

Test(faults, a_crash_after_a_settled_reload_starts_the_new_version)
{
	struct gateway_run *g = start_fault("probation: 50ms");
	struct load load = {.clients = 2};
	struct answer a;

	run_fault(g, "fault", "fresh", "");
	ctl_destroy(
		ctl_expect(g, 0, "reload", "--wait", "settled", "fault", NULL));
	load_start(&load, g->http, "/fault", NULL);
	kill(http_pid(g->http, "/fault"), SIGKILL);
	load_await(&load, 20);
	load_stop_clean(&load);
	a = http_get(g->http, "/fault");
	cr_expect(strstr(a.body, "\"mode\":\"fresh\""), "%s", a.body);
	answer_finish(&a);
	run_end(g);
}

Test(faults, a_restart_with_a_broken_package_ends_with_what_was_proven)
{
	struct gateway_run *g = start_fault(NULL);
	struct load load = {.clients = 2};
	struct ctl *c;

	load_start(&load, g->http, "/fault", "/fault/echo");
	run_fault(g, "fault", "exit_at_start", "");
	c = ctl_expect(g, 1, "restart", "fault", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "exit"), "%s", c->out);
	ctl_destroy(c);
	load_await(&load, 10);
	load_stop_clean(&load);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	run_end(g);
}

/* ---- retired workers ---- */

Test(faults, reloads_within_the_probation_end_with_one_worker)
{
	struct gateway_run *g = start_fault("probation: 1s");
	struct load load = {.clients = 2};
	struct ctl *c;

	load_start(&load, g->http, "/fault", "/fault/echo");
	for (int i = 0; i < 8; i++)
		ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	load_stop_clean(&load);
	ctl_destroy(
		ctl_expect(g, 0, "reload", "--wait", "settled", "fault", NULL));
	c = ctl_expect(g, 0, "show", "fault", NULL);
	cr_expect(json_array_size(ctl_at(c, "workers")) <= 2, "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

Test(faults, more_retiring_workers_than_the_limit_end_the_oldest)
{
	struct gateway_run *g =
		start_fault("probation: 100ms, max_retiring: 2");
	struct client clients[4];
	struct answer a;

	for (int i = 0; i < 4; i++) {
		cr_assert(client_open(&clients[i], g->http));
		cr_assert(client_say(&clients[i],
			"GET /fault/slow?4000 HTTP/1.1\r\nHost: x\r\n\r\n"));
		ctl_await_number(g, "fault", "inFlight", i < 2 ? i + 1 : 3);
		ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	}
	for (int i = 0; i < 4; i++) {
		cr_assert(
			client_read(&clients[i], &a, false, HTTP_DEADLINE_MS));
		cr_expect_eq(a.status, i < 2 ? 504 : 200, "%d: %d %s", i,
			a.status, a.body);
		answer_finish(&a);
		client_close(&clients[i]);
	}
	run_end(g);
}

Test(faults, a_retired_worker_that_is_killed_in_its_drain_replays_gets)
{
	struct gateway_run *g = start_fault(NULL);
	struct client c;
	struct answer a;
	int pid = http_pid(g->http, "/fault");

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(
		&c, "GET /fault/slow?4000 HTTP/1.1\r\nHost: x\r\n\r\n"));
	ctl_await_number(g, "fault", "inFlight", 1);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	kill(pid, SIGKILL);
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 200, "%d %s", a.status, a.body);
	cr_expect_neq(answer_pid(&a), pid);
	answer_finish(&a);
	client_close(&c);
	run_end(g);
}

/* ---- in the middle of it ---- */

Test(faults, a_stop_of_supd_during_a_reload_answers_the_caller)
{
	struct gateway_run *g = start_fault(NULL);
	struct ctl *c = begin_slow_reload(g, 20000);

	run_signal(g, SIGTERM);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 1, "%d: %s%s", c->exit_code, c->out, c->err);
	ctl_destroy(c);
	cr_expect_eq(run_wait(g), 0);
	run_forget(g);
}

Test(faults, a_plugin_that_is_taken_out_during_its_reload_is_gone)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	size_t mark;

	run_add_hello(g);
	run_add_fault(g);
	run_start(g);
	c = begin_slow_reload(g, 20000);
	run_no_plugins(g);
	run_plugin(g, "hello", "enabled: true");
	run_write_config(g);
	mark = capture_length(&g->log);
	run_signal(g, SIGHUP);
	run_await_log(g, mark, "configuration applied in");
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 1, "%d: %s%s", c->exit_code, c->out, c->err);
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/fault"), 404);
	ctl_destroy(ctl_expect(g, 5, "show", "fault", NULL));
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	run_end(g);
}

Test(faults, held_requests_for_what_was_dropped_are_answered)
{
	static const char *const restart[] = {"restart", "fault", NULL};
	struct gateway_run *g = run_create();
	struct client c;
	struct answer a;
	struct ctl *call;
	size_t mark;

	run_add_fault(g);
	run_fault(g, "fault", "", "extra: true");
	run_start(g);
	run_fault(g, "fault", "slow_start", "start_ms: 1000");
	mark = capture_length(&g->log);
	call = ctl_begin(g, 0, restart);
	run_await_log(g, mark, "starting in mode 'slow_start'");
	cr_assert(client_open(&c, g->http));
	cr_assert(
		client_say(&c, "GET /fault/extra HTTP/1.1\r\nHost: x\r\n\r\n"));
	ctl_await_number(g, "fault", "held", 1);
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect(
		a.status == 503 || a.status == 404, "%d %s", a.status, a.body);
	answer_finish(&a);
	client_close(&c);
	ctl_wait(call);
	cr_expect_eq(call->exit_code, 0);
	ctl_destroy(call);
	run_end(g);
}

/* ---- what must not matter ---- */

/* The log and the service manager are both broken; the verdict is not. */
Test(faults, a_log_that_cannot_be_written_does_not_hide_the_verdict)
{
	static const char *const wrapper[] = {
		"sh", "-c", "exec \"$@\" 2>/dev/full", "sh"};
	struct gateway_run *g = run_create();
	int fd = notify_listen(g);
	struct ctl *c;

	memcpy(g->wrapper, wrapper, sizeof(wrapper));
	run_add_fault(g);
	run_spawn(g);
	notify_await(fd, "READY=1", NULL);
	close(fd);
	g->may_grow = true;
	run_fault(g, "fault", "exit_at_start", "");
	c = ctl_expect(g, 1, "reload", "fault", NULL);
	cr_expect(strstr(c->out, "fault: exiting at start"), "%s", c->out);
	ctl_destroy(c);
	run_fault(g, "fault", "", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	run_end(g);
}

Test(faults, a_log_whose_reader_is_gone_stops_nothing)
{
	static const char *const wrapper[] = {
		"sh", "-c", "exec \"$@\" 2> >(exec true)", "bash"};
	struct gateway_run *g = run_create();
	int fd = notify_listen(g);

	memcpy(g->wrapper, wrapper, sizeof(wrapper));
	g->wrapper[0] = "bash";
	run_add_fault(g);
	run_spawn(g);
	notify_await(fd, "READY=1", NULL);
	g->may_grow = true;
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	close(fd);
	run_end(g);
}

/* Path of the one endpoint's socket, DIR/run/w/N/s; the caller frees. */
static char *
find_endpoint(struct gateway_run *g)
{
	char *parent = memory_format("%s/run/w", g->dir), *path = NULL;
	DIR *dir = opendir(parent);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			path = memory_format("%s/%s/s", parent, entry->d_name);
	if (dir)
		closedir(dir);
	free(parent);
	return path;
}

Test(faults, a_stranger_on_a_workers_socket_changes_nothing)
{
	struct gateway_run *g = start_fault(NULL);
	struct load load = {.clients = 2};
	char *path = find_endpoint(g);
	struct client c;
	char byte;

	load_start(&load, g->http, "/fault", "/fault/echo");
	if (path && client_open(&c, path)) {
		client_send(&c, "\0SP\0\0\x10\0\0", 8);
		while (recv(c.fd, &byte, 1, 0) > 0)
			continue;
		client_close(&c);
	}
	load_await(&load, 20);
	load_stop_clean(&load);
	free(path);
	run_end(g);
}

Test(faults, folders_and_sockets_have_the_promised_modes)
{
	static const struct {
		const char *path;
		mode_t mode;
	} rows[] = {{"run", 0711}, {"run/control.sock", 0666}, {"run/w", 0711},
		{"state/data/fault", 0700}};
	struct gateway_run *g = start_fault(NULL);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *path = memory_format("%s/%s", g->dir, rows[i].path);
		struct stat st;

		cr_assert(!stat(path, &st), "%s", path);
		cr_expect_eq(st.st_mode & 0777, rows[i].mode, "%s: %o",
			rows[i].path, st.st_mode & 0777);
		free(path);
	}
	run_end(g);
}

Test(faults, usr1_and_usr2_do_no_harm)
{
	struct gateway_run *g = start_fault(NULL);
	size_t mark = capture_length(&g->log);

	run_signal(g, SIGUSR1);
	run_await_log(g, mark, "log reopened");
	run_signal(g, SIGUSR2);
	run_await_log(g, mark, "not supported yet");
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	run_end(g);
}
