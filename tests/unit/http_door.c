#include "tests/unit/http_door.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/control/commands.h"
#include "supervisor/control/page.h"
#include "supervisor/control/slices.h"
#include "supervisor/control/metrics_view.h"
#include "supervisor/ops/journal.h"

struct door door;

static struct registration declared = {
	.kind = REGISTRATION_HTTP, .idempotent = -1, .http.body_limit = -1};
static struct registration declared_small = {
	.kind = REGISTRATION_HTTP, .idempotent = -1, .http.body_limit = 10};

/* ---- the clock's place: it stands until the test moves it ---- */

uint64_t
clock_ms(void)
{
	return door.now_ms;
}

uint64_t
clock_us(void)
{
	return door.now_ms * 1000;
}

uint64_t
clock_wall_ms(void)
{
	return door.now_ms;
}

/* ---- the gateway's place ---- */

struct config *
config_ref(struct config *config)
{
	return config;
}

void
config_unref(struct config *config)
{
}

bool
gateway_is_settled(const struct gateway *g)
{
	return door.settled;
}

bool
gateway_is_ready(const struct gateway *g)
{
	return door.ready;
}

/* No path takes WebSocket connections, so the others are never called. */
enum route_verdict
dispatch_find_websocket(const struct gateway *g, const struct path *path,
	struct route_match *out)
{
	return ROUTE_NONE;
}

void
ws_conn_take_route(struct ws_conn *c, const struct route_match *match)
{
	abort();
}

void
ws_conn_open(
	struct ws_conn *c, struct gateway *g, const struct route_match *match)
{
	abort();
}

uint64_t
ws_conn_room(struct ws_conn *c)
{
	abort();
}

void
ws_conn_send(struct ws_conn *c, unsigned opcode, struct bytes piece, bool more)
{
	abort();
}

void
ws_conn_taken(struct ws_conn *c)
{
	abort();
}

void
ws_conn_closed(struct ws_conn *c, unsigned code, struct bytes reason)
{
	abort();
}

void
ws_conn_finish(struct ws_conn *c)
{
	abort();
}

/* /none, POST only on /post, `{id}` below /p/, at most 10 bytes to /small. */
enum route_verdict
dispatch_find_http(const struct gateway *g, struct bytes method,
	const struct path *path, struct route_match *out)
{
	static struct route_row row;

	row.declared = &declared;
	memset(out, 0, sizeof(*out));
	out->row = &row;
	out->worker = 1;
	out->registration = 3;
	if (bytes_equal(path->text, BYTES("/none")))
		return ROUTE_NONE;
	if (bytes_equal(path->text, BYTES("/small")))
		row.declared = &declared_small;
	if (bytes_equal(path->text, BYTES("/post")) &&
		!bytes_equal(method, BYTES("POST"))) {
		strcpy(out->allow, "POST");
		return ROUTE_WRONG_METHOD;
	}
	if (path->count == 2 && bytes_equal(path->segments[0], BYTES("p"))) {
		out->param_count = 1;
		out->params[0].name = "id";
		out->params[0].value = path->segments[1];
	}
	return ROUTE_FOUND;
}

/* The method "door.method". */
enum route_verdict
dispatch_find_name(const struct gateway *g, enum registration_kind kind,
	struct bytes name, struct route_match *out)
{
	return kind == REGISTRATION_METHOD &&
			       bytes_equal(name, BYTES("door.method"))
		       ? ROUTE_FOUND
		       : ROUTE_NONE;
}

void
events_listen(struct events *e, struct event_listener *l)
{
	door.listener = l;
}

bool
dispatch_is_available(const struct gateway *g, const struct route_match *match)
{
	return !door.refuse;
}

const char *
dispatch_plugin_id(const struct gateway *g, const struct route_match *match)
{
	return "door";
}

uint32_t
dispatch_generation(const struct gateway *g, const struct request *r)
{
	return 7;
}

size_t
dispatch_backlog(const struct gateway *g, const struct request *r)
{
	return door.backlog;
}

void
door_encode(unsigned i)
{
	struct door_request *d = &door.requests[i];
	msgpack_packer p;

	buffer_clear(&d->message);
	codec_packer(&p, &d->message);
	d->request->ops->encode(d->request, &p, d->request->id);
	d->request->where = REQUEST_SENT;
}

void
dispatch_submit(struct gateway *g, struct request *r,
	const struct route_match *match, uint64_t timeout_ms)
{
	const msgpack_object *params;
	struct bytes body;
	unsigned i = door.count;

	if (door.refuse) {
		r->ops->fail(r, REQUEST_OVERFLOW, NULL);
		return;
	}
	assert(i < DOOR_REQUESTS_MAX);
	door.requests[door.count++].request = r;
	r->id = 100 + i;
	r->registration = match->registration;
	r->where = REQUEST_HELD;
	if (door.hold)
		return;
	door_encode(i);
	params = door_params(i);
	body = codec_bytes(&params[6]);
	buffer_append(&door.requests[i].body, body.at, body.length);
	door.requests[i].body_over = !params[7].via.boolean;
}

static struct door_request *
find(const struct request *r)
{
	for (unsigned i = 0; i < door.count; i++)
		if (door.requests[i].request == r)
			return &door.requests[i];
	abort(); /* no such request */
}

static void
end(struct door_request *d)
{
	d->request->id = 0;
	d->request = NULL;
}

void
dispatch_cancel(struct gateway *g, struct request *r)
{
	struct door_request *d;

	if (!r->id)
		return;
	d = find(r);
	d->cancelled = true;
	end(d);
}

void
dispatch_send_chunk(
	struct gateway *g, struct request *r, struct bytes piece, bool more)
{
	struct door_request *d = find(r);

	assert(r->where == REQUEST_SENT);
	assert(!d->body_over);
	buffer_append(&d->body, piece.at, piece.length);
	d->body_over = !more;
}

uint32_t
dispatch_in_flight(struct gateway *g, const struct request *r)
{
	return door.in_flight;
}

void
dispatch_credit(struct gateway *g, struct request *r, uint64_t bytes)
{
	find(r)->credit += bytes;
}

void
dispatch_note_waiting(struct gateway *g, struct request *r, bool waits)
{
	r->waits = waits;
}

void
dispatch_note_answer(struct gateway *g, const struct request *r, int status)
{
	door.answers++;
}

void
dispatch_note_failure(
	struct gateway *g, const struct request *r, enum request_failure why)
{
	door.failures++;
}

uint64_t
dispatch_deadline_ms(const struct request *r)
{
	return 4242;
}

void
command_run(struct command_call *call, const char *verb, const json_t *args)
{
	json_t *result;

	door.commands++;
	door.now_ms += door.command_ms;
	snprintf(door.verb, sizeof(door.verb), "%s", verb);
	free(door.args);
	door.args = json_dumps(args, JSON_COMPACT);
	door.role = (int)call->role;
	if (door.holds_calls || !strcmp(verb, "reload") ||
		(!strcmp(verb, "events") &&
			json_is_true(json_object_get(args, "follow")))) {
		door.pending = call;
		call->job = (void *)1;
		return;
	}
	result = json_pack("{s:s}", "verb", verb);
	call->on_done(call, OUTCOME_DONE, result);
	json_decref(result);
}

/* The real one is tried by the system tests. */
void
command_read_texts(const char *verb, json_t *args)
{
}

void
command_end(struct command_call *call)
{
	json_t *result = json_pack("{s:b}", "ended", 1);

	call->job = NULL;
	call->on_done(call, OUTCOME_DONE, result);
	json_decref(result);
	door.pending = NULL;
}

void
metrics_view_begin(
	struct metrics_pass *pass, struct metrics_writer *w, struct gateway *g)
{
	*pass = (struct metrics_pass){.writer = w, .gateway = g};
}

/* One line for each step. */
bool
metrics_view_step(struct metrics_pass *pass, unsigned figures)
{
	if (!pass->has_begun)
		metrics_family(
			pass->writer, "supd_door", METRICS_GAUGE, "A door.");
	pass->has_begun = true;
	metrics_sample(pass->writer, NULL, 0, 1);
	for (size_t i = 0; i < door.metrics_bytes; i++)
		buffer_append_byte(&pass->writer->text, 'm');
	door.now_ms += door.metrics_step_ms;
	door.pages += !pass->plugin;
	return ++pass->plugin > door.metrics_steps;
}

void
command_abandon(struct command_call *call)
{
	if (call == door.pending)
		door.pending = NULL;
}

/* ---- the door ---- */

void
door_open(void)
{
	static struct config_token token = {.role = ROLE_OPERATOR,
		/* of "secret" */
		.sha256 = {0x2b, 0xb8, 0x0d, 0x53, 0x7b, 0x1d, 0xa3, 0xe3, 0x8b,
			0xd3, 0x03, 0x61, 0xaa, 0x85, 0x56, 0x86, 0xbd, 0xe0,
			0xea, 0xcd, 0x71, 0x62, 0xfe, 0xf6, 0xa2, 0x5f, 0xe9,
			0x7b, 0xf5, 0x27, 0xa2, 0x5b}};

	memset(&door, 0, sizeof(door));
	door.settled = door.ready = true;
	door.now_ms = 1000000;
	door.gateway.loop = ev_loop_new(EVFLAG_AUTO);
	wheel_init(&door.gateway.wheel, clock_ms());
	door.config.limits = (struct config_limits){.head_bytes = 16384,
		.headers = 100,
		.body_bytes = 1 << 20,
		.connections = 100,
		.head_timeout_ms = 10000,
		.body_timeout_ms = 30000,
		.idle_timeout_ms = 75000,
		.write_timeout_ms = 30000};
	door.config.admin.http = true;
	door.config.admin.tokens.items = &token;
	door.config.admin.tokens.count = 1;
	door.codec = codec_create();
	door.gateway.journal = journal_create();
	door.gateway.pages = page_press_create(&door.gateway);
	door.gateway.slices = slices_create(door.gateway.loop);
	door.server = http_server_create(&door.gateway, &door.config);
}

void
door_close(void)
{
	http_server_destroy(door.server);
	page_press_destroy(door.gateway.pages);
	slices_destroy(door.gateway.slices);
	for (unsigned i = 0; i < door.count; i++) {
		buffer_finish(&door.requests[i].message);
		buffer_finish(&door.requests[i].body);
	}
	codec_destroy(door.codec);
	journal_destroy(door.gateway.journal);
	ev_loop_destroy(door.gateway.loop);
	free(door.args);
}

int
door_client(void)
{
	int pair[2];
	int failed = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);

	assert(!failed);
	http_server_accepted(door.server, pair[0], "192.0.2.1:4242");
	door_turn();
	return pair[1];
}

void
door_turn(void)
{
	for (int i = 0; i < 10; i++)
		ev_run(door.gateway.loop, EVRUN_NOWAIT);
}

void
door_pass_ms(uint64_t ms)
{
	door.now_ms += ms + WHEEL_TICK_MS;
	wheel_turn(&door.gateway.wheel, door.now_ms);
	door_turn();
}

void
door_send_bytes(int client, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size) {
		ssize_t n = send(client, at, size, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return;
		if (n > 0) {
			at += n;
			size -= (size_t)n;
		} else {
			door_turn();
		}
	}
}

void
door_send(int client, const char *text)
{
	door_send_bytes(client, text, strlen(text));
}

char *
door_read(int client, bool *eof_out)
{
	struct buffer b = {0};
	char *text;
	ssize_t n;

	if (eof_out)
		*eof_out = false;
	for (;;) {
		n = recv(client, buffer_reserve(&b, 65536), 65536, 0);
		if (n <= 0)
			break;
		buffer_commit(&b, (size_t)n);
		door_turn();
	}
	if (n == 0 && eof_out)
		*eof_out = true;
	text = memory_copy_bytes(buffer_bytes(&b), buffer_length(&b));
	buffer_finish(&b);
	return text;
}

char *
door_ask(int client, const char *text, bool *eof_out)
{
	door_send(client, text);
	door_turn();
	return door_read(client, eof_out);
}

/* ---- the worker's place ---- */

static void
pack_answer(msgpack_packer *p, int status, const char *fields, const char *body,
	bool more)
{
	unsigned count = 0;

	for (const char *c = fields; (c = strchr(c, '\n')); c++)
		count++;
	msgpack_pack_array(p, 4);
	msgpack_pack_int(p, status);
	msgpack_pack_array(p, count);
	for (const char *line = fields; *line; line = strchr(line, '\n') + 1) {
		const char *colon = strstr(line, ": ");

		msgpack_pack_array(p, 2);
		codec_str(p, (struct bytes){line, (size_t)(colon - line)});
		codec_bin(
			p, (struct bytes){colon + 2, strcspn(colon + 2, "\n")});
	}
	codec_bin(p, bytes_of(body));
	if (more)
		msgpack_pack_true(p);
	else
		msgpack_pack_false(p);
}

/* Delivers what was packed as a response to request i. */
static void
deliver(unsigned i, struct buffer *b)
{
	struct door_request *d = &door.requests[i];
	struct message m;
	struct error err;
	size_t offset = 0;
	int decoded;

	decoded = codec_decode(door.codec, buffer_bytes(b), buffer_length(b),
		&offset, &m, &err);
	assert(decoded == 1);
	if (!d->request->ops->answer(d->request, &m))
		end(d);
	buffer_finish(b);
	door_turn();
}

void
door_answer(
	unsigned i, int status, const char *fields, const char *body, bool more)
{
	struct buffer b = {0};
	msgpack_packer p;

	codec_packer(&p, &b);
	codec_result(&p, door.requests[i].request->id);
	pack_answer(&p, status, fields, body, more);
	deliver(i, &b);
}

void
door_answer_error(unsigned i, enum wire_error code, const char *text)
{
	struct buffer b = {0};
	msgpack_packer p;

	codec_packer(&p, &b);
	codec_error(&p, door.requests[i].request->id, code, text);
	deliver(i, &b);
}

void
door_chunk(unsigned i, const char *piece, bool more)
{
	struct request *r = door.requests[i].request;

	r->ops->chunk(r, bytes_of(piece), more);
	if (!more)
		end(&door.requests[i]);
	door_turn();
}

void
door_fail(unsigned i, enum request_failure why)
{
	struct door_request *d = &door.requests[i];
	struct request *r = d->request;

	end(d);
	r->ops->fail(r, why, NULL);
	door_turn();
}

void
door_give_credit(unsigned i, uint64_t bytes)
{
	struct request *r = door.requests[i].request;

	r->ops->credit(r, bytes);
	door_turn();
}

const msgpack_object *
door_params(unsigned i)
{
	struct buffer *b = &door.requests[i].message;
	struct message m;
	struct error err;
	size_t offset = 0;
	int decoded;

	assert(i < door.count);
	decoded = codec_decode(door.codec, buffer_bytes(b), buffer_length(b),
		&offset, &m, &err);
	assert(decoded == 1 && m.name == MESSAGE_HTTP && m.param_count == 10);
	return m.params;
}

const char *
door_field(unsigned i, const char *name)
{
	const msgpack_object *fields = &door_params(i)[5];
	static char value[256];

	for (uint32_t j = 0; j < fields->via.array.size; j++) {
		const msgpack_object *two =
			fields->via.array.ptr[j].via.array.ptr;
		struct bytes found = codec_bytes(&two[1]);

		if (!bytes_equal(codec_bytes(&two[0]), bytes_of(name)))
			continue;
		snprintf(value, sizeof(value), "%.*s", (int)found.length,
			found.at);
		return value;
	}
	return "";
}
