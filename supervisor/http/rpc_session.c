/* rpc_session: the life of a session: who it is, what it may cost, its end. It
 * reads one message at a time, in a turn that it shares with /api, and reads on
 * when the client has taken its answers. */
#include "supervisor/http/rpc_session.h"

#include <stdlib.h>

#include "proto/json_text.h"
#include "proto/message.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/rpc_door.h"
#include "supervisor/http/server.h"

static void on_open_over(struct wheel_timer *timer);

struct gateway *
rpc_gateway(const struct rpc_session *s)
{
	return s->server->gateway;
}

/* ---- the end ---- */

/* Detaches the session, which is freed outside of all callbacks. */
static void
leave(struct rpc_session *s)
{
	s->socket = NULL;
	wheel_clear(&rpc_gateway(s)->wheel, &s->open_timer);
	api_turn_leave(&s->waiter);
	rpc_leave_events(s);
	list_remove(&s->node);
	list_append(&s->server->sessions.ended, &s->node);
	rpc_gateway(s)->edge.sessions--;
	ev_idle_start(s->server->loop, &s->server->spin);
}

static void
destroy(struct rpc_session *s)
{
	list_remove(&s->node);
	rpc_abandon_calls(s);
	buffer_finish(&s->message);
	free(s);
}

static void
note_end(struct rpc_session *s, int code)
{
	enum gateway_session_end end =
		code == WEBSOCKET_BUSY	       ? GATEWAY_SESSION_UNREAD
		: code == WEBSOCKET_DENIED     ? GATEWAY_SESSION_DENIED
		: code == WEBSOCKET_LOST       ? GATEWAY_SESSION_LOST
		: code == WEBSOCKET_GOING_AWAY ? GATEWAY_SESSION_STOP
					       : GATEWAY_SESSION_CLOSED;

	rpc_gateway(s)->edge.sessions_ended[end]++;
}

void
rpc_end(struct rpc_session *s, int code, const char *reason)
{
	struct websocket *socket = s->socket;

	if (!socket)
		return;
	note_end(s, code);
	leave(s);
	websocket_close(socket, code, bytes_of(reason));
}

void
rpc_end_unread(struct rpc_session *s)
{
	struct websocket *socket = s->socket;

	if (!socket)
		return;
	note_end(s, WEBSOCKET_BUSY);
	leave(s);
	websocket_cut(socket, WEBSOCKET_BUSY,
		BYTES("the client does not read what it asked for"));
}

/* Ends it in a stop if no message and no call is left. */
static void
end_if_over(struct rpc_session *s)
{
	if (s->stops && !s->call_count && !s->waits)
		rpc_end(s, WEBSOCKET_GOING_AWAY, "supd stops");
}

/* ---- who it is ---- */

int
rpc_role_now(const struct rpc_session *s)
{
	const struct config_admin *admin = &s->server->config->admin;

	return s->is_open && admin->http ? bearer_role_now(admin, &s->bearer)
					 : -1;
}

int
rpc_open(struct rpc_session *s, struct bytes token, struct error *err)
{
	if (s->is_open)
		return error_set(err, "the session is open already");
	bearer_set(&s->bearer, token);
	s->is_open = true;
	if (rpc_role_now(s) < 0) {
		s->is_open = false;
		return error_set(
			err, "permission denied: the token is not known");
	}
	wheel_clear(&rpc_gateway(s)->wheel, &s->open_timer);
	websocket_set_message_max(s->socket, RPC_MESSAGE_MAX);
	websocket_set_idle(s->socket, false);
	return 0;
}

static void
on_open_over(struct wheel_timer *timer)
{
	rpc_end(container_of(timer, struct rpc_session, open_timer),
		WEBSOCKET_DENIED, "no session.open came in time");
}

/* ---- sending ---- */

void
rpc_send(struct rpc_session *s, struct bytes text, size_t limit)
{
	size_t queued;

	if (!s->socket)
		return;
	queued = websocket_queued(s->socket);
	if (queued && queued + text.length > limit)
		rpc_end_unread(s);
	else
		websocket_send(s->socket, WEBSOCKET_TEXT, text, false);
}

/* ---- messages ---- */

/* The next message is read when the last one was run, and the client takes its
 * answers. */
static void
pause_or_resume(struct rpc_session *s)
{
	if (!s->socket)
		return;
	if (s->waits || !websocket_has_room(s->socket))
		websocket_pause(s->socket);
	else
		websocket_resume(s->socket);
}

static void
refuse_message(struct rpc_session *s, enum rpc_error error, const char *why)
{
	struct buffer text = {0};

	rpc_write_error(&text, NULL, error, why, NULL, BYTES(""));
	rpc_send(s, rpc_text(&text), RPC_ANSWERS_MAX);
	buffer_finish(&text);
}

static void
run_message(struct api_waiter *w)
{
	struct rpc_session *s = container_of(w, struct rpc_session, waiter);
	struct bytes text = {
		(char *)buffer_bytes(&s->message), buffer_length(&s->message)};
	struct error err;
	json_t *document;

	s->waits = false;
	if (!text.length) {
		refuse_message(s, RPC_NO_JSON, "the message is empty");
	} else if (json_text_values(text) > WIRE_VALUES_MAX) {
		refuse_message(s, RPC_BAD_REQUEST,
			"the message has more than 65536 values");
	} else if (!(document = json_text_read(text, NULL, &err))) {
		refuse_message(s, RPC_NO_JSON, err.text);
	} else if (value_is_deeper(document, RPC_DEPTH_MAX)) {
		refuse_message(
			s, RPC_BAD_REQUEST, "the message is nested too deeply");
		json_decref(document);
	} else {
		rpc_run(s, document);
		json_decref(document);
	}
	buffer_finish(&s->message);
	end_if_over(s);
	pause_or_resume(s);
}

static void
on_piece(struct websocket *w, enum websocket_opcode opcode, struct bytes piece,
	bool more)
{
	struct rpc_session *s = websocket_owner(w);

	if (opcode != WEBSOCKET_TEXT) {
		rpc_end(s, WEBSOCKET_UNSUPPORTED, "a message must be text");
		return;
	}
	buffer_append(&s->message, piece.at, piece.length);
	if (more)
		return;
	s->waits = true;
	api_turn_take(s->server, &s->waiter);
	pause_or_resume(s);
}

static void
on_room(struct websocket *w)
{
	struct rpc_session *s = websocket_owner(w);

	pause_or_resume(s);
	rpc_catch_up(s);
}

static void
on_closed(struct websocket *w, int code, struct bytes reason)
{
	struct rpc_session *s = websocket_owner(w);

	(void)reason;
	note_end(s, code);
	leave(s);
}

/* ---- a stop ---- */

/* Calls that it waits for are answered first. */
static void
on_stop(struct websocket *w)
{
	struct rpc_session *s = websocket_owner(w);

	s->stops = true;
	end_if_over(s);
}

void
rpc_note_call_end(struct rpc_session *s)
{
	end_if_over(s);
}

/* ---- the beginning ---- */

static const struct websocket_ops ops = {
	.on_piece = on_piece,
	.on_room = on_room,
	.on_closed = on_closed,
	.on_stop = on_stop,
};

void
rpc_session_begin(struct exchange *x, const struct websocket_handshake *h,
	struct bytes protocol, const struct bearer *bearer)
{
	struct rpc_session *s = memory_alloc(sizeof(*s));
	struct http_server *server = x->connection->server;

	s->server = server;
	s->is_open = bearer != NULL;
	if (bearer)
		s->bearer = *bearer;
	s->waiter.run = run_message;
	list_init(&s->waiter.node);
	list_init(&s->calls);
	rpc_session_init_events(s);
	wheel_timer_init(&s->open_timer, on_open_over);
	if (!bearer)
		wheel_set(&server->gateway->wheel, &s->open_timer,
			clock_ms() + RPC_OPEN_MS);
	list_append(&server->sessions.sessions, &s->node);
	server->gateway->edge.sessions++;
	s->socket = websocket_accept(x, h,
		&(struct websocket_terms){.ops = &ops,
			.owner = s,
			.protocol = protocol,
			.message_max = bearer ? RPC_MESSAGE_MAX
					      : RPC_FIRST_MESSAGE_MAX,
			.queue_max = RPC_READ_BYTES});
	websocket_set_idle(s->socket, !bearer);
}

/* ---- all of them ---- */

void
rpc_house_init(struct rpc_house *h, struct http_server *s)
{
	h->server = s;
	list_init(&h->sessions);
	list_init(&h->ended);
	rpc_fanout_init(&h->fanout);
}

void
rpc_house_turn(struct rpc_house *h)
{
	while (!list_is_empty(&h->ended))
		destroy(container_of(h->ended.next, struct rpc_session, node));
}

void
rpc_house_finish(struct rpc_house *h)
{
	rpc_house_turn(h);
	rpc_fanout_finish(&h->fanout);
}

void
rpc_house_end_denied(struct rpc_house *h)
{
	list_for_each_safe (node, &h->sessions) {
		struct rpc_session *s =
			container_of(node, struct rpc_session, node);

		if (s->is_open && rpc_role_now(s) < 0)
			rpc_end(s, WEBSOCKET_DENIED,
				"the token is no longer valid");
		else if (!h->server->config->admin.http)
			rpc_end(s, WEBSOCKET_DENIED, "sessions are disabled");
	}
}
