/* The package audit behind the built programs: each event is one line, over
 * reloads, crashes and renamed files, and what a full disk or a dead syslog
 * makes of it. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(audit, .fini = run_fini, .timeout = 200);

#define FILES_MAX 100

/* audit with settings, and a plugin that emits events. */
static struct gateway_run *
create(const char *settings)
{
	struct gateway_run *g = run_create();

	run_defaults(g, "probation: 0ms");
	run_package(g, "audit", "audit");
	run_package(g, "hooks", "hooks");
	run_plugin(g, "audit", "settings: {%s}", settings);
	run_plugin(g, "mouth", "use: hooks");
	return g;
}

/* supd takes {"n": 0} to {"n": count - 1} of an event. */
static void
take(struct gateway_run *g, const char *event, int count)
{
	char path[32], body[64];
	struct answer a;

	snprintf(path, sizeof(path), "/take?%d", count);
	snprintf(body, sizeof(body), "{\"taken\":%d,\"busy\":0,\"refused\":0}",
		count);
	a = http_post(g->http, path, event);
	cr_assert_str_eq(a.body, body);
	answer_finish(&a);
}

static char *
file_path(struct gateway_run *g, const char *suffix)
{
	return memory_format(
		"%s/state/data/audit/audit.jsonl%s", g->dir, suffix);
}

/* All files, from the oldest on; the caller frees. */
static char *
all_lines(struct gateway_run *g)
{
	char *all = memory_copy_text("");

	for (int i = FILES_MAX; i >= 0; i--) {
		char *suffix =
			i ? memory_format(".%d", i) : memory_copy_text("");
		char *path = file_path(g, suffix), *text = files_read(path);
		char *longer = memory_format("%s%s", all, text ? text : "");

		free(suffix);
		free(path);
		free(text);
		free(all);
		all = longer;
	}
	return all;
}

static unsigned
count_of(const char *text, const char *what)
{
	unsigned count = 0;

	while ((text = strstr(text, what))) {
		count++;
		text += strlen(what);
	}
	return count;
}

/* Waits until the files have so many of something, or more. */
static unsigned
await_count(struct gateway_run *g, const char *what, unsigned count)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	for (;;) {
		char *text = all_lines(g);
		unsigned now = count_of(text, what);

		free(text);
		if (now >= count || clock_ms() > until)
			return now;
		poll(NULL, 0, 10);
	}
}

/* Waits until the files have so many lines of an event. */
static void
await_lines(struct gateway_run *g, const char *event, unsigned count)
{
	char *what = memory_format("\"event\":\"%s\"", event);
	unsigned now = await_count(g, what, count);

	cr_assert_eq(now, count, "%s: %u lines, not %u", event, now, count);
	free(what);
}

/* Every line is JSON, ids grow, and each event of a name is there once and in
 * order. */
static void
expect_each_once(struct gateway_run *g, const char *event, int count)
{
	char *text = all_lines(g), *line, *rest = text;
	json_int_t last = 0;
	int next = 0;

	while ((line = strsep(&rest, "\n")) && rest) {
		json_t *json = json_loads(line, 0, NULL);
		json_int_t id;

		cr_assert(json, "not JSON: %s", line);
		id = json_integer_value(json_object_get(json, "id"));
		cr_assert_gt(id, last, "out of order: %s", line);
		last = id;
		if (!strcmp(json_string_value(json_object_get(json, "event")),
			    event)) {
			const json_t *data = json_object_get(json, "data");

			cr_assert_eq(
				json_integer_value(json_object_get(data, "n")),
				next, "%s", line);
			next++;
		}
		json_decref(json);
	}
	cr_expect_eq(next, count, "%s: %d of %d", event, next, count);
	free(text);
}

Test(audit, writes_what_happens_as_lines_of_json)
{
	struct gateway_run *g = create("");
	char *text;

	run_start(g);
	take(g, "test.one", 2);
	await_lines(g, "test.one", 2);
	ctl_destroy(ctl_expect(g, 0, "reload", "mouth", NULL));
	cr_expect_geq(await_count(g, "\"event\":\"reload.settled\"", 1), 1);
	expect_each_once(g, "test.one", 2);
	text = all_lines(g);
	cr_expect(strstr(text, "\"event\":\"test.one\",\"plugin\":\"mouth\","
			       "\"chain\":["),
		"%s", text);
	free(text);
	run_end(g);
}

Test(audit, takes_the_events_of_its_patterns_once)
{
	struct gateway_run *g = create("events: [test.a, 'test.*', other]");
	char *text;

	run_start(g);
	take(g, "test.a", 1);
	take(g, "none", 1);
	take(g, "other", 1);
	await_lines(g, "test.a", 1);
	await_lines(g, "other", 1);
	text = all_lines(g);
	cr_expect_eq(count_of(text, "\n"), 2, "%s", text);
	free(text);
	run_end(g);
}

Test(audit, calls_of_tools_are_events_with_arguments_and_results)
{
	struct gateway_run *g = create("events: 'tool.*'");
	char *text;

	run_package(g, "echo", "echo");
	run_plugin(g, "echo", "use: echo");
	run_start(g);
	ctl_destroy(ctl_expect(g, 0, "call", "tool", "echo", "[7]", NULL));
	await_lines(g, "tool.before", 1);
	await_lines(g, "tool.after", 1);
	text = all_lines(g);
	cr_expect_eq(count_of(text, "\"args\":[7]"), 2, "%s", text);
	cr_expect_eq(count_of(text, "\"result\":[7]"), 1, "%s", text);
	free(text);
	run_end(g);
}

Test(audit, twenty_reloads_lose_none_and_double_none)
{
	enum { RELOADS = 20, EVENTS = 30 };
	struct gateway_run *g = create(
		"events: 'test.*', rotate: {size: 8KiB, keep: 100}, sync: "
		"none");
	const char *const reload[] = {"reload", "audit", NULL};
	char event[32];

	run_start(g);
	for (int i = 0; i < RELOADS; i++) {
		struct ctl *c = ctl_begin(g, 0, reload);

		snprintf(event, sizeof(event), "test.r%d", i);
		take(g, event, EVENTS);
		ctl_wait(c);
		cr_assert_eq(c->exit_code, 0, "%s", c->err);
		ctl_destroy(c);
	}
	for (int i = 0; i < RELOADS; i++) {
		snprintf(event, sizeof(event), "test.r%d", i);
		await_lines(g, event, EVENTS);
		expect_each_once(g, event, EVENTS);
	}
	run_end(g);
}

Test(audit, a_killed_worker_loses_none_and_doubles_none)
{
	enum { KILLS = 5, EVENTS = 400 };
	struct gateway_run *g = create("events: 'test.*', sync: always, "
				       "rotate: {size: 64KiB, keep: 100}");
	char event[32];

	run_start(g);
	run_announce(g, "killed by signal 9");
	for (int i = 0; i < KILLS; i++) {
		pid_t pid = (pid_t)ctl_status_number(g, "audit", "pid");

		snprintf(event, sizeof(event), "test.k%d", i);
		take(g, event, EVENTS);
		kill(pid, SIGKILL);
		await_lines(g, event, EVENTS);
		expect_each_once(g, event, EVENTS);
		ctl_await_state(g, "audit", "serving");
	}
	run_end(g);
}

/* The last event of a supd is in the file, and the next supd goes on in it. */
Test(audit, a_stop_and_the_next_start_are_in_it)
{
	struct gateway_run *g = create("");

	run_start(g);
	take(g, "test.one", 3);
	run_signal(g, SIGTERM);
	cr_assert_eq(run_wait(g), 0);
	await_lines(g, "gateway.stopping", 1);
	run_start(g);
	take(g, "test.two", 3);
	await_lines(g, "test.two", 3);
	expect_each_once(g, "test.one", 3);
	expect_each_once(g, "test.two", 3);
	run_end(g);
}

/* As logrotate does it: the file is renamed, and nobody is told. */
Test(audit, a_file_that_was_renamed_is_followed_by_a_new_one)
{
	enum { TIMES = 5, EVENTS = 50 };
	struct gateway_run *g = create("events: 'test.*'");
	char *path = file_path(g, "");

	run_start(g);
	take(g, "test.it", TIMES * EVENTS);
	for (int i = TIMES; i; i--) {
		char *other = memory_format("%s.%d", path, i);

		while (!files_exist(path))
			poll(NULL, 0, 1);
		cr_assert_eq(rename(path, other), 0);
		free(other);
		if (i == TIMES / 2)
			ctl_destroy(ctl_expect(g, 0, "reload", "audit", NULL));
		take(g, "test.more", 1);
	}
	await_lines(g, "test.it", TIMES * EVENTS);
	await_lines(g, "test.more", TIMES);
	expect_each_once(g, "test.it", TIMES * EVENTS);
	free(path);
	run_end(g);
}

/* A limit of the size of files is the full disk of this test. */
static void
limit_files(struct gateway_run *g, rlim_t bytes)
{
	struct rlimit limit;
	pid_t pid = (pid_t)ctl_status_number(g, "audit", "pid");

	cr_assert_eq(prlimit(pid, RLIMIT_FSIZE, NULL, &limit), 0);
	limit.rlim_cur = bytes;
	cr_assert_eq(prlimit(pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

Test(audit, a_full_disk_is_reported_and_holds_nobody_up)
{
	struct gateway_run *g = create("events: 'test.*'");
	char *text;

	run_start(g);
	run_announce(g, "cannot write events to the file");
	run_announce(g, "the event could not be written");
	take(g, "test.before", 3);
	await_lines(g, "test.before", 3);
	limit_files(g, 400);
	take(g, "test.full", 1000);
	run_await_log(g, 0, "cannot write events to the file");
	cr_expect_eq(http_status(g->http, "/ping"), 200);
	/* Its turn comes when all those before it were tried. */
	limit_files(g, RLIM_INFINITY);
	take(g, "test.after", 1);
	await_lines(g, "test.after", 1);
	run_await_log(g, 0, "events are written to the file again");
	text = all_lines(g);
	cr_expect(strstr(text, "\"event\":\"audit.lost\""), "%s", text);
	cr_expect(strstr(text, "\"reason\":\"File too large\""), "%s", text);
	cr_expect_eq(count_of(text, "\"event\":\"test.before\""), 3);
	free(text);
	run_end(g);
}

/* Waits until so many events could not be written. */
static void
await_failed(struct gateway_run *g, long count)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	long now;

	do {
		struct ctl *c = ctl_expect(g, 0, "hooks", "test.it", NULL);

		now = ctl_number(c, "hooks.0.hook.calls.failed");
		ctl_destroy(c);
	} while (now < count && clock_ms() < until);
	cr_assert_eq(now, count);
}

/* The line about the losses fits, the event behind it does not. */
Test(audit, what_a_full_disk_cost_is_reported_once)
{
	struct gateway_run *g = create("events: 'test.*'");
	char *text;

	run_start(g);
	run_announce(g, "cannot write events to the file");
	run_announce(g, "the event could not be written");
	take(g, "test.before", 1);
	await_lines(g, "test.before", 1);
	limit_files(g, 1);
	take(g, "test.full", 1);
	await_failed(g, 1);
	text = all_lines(g);
	limit_files(g, strlen(text) + 180);
	free(text);
	take(g, "test.full", 3);
	await_failed(g, 4);
	limit_files(g, RLIM_INFINITY);
	take(g, "test.after", 1);
	await_lines(g, "test.after", 1);
	text = all_lines(g);
	cr_expect_eq(count_of(text, "\"event\":\"audit.lost\""), 1, "%s", text);
	cr_expect(strstr(text, "\"lost\":4,"), "%s", text);
	free(text);
	run_end(g);
}

Test(audit, a_rotation_that_fails_is_logged_once)
{
	struct gateway_run *g =
		create("events: 'test.*', rotate: {size: 200B, keep: 1}");
	char *taken = file_path(g, ".1");

	run_start(g);
	run_announce(g, "cannot be rotated");
	take(g, "test.one", 1);
	await_lines(g, "test.one", 1);
	cr_assert_eq(mkdir(taken, 0755), 0);
	take(g, "test.more", 50);
	await_lines(g, "test.more", 50);
	run_await_log(g, 0, "cannot be rotated");
	cr_expect_eq(capture_count(&g->log, 0, "cannot be rotated"), 1);
	cr_assert_eq(rmdir(taken), 0);
	free(taken);
	run_end(g);
}

Test(audit, syslog_gets_each_event_as_a_datagram)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	struct gateway_run *g = run_create();
	char text[4096] = "";

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/log", g->dir);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	run_package(g, "audit", "audit");
	run_package(g, "hooks", "hooks");
	run_plugin(g, "audit",
		"settings: {events: test.it, file: '', syslog: {socket: %s, "
		"facility: local3, ident: gate}}",
		at.sun_path);
	run_plugin(g, "mouth", "use: hooks");
	run_start(g);
	take(g, "test.it", 3);
	for (int i = 0; i < 3; i++) {
		char part[64];

		cr_assert_eq(poll(&readable, 1, RUN_DEADLINE_MS), 1);
		cr_assert_gt(recv(fd, text, sizeof(text) - 1, 0), 0);
		cr_expect(!strncmp(text, "<158>", 5), "%s", text);
		cr_expect(strstr(text, " gate["), "%s", text);
		snprintf(part, sizeof(part), "\"data\":{\"n\":%d}}", i);
		cr_expect(strstr(text, part), "%s", text);
		memset(text, 0, sizeof(text));
	}
	/* Nobody is there any more. */
	close(fd);
	run_announce(g, "cannot write events to syslog");
	run_announce(g, "the event could not be written");
	take(g, "test.it", 1);
	run_await_log(g, 0, "cannot write events to syslog");
	run_end(g);
}

Test(audit, what_cannot_work_fails_the_start)
{
	struct gateway_run *g = create("");
	struct ctl *c;

	run_start(g);
	run_no_plugins(g);
	run_plugin(g, "audit", "settings: {file: %s/none/x}", g->dir);
	run_plugin(g, "mouth", "use: hooks");
	run_announce(g, "cannot be written: No such file or directory");
	run_announce(g, "plugin 'audit'");
	run_write_config(g);
	c = ctl_expect(g, 1, "apply", NULL);
	cr_expect(strstr(c->out, "none/x cannot be written: No such file"),
		"%s%s", c->out, c->err);
	ctl_destroy(c);
	take(g, "test.it", 1);
	await_lines(g, "test.it", 1);
	run_end(g);
}
