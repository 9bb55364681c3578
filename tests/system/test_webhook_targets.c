/* The package webhook behind the built programs, outbound: each event reaches a
 * real server once and in order, however the server answers and whatever is
 * reloaded, crashes or is restarted meanwhile. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "plugins/webhook/sign.h"
#include "proto/util/buffer.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/deadline.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"
#include "tests/system/harness/shell.h"
#include "tests/system/raw.h"

TestSuite(webhook_targets, .fini = run_fini, .timeout = 180);

#define SECRET "correct horse"

/* Attempts follow each other closely, so that no test has to wait. */
#define QUICK "retry_min: 10ms, retry_max: 50ms"

extern char **environ;

/* ---- the server ---- */

struct receiver {
	pid_t pid;
	int in; /* it ends when this is closed, be it by the end of the test */
	char *dir;
	int port;
};

static char *
receiver_path(const struct receiver *r, const char *name)
{
	return memory_format("%s/%s", r->dir, name);
}

/* pem: its key and certificate; NULL: it speaks plain HTTP. */
static struct receiver
receiver_start(struct gateway_run *g, const char *name, const char *pem)
{
	char *script = memory_format(
		"%s/tests/plugins/receiver/server.py", run_build_root());
	struct receiver r = {.dir = memory_format("%s/%s", g->dir, name)};
	char *arguments[] = {strdup("python3"), script, r.dir,
		pem ? strdup(pem) : NULL, NULL};
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	char *path = receiver_path(&r, "port"), *port;
	posix_spawn_file_actions_t actions;
	int in[2];

	cr_assert(!mkdir(r.dir, 0755));
	cr_assert(!pipe2(in, O_CLOEXEC));
	cr_assert(!posix_spawn_file_actions_init(&actions));
	cr_assert(!posix_spawn_file_actions_adddup2(&actions, in[0], 0));
	cr_assert(!posix_spawnp(
		&r.pid, "python3", &actions, NULL, arguments, environ));
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	r.in = in[1];
	while (!(port = files_read(path)))
		cr_assert_lt(clock_ms(), until, "no server");
	r.port = atoi(port);
	free(port);
	free(path);
	free(script);
	free(arguments[0]);
	free(arguments[3]);
	return r;
}

static void
receiver_end(struct receiver *r)
{
	close(r->in);
	cr_assert_eq(waitpid(r->pid, NULL, 0), r->pid);
	free(r->dir);
}

static void
receiver_plan(const struct receiver *r, const char *lines)
{
	char *path = receiver_path(r, "plan");

	files_write(path, "%s", lines);
	free(path);
}

/* What it got, an array of the caller's. */
static json_t *
receiver_got(const struct receiver *r)
{
	char *path = receiver_path(r, "got"), *text = files_read(path), *line;
	json_t *all = json_array();

	for (line = text; line && strchr(line, '\n');
		line = strchr(line, '\n') + 1) {
		json_t *one = json_loads(
			line, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL);

		cr_assert(one, "%.100s", line);
		json_array_append_new(all, one);
	}
	free(text);
	free(path);
	return all;
}

static json_t *
receiver_await(const struct receiver *r, size_t count)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	json_t *all;

	while (json_array_size((all = receiver_got(r))) < count) {
		cr_assert_lt(clock_ms(), until, "only %zu of %zu came",
			json_array_size(all), count);
		json_decref(all);
		sched_yield();
	}
	return all;
}

static const char *
header_of(const json_t *got, const char *name)
{
	const char *value = json_string_value(
		json_object_get(json_object_get(got, "headers"), name));

	return value ? value : "";
}

/* The number that its event was emitted with. */
static long
number_of(const json_t *got)
{
	json_t *body = json_loads(
		json_string_value(json_object_get(got, "body")), 0, NULL);
	long n = json_integer_value(
		json_object_get(json_object_get(body, "data"), "n"));

	json_decref(body);
	return n;
}

/* ---- a gateway with one target ---- */

static void
set(struct gateway_run *g, const struct receiver *r, const char *more)
{
	run_no_plugins(g);
	run_plugin(g, "webhook",
		"settings: {targets: {ci: {url: \"http://127.0.0.1:%d/take\", "
		"events: [\"build.*\"], " QUICK ", %s}}}",
		r->port, more);
}

static struct gateway_run *
start(struct receiver *r_out, const char *more)
{
	struct gateway_run *g = run_create();

	*r_out = receiver_start(g, "receiver", NULL);
	run_package(g, "webhook", "webhook");
	set(g, r_out, more);
	run_start(g);
	return g;
}

static void
end(struct gateway_run *g, struct receiver *r)
{
	receiver_end(r);
	run_end(g);
}

static void
emit(struct gateway_run *g, long number)
{
	char *data = memory_format("{\"n\":%ld}", number);

	ctl_destroy(ctl_expect(g, 0, "emit", "build.done", data, NULL));
	free(data);
}

/* The lines of dead letters, an array of the caller's. */
static json_t *
await_dead(struct gateway_run *g, size_t count)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	char *path = memory_format(
		"%s/state/data/webhook/dead-letters.jsonl", g->dir);
	json_t *all = json_array();

	while (json_array_size(all) < count) {
		char *text = files_read(path), *line;

		cr_assert_lt(clock_ms(), until, "only %zu dead letters",
			json_array_size(all));
		json_array_clear(all);
		for (line = text; line && strchr(line, '\n');
			line = strchr(line, '\n') + 1)
			json_array_append_new(all,
				json_loads(line, JSON_DISABLE_EOF_CHECK, NULL));
		free(text);
		sched_yield();
	}
	free(path);
	return all;
}

static void
expect_dead(json_t *all, size_t index, long number, const char *reason)
{
	json_t *one = json_array_get(all, index);
	const char *is = json_string_value(json_object_get(one, "reason"));
	json_t *data = json_object_get(json_object_get(one, "body"), "data");

	cr_expect(is && strstr(is, reason), "%s is not %s", is, reason);
	cr_expect_eq(json_integer_value(json_object_get(data, "n")), number);
}

/* ---- what is sent ---- */

Test(webhook_targets, an_event_is_posted_with_an_id)
{
	struct receiver r;
	struct gateway_run *g = start(&r, "sign: none");
	json_t *all, *one, *body;

	emit(g, 7);
	all = receiver_await(&r, 1);
	one = json_array_get(all, 0);
	body = json_loads(
		json_string_value(json_object_get(one, "body")), 0, NULL);
	cr_expect_str_eq(
		json_string_value(json_object_get(one, "path")), "/take");
	cr_expect_str_eq(header_of(one, "content-type"), "application/json");
	cr_expect_str_eq(header_of(one, "x-event-type"), "build.done");
	cr_expect_eq(strlen(header_of(one, "x-delivery-id")), 32);
	cr_expect_str_eq(json_string_value(json_object_get(body, "id")),
		header_of(one, "x-delivery-id"));
	cr_expect_str_eq(json_string_value(json_object_get(body, "event")),
		"build.done");
	cr_expect(json_is_string(json_object_get(body, "at")));
	cr_expect_eq(number_of(one), 7);
	json_decref(body);
	json_decref(all);
	end(g, &r);
}

static void
expect_signed(enum sign_scheme scheme)
{
	static char secret[] = SECRET;
	const struct secrets secrets = {{secret}, 1};
	char *more = memory_format(
		"sign: %s, secret: " SECRET, sign_scheme_name(scheme));
	char digest[SIGN_HEX_BYTES], name[64] = "";
	struct receiver r;
	struct gateway_run *g = start(&r, more);
	struct claim claim = {.now_s = time(NULL), .window_s = 300};
	json_t *all, *one;

	emit(g, 1);
	all = receiver_await(&r, 1);
	one = json_array_get(all, 0);
	claim.body = json_string_value(json_object_get(one, "body"));
	claim.body_bytes = strlen(claim.body);
	for (size_t i = 0; i < strlen(sign_signature_header(scheme)); i++)
		name[i] = (char)tolower(sign_signature_header(scheme)[i]);
	claim.signature = header_of(one, name);
	claim.timestamp = header_of(one, "x-slack-request-timestamp");
	if (scheme != SIGN_SLACK)
		claim.timestamp = NULL;
	cr_expect_null(sign_check(scheme, &secrets, &claim, digest), "%s: %s",
		sign_scheme_name(scheme), claim.signature);
	json_decref(all);
	free(more);
	end(g, &r);
}

Test(webhook_targets, deliveries_are_signed_as_github_does)
{
	expect_signed(SIGN_GITHUB);
}

Test(webhook_targets, deliveries_are_signed_as_slack_does)
{
	expect_signed(SIGN_SLACK);
}

Test(webhook_targets, deliveries_are_signed_as_stripe_does)
{
	expect_signed(SIGN_STRIPE);
}

Test(webhook_targets, only_events_that_match_are_sent)
{
	struct receiver r;
	struct gateway_run *g = start(&r, "sign: none, match: {n: [2, 4]}");
	json_t *all;

	for (long i = 1; i <= 4; i++)
		emit(g, i);
	ctl_destroy(ctl_expect(g, 0, "emit", "other.thing", "{\"n\":2}", NULL));
	all = receiver_await(&r, 2);
	cr_expect_eq(number_of(json_array_get(all, 0)), 2);
	cr_expect_eq(number_of(json_array_get(all, 1)), 4);
	json_decref(all);
	end(g, &r);
}

/* ---- servers in trouble ---- */

/* The first event meets all of it; the others wait for their turn. */
Test(webhook_targets, failures_are_tried_again_in_order)
{
	static const char plan[] = "500\nclose\n429\n408\nhang\n"
				   "503 Retry-After:1\n200\n200\n502\n";
	static const long numbers[] = {1, 1, 1, 1, 1, 1, 1, 2, 3, 3};
	struct receiver r;
	struct gateway_run *g = start(&r, "sign: none, timeout: 1s");
	json_t *all;

	receiver_plan(&r, plan);
	for (long i = 1; i <= 3; i++)
		emit(g, i);
	all = receiver_await(&r, 10);
	for (size_t i = 0; i < 10; i++) {
		json_t *one = json_array_get(all, i), *first;

		cr_expect_eq(number_of(one), numbers[i], "%zu: %ld", i,
			number_of(one));
		first = json_array_get(all, numbers[i] == 1 ? 0 : i);
		cr_expect(numbers[i] != 1 ||
			  !strcmp(header_of(one, "x-delivery-id"),
				  header_of(first, "x-delivery-id")));
	}
	json_decref(all);
	run_await_log(g, 0, "ci: a delivery has failed, next attempt in");
	run_await_log(g, 0, "ci: takes deliveries again");
	end(g, &r);
}

Test(webhook_targets, what_is_refused_is_a_dead_letter_and_the_next_one_goes)
{
	struct receiver r;
	struct gateway_run *g = start(&r, "sign: none");
	char *redirect = memory_format(
		"404\n302 Location:http://127.0.0.1:%d/other\n400\n", r.port);
	json_t *all, *got;

	receiver_plan(&r, redirect);
	for (long i = 1; i <= 4; i++)
		emit(g, i);
	got = receiver_await(&r, 4);
	all = await_dead(g, 3);
	expect_dead(all, 0, 1, "it answered 404");
	expect_dead(all, 1, 2, "it answered 302");
	expect_dead(all, 2, 3, "it answered 400");
	cr_expect_eq(json_array_size(all), 3);
	for (size_t i = 0; i < 4; i++) {
		json_t *one = json_array_get(got, i);

		cr_expect_eq(number_of(one), (long)i + 1);
		cr_expect_str_eq(
			json_string_value(json_object_get(one, "path")),
			"/take");
	}
	json_decref(all);
	json_decref(got);
	free(redirect);
	end(g, &r);
}

Test(webhook_targets, what_was_answered_is_taken_though_the_body_never_ends)
{
	struct receiver r;
	struct gateway_run *g = start(&r, "sign: none, timeout: 500ms");
	json_t *all;

	receiver_plan(&r, "half\n");
	emit(g, 1);
	emit(g, 2);
	all = receiver_await(&r, 2);
	cr_expect_eq(number_of(json_array_get(all, 1)), 2);
	json_decref(all);
	end(g, &r);
}

Test(webhook_targets, a_delivery_is_given_up_in_time)
{
	struct receiver r;
	struct gateway_run *g = start(&r, "sign: none, give_up: 0s");
	json_t *all;

	receiver_plan(&r, "500\n");
	emit(g, 1);
	emit(g, 2);
	all = await_dead(g, 1);
	expect_dead(all, 0, 1, "it answered 500");
	json_decref(all);
	all = receiver_await(&r, 2);
	cr_expect_eq(number_of(json_array_get(all, 1)), 2);
	json_decref(all);
	run_await_log(g, 0, "ci: gave up ");
	end(g, &r);
}

Test(webhook_targets, what_a_full_queue_does_not_take_is_a_dead_letter)
{
	struct receiver r;
	struct gateway_run *g =
		start(&r, "sign: none, queue_events: 2, timeout: 5m");
	struct ctl *c;
	json_t *all;

	receiver_plan(&r, "hang\n");
	for (long i = 1; i <= 3; i++)
		emit(g, i);
	all = await_dead(g, 1);
	expect_dead(all, 0, 3, "the queue is full");
	json_decref(all);
	c = ctl_expect(g, 0, "call", "method", "webhook.status", NULL);
	cr_expect_eq(ctl_number(c, "targets.ci.waiting"), 2);
	cr_expect_eq(ctl_number(c, "targets.ci.givenUp"), 1);
	cr_expect_eq(ctl_number(c, "targets.ci.delivered"), 0);
	ctl_destroy(c);
	end(g, &r);
}

Test(webhook_targets, a_server_that_is_away_is_waited_for)
{
	struct receiver r;
	struct gateway_run *g = start(&r, "sign: none");
	struct receiver second;
	json_t *all;

	receiver_end(&r);
	for (long i = 1; i <= 3; i++)
		emit(g, i);
	run_await_log(g, 0, "ci: a delivery has failed");
	second = receiver_start(g, "second", NULL);
	set(g, &second, "sign: none");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(ctl_status_number(g, "webhook", "generation"), 1);
	all = receiver_await(&second, 3);
	for (size_t i = 0; i < 3; i++)
		cr_expect_eq(number_of(json_array_get(all, i)), (long)i + 1);
	json_decref(all);
	end(g, &second);
}

/* ---- between generations ---- */

static void
expect_each_once(json_t *all, long count)
{
	cr_expect_eq(json_array_size(all), (size_t)count, "%zu came",
		json_array_size(all));
	for (long i = 0; i < count; i++)
		cr_expect_eq(number_of(json_array_get(all, (size_t)i)), i,
			"at %ld: %ld", i,
			number_of(json_array_get(all, (size_t)i)));
}

#define RELOADS 20
#define PER_RELOAD 3

Test(webhook_targets, reloads_lose_none_and_double_none)
{
	struct receiver r;
	struct gateway_run *g = start(&r, "sign: none");
	json_t *all;
	long n = 0;

	for (unsigned i = 0; i < RELOADS; i++) {
		for (unsigned k = 0; k < PER_RELOAD; k++)
			emit(g, n++);
		ctl_destroy(ctl_expect(g, 0, "reload", "webhook", NULL));
	}
	emit(g, n++);
	all = receiver_await(&r, (size_t)n);
	expect_each_once(all, n);
	json_decref(all);
	end(g, &r);
}

/* In at one door and out at the other, of the same plugin. */
Test(webhook_targets, what_comes_in_goes_out_over_reloads)
{
	struct gateway_run *g = run_create();
	struct receiver r = receiver_start(g, "receiver", NULL);
	json_t *all;
	long n = 0;

	run_package(g, "webhook", "webhook");
	run_plugin(g, "webhook",
		"settings: {endpoints: {in: {sign: none}}, targets: {out: "
		"{url: \"http://127.0.0.1:%d/\", events: [webhook.in], sign: "
		"none, " QUICK "}}}",
		r.port);
	run_start(g);
	for (unsigned i = 0; i < RELOADS; i++) {
		ctl_destroy(ctl_expect(g, 0, "reload", "webhook", NULL));
		for (unsigned k = 0; k < PER_RELOAD; k++) {
			char *body = memory_format("{\"n\":%ld}", n++);
			struct answer a = http_post(g->http, "/in", body);

			cr_expect_eq(a.status, 200);
			answer_finish(&a);
			free(body);
		}
	}
	all = receiver_await(&r, (size_t)n);
	cr_expect_eq(json_array_size(all), (size_t)n);
	for (long i = 0; i < n; i++) {
		json_t *body = json_loads(
			json_string_value(json_object_get(
				json_array_get(all, (size_t)i), "body")),
			0, NULL);
		json_t *json =
			json_object_get(json_object_get(body, "data"), "json");

		cr_expect_eq(json_integer_value(json_object_get(json, "n")), i);
		json_decref(body);
	}
	json_decref(all);
	end(g, &r);
}

/* It is cut at the reload, and the next one sends it again under its id. */
Test(webhook_targets, what_hangs_in_a_reload_is_sent_again_with_its_id)
{
	struct receiver r;
	struct gateway_run *g = start(&r, "sign: none, timeout: 5m");
	json_t *all;

	receiver_plan(&r, "hang\n");
	emit(g, 1);
	json_decref(receiver_await(&r, 1));
	emit(g, 2);
	ctl_destroy(ctl_expect(g, 0, "reload", "webhook", NULL));
	all = receiver_await(&r, 3);
	cr_expect_eq(number_of(json_array_get(all, 1)), 1);
	cr_expect_eq(number_of(json_array_get(all, 2)), 2);
	cr_expect_str_eq(header_of(json_array_get(all, 0), "x-delivery-id"),
		header_of(json_array_get(all, 1), "x-delivery-id"));
	cr_expect_str_neq(header_of(json_array_get(all, 1), "x-delivery-id"),
		header_of(json_array_get(all, 2), "x-delivery-id"));
	json_decref(all);
	end(g, &r);
}

Test(webhook_targets, a_crash_loses_none)
{
	struct receiver r;
	struct gateway_run *g = start(&r, "sign: none, timeout: 5m");
	json_t *all;
	pid_t pid;

	receiver_plan(&r, "hang\n");
	for (long i = 0; i < 5; i++)
		emit(g, i);
	json_decref(receiver_await(&r, 1));
	pid = (pid_t)ctl_status_number(g, "webhook", "pid");
	run_announce(g, "webhook");
	cr_assert(!kill(pid, SIGKILL));
	all = receiver_await(&r, 6);
	json_array_remove(all, 0);
	expect_each_once(all, 5);
	json_decref(all);
	end(g, &r);
}

Test(webhook_targets, the_queue_outlives_supd)
{
	struct receiver r;
	struct gateway_run *g = start(&r, "sign: none");
	json_t *all;

	receiver_plan(&r, "503 Retry-After:3600\n");
	for (long i = 0; i < 3; i++)
		emit(g, i);
	json_decref(receiver_await(&r, 1));
	run_await_log(g, 0, "ci: a delivery has failed");
	run_signal(g, SIGTERM);
	cr_assert_eq(run_wait(g), 0);
	{
		char *path =
			memory_format("%s/state/data/webhook/ci.queue", g->dir);
		char *text = files_read(path), *note;

		cr_assert(text);
		note = strstr(text, "\n!");
		cr_assert(note, "the failure is not noted in %s", text);
		*note = '\0'; /* as if an hour had passed */
		files_write(path, "%s\n", text);
		free(text);
		free(path);
	}
	run_start(g);
	all = receiver_await(&r, 2);
	cr_expect_eq(number_of(json_array_get(all, 1)), 0);
	json_decref(all);
	end(g, &r);
}

/* Until the worker knows that the receiver has all that it sent: if it is
 * killed before, that is sent again. */
static void
await_nothing_waits(struct gateway_run *g)
{
	struct patience p = patience_for(RUN_DEADLINE_MS);
	long waiting;

	do {
		struct ctl *c = ctl_expect(
			g, 0, "call", "method", "webhook.status", NULL);

		waiting = ctl_number(c, "targets.ci.waiting");
		ctl_destroy(c);
		cr_assert(patience_lasts(&p), "%ld still wait", waiting);
	} while (waiting);
}

Test(webhook_targets, a_revert_sends_on)
{
	struct gateway_run *g = run_create();
	struct receiver r = receiver_start(g, "receiver", NULL);
	json_t *all;
	pid_t pid;

	run_package(g, "webhook", "webhook");
	set(g, &r, "sign: none");
	run_defaults(g, "probation: 60s");
	run_start(g);
	emit(g, 0);
	json_decref(receiver_await(&r, 1));
	ctl_destroy(ctl_expect(g, 0, "reload", "webhook", NULL));
	emit(g, 1);
	json_decref(receiver_await(&r, 2));
	await_nothing_waits(g);
	pid = (pid_t)ctl_status_number(g, "webhook", "pid");
	run_announce(g, "webhook");
	cr_assert(!kill(pid, SIGKILL));
	ctl_await_number(g, "webhook", "generation", 1);
	emit(g, 2);
	all = receiver_await(&r, 3);
	expect_each_once(all, 3);
	json_decref(all);
	end(g, &r);
}

/* The set fails after webhook's old worker has given up its queues: the other
 * plugin cannot import what its old worker exported. */
Test(webhook_targets, a_reload_that_fails_late_sends_on)
{
	struct gateway_run *g = run_create();
	struct receiver r = receiver_start(g, "receiver", NULL);
	json_t *all;

	run_package(g, "webhook", "webhook");
	set(g, &r, "sign: none");
	raw_add_more(g, "a", "count: true", "", "state: {export: true}\n");
	run_start(g);
	emit(g, 0);
	json_decref(receiver_await(&r, 1));
	raw_manifest(g, "a", "count: true, state: {fault: import_error}",
		"state: {export: true}\n");
	run_announce(g, "a");
	ctl_destroy(
		ctl_expect(g, 1, "reload", "webhook", "a", "--atomic", NULL));
	cr_expect_eq(ctl_status_number(g, "webhook", "generation"), 1);
	emit(g, 1);
	emit(g, 2);
	all = receiver_await(&r, 3);
	expect_each_once(all, 3);
	json_decref(all);
	end(g, &r);
}

/* ---- TLS ---- */

Test(webhook_targets, only_a_certificate_that_is_good_is_talked_to)
{
	struct gateway_run *g = run_create();
	struct receiver r;
	char *made, *pem = memory_format("%s/server.pem", g->dir);
	json_t *all;
	int status;

	if (!shell_has("openssl"))
		cr_skip_test("needs openssl");
	made = shell_run(g, &status,
		"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "
		"/CN=localhost -addext subjectAltName=DNS:localhost "
		"-keyout %s -out %s.crt && cat %s.crt >>%s",
		pem, pem, pem, pem);
	cr_assert_eq(status, 0, "%s", made);
	free(made);
	r = receiver_start(g, "receiver", pem);
	run_package(g, "webhook", "webhook");
	run_plugin(g, "webhook",
		"settings: {targets: {ci: {url: \"https://localhost:%d/\", "
		"events: [\"build.*\"], sign: none, " QUICK "}}}",
		r.port);
	run_start(g);
	emit(g, 1);
	run_await_log(g, 0, "ci: a delivery has failed");
	cr_expect(run_log_has(g, 0, "certificate"));
	all = receiver_got(&r);
	cr_expect_eq(json_array_size(all), 0);
	json_decref(all);
	run_no_plugins(g);
	run_plugin(g, "webhook",
		"settings: {targets: {ci: {url: \"https://localhost:%d/\", "
		"events: [\"build.*\"], sign: none, ca: %s.crt, " QUICK "}}}",
		r.port, pem);
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	json_decref(receiver_await(&r, 1));
	free(pem);
	end(g, &r);
}
