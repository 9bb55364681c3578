/* scenario-c: what tests/system/test_languages.c asks for, in C; the same
 * plugin stands in Python and Node beside it. */
#include <ctype.h>
#include <ev.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>

#include "hooks.h"

#define BIG_BYTES 1000000
#define LATE_SECONDS 0.5

static int cancelled, counted;

/* ---- health, settings, state ---- */

static void
configure(struct sup_req *req, void *user)
{
	if (!strcmp(sup_req_arg_string(req, "greeting", ""), "refused"))
		sup_fail(req, SUP_CONFLICT, "this greeting is not wanted");
	else
		sup_ok(req);
}

static void
health(struct sup_req *req, void *user)
{
	if (sup_setting_bool(sup_req_plugin(req), "sick", false))
		sup_fail(req, SUP_BUSY, "not well");
	else
		sup_ok(req);
}

static void
export_state(struct sup_req *req, void *user)
{
	char text[16];

	sup_reply_state(
		req, text, (size_t)snprintf(text, sizeof(text), "%d", counted));
}

static void
import_state(struct sup_req *req, void *user)
{
	uint32_t version;
	size_t size;
	const char *text = sup_req_state(req, &version, &size);

	if (version != 2) {
		sup_fail(req, SUP_VERSION, "only 2");
		return;
	}
	counted = atoi(text);
	sup_ok(req);
}

/* ---- answers ---- */

static void
hello(struct sup_req *req, void *user)
{
	sup_reply_json(req, 200, "{\"hello\":%s}", sup_req_param(req, "name"));
}

static void
text(struct sup_req *req, void *user)
{
	sup_reply_text(req, 200, "text\n");
}

static void
nothing(struct sup_req *req, void *user)
{
	sup_ok(req);
}

static void
teapot(struct sup_req *req, void *user)
{
	static const char body[] = "short and stout\n";

	sup_reply_header(req, "X-Kind", "tea");
	sup_reply(req, 418, "text/x-tea", body, strlen(body));
}

/* More than a message can carry. */
static void
heavy(struct sup_req *req, void *user)
{
	char value[4096];

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (int i = 0; i < 257; i++)
		sup_reply_header(req, "X-Heavy", value);
	sup_reply(req, 200, "text/plain", "", 0);
}

static void
fail(struct sup_req *req, void *user)
{
	static const char *const codes[] = {"bad_message", "version", "denied",
		"not_found", "conflict", "busy", "timeout", "cancelled",
		"too_large", "failed"};
	const char *code = sup_req_param(req, "code");
	int number = SUP_FAILED;

	while (number > 0 && strcmp(code, codes[number]))
		number--;
	sup_fail(req, (enum sup_error)number, "as asked");
}

static const char *
header_or_dash(struct sup_req *req, const char *name)
{
	const char *value = sup_req_header(req, name);

	return value ? value : "-";
}

static void
request(struct sup_req *req, void *user)
{
	sup_reply_text(req, 200, "%s %s %s %s %s\n", sup_req_method(req),
		sup_req_path(req), sup_req_query(req),
		header_or_dash(req, "X-One"), header_or_dash(req, "X-Two"));
}

static void
late_now(struct ev_loop *loop, ev_timer *timer, int events)
{
	sup_reply_text(timer->data, 200, "late\n");
	free(timer);
}

static void
late(struct sup_req *req, void *user)
{
	ev_timer *timer = malloc(sizeof(*timer));

	if (!timer)
		abort();
	ev_timer_init(timer, late_now, LATE_SECONDS, 0.);
	timer->data = req;
	ev_timer_start(sup_loop(sup_req_plugin(req)), timer);
}

static void
big(struct sup_req *req, void *user)
{
	char *body = malloc(BIG_BYTES);

	if (!body)
		abort();
	memset(body, 'x', BIG_BYTES);
	sup_reply(req, 200, "application/octet-stream", body, BIG_BYTES);
	free(body);
}

/* ---- pieces ---- */

static void
length(struct sup_req *req, void *user)
{
	size_t size;

	sup_req_body(req, &size);
	sup_reply_json(req, 200, "{\"length\":%zu}", size);
}

static void
sum_piece(struct sup_req *req, const void *bytes, size_t size, bool more,
	void *user)
{
	unsigned long long *sum = user;

	for (size_t i = 0; i < size; i++)
		*sum += ((const unsigned char *)bytes)[i];
	if (more)
		return;
	sup_reply_json(req, 200, "{\"sum\":%llu}", *sum);
	free(sum);
}

static void
sum(struct sup_req *req, void *user)
{
	sup_on_body(req, sum_piece, calloc(1, sizeof(unsigned long long)));
}

static void
echo_writable(struct sup_req *req, void *user)
{
	sup_resume(req);
}

static void
echo_piece(struct sup_req *req, const void *bytes, size_t size, bool more,
	void *user)
{
	if (sup_chunk(req, bytes, size, more) == 0 && more)
		sup_pause(req);
}

static void
echo_cancelled(struct sup_req *req, void *user)
{
	sup_chunk(req, "", 0, false);
}

static void
echo(struct sup_req *req, void *user)
{
	sup_reply_begin(req, 200, "application/octet-stream");
	sup_on_writable(req, echo_writable, NULL);
	sup_on_cancel(req, echo_cancelled, NULL);
	sup_on_body(req, echo_piece, NULL);
}

static void
pieces(struct sup_req *req, void *user)
{
	char piece[64];

	sup_reply_begin(req, 200, "text/plain; charset=utf-8");
	for (int n = 0; n < 3; n++)
		sup_chunk(req, piece,
			(size_t)snprintf(piece, sizeof(piece), "piece %d\n", n),
			n < 2);
}

static void
events(struct sup_req *req, void *user)
{
	char event[80];

	sup_reply_header(req, "Cache-Control", "no-cache");
	sup_reply_begin(req, 200, "text/event-stream");
	for (int n = 0; n < 3; n++)
		sup_chunk(req, event,
			(size_t)snprintf(event, sizeof(event),
				"event: tick\nid: %d\ndata: {\"n\":%d}\n\n", n,
				n),
			n < 2);
}

static void
cut(struct sup_req *req, void *user)
{
	sup_reply_begin(req, 200, "text/plain; charset=utf-8");
	sup_chunk(req, "begun\n", 6, true);
	sup_fail(req, SUP_FAILED, "given up");
}

/* ---- cancels ---- */

static void
wait_cancelled(struct sup_req *req, void *user)
{
	cancelled++;
	sup_fail(req, SUP_CANCELLED, "nobody waits");
}

static void
wait(struct sup_req *req, void *user)
{
	sup_on_cancel(req, wait_cancelled, NULL);
}

static void
tell_cancelled(struct sup_req *req, void *user)
{
	sup_reply_json(req, 200, "{\"cancelled\":%d}", cancelled);
}

/* ---- the gateway ---- */

static void
me(struct sup_req *req, void *user)
{
	struct sup *p = sup_req_plugin(req);

	sup_reply_json(req, 200,
		"{\"id\":%s,\"version\":%s,\"generation\":%u,\"greeting\":%s,"
		"\"port\":%lld,\"absent\":%s,\"other\":%s}",
		sup_id(p), sup_version(p), sup_generation(p),
		sup_setting_string(p, "greeting", "none"),
		(long long)sup_setting_int(p, "server.port", 0),
		sup_setting_string(p, "server.name", "absent"),
		sup_setting_string(p, "server.port", "no text"));
}

static void
called(struct sup *p, const char *error, const char *result, void *user)
{
	char *answer;

	if (asprintf(&answer, "{\"answer\":%s}", result ? result : "null") < 0)
		abort();
	sup_reply(user, 200, "application/json", answer, strlen(answer));
	free(answer);
}

static void
call(struct sup_req *req, void *user)
{
	sup_call(sup_req_plugin(req), "tool", "add", "{\"a\":20,\"b\":22}", 0,
		called, req);
}

static void
call_none(struct sup_req *req, void *user)
{
	sup_call(sup_req_plugin(req), "tool", "no-such-tool", NULL, 0, called,
		req);
}

/* ---- calls that lead to each other ---- */

struct next {
	const char *kind, *name, *args;
};

static void
passed_on(struct sup *p, const char *error, const char *result, void *user)
{
	if (error)
		sup_fail(user, SUP_CONFLICT, "%s", error);
	else
		sup_reply_value(user, 200, result, strlen(result));
}

static void
pass_on(struct sup_req *req, void *user)
{
	const struct next *next = user;

	sup_call(sup_req_plugin(req), next->kind, next->name, next->args, 0,
		passed_on, req);
}

static void
pass_on_now(struct ev_loop *loop, ev_timer *timer, int events)
{
	sup_req_call(timer->data, "command", "about", NULL, 0, passed_on,
		timer->data);
	free(timer);
}

/* Outside of the handler. */
static void
pass_on_later(struct sup_req *req, void *user)
{
	ev_timer *timer = malloc(sizeof(*timer));

	if (!timer)
		abort();
	ev_timer_init(timer, pass_on_now, 0., 0.);
	timer->data = req;
	ev_timer_start(sup_loop(sup_req_plugin(req)), timer);
}

static void
left(struct sup_req *req, void *user)
{
	sup_reply_json(req, 200, "%lld", (long long)sup_req_time_left_ms(req));
}

/* The second call is made in the callback of the first. */
static void
lend_again(struct sup *p, const char *error, const char *result, void *user)
{
	sup_call(p, "tool", "left", NULL, 0, passed_on, user);
}

static void
lend(struct sup_req *req, void *user)
{
	sup_call(sup_req_plugin(req), "tool", "left", NULL, 0, lend_again, req);
}

static const struct next to_around = {"method", "around", NULL},
			 to_again = {"tool", "again", NULL};

static void
log_line(struct sup_req *req, void *user)
{
	const char *level = sup_req_param(req, "level");

	sup_log(sup_req_plugin(req),
		!strcmp(level, "error")	 ? SUP_ERROR
		: !strcmp(level, "warn") ? SUP_WARN
		: !strcmp(level, "info") ? SUP_INFO
					 : SUP_DEBUG,
		"a line of the scenario");
	sup_ok(req);
}

static void
emit(struct sup_req *req, void *user)
{
	sup_emit(sup_req_plugin(req), "scenario.said", "{\"n\":1}");
	sup_ok(req);
}

static void
count(struct sup_req *req, void *user)
{
	sup_reply_json(req, 200, "{\"count\":%d}", ++counted);
}

static void
add(struct sup_req *req, void *user)
{
	sup_reply_json(req, 200, "%lld",
		(long long)(sup_req_arg_int(req, "a", 0) +
			    sup_req_arg_int(req, "b", 0)));
}

static void
fails(struct sup_req *req, void *user)
{
	sup_fail(req, SUP_CONFLICT, "as asked");
}

static void
twice(struct sup_req *req, void *user)
{
	sup_reply_json(req, 200, "{\"n\":%lld}",
		(long long)(2 * sup_req_arg_int(req, "n", 0)));
}

static void
shout(struct sup_req *req, void *user)
{
	char *loud = strdup(sup_req_text(req));

	if (!loud)
		abort();
	for (char *c = loud; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	sup_reply_text(req, 200, "%s", loud);
	free(loud);
}

/* ---- values ---- */

static void
reply_or_fail(struct sup_req *req, const char *json, size_t bytes)
{
	if (sup_reply_value(req, 200, json, bytes))
		sup_fail(req, SUP_BAD_MESSAGE, "%s",
			sup_json_error(sup_req_plugin(req)));
}

static void
mirror(struct sup_req *req, void *user)
{
	const char *json = sup_req_args_json(req);

	reply_or_fail(req, json, strlen(json));
}

static void
mirror_body(struct sup_req *req, void *user)
{
	size_t bytes;
	const char *json = sup_req_body(req, &bytes);

	reply_or_fail(req, json, bytes);
}

static void
relayed(struct sup *p, const char *error, const char *result, void *user)
{
	if (error)
		sup_fail(user, SUP_FAILED, "%s", error);
	else
		reply_or_fail(user, result, strlen(result));
}

static void
call_mirror(struct sup_req *req, const char *json)
{
	struct sup *p = sup_req_plugin(req);

	if (sup_call(p, "tool", "mirror", json, 0, relayed, req))
		sup_fail(req, SUP_FAILED, "%s", sup_json_error(p));
}

static void
relay(struct sup_req *req, void *user)
{
	call_mirror(req, sup_req_args_json(req));
}

static void
emit_value(struct sup_req *req, const char *json)
{
	struct sup *p = sup_req_plugin(req);

	if (sup_emit(p, "scenario.value", json))
		sup_fail(req, SUP_FAILED, "%s", sup_json_error(p));
	else
		sup_ok(req);
}

static void
tell(struct sup_req *req, void *user)
{
	emit_value(req, sup_req_args_json(req));
}

static void
bad(struct sup_req *req, void *user)
{
	sup_reply_json(req, 200, "{\"a\":[0,%g]}", user ? INFINITY : NAN);
}

static void
bad_emit(struct sup_req *req, void *user)
{
	emit_value(req, "{\"a\":[0,NaN]}");
}

static void
bad_call(struct sup_req *req, void *user)
{
	call_mirror(req, "{\"a\":[0,NaN]}");
}

/* ---- services, quiesce and take ---- */

static void note(struct sup *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void
note(struct sup *p, const char *format, ...)
{
	char path[512];
	va_list arguments;
	FILE *notes;

	snprintf(path, sizeof(path), "%s/notes", sup_data_dir(p));
	notes = fopen(path, "a");
	if (!notes)
		abort();
	fprintf(notes, "%u ", sup_generation(p));
	va_start(arguments, format);
	vfprintf(notes, format, arguments);
	va_end(arguments);
	fputc('\n', notes);
	fclose(notes);
}

static void
noted(struct sup_req *req, const char *text)
{
	note(sup_req_plugin(req), "%s", text);
	sup_ok(req);
}

static void
start_now(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct sup_req *req = timer->data;
	struct sup *p = sup_req_plugin(req);

	free(timer);
	note(p, "start");
	if (sup_setting_bool(p, "broken", false))
		sup_fail(req, SUP_BUSY, "broken");
	else
		sup_ok(req);
}

static void
start(struct sup_req *req, void *user)
{
	ev_timer *timer = malloc(sizeof(*timer));

	if (!timer)
		abort();
	ev_timer_init(timer, start_now, 0.001, 0.);
	timer->data = req;
	ev_timer_start(sup_loop(sup_req_plugin(req)), timer);
}

static void
stop(struct sup_req *req, void *user)
{
	noted(req, "stop");
}

static void
side_starts(struct sup_req *req, void *user)
{
	noted(req, "side starts");
}

static void
side_stops(struct sup_req *req, void *user)
{
	noted(req, "side stops");
}

static void
quiesce(struct sup_req *req, void *user)
{
	noted(req, "quiesce");
}

static void
take(struct sup_req *req, void *user)
{
	note(sup_req_plugin(req), "take %llu",
		(unsigned long long)sup_req_epoch(req));
	sup_ok(req);
}

static void
rain(struct sup_req *req, void *user)
{
	sup_service_status(sup_req_plugin(req), "ticker", SUP_SERVICE_WAITING,
		"for %s", "rain");
	sup_ok(req);
}

static int
offer_services(struct sup *p)
{
	if (!sup_setting_bool(p, "exclusive", false))
		return 0;
	sup_on_quiesce(p, quiesce, NULL);
	sup_on_take(p, take, NULL);
	if (sup_service(p, "ticker", start, stop, NULL) ||
		sup_register(p, &(struct sup_offer){.kind = SUP_SERVICE,
					.name = "side",
					.handler = side_starts,
					.stop = side_stops,
					.overlap = true}))
		return -1;
	return sup_http(p, "GET", "/rain", rain, NULL);
}

/* ---- WebSocket connections ---- */

struct talk {
	int count;
};

static void
say(struct sup_ws *ws, const char *format, ...)
{
	char text[128];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	sup_ws_send(ws, SUP_WS_TEXT, text, strlen(text));
}

static void
talk_open(struct sup_req *req, void *user)
{
	struct sup_ws *ws = sup_req_ws(req);
	struct talk *talk;
	const void *blob;
	const char *how = sup_req_moved(req, &blob, NULL);

	if (sup_req_header(req, "X-Refuse")) {
		sup_reply(req, atoi(sup_req_header(req, "X-Refuse")), NULL, "",
			0);
		return;
	}
	if (sup_req_header(req, "X-Fail")) {
		sup_fail(req, SUP_DENIED, "as asked");
		return;
	}
	talk = calloc(1, sizeof(*talk));
	if (!talk)
		abort();
	sup_ws_set_data(ws, talk);
	talk->count = blob ? atoi(blob) : 0;
	sup_reply_header(req, "X-Room", sup_req_param(req, "room"));
	if (how)
		say(ws, "moved %s %s", how, blob ? (const char *)blob : "-");
	sup_ok(req);
}

static void
talk_send(struct sup_ws *ws, size_t size)
{
	char *bytes = malloc(size);

	if (!bytes)
		abort();
	memset(bytes, 'x', size);
	sup_ws_send(ws, SUP_WS_BINARY, bytes, size);
	free(bytes);
}

static void
talk_message(struct sup_ws *ws, enum sup_ws_type type, const void *bytes,
	size_t size, void *user)
{
	struct talk *talk = sup_ws_data(ws);
	char word[8] = "";

	if (size < sizeof(word))
		memcpy(word, bytes, size);
	talk->count++;
	if (!strcmp(word, "close")) {
		free(talk);
		sup_ws_close(ws, 4000, "as asked");
	} else if (!strcmp(word, "big")) {
		talk_send(ws, 90000);
	} else if (!strcmp(word, "large")) {
		talk_send(ws, 100001);
	} else if (!strcmp(word, "count")) {
		say(ws, "%d in %u", talk->count,
			sup_generation(sup_ws_plugin(ws)));
	} else {
		sup_ws_send(ws, type, bytes, size);
	}
}

static void
talk_close(struct sup_ws *ws, int code, const char *reason, void *user)
{
	free(sup_ws_data(ws));
}

static void
talk_move(struct sup_req *req, void *user)
{
	struct talk *talk = sup_ws_data(sup_req_ws(req));
	char text[16];

	sup_reply_state(req, text,
		(size_t)snprintf(text, sizeof(text), "%d", talk->count));
	free(talk);
}

static void
pinned_message(struct sup_ws *ws, enum sup_ws_type type, const void *bytes,
	size_t size, void *user)
{
	say(ws, "in %u", sup_generation(sup_ws_plugin(ws)));
}

static void
room(struct sup_req *req, void *user)
{
	sup_reply_text(req, 200, "the room %s\n", sup_req_param(req, "room"));
}

static const struct sup_ws_offer sockets[] = {
	{"/talk/{room}", "scenario.v2, scenario", .message_limit = 100000,
		.open = talk_open, .message = talk_message, .close = talk_close,
		.move = talk_move},
	{"/pinned", .pinned = true, .message = pinned_message},
};

/* ---- offers ---- */

/* ---- command lines ---- */

static void
cat_writable(struct sup_req *req, void *user)
{
	sup_resume(req);
}

static void
cat_piece(struct sup_req *req, const void *bytes, size_t size, bool more,
	void *user)
{
	if (sup_write(req, 1, bytes, size) == 0 && more)
		sup_pause(req);
	if (!more)
		sup_exit(req, 0);
}

static void
cat(struct sup_req *req, void *user)
{
	sup_on_writable(req, cat_writable, NULL);
	sup_on_body(req, cat_piece, NULL);
}

static void
say_args(struct sup_req *req, void *user)
{
	for (size_t i = 1; i < sup_req_argc(req); i++)
		sup_print(req, 1, "[%s]", sup_req_argv(req, i));
	sup_print(req, 2, "to %s\n", sup_req_name(req));
	sup_exit(req, sup_req_argc(req) ? atoi(sup_req_argv(req, 0)) : 0);
}

static void
wait_cli(struct sup_req *req, void *user)
{
	sup_on_cancel(req, wait_cancelled, NULL);
	sup_write(req, 1, "waiting\n", 8);
}

#define POUR_BYTES 50000

static void
pour_more(struct sup_req *req, void *user)
{
	long *left = user;
	char bytes[POUR_BYTES];
	int64_t room = 1;

	memset(bytes, 'x', sizeof(bytes));
	while (*left && room > 0) {
		size_t size = *left < POUR_BYTES ? (size_t)*left : POUR_BYTES;

		room = sup_write(req, 1, bytes, size);
		*left -= (long)size;
	}
	if (room < 0 || !*left) {
		sup_exit(req, 0);
		free(left);
	}
}

static void
pour(struct sup_req *req, void *user)
{
	long *left = malloc(sizeof(*left));

	if (!left)
		abort();
	*left = atol(sup_req_argv(req, 0));
	sup_on_writable(req, pour_more, left);
	pour_more(req, left);
}

/* ---- schedules ---- */

static void
ticked(struct sup_req *req, void *user)
{
	char *data;

	if (asprintf(&data,
		    "{\"name\":\"%s\",\"id\":\"%s\",\"due\":%lld,"
		    "\"missed\":%llu}",
		    sup_req_name(req), sup_req_tick_id(req),
		    (long long)sup_req_due_ms(req),
		    (unsigned long long)sup_req_missed(req)) < 0)
		abort();
	sup_emit(sup_req_plugin(req), "scenario.ticked", data);
	free(data);
	sup_ok(req);
}

static void
cross(struct sup_req *req, void *user)
{
	sup_fail(req, SUP_CONFLICT, "as asked");
}

static void
new_one(struct sup_req *req, void *user)
{
	sup_reply_text(req, 200, "new\n");
}

/* GET /text moves behind the others, so all indices change. */
static int
change(struct sup *p, void *user)
{
	static const char *const gone[][2] = {
		{"tool", "fails"}, {"http", "GET /text"}};

	for (size_t i = 0; i < sizeof(gone) / sizeof(*gone); i++)
		if (sup_withdraw(p, gone[i][0], gone[i][1]))
			return -1;
	if (sup_http(p, "GET", "/new", new_one, NULL) ||
		sup_tool(p, "fresh", NULL, NULL, mirror, NULL))
		return -1;
	return sup_http(p, "GET", "/text", text, NULL);
}

static int
change_wrongly(struct sup *p, void *user)
{
	return sup_http(p, "GET", "/api/no", new_one, NULL);
}

static void
changed(struct sup *p, const char *error, void *user)
{
	if (error)
		sup_fail(user, SUP_CONFLICT, "%s", error);
	else
		sup_reply_text(user, 200, "changed\n");
}

static void
offer(struct sup_req *req, void *user)
{
	bool right = !strcmp(sup_req_param(req, "how"), "right");

	if (sup_replace_offers(sup_req_plugin(req),
		    right ? change : change_wrongly, changed, req))
		sup_fail(req, SUP_FAILED, "not made");
}

/* The answer is the receipt. */
static void
reload_self(struct sup_req *req, void *user)
{
	struct sup *p = sup_req_plugin(req);
	char args[128];

	snprintf(args, sizeof(args), "{\"pluginId\": \"%s\"}", sup_id(p));
	sup_call(p, "method", "plugins.reload", args, 0, passed_on, req);
}

static const struct sup_offer offers[] = {
	{SUP_HTTP, .method = "GET", .path = "/hello/{name}", .handler = hello},
	{SUP_HTTP, .method = "GET", .path = "/text", .handler = text},
	{SUP_HTTP, .method = "GET", .path = "/nothing", .handler = nothing},
	{SUP_HTTP, .method = "GET", .path = "/teapot", .handler = teapot},
	{SUP_HTTP, .method = "GET", .path = "/fail/{code}", .handler = fail},
	{SUP_HTTP, .method = "GET", .path = "/heavy", .handler = heavy},
	{SUP_HTTP, .method = "POST", .path = "/heavy", .handler = heavy},
	{SUP_HTTP, .method = "GET", .path = "/request", .handler = request},
	{SUP_HTTP, .method = "GET", .path = "/late", .handler = late},
	{SUP_HTTP, .method = "GET", .path = "/big", .handler = big},
	{SUP_HTTP, .method = "POST", .path = "/length", .handler = length},
	{SUP_HTTP, .method = "POST", .path = "/small", .handler = length,
		.body_limit = 1000},
	{SUP_HTTP, .method = "POST", .path = "/sum", .handler = sum,
		.body_limit = 1 << 30, .streams_body = true},
	{SUP_HTTP, .method = "POST", .path = "/echo", .handler = echo,
		.body_limit = 1 << 30, .streams_body = true},
	{SUP_HTTP, .method = "GET", .path = "/pieces", .handler = pieces},
	{SUP_HTTP, .method = "GET", .path = "/events", .handler = events},
	{SUP_HTTP, .method = "GET", .path = "/cut", .handler = cut},
	{SUP_HTTP, .method = "GET", .path = "/wait", .handler = wait},
	{SUP_HTTP, .method = "GET", .path = "/cancelled",
		.handler = tell_cancelled},
	{SUP_HTTP, .method = "GET", .path = "/me", .handler = me},
	{SUP_HTTP, .method = "GET", .path = "/call", .handler = call},
	{SUP_HTTP, .method = "GET", .path = "/call-none", .handler = call_none},
	{SUP_HTTP, .method = "GET", .path = "/log/{level}",
		.handler = log_line},
	{SUP_HTTP, .method = "GET", .path = "/emit", .handler = emit},
	{SUP_HTTP, .method = "POST", .path = "/count", .handler = count},
	{SUP_TOOL, .name = "add", .description = "Adds two numbers.",
		.schema = "{\"type\": \"object\"}", .handler = add},
	{SUP_TOOL, .name = "fails", .handler = fails},
	{SUP_METHOD, .name = "double", .handler = twice},
	{SUP_TOOL, .name = "mirror", .handler = mirror},
	{SUP_TOOL, .name = "relay", .handler = relay},
	{SUP_TOOL, .name = "tell", .handler = tell},
	{SUP_TOOL, .name = "bad", .handler = bad},
	{SUP_TOOL, .name = "bad-emit", .handler = bad_emit},
	{SUP_TOOL, .name = "bad-call", .handler = bad_call},
	{SUP_HTTP, .method = "POST", .path = "/mirror", .handler = mirror_body},
	{SUP_HTTP, .method = "GET", .path = "/talk/{room}", .handler = room},
	{SUP_HTTP, .method = "GET", .path = "/bad/{what}", .handler = bad},
	{SUP_COMMAND, .name = "shout", .help = "Says it loudly.",
		.handler = shout},
	{SUP_TOOL, .name = "again", .handler = pass_on,
		.user = (void *)(uintptr_t)&to_around},
	{SUP_METHOD, .name = "around", .handler = pass_on_later},
	{SUP_COMMAND, .name = "about", .handler = pass_on,
		.user = (void *)(uintptr_t)&to_again},
	{SUP_HTTP, .method = "POST", .path = "/offer/{how}", .handler = offer},
	{SUP_HTTP, .method = "POST", .path = "/reload-self",
		.handler = reload_self},
	{SUP_TOOL, .name = "reload-self", .handler = reload_self},
	{SUP_TOOL, .name = "left", .handler = left},
	{SUP_TOOL, .name = "lend", .handler = lend},
	{SUP_CLI, .name = "cat", .help = "Copies its input.", .handler = cat},
	{SUP_CLI, .name = "args", .help = "Says its arguments.",
		.arguments = "STATUS WORD...", .handler = say_args},
	{SUP_CLI, .name = "wait", .help = "Waits.", .handler = wait_cli},
	{SUP_CLI, .name = "pour", .help = "Writes so many bytes.",
		.arguments = "BYTES", .handler = pour},
	{SUP_CLI, .name = "cross", .help = "Fails.", .handler = cross},
	{SUP_SCHEDULE, .name = "hourly", .when = "@hourly", .zone = "UTC",
		.skip_missed = true, .timeout_ms = 5000, .handler = ticked},
	{SUP_SCHEDULE, .name = "cross", .when = "every 1d", .handler = cross},
};

static int
init(struct sup *p)
{
	for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++)
		if (sup_register(p, &offers[i]))
			return SUP_FAILED_TO_START;
	if (offer_services(p) || offer_hooks(p))
		return SUP_FAILED_TO_START;
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++)
		if (sup_ws(p, &sockets[i]))
			return SUP_FAILED_TO_START;
	sup_health(p, health, NULL);
	sup_on_configure(p, configure, NULL);
	sup_state(p, 2, export_state, import_state, NULL);
	return SUP_STARTED;
}

SUP_PLUGIN("scenario", "1.0.0", init)
