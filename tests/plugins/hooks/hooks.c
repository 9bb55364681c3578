/* hooks: hooks as settings want them, for tests/system/test_hooks.c. Each call
 * of a hook is a line of the file `calls` in the data folder:
 * "GENERATION HOOK EVENT DATA CONTEXT". Settings:
 *
 *   event, match       of the hooks; no event: none
 *   count              how many: h0, h1, … (1)
 *   idempotent         (false)
 *   timeout_ms         (the default)
 *   sleep              milliseconds before each answer
 *   mode               "hang": never answers; "die": ends the worker with the
 *                      first event that it is ever sent; "die_always";
 *                      "error": fails; "loop": emits test.loop each time
 *                      "lie": answers with data that will not do;
 *                      "gate": answers once the data folder has a file `open`;
 *                      "call": calls the tool `fault` first
 *   filter, priority, stop_on_error   of filters
 *   verdict            "change", "stop" or "claim" instead of "pass"
 *   key, mark          "change" puts the mark behind the text at KEY.marks, or
 *                      at KEY itself if `plain`
 *   data               JSON text that "change" answers with instead
 *   quiet              writes no line, as the bench wants to measure calls and
 *                      not the disk
 *   slow_start         milliseconds until it is ready
 *   prefix             of the paths below, "" */
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
#include <unistd.h>

static const char *mode = "";
static int64_t sleep_ms;
static char load_text[32];

static FILE *
open_file(struct sup *p, const char *name, const char *how)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", sup_data_dir(p), name);
	file = fopen(path, how);
	if (!file)
		abort();
	return file;
}

static void
record(struct sup_req *req)
{
	struct sup *p = sup_req_plugin(req);
	FILE *file = open_file(p, "calls", "a");

	fprintf(file, "%u %s %s %s %s\n", sup_generation(p), sup_req_name(req),
		sup_req_event(req), sup_req_args_json(req),
		sup_req_caller_json(req));
	fclose(file);
}

/* Whether this is the first time ever. */
static bool
is_first(struct sup *p, const char *mark)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", sup_data_dir(p), mark);
	if (access(path, F_OK) == 0)
		return false;
	fclose(open_file(p, mark, "w"));
	return true;
}

static void
change(struct sup_req *req)
{
	struct sup *p = sup_req_plugin(req);
	const char *key = sup_setting_string(p, "key", "args");
	bool plain = sup_setting_bool(p, "plain", false);
	const char *data = sup_setting_string(p, "data", NULL);
	char path[64], marks[256];

	if (data) {
		sup_change_value(req, data);
		return;
	}
	snprintf(path, sizeof(path), "%s%s", key, plain ? "" : ".marks");
	snprintf(marks, sizeof(marks), "%s%s",
		sup_req_arg_string(req, path, ""),
		sup_setting_string(p, "mark", "!"));
	if (plain)
		sup_change(req, "{%s:%s}", key, marks);
	else
		sup_change(req, "{%s:{\"marks\":%s}}", key, marks);
}

static void
answer(struct sup_req *req)
{
	const char *verdict =
		sup_setting_string(sup_req_plugin(req), "verdict", "pass");

	if (!strcmp(mode, "error"))
		sup_fail(req, SUP_FAILED, "as asked");
	else if (!strcmp(mode, "lie"))
		sup_change(req, "{\"nothing\":1}");
	else if (!strcmp(verdict, "change"))
		change(req);
	else if (!strcmp(verdict, "stop"))
		sup_stop(req, "not today");
	else if (!strcmp(verdict, "claim"))
		sup_claim(req, "%s", "claimed");
	else
		sup_ok(req);
}

static void
called(struct sup *p, const char *error, const char *result, void *user)
{
	answer(user);
}

struct later {
	ev_timer timer;
	struct sup_req *req;
};

static void
answer_now(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct later *later = (struct later *)timer;

	answer(later->req);
	free(later);
}

/* Answers when the file `open` is in the data folder. */
static void
answer_when_open(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct later *later = (struct later *)timer;
	char path[4096];

	snprintf(path, sizeof(path), "%s/open",
		sup_data_dir(sup_req_plugin(later->req)));
	if (access(path, F_OK) != 0)
		return;
	ev_timer_stop(loop, timer);
	answer_now(loop, timer, events);
}

static void
wait_at_gate(struct sup_req *req)
{
	struct later *later = calloc(1, sizeof(*later));

	if (!later)
		abort();
	later->req = req;
	ev_timer_init(&later->timer, answer_when_open, 0.01, 0.01);
	ev_timer_start(sup_loop(sup_req_plugin(req)), &later->timer);
}

static void
answer_later(struct sup_req *req)
{
	struct later *later = calloc(1, sizeof(*later));
	struct ev_loop *loop = sup_loop(sup_req_plugin(req));

	if (!later)
		abort();
	later->req = req;
	ev_now_update(loop);
	ev_timer_init(&later->timer, answer_now, (double)sleep_ms / 1e3, 0);
	ev_timer_start(loop, &later->timer);
}

static void
on_event(struct sup_req *req, void *user)
{
	struct sup *p = sup_req_plugin(req);

	if (!sup_setting_bool(p, "quiet", false))
		record(req);
	if (!strcmp(mode, "hang"))
		return;
	if (!strcmp(mode, "die_always") ||
		(!strcmp(mode, "die") && is_first(p, "died")))
		kill(getpid(), SIGKILL);
	if (!strcmp(mode, "call")) {
		sup_call(p, "tool", "fault", "{\"own\":1}", 0, called, req);
		return;
	}
	if (!strcmp(mode, "loop"))
		sup_emit(p, "test.loop", "{}");
	if (!strcmp(mode, "gate"))
		wait_at_gate(req);
	else if (sleep_ms)
		answer_later(req);
	else
		answer(req);
}

/* ---- what tests ask for ---- */

/* POST /emit?N: emits the event that the body names, N times, {"n": 0…}. */
static void
emit(struct sup_req *req, void *user)
{
	long count = strtol(sup_req_query(req), NULL, 10);
	const char *event = sup_req_body(req, NULL);
	char data[32];

	for (long i = 0; i < count; i++) {
		snprintf(data, sizeof(data), "{\"n\":%ld}", i);
		sup_emit(sup_req_plugin(req), event, data);
	}
	sup_ok(req);
}

struct taking {
	struct sup_req *req;
	long awaited, taken, busy, refused;
};

static void
took(struct sup *p, const char *error, const char *result, void *user)
{
	struct taking *t = user;

	if (result)
		t->taken++;
	else if (strstr(error, "too many events wait"))
		t->busy++;
	else
		t->refused++;
	if (--t->awaited)
		return;
	sup_reply_json(t->req, 200,
		"{\"taken\":%ld,\"busy\":%ld,\"refused\":%ld}", t->taken,
		t->busy, t->refused);
	free(t);
}

/* POST /take?N: the same by calls, which are answered. */
static void
take(struct sup_req *req, void *user)
{
	long count = strtol(sup_req_query(req), NULL, 10);
	const char *event = sup_req_body(req, NULL);
	struct taking *t = calloc(1, sizeof(*t));
	char data[32];

	if (!t)
		abort();
	t->req = req;
	t->awaited = count;
	for (long i = 0; i < count; i++) {
		snprintf(data, sizeof(data), "{\"n\":%ld}", i);
		sup_call(sup_req_plugin(req), "event", event, data, 0, took, t);
	}
}

/* 128 bytes, as tools/bench/load knows them. */
static void
answer_load(struct sup_req *req)
{
	sup_reply_text(req, 200, "%-127.127s\n", load_text);
}

static void
pong(struct sup_req *req, void *user)
{
	answer_load(req);
}

static void
tool_called(struct sup *p, const char *error, const char *result, void *user)
{
	if (error)
		sup_fail(user, SUP_FAILED, "%s", error);
	else
		answer_load(user);
}

/* GET /call: calls the tool `fault`. */
static void
call(struct sup_req *req, void *user)
{
	sup_call(sup_req_plugin(req), "tool", "fault", "{}", 0, tool_called,
		req);
}

static int
add_hooks(struct sup *p, const char *event)
{
	int64_t count = sup_setting_int(p, "count", 1);
	char name[32];

	for (int64_t i = 0; i < count; i++) {
		struct sup_hook_offer offer = {.event = event,
			.name = name,
			.handler = on_event,
			.match = sup_setting_string(p, "match", NULL),
			.timeout_ms =
				(uint32_t)sup_setting_int(p, "timeout_ms", 0),
			.idempotent = sup_setting_bool(p, "idempotent", false),
			.filter = sup_setting_bool(p, "filter", false),
			.priority = (int32_t)sup_setting_int(p, "priority", 0),
			.stop_on_error =
				sup_setting_bool(p, "stop_on_error", false)};

		snprintf(name, sizeof(name), "h%d", (int)i);
		if (sup_register_hook(p, &offer))
			return -1;
	}
	return 0;
}

static void
ready_now(struct ev_loop *loop, ev_timer *timer, int events)
{
	sup_ready(timer->data);
}

static int
start(struct sup *p)
{
	static ev_timer timer;
	int64_t ms = sup_setting_int(p, "slow_start", 0);

	if (!ms)
		return SUP_STARTED;
	ev_timer_init(&timer, ready_now, (double)ms / 1e3, 0);
	timer.data = p;
	ev_timer_start(sup_loop(p), &timer);
	return SUP_STARTS_LATER;
}

static int
init(struct sup *p)
{
	const char *event = sup_setting_string(p, "event", NULL);
	const char *prefix = sup_setting_string(p, "prefix", "");
	char path[64];

	mode = sup_setting_string(p, "mode", "");
	sleep_ms = sup_setting_int(p, "sleep", 0);
	snprintf(load_text, sizeof(load_text), "v=1;p=%d;", (int)getpid());
	if (event && add_hooks(p, event))
		return SUP_FAILED_TO_START;
	snprintf(path, sizeof(path), "%s/ping", prefix);
	if (sup_http(p, "GET", path, pong, NULL))
		return SUP_FAILED_TO_START;
	snprintf(path, sizeof(path), "%s/call", prefix);
	if (sup_http(p, "GET", path, call, NULL))
		return SUP_FAILED_TO_START;
	snprintf(path, sizeof(path), "%s/take", prefix);
	if (sup_http(p, "POST", path, take, NULL))
		return SUP_FAILED_TO_START;
	snprintf(path, sizeof(path), "%s/emit", prefix);
	if (sup_http(p, "POST", path, emit, NULL))
		return SUP_FAILED_TO_START;
	return start(p);
}

SUP_PLUGIN("hooks", "1.0.0", init)
