/* fault: a plugin that misbehaves as settings.mode says, for tests of what
 * the gateway makes of it. FAULT_MODE in the environment names a mode too.
 * Settings come with hello's answer, so the modes that fail before hello
 * (raw.c) need that variable or the manifest's own settings; from the config's
 * settings they do the same harm after hello. Whatever the mode, these are
 * there, each path behind settings.prefix:
 *
 *   GET /fault             JSON: plugin, generation, pid, cancelled, settings
 *   GET /fault/slow?MS     answers after MS milliseconds
 *   GET /fault/hang?MS     blocks the whole worker for MS milliseconds
 *   GET /fault/crash       kills the worker
 *   GET /fault/stream?KIB  answers KIB KiB in pieces under credit
 *   GET /fault/slow_stream?N  the same of N KiB, begun after N milliseconds
 *   GET /fault/big?KIB     answers KIB KiB at once
 *   GET /fault/reload      asks for its own reload, answers with the receipt
 *   GET /fault/env         the environment, one variable a line
 *   POST /fault/echo       the body back
 *   POST /fault/emit?N     emits the event that the body names, N times
 *   GET /fault/extra       only with settings.extra
 *   tool fault, method fault, command fault: their arguments back; with
 *     "fail": CODE they fail so, with "sleep": MS they take that long */
#include <ev.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
#include <unistd.h>

#include "fault.h"

static const char *mode = "";
static int cancelled;

static bool
is(const char *name)
{
	return !strcmp(mode, name);
}

/* ---- later ---- */

struct later {
	ev_timer timer;
	void (*fn)(void *user);
	void *user;
};

static void
later_fire(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct later *later = (struct later *)timer;

	later->fn(later->user);
	free(later);
}

static void
in_ms(struct sup *p, double ms, void (*fn)(void *user), void *user)
{
	struct later *later = calloc(1, sizeof(*later));

	if (!later)
		abort();
	later->fn = fn;
	later->user = user;
	ev_now_update(sup_loop(p));
	ev_timer_init(&later->timer, later_fire, ms / 1000, 0);
	ev_timer_start(sup_loop(p), &later->timer);
}

static void
die(void *user)
{
	fprintf(stderr, "fault: dying now\n");
	fflush(NULL);
	kill(getpid(), SIGKILL);
}

static void
quit(void *user)
{
	fprintf(stderr, "fault: exiting now\n");
	fflush(NULL);
	_exit(9);
}

static void
say_ready(void *user)
{
	sup_ready(user);
}

static long
query_number(struct sup_req *req, long fallback)
{
	const char *query = sup_req_query(req);

	return *query ? strtol(query, NULL, 10) : fallback;
}

/* ---- handlers ---- */

static void
count_cancel(struct sup_req *req, void *user)
{
	cancelled++;
}

static void
on_fault(struct sup_req *req, void *user)
{
	static char *leaked;
	struct sup *p = sup_req_plugin(req);

	if (is("crash_on_request"))
		die(NULL);
	if (is("hang_on_request")) {
		sup_on_cancel(req, count_cancel, NULL);
		return;
	}
	if (is("garbage"))
		raw_garbage(raw_link_fd());
	if (is("leak") && (leaked = malloc(1 << 20)))
		memset(leaked, 1, 1 << 20);
	if (is("bad_header"))
		sup_reply_header(req, "X-Bad", "a\r\nX-Injected: b");
	if (is("error")) {
		sup_fail(req, SUP_FAILED, "told to fail");
		return;
	}
	sup_reply_json(req, 200,
		"{\"plugin\":%s,\"generation\":%u,\"pid\":%d,\"cancelled\":%d,"
		"\"mode\":%s}\n",
		sup_id(p), sup_generation(p), (int)getpid(), cancelled, mode);
	if (is("reply_twice"))
		sup_reply_text(req, 200, "again");
}

static void
slow_answer(void *user)
{
	struct sup_req *req = user;

	sup_reply_text(req, 200, "pid=%d\n", (int)getpid());
}

static void
on_slow(struct sup_req *req, void *user)
{
	sup_on_cancel(req, count_cancel, NULL);
	in_ms(sup_req_plugin(req), (double)query_number(req, 1000), slow_answer,
		req);
}

static void
on_hang(struct sup_req *req, void *user)
{
	poll(NULL, 0, (int)query_number(req, -1));
	slow_answer(req);
}

static void
on_crash(struct sup_req *req, void *user)
{
	die(NULL);
}

static void
on_env(struct sup_req *req, void *user)
{
	char text[16 * 1024];
	size_t length = 0;

	for (char **entry = environ; *entry; entry++) {
		int added = snprintf(
			text + length, sizeof(text) - length, "%s\n", *entry);

		if (length + (size_t)added >= sizeof(text))
			break;
		length += (size_t)added;
	}
	sup_reply(req, 200, "text/plain", text, length);
}

static void
on_echo(struct sup_req *req, void *user)
{
	size_t bytes;
	const void *body = sup_req_body(req, &bytes);

	sup_reply(req, 200, sup_req_header(req, "content-type"), body, bytes);
}

static void
on_big(struct sup_req *req, void *user)
{
	size_t bytes = (size_t)query_number(req, 8 * 1024) * 1024;
	char *body = malloc(bytes + 1);

	if (!body)
		abort();
	memset(body, 'b', bytes);
	sup_reply(req, 200, "text/plain", body, bytes);
	free(body);
}

struct stream {
	long left_kib;
};

static void
stream_more(struct sup_req *req, void *user)
{
	struct stream *stream = user;
	char piece[1024];
	int64_t credit = 1;

	memset(piece, 's', sizeof(piece));
	while (stream->left_kib > 0 && credit > 0)
		credit = sup_chunk(
			req, piece, sizeof(piece), --stream->left_kib > 0);
	if (credit < 0 && stream->left_kib > 0) {
		stream->left_kib = 0;
		sup_chunk(req, "", 0, false);
	}
	if (stream->left_kib <= 0)
		free(stream);
}

static void
stream_cancelled(struct sup_req *req, void *user)
{
	cancelled++;
	sup_chunk(req, "", 0, false);
	free(user);
}

static void
on_stream(struct sup_req *req, void *user)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		abort();
	stream->left_kib = query_number(req, 1024);
	if (stream->left_kib < 1)
		stream->left_kib = 1;
	sup_reply_begin(req, 200, "text/plain");
	sup_on_writable(req, stream_more, stream);
	sup_on_cancel(req, stream_cancelled, stream);
	stream_more(req, stream);
}

static void
stream_later(void *user)
{
	on_stream(user, NULL);
}

static void
on_slow_stream(struct sup_req *req, void *user)
{
	in_ms(sup_req_plugin(req), (double)query_number(req, 100), stream_later,
		req);
}

static void
on_reloaded(struct sup *p, const char *error, const char *result, void *user)
{
	if (error)
		sup_fail(user, SUP_FAILED, "%s", error);
	else
		sup_reply(
			user, 200, "application/json", result, strlen(result));
}

static void
on_reload(struct sup_req *req, void *user)
{
	struct sup *p = sup_req_plugin(req);
	char args[128];

	snprintf(args, sizeof(args), "{\"pluginId\":\"%s\"}", sup_id(p));
	if (sup_call(p, "method", "plugins.reload", args, 0, on_reloaded, req))
		sup_fail(req, SUP_FAILED, "the call could not be made");
}

static void
on_emit(struct sup_req *req, void *user)
{
	size_t bytes;
	const char *body = sup_req_body(req, &bytes);
	char name[300], data[40];

	snprintf(name, sizeof(name), "%.*s", (int)bytes, body);
	for (long i = 0; i < query_number(req, 1); i++) {
		snprintf(data, sizeof(data), "{\"n\":%ld}", i);
		sup_emit(sup_req_plugin(req), name, data);
	}
	sup_reply_text(req, 200, "emitted\n");
}

static void
late_args(void *user)
{
	sup_reply_text(user, 200, "slept");
}

static void
on_args(struct sup_req *req, void *user)
{
	int64_t code = sup_req_arg_int(req, "fail", -1);
	int64_t sleep_ms = sup_req_arg_int(req, "sleep", -1);

	if (code >= 0) {
		sup_fail(req, (enum sup_error)code, "told to fail");
		return;
	}
	if (sleep_ms >= 0) {
		in_ms(sup_req_plugin(req), (double)sleep_ms, late_args, req);
		return;
	}
	sup_reply(req, 200, NULL, sup_req_args_json(req),
		strlen(sup_req_args_json(req)));
}

static void
on_command(struct sup_req *req, void *user)
{
	sup_reply_text(req, 200, "%s", sup_req_text(req));
}

static void
on_health(struct sup_req *req, void *user)
{
	if (is("hang_health"))
		return;
	if (is("fail_health"))
		sup_fail(req, SUP_FAILED, "told to be unhealthy");
	else
		sup_ok(req);
}

/* ---- what goes on by itself ---- */

static ev_check watch_link;
static ev_idle flood;

/* Sees the link end before the host does, and never comes back. */
static void
outlive_link(struct ev_loop *loop, ev_check *w, int events)
{
	struct pollfd link = {.fd = raw_link_fd(), .events = POLLRDHUP};

	if (link.fd >= 0 && poll(&link, 1, 0) <= 0)
		return;
	for (;;)
		pause();
}

static void
flood_more(struct ev_loop *loop, ev_idle *w, int events)
{
	static int64_t left_bytes = 64 << 20;

	for (int i = 0; i < 100; i++)
		sup_log(w->data, SUP_INFO, "%0999d", i);
	left_bytes -= 100 * 1000;
	if (left_bytes < 0)
		ev_idle_stop(loop, w);
}

static void
flood_output(void)
{
	for (int i = 0; i < 200000; i++)
		printf("fault: line %d of a flood of output\n", i);
	fflush(stdout);
}

static void
start_mischief(struct sup *p)
{
	int64_t crash_ms = sup_setting_int(p, "crash_after_ms", -1);

	if (is("exit_after_swap"))
		in_ms(p, (double)sup_setting_int(p, "exit_after_ms", 300), quit,
			NULL);
	if (crash_ms >= 0)
		in_ms(p, (double)crash_ms, die, NULL);
	if (is("ignore_term")) {
		signal(SIGTERM, SIG_IGN);
		ev_check_init(&watch_link, outlive_link);
		ev_set_priority(&watch_link, EV_MAXPRI);
		ev_check_start(sup_loop(p), &watch_link);
	}
	if (is("flood")) {
		ev_idle_init(&flood, flood_more);
		flood.data = p;
		ev_idle_start(sup_loop(p), &flood);
	}
	if (is("flood_output"))
		flood_output();
}

/* ---- starting ---- */

static int
offer_all(struct sup *p)
{
	static const struct {
		const char *method, *path;
		sup_handler *handler;
	} routes[] = {
		{"GET", "/fault", on_fault},
		{"GET", "/fault/slow", on_slow},
		{"GET", "/fault/hang", on_hang},
		{"GET", "/fault/crash", on_crash},
		{"GET", "/fault/stream", on_stream},
		{"GET", "/fault/slow_stream", on_slow_stream},
		{"GET", "/fault/big", on_big},
		{"GET", "/fault/reload", on_reload},
		{"GET", "/fault/env", on_env},
		{"POST", "/fault/echo", on_echo},
		{"POST", "/fault/emit", on_emit},
		{"GET", "/fault/extra", on_fault},
	};
	const char *prefix = sup_setting_string(p, "prefix", "");
	size_t count = sizeof(routes) / sizeof(routes[0]);
	char path[256];

	if (!sup_setting_bool(p, "extra", false))
		count--;
	for (size_t i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s%s", prefix, routes[i].path);
		if (sup_http(p, routes[i].method, path,
			    is("big_reply") && !i ? on_big : routes[i].handler,
			    NULL))
			return -1;
	}
	if (is("conflict") &&
		sup_http(p, "GET",
			sup_setting_string(p, "conflict_path", "/hello"),
			on_fault, NULL))
		return -1;
	return sup_tool(p, "fault", "gives its arguments back",
		       "{\"description\":\"anything\"}", on_args, NULL) ||
	       sup_method(p, "fault", on_args, NULL) ||
	       sup_command(p, "fault", "says it back", on_command, NULL);
}

static void
leave_marker(struct sup *p)
{
	const char *path = sup_setting_string(p, "marker", NULL);
	FILE *file = path ? fopen(path, "a") : NULL;

	if (!file)
		return;
	fprintf(file, "%u\n", sup_generation(p));
	fclose(file);
}

static int
init(struct sup *p)
{
	mode = sup_setting_string(p, "mode", mode);
	fprintf(stderr, "fault: starting in mode '%s'\n", mode);
	leave_marker(p);
	raw_run_late(mode);
	if (is("exit_at_start")) {
		fprintf(stderr, "fault: exiting at start\n");
		exit(3);
	}
	if (is("fail_init"))
		return SUP_FAILED_TO_START;
	while (is("hang_at_start"))
		pause();
	if (is("registers_nothing"))
		return SUP_STARTED;
	sup_health(p, on_health, NULL);
	if (offer_all(p))
		return SUP_FAILED_TO_START;
	start_mischief(p);
	if (is("never_ready"))
		return SUP_STARTS_LATER;
	if (is("slow_start")) {
		in_ms(p, (double)sup_setting_int(p, "start_ms", 300), say_ready,
			p);
		return SUP_STARTS_LATER;
	}
	return SUP_STARTED;
}

SUP_PLUGIN("fault", "1.0.0", init)

__attribute__((constructor)) static void
before_the_host(void)
{
	const char *wanted = getenv("FAULT_MODE");

	if (!wanted)
		wanted = raw_mode_of_manifest();
	if (!wanted)
		return;
	mode = wanted;
	raw_run(mode);
}
