/* The package webhook behind the built programs, inbound: what is signed
 * becomes one event, whatever is reloaded, crashes or comes twice, and nothing
 * else becomes any. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "plugins/webhook/sign.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(webhook, .fini = run_fini, .timeout = 180);

#define SECRET "correct horse"
#define OLD_SECRET "battery staple"
#define REFUSAL "401 the signature is not valid\n"

#define GITHUB "github: {sign: github, secrets: [" SECRET "]}"

/* ---- a gateway ---- */

static void
set(struct gateway_run *g, const char *endpoints)
{
	run_no_plugins(g);
	run_plugin(g, "webhook", "mount: /in, settings: {endpoints: {%s}}",
		endpoints);
}

static struct gateway_run *
start(const char *endpoints)
{
	struct gateway_run *g = run_create();

	run_package(g, "webhook", "webhook");
	set(g, endpoints);
	run_start(g);
	return g;
}

/* Data of the events of a name, an array of the caller's. */
static json_t *
events(struct gateway_run *g, const char *name)
{
	struct ctl *c = ctl_expect(g, 0, "events", "-n", "2000", NULL);
	json_t *all = json_array(), *event;
	size_t i;

	json_array_foreach(ctl_at(c, "events"), i, event)
	{
		const char *is =
			json_string_value(json_object_get(event, "event"));

		if (is && !strcmp(is, name))
			json_array_append(all, json_object_get(event, "data"));
	}
	ctl_destroy(c);
	return all;
}

static void
expect_events(struct gateway_run *g, const char *name, size_t count)
{
	json_t *all = events(g, name);

	cr_expect_eq(json_array_size(all), count, "%zu events, not %zu",
		json_array_size(all), count);
	json_decref(all);
}

/* The data of the only event. */
static void
expect_event(struct gateway_run *g, const char *name, const char *data)
{
	json_t *all = events(g, name);
	char *text = json_dumps(
		json_array_get(all, 0), JSON_COMPACT | JSON_SORT_KEYS);

	cr_expect_eq(json_array_size(all), 1);
	cr_expect(text && !strcmp(text, data), "%s is not %s", text, data);
	free(text);
	json_decref(all);
}

/* ---- a sender ---- */

/* Lines of headers end with \r\n. */
static struct answer
post_bytes(const char *where, const char *hook, const char *lines,
	const void *body, size_t bytes)
{
	struct answer a = {.status = 0};
	struct client c;

	if (!client_open(&c, where))
		return a;
	if (client_say(&c,
		    "POST /in/%s HTTP/1.1\r\nHost: x\r\n%s"
		    "Content-Length: %zu\r\n\r\n",
		    hook, lines, bytes) &&
		client_send(&c, body, bytes))
		client_read(&c, &a, false, HTTP_DEADLINE_MS);
	client_close(&c);
	return a;
}

static int
post(struct gateway_run *g, const char *hook, const char *lines,
	const char *body)
{
	struct answer a = post_bytes(g->http, hook, lines, body, strlen(body));
	int status = a.status;

	answer_finish(&a);
	return status;
}

static char *
github_lines(const char *secret, const char *id, const char *body, size_t bytes)
{
	char value[SIGN_VALUE_BYTES];

	sign_make(SIGN_GITHUB, secret, "", body, bytes, value);
	return memory_format("X-Hub-Signature-256: %s\r\n"
			     "X-GitHub-Delivery: %s\r\nX-GitHub-Event: push\r\n"
			     "Content-Type: application/json\r\n",
		value, id);
}

static int
post_github_by(struct gateway_run *g, const char *secret, const char *id,
	const char *body)
{
	char *lines = github_lines(secret, id, body, strlen(body));
	int status = post(g, "github", lines, body);

	free(lines);
	return status;
}

static int
post_github(struct gateway_run *g, const char *id)
{
	return post_github_by(g, SECRET, id, "{\"ref\": \"main\"}");
}

static char *
timed_lines(enum sign_scheme scheme, int64_t at, const char *body)
{
	char value[SIGN_VALUE_BYTES], *timestamp;
	char *lines;

	timestamp = memory_format("%" PRId64, at);
	sign_make(scheme, SECRET, timestamp, body, strlen(body), value);
	lines = scheme == SIGN_SLACK
			? memory_format("X-Slack-Signature: %s\r\n"
					"X-Slack-Request-Timestamp: %s\r\n",
				  value, timestamp)
			: memory_format("Stripe-Signature: %s\r\n", value);
	free(timestamp);
	return lines;
}

static int
post_timed(struct gateway_run *g, enum sign_scheme scheme, int64_t at,
	const char *body)
{
	char *lines = timed_lines(scheme, at, body);
	int status = post(g, sign_scheme_name(scheme), lines, body);

	free(lines);
	return status;
}

/* ---- what becomes an event ---- */

#define ALL_THREE                                                              \
	GITHUB ", slack: {sign: slack, secrets: [" SECRET "]}, "               \
	       "stripe: {sign: stripe, secrets: [" SECRET "]}"

Test(webhook, each_sender_is_heard)
{
	struct gateway_run *g = start(ALL_THREE);

	cr_expect_eq(post_github(g, "72d3162e-cc78"), 200);
	expect_event(g, "webhook.github",
		"{\"content_type\":\"application/json\",\"hook\":\"github\","
		"\"id\":\"72d3162e-cc78\",\"json\":{\"ref\":\"main\"},"
		"\"type\":\"push\"}");
	cr_expect_eq(post_timed(g, SIGN_SLACK, time(NULL),
			     "{\"type\":\"event_callback\",\"event_id\":"
			     "\"Ev1\",\"event\":{\"type\":\"message\"}}"),
		200);
	expect_event(g, "webhook.slack",
		"{\"hook\":\"slack\",\"id\":\"Ev1\",\"json\":{\"event\":"
		"{\"type\":\"message\"},\"event_id\":\"Ev1\",\"type\":"
		"\"event_callback\"},\"type\":\"message\"}");
	cr_expect_eq(post_timed(g, SIGN_STRIPE, time(NULL),
			     "{\"id\":\"evt_1\",\"type\":\"charge.failed\"}"),
		200);
	expect_event(g, "webhook.stripe",
		"{\"hook\":\"stripe\",\"id\":\"evt_1\",\"json\":{\"id\":"
		"\"evt_1\",\"type\":\"charge.failed\"},\"type\":"
		"\"charge.failed\"}");
	run_end(g);
}

Test(webhook, settings_name_the_event_and_what_goes_along)
{
	struct gateway_run *g =
		start("plain: {sign: none, event: deploy.asked, "
		      "headers: [X-Who, X-None], id_header: X-Run}");

	cr_expect_eq(post(g, "plain", "X-Who: me\r\nx-run: 7\r\n", "now"), 200);
	expect_event(g, "deploy.asked",
		"{\"headers\":{\"X-Who\":\"me\"},\"hook\":\"plain\","
		"\"id\":\"7\",\"text\":\"now\"}");
	cr_expect_eq(post(g, "plain", "X-Who: me\r\n", "now"), 400);
	expect_events(g, "deploy.asked", 1);
	run_end(g);
}

/* The signature is of the bytes, whatever they are. */
Test(webhook, any_bytes_are_a_body)
{
	static const char body[] = "\xff\x00{\"a\"";
	struct gateway_run *g = start(GITHUB);
	char *lines = github_lines(SECRET, "1", body, sizeof(body));
	struct answer a =
		post_bytes(g->http, "github", lines, body, sizeof(body));

	cr_expect_eq(a.status, 200);
	expect_event(g, "webhook.github",
		"{\"base64\":\"/wB7ImEiAA==\",\"content_type\":"
		"\"application/json\",\"hook\":\"github\",\"id\":\"1\","
		"\"type\":\"push\"}");
	answer_finish(&a);
	free(lines);
	run_end(g);
}

static char *
body_folder(struct gateway_run *g)
{
	return memory_format("%s/state/data/webhook/bodies", g->dir);
}

/* Its file has each byte of it. */
static void
expect_stored(struct gateway_run *g, const void *body, size_t bytes)
{
	json_t *all = events(g, "webhook.github");
	json_t *data = json_array_get(all, 0);
	const char *path = json_string_value(json_object_get(data, "file"));
	char hash[SIGN_HEX_BYTES], *text;

	cr_expect_eq(json_array_size(all), 1);
	cr_assert(path);
	text = files_read(path);
	cr_expect(text && !memcmp(text, body, bytes));
	sign_hash(body, bytes, hash);
	cr_expect_str_eq(
		json_string_value(json_object_get(data, "sha256")), hash);
	cr_expect_eq((size_t)json_integer_value(json_object_get(data, "bytes")),
		bytes);
	free(text);
	json_decref(all);
}

Test(webhook, a_body_that_no_event_can_carry_is_in_a_file)
{
	struct gateway_run *g =
		start("github: {sign: github, secrets: [" SECRET
		      "], body_limit: 3MiB}, small: {sign: none, body_limit: "
		      "9B}");
	size_t most = 3 * 1024 * 1024;
	char *body = malloc(most + 2), *folder = body_folder(g);

	for (size_t i = 0; i <= most + 1; i++)
		body[i] = (char)('a' + i % 23);
	for (size_t bytes = most; bytes <= most + 1; bytes++) {
		char *lines = github_lines(SECRET, "1", body, bytes);
		struct answer a =
			post_bytes(g->http, "github", lines, body, bytes);

		cr_expect_eq(
			a.status, bytes == most ? 200 : 413, "%d", a.status);
		answer_finish(&a);
		free(lines);
	}
	expect_stored(g, body, most);
	cr_expect_eq(files_count(folder), 1);
	cr_expect_eq(post(g, "small", "", "123456789"), 200);
	cr_expect_eq(post(g, "small", "", "1234567890"), 413);
	free(body);
	free(folder);
	run_end(g);
}

Test(webhook, what_is_not_taken_leaves_no_file)
{
	struct gateway_run *g = start("github: {sign: github, secrets: [" SECRET
				      "], event: reload.faked}");
	char *body = calloc(1, 100001), *folder = body_folder(g);

	memset(body, 'x', 100000);
	cr_expect_eq(post_github_by(g, SECRET, "1", body), 503);
	cr_expect_eq(files_count(folder), 0);
	set(g, GITHUB);
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(post_github_by(g, SECRET, "1", body), 200);
	expect_stored(g, body, 100000);
	free(body);
	free(folder);
	run_end(g);
}

Test(webhook, slacks_challenge_is_given_back)
{
	static const char body[] =
		"{\"type\":\"url_verification\",\"challenge\":\"3eZbrw\"}";
	struct gateway_run *g = start(ALL_THREE);
	char *lines = timed_lines(SIGN_SLACK, time(NULL), body);
	struct answer a =
		post_bytes(g->http, "slack", lines, body, strlen(body));

	cr_expect_eq(a.status, 200);
	cr_expect_str_eq(a.body, "3eZbrw");
	answer_finish(&a);
	cr_expect_eq(post(g, "slack", "", body), 401);
	cr_expect_eq(post_timed(g, SIGN_SLACK, time(NULL),
			     "{\"type\":\"url_verification\"}"),
		400);
	expect_events(g, "webhook.slack", 0);
	free(lines);
	run_end(g);
}

/* ---- what is refused ---- */

static void
expect_refusal(struct gateway_run *g, const char *hook, const char *lines,
	const char *body)
{
	struct answer a = post_bytes(g->http, hook, lines, body, strlen(body));

	cr_expect_eq(a.status, 401, "%s", lines);
	cr_expect(a.body && !strcmp(a.body, REFUSAL), "%s", a.body);
	answer_finish(&a);
}

Test(webhook, no_changed_byte_gets_through)
{
	static const char body[] = "{\"n\": 1}";
	struct gateway_run *g = start(GITHUB);
	char *lines = github_lines(SECRET, "1", body, strlen(body));
	size_t begin = strlen("X-Hub-Signature-256: ");

	for (size_t i = 0; i < strlen(body); i++) {
		char changed[sizeof(body)];

		memcpy(changed, body, sizeof(body));
		changed[i] ^= 1;
		expect_refusal(g, "github", lines, changed);
	}
	for (size_t i = begin; lines[i] != '\r'; i++) {
		lines[i] ^= 1;
		expect_refusal(g, "github", lines, body);
		lines[i] ^= 1;
	}
	expect_events(g, "webhook.github", 0);
	cr_expect_eq(post(g, "github", lines, body), 200);
	expect_events(g, "webhook.github", 1);
	free(lines);
	run_end(g);
}

Test(webhook, each_fault_of_a_signature_has_the_same_answer)
{
	static const char body[] = "{\"id\": \"evt_1\"}";
	struct gateway_run *g = start(ALL_THREE);
	int64_t now = time(NULL);
	char *good = github_lines(SECRET, "1", body, strlen(body));
	char *other = github_lines("wrong secret", "1", body, strlen(body));
	char *twice = memory_format("%s%s", good, good);
	char *late = timed_lines(SIGN_STRIPE, now - 400, body);
	char *early = timed_lines(SIGN_SLACK, now + 4000, body);
	char *untimed = timed_lines(SIGN_SLACK, now, body);

	*strstr(untimed, "X-Slack-Request") = 0;
	expect_refusal(g, "github", "", body);
	expect_refusal(g, "github", "X-Hub-Signature-256: \r\n", body);
	expect_refusal(g, "github", "X-Hub-Signature-256: sha256=0\r\n", body);
	expect_refusal(g, "github", other, body);
	expect_refusal(g, "github", twice, body);
	expect_refusal(g, "stripe", late, body);
	expect_refusal(g, "stripe", "Stripe-Signature: t=1\r\n", body);
	expect_refusal(g, "slack", early, body);
	expect_refusal(g, "slack", untimed, body);
	run_await_log(g, 0, "github: refused a delivery from ");
	cr_expect(!run_log_has(g, 0, SECRET));
	cr_expect_eq(post(g, "nobody", good, body), 404);
	free(good);
	free(other);
	free(twice);
	free(late);
	free(early);
	free(untimed);
	run_end(g);
}

Test(webhook, refusals_do_not_fill_the_log)
{
	struct gateway_run *g = start(GITHUB);
	unsigned lines;

	for (int i = 0; i < 300; i++)
		cr_assert_eq(post(g, "github", "", "x"), 401);
	lines = capture_count(&g->log, 0, "refused a delivery");
	cr_expect(lines >= 1 && lines < 150, "%u lines", lines);
	run_end(g);
}

/* ---- deliveries that come again ---- */

Test(webhook, a_second_delivery_is_no_event_whatever_lies_between)
{
	struct gateway_run *g = start(ALL_THREE);
	const char *stripe = "{\"id\":\"evt_1\",\"type\":\"a\"}";
	long pid;

	cr_expect_eq(post_github(g, "1"), 200);
	cr_expect_eq(post_timed(g, SIGN_STRIPE, time(NULL), stripe), 200);
	cr_expect_eq(post_github(g, "1"), 200);
	ctl_destroy(ctl_expect(
		g, 0, "reload", "webhook", "--wait", "settled", NULL));
	cr_expect_eq(post_github(g, "1"), 200);
	cr_expect_eq(post_github(g, "2"), 200);
	pid = ctl_status_number(g, "webhook", "pid");
	run_announce(g, "webhook");
	cr_assert(!kill((pid_t)pid, SIGKILL));
	ctl_await_number(g, "webhook", "generation", 3);
	ctl_await_state(g, "webhook", "serving");
	cr_expect_eq(post_github(g, "1"), 200);
	cr_expect_eq(post_github(g, "2"), 200);
	cr_expect_eq(post_timed(g, SIGN_STRIPE, time(NULL) + 1, stripe), 200);
	expect_events(g, "webhook.github", 2);
	expect_events(g, "webhook.stripe", 1);
	run_end(g);
}

/* A slash command has no id; the same bytes with the same time are a replay. */
Test(webhook, a_replayed_form_is_known_by_its_signature)
{
	struct gateway_run *g = start(ALL_THREE);
	const char *form = "command=%2Fdeploy&text=now";
	int64_t now = time(NULL);

	cr_expect_eq(post_timed(g, SIGN_SLACK, now, form), 200);
	cr_expect_eq(post_timed(g, SIGN_SLACK, now, form), 200);
	expect_events(g, "webhook.slack", 1);
	cr_expect_eq(post_timed(g, SIGN_SLACK, now - 1, form), 200);
	expect_events(g, "webhook.slack", 2);
	cr_expect_eq(post_timed(g, SIGN_SLACK, now - 400, form), 401);
	expect_events(g, "webhook.slack", 2);
	run_end(g);
}

Test(webhook, deliveries_are_remembered_over_a_restart_of_supd)
{
	struct gateway_run *g = start(GITHUB);

	cr_expect_eq(post_github(g, "1"), 200);
	run_signal(g, SIGTERM);
	cr_assert_eq(run_wait(g), 0);
	run_start(g);
	cr_expect_eq(post_github(g, "1"), 200);
	cr_expect_eq(post_github(g, "2"), 200);
	{
		json_t *all = events(g, "webhook.github");
		const char *last = json_string_value(json_object_get(
			json_array_get(all, json_array_size(all) - 1), "id"));

		cr_expect(last && !strcmp(last, "2"), "%s", last);
		json_decref(all);
	}
	run_end(g);
}

/* The old worker exported before the new one took it. */
/* It ends between two callbacks, not within one. Several times, because its
 * link, which ends it too, is closed at the same moment. */
Test(webhook, a_stop_of_supd_does_not_interrupt_it)
{
	struct gateway_run *g = start(GITHUB);
	size_t before;

	for (int i = 0; i < 5; i++) {
		cr_expect_eq(post_github(g, "1"), 200);
		run_signal(g, SIGTERM);
		cr_assert_eq(run_wait(g), 0);
		cr_expect_eq(capture_count(&g->log, 0, "killed by signal"), 0);
		run_start(g);
	}
	before = capture_length(&g->log);
	run_announce(g, "exit status 0");
	kill((pid_t)ctl_status_number(g, "webhook", "pid"), SIGTERM);
	run_await_log(g, before, "stopping->dead exit status 0");
	ctl_await_state(g, "webhook", "serving");
	run_end(g);
}

Test(webhook, a_revert_knows_what_the_new_worker_took)
{
	struct gateway_run *g = run_create();
	pid_t pid;

	run_package(g, "webhook", "webhook");
	set(g, GITHUB);
	run_defaults(g, "probation: 60s");
	run_start(g);
	cr_expect_eq(post_github(g, "1"), 200);
	ctl_destroy(ctl_expect(g, 0, "reload", "webhook", NULL));
	cr_expect_eq(post_github(g, "2"), 200);
	pid = (pid_t)ctl_status_number(g, "webhook", "pid");
	run_announce(g, "webhook");
	cr_assert(!kill(pid, SIGKILL));
	ctl_await_number(g, "webhook", "generation", 1);
	cr_expect_eq(post_github(g, "2"), 200);
	cr_expect_eq(post_github(g, "3"), 200);
	expect_events(g, "webhook.github", 3);
	run_end(g);
}

/* supd refuses the event's name: its sender is to come again, and it is taken
 * as soon as the settings are right. */
Test(webhook, what_supd_does_not_take_is_asked_for_again)
{
	struct gateway_run *g = start("github: {sign: github, secrets: [" SECRET
				      "], event: reload.faked}");
	char *lines = github_lines(SECRET, "1", "{}", 2);
	struct answer a = post_bytes(g->http, "github", lines, "{}", 2);

	cr_expect_eq(a.status, 503);
	cr_expect(answer_header(&a, "Retry-After"));
	answer_finish(&a);
	run_await_log(g, 0, "a delivery was not taken");
	set(g, GITHUB);
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(post(g, "github", lines, "{}"), 200);
	expect_events(g, "webhook.github", 1);
	free(lines);
	run_end(g);
}

/* An observer that never answers has a queue of 16 MiB. */
Test(webhook, what_a_busy_gateway_does_not_take_is_asked_for_again)
{
	struct gateway_run *g = run_create();
	char *body = calloc(1, 60001), id[20] = "";
	int status = 200;

	memset(body, 'x', 60000);
	run_package(g, "webhook", "webhook");
	run_package(g, "hooks", "hooks");
	set(g, GITHUB);
	run_plugin(g, "hooks",
		"drain_timeout: 1s, settings: {event: \"webhook.*\", "
		"mode: hang, timeout_ms: 3600000}");
	run_start(g);
	for (unsigned i = 0; i < 1000 && status == 200; i++) {
		snprintf(id, sizeof(id), "id-%u", i);
		status = post_github_by(g, SECRET, id, body);
	}
	cr_expect_eq(status, 503, "%d", status);
	run_await_log(g, 0, "too many events wait for hook");
	ctl_destroy(ctl_expect(g, 0, "disable", "hooks", NULL));
	cr_expect_eq(post_github_by(g, SECRET, id, body), 200);
	free(body);
	run_end(g);
}

Test(webhook, the_status_counts_deliveries)
{
	struct gateway_run *g = start(GITHUB);
	struct ctl *c;

	cr_expect_eq(post_github(g, "1"), 200);
	cr_expect_eq(post_github(g, "1"), 200);
	cr_expect_eq(post_github(g, "2"), 200);
	cr_expect_eq(post(g, "github", "", "x"), 401);
	c = ctl_expect(g, 0, "call", "method", "webhook.status", NULL);
	cr_expect_eq(ctl_number(c, "deliveries.taken"), 2);
	cr_expect_eq(ctl_number(c, "deliveries.again"), 1);
	cr_expect_eq(ctl_number(c, "deliveries.refused"), 1);
	cr_expect_eq(ctl_number(c, "deliveries.later"), 0);
	ctl_destroy(c);
	run_end(g);
}

/* ---- settings ---- */

Test(webhook, secrets_are_rotated_without_a_reload)
{
	struct gateway_run *g =
		start("github: {sign: github, secrets: [" OLD_SECRET "]}");

	cr_expect_eq(post_github_by(g, OLD_SECRET, "1", "{}"), 200);
	cr_expect_eq(post_github_by(g, SECRET, "2", "{}"), 401);
	set(g, "github: {sign: github, secrets: [" SECRET ", " OLD_SECRET "]}");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(post_github_by(g, SECRET, "2", "{}"), 200);
	cr_expect_eq(post_github_by(g, OLD_SECRET, "3", "{}"), 200);
	cr_expect_eq(post_github_by(g, OLD_SECRET, "1", "{}"), 200);
	set(g, GITHUB ", other: {sign: none}");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(post_github_by(g, OLD_SECRET, "4", "{}"), 401);
	cr_expect_eq(post_github_by(g, SECRET, "4", "{}"), 200);
	cr_expect_eq(post(g, "other", "", "x"), 200);
	cr_expect_eq(ctl_status_number(g, "webhook", "generation"), 1);
	expect_events(g, "webhook.github", 4);
	run_end(g);
}

Test(webhook, a_larger_limit_takes_a_reload)
{
	struct gateway_run *g = start("small: {sign: none, body_limit: 1KiB}");

	set(g, GITHUB ", large: {sign: none}");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(ctl_status_number(g, "webhook", "generation"), 2);
	cr_expect_eq(post(g, "large", "", "x"), 200);
	run_end(g);
}

Test(webhook, a_setting_that_is_wrong_is_named_and_changes_nothing)
{
	struct gateway_run *g = start(GITHUB);
	struct ctl *c;

	set(g, "github: {sign: github, secrets: [short]}");
	run_write_config(g);
	run_announce(g, "webhook");
	run_announce(g, "init of plugin");
	c = ctl_run(g, "apply", NULL);
	cr_expect_neq(c->exit_code, 0);
	cr_expect(strstr(c->out,
			  "endpoints.github: secrets: number 1 is shorter"),
		"%s", c->out);
	ctl_destroy(c);
	cr_expect_eq(post_github(g, "1"), 200);
	run_end(g);
}

Test(webhook, without_settings_it_does_not_start)
{
	struct gateway_run *g = run_create();

	run_package(g, "webhook", "webhook");
	run_plugin(g, "webhook", "use: webhook");
	run_announce(g, "webhook");
	run_announce(g, "init of plugin");
	g->may_grow = true;
	run_spawn(g);
	run_await_log(g, 0, "there are neither endpoints nor targets");
	run_end(g);
}

/* ---- reloads under load ---- */

#define SENDERS 4
#define RELOADS 20
#define PER_RELOAD                                                             \
	40 /* all of them are in the ring of the last 1000 events              \
	    */

struct senders {
	struct gateway_run *run;
	atomic_bool stop;
	atomic_uint next, allowed, taken, wrong;
};

/* Until it is answered other than by "come again". */
static int
post_until_answered(struct gateway_run *g, const char *lines, const char *body)
{
	int status;

	do
		status = post(g, "github", lines, body);
	while (status == 503 || status == 502 || !status);
	return status;
}

/* One delivery until it is taken, as GitHub would redeliver it; then once more,
 * as if the answer had been lost. */
static void
deliver(struct senders *s, unsigned number)
{
	char *id = memory_format("id-%u", number);
	char *body = memory_format("{\"n\":%u}", number);
	char *lines = github_lines(SECRET, id, body, strlen(body));
	bool good = post_until_answered(s->run, lines, body) == 200 &&
		    post_until_answered(s->run, lines, body) == 200;

	atomic_fetch_add(good ? &s->taken : &s->wrong, 1);
	free(id);
	free(body);
	free(lines);
}

static void *
send_on(void *user)
{
	struct senders *s = user;

	while (!atomic_load(&s->stop))
		if (atomic_load(&s->next) < atomic_load(&s->allowed))
			deliver(s, atomic_fetch_add(&s->next, 1));
		else
			sched_yield();
	return NULL;
}

static void
await_taken(struct senders *s, unsigned count)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	while (atomic_load(&s->taken) < count) {
		cr_assert_lt(clock_ms(), until, "only %u are taken",
			atomic_load(&s->taken));
		sched_yield();
	}
}

Test(webhook, each_delivery_is_one_event_over_reloads)
{
	struct gateway_run *g = start(GITHUB);
	struct senders s = {.run = g};
	char seen[RELOADS * PER_RELOAD + SENDERS] = "";
	pthread_t threads[SENDERS];
	json_t *all;

	for (size_t i = 0; i < SENDERS; i++)
		cr_assert(!pthread_create(&threads[i], NULL, send_on, &s));
	for (unsigned i = 0; i < RELOADS; i++) {
		atomic_fetch_add(&s.allowed, PER_RELOAD);
		ctl_destroy(ctl_expect(g, 0, "reload", "webhook", NULL));
		await_taken(&s, i * PER_RELOAD);
	}
	await_taken(&s, RELOADS * PER_RELOAD);
	atomic_store(&s.stop, true);
	for (size_t i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(atomic_load(&s.wrong), 0);
	all = events(g, "webhook.github");
	for (size_t i = 0; i < json_array_size(all); i++) {
		size_t n = (size_t)json_integer_value(json_object_get(
			json_object_get(json_array_get(all, i), "json"), "n"));

		cr_assert_lt(n, sizeof(seen));
		cr_expect(!seen[n], "%zu is there twice", n);
		seen[n] = 1;
	}
	cr_expect_eq(json_array_size(all), atomic_load(&s.taken));
	json_decref(all);
	run_end(g);
}

#define KILLS 5

/* That of another worker than the last one, which may be dying still. */
static long
await_other_pid(struct gateway_run *g, long last)
{
	long pid;

	do
		pid = ctl_status_number(g, "webhook", "pid");
	while (pid <= 0 || pid == last);
	return pid;
}

/* A worker that dies between supd's taking an event and its own note leaves a
 * delivery that comes again, under the same id: so there may be as many doubles
 * as were on their way, but none is lost. */
Test(webhook, kills_lose_no_delivery)
{
	struct gateway_run *g = start(GITHUB);
	struct senders s = {.run = g};
	unsigned seen[KILLS * PER_RELOAD + SENDERS] = {0}, doubles = 0;
	pthread_t threads[SENDERS];
	json_t *all;
	long pid = 0;

	run_announce(g, "webhook");
	for (size_t i = 0; i < SENDERS; i++)
		cr_assert(!pthread_create(&threads[i], NULL, send_on, &s));
	for (unsigned i = 0; i < KILLS; i++) {
		pid = await_other_pid(g, pid);
		atomic_fetch_add(&s.allowed, PER_RELOAD);
		await_taken(&s, i * PER_RELOAD + PER_RELOAD / 2);
		cr_assert(!kill((pid_t)pid, SIGKILL));
		await_taken(&s, (i + 1) * PER_RELOAD);
	}
	atomic_store(&s.stop, true);
	for (size_t i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(atomic_load(&s.wrong), 0);
	all = events(g, "webhook.github");
	for (size_t i = 0; i < json_array_size(all); i++) {
		size_t n = (size_t)json_integer_value(json_object_get(
			json_object_get(json_array_get(all, i), "json"), "n"));

		cr_assert_lt(n, sizeof(seen) / sizeof(seen[0]));
		doubles += seen[n]++ != 0;
	}
	for (unsigned n = 0; n < KILLS * PER_RELOAD; n++)
		cr_expect(seen[n], "%u is lost", n);
	cr_expect_leq(doubles, KILLS * SENDERS, "%u doubles", doubles);
	json_decref(all);
	run_end(g);
}
