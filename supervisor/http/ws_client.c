/* ws_client: the handshake by way of the plugin, and the messages. Messages are
 * passed on whole, or in pieces of WS_PIECE_MAX bytes; while the worker takes
 * nothing, the client is not read. */
#include "supervisor/http/ws_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/util/utf8.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/ws_conn.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/server.h"
#include "supervisor/http/websocket.h"
#include "supervisor/http/websocket_handshake.h"

struct ws_client {
	struct ws_conn conn;
	struct exchange *exchange;   /* until the answer */
	struct websocket *websocket; /* from the 101 on */
	struct websocket_handshake handshake;
	char *offered; /* subprotocols, "a, b"; until the answer */

	/* from the client: what is not passed on yet */
	struct buffer part;
	enum websocket_opcode opcode;
	bool is_last; /* the part ends the message */
	bool paused;  /* the part waits for room, and nothing is read */

	struct utf8_pieces text; /* of the worker's message */
};

static const struct ws_conn_ops conn_ops;

static struct ws_client *
client_of(struct ws_conn *c)
{
	return container_of(c, struct ws_client, conn);
}

static void
client_free(struct ws_client *c)
{
	ws_conn_finish(&c->conn);
	buffer_finish(&c->part);
	free(c->offered);
	free(c);
}

/* ---- from the client ---- */

static void
pass(struct ws_client *c, struct bytes piece, bool more)
{
	ws_conn_send(&c->conn, c->opcode, piece, more);
}

/* Passes the part on if there is room; else the client waits. */
static void
pass_part(struct ws_client *c)
{
	struct bytes part = {
		(const char *)buffer_bytes(&c->part), buffer_length(&c->part)};

	if (ws_conn_room(&c->conn) < (part.length ? part.length : 1)) {
		if (!c->paused)
			websocket_pause(c->websocket);
		c->paused = true;
		return;
	}
	pass(c, part, !c->is_last);
	buffer_finish(&c->part);
	if (c->paused) {
		c->paused = false;
		websocket_resume(c->websocket);
	}
}

static void
on_piece(struct websocket *w, enum websocket_opcode opcode, struct bytes piece,
	bool more)
{
	struct ws_client *c = websocket_owner(w);

	c->opcode = opcode;
	c->is_last = !more;
	if (!more && !buffer_length(&c->part) &&
		ws_conn_room(&c->conn) >= (piece.length ? piece.length : 1)) {
		pass(c, piece, false);
		return;
	}
	buffer_append(&c->part, piece.at, piece.length);
	if (!more ||
		buffer_length(&c->part) > WS_PIECE_MAX - WEBSOCKET_PIECE_MAX)
		pass_part(c);
}

static void
on_room(struct ws_conn *conn)
{
	struct ws_client *c = client_of(conn);

	if (c->paused)
		pass_part(c);
}

/* ---- to the client ---- */

static void
give_credit(struct ws_client *c)
{
	if (websocket_has_room(c->websocket))
		ws_conn_taken(&c->conn);
}

static void
on_client_room(struct websocket *w)
{
	give_credit(websocket_owner(w));
}

static void
on_message(struct ws_conn *conn, unsigned opcode, struct bytes piece, bool more)
{
	struct ws_client *c = client_of(conn);

	if (opcode == WEBSOCKET_TEXT &&
		(!utf8_take_piece(&c->text, piece.at, piece.length) ||
			(!more && c->text.left))) {
		websocket_close(c->websocket, WEBSOCKET_FAULT,
			BYTES("the plugin's text is not UTF-8"));
		ws_conn_closed(
			conn, WS_CODE_FAULT, BYTES("the text is not UTF-8"));
		client_free(c);
		return;
	}
	websocket_send(
		c->websocket, (enum websocket_opcode)opcode, piece, more);
	give_credit(c);
}

/* ---- the end ---- */

static void
on_close(struct ws_conn *conn, unsigned code, struct bytes reason)
{
	struct ws_client *c = client_of(conn);

	if (!websocket_code_is_valid((int)code))
		code = WEBSOCKET_FAULT;
	websocket_close(c->websocket, (int)code, reason);
	client_free(c);
}

static void
on_closed(struct websocket *w, int code, struct bytes reason)
{
	struct ws_client *c = websocket_owner(w);

	ws_conn_closed(&c->conn, (unsigned)code, reason);
	client_free(c);
}

static const struct websocket_ops websocket_ops = {
	.on_piece = on_piece,
	.on_room = on_client_room,
	.on_closed = on_closed,
};

/* ---- the answer ---- */

static struct gateway *
gateway_of(const struct ws_client *c)
{
	return c->exchange->connection->server->gateway;
}

/* Ends the client's request without a connection. */
static void
refuse(struct ws_client *c, int status, const char *fields, const char *reason)
{
	struct exchange *x = c->exchange;

	exchange_write_refusal(x, status, fields, reason);
	exchange_let_go(x);
	client_free(c);
}

static void
on_fail(struct ws_conn *conn, enum request_failure why, const char *text)
{
	const struct request_failure_row *row = &request_failures[why];
	char fields[40] = "";

	if (row->retry_after_s)
		snprintf(fields, sizeof(fields), "Retry-After: %d\r\n",
			row->retry_after_s);
	refuse(client_of(conn), row->status, fields, text ? text : row->text);
}

static void
refuse_answer(struct ws_client *c, enum request_failure why, int status,
	const char *text)
{
	dispatch_note_failure(gateway_of(c), &c->conn.ask, why);
	dispatch_note_answer(gateway_of(c), &c->conn.ask, status);
	ws_conn_closed(&c->conn, WS_CODE_FAULT, BYTES(""));
	refuse(c, status, "", text);
}

/* Reads [status, headers, protocol] as the answer to an HTTP request; 101
 * becomes 200. */
static int
read_answer(struct answer *a, const msgpack_object *result, bool *accepts_out,
	struct error *err)
{
	msgpack_object parts[4] = {
		[2] = {.type = MSGPACK_OBJECT_BIN, .via.bin = {0, ""}},
		[3] = {.type = MSGPACK_OBJECT_BOOLEAN},
	};
	msgpack_object whole = {
		.type = MSGPACK_OBJECT_ARRAY, .via.array = {4, parts}};

	if (result->type != MSGPACK_OBJECT_ARRAY || result->via.array.size < 3)
		return error_set(err, "it is not [status, headers, protocol]");
	parts[0] = result->via.array.ptr[0];
	parts[1] = result->via.array.ptr[1];
	*accepts_out = parts[0].type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
		       parts[0].via.u64 == 101;
	if (*accepts_out)
		parts[0].via.u64 = 200;
	if (answer_read(a, &whole, err))
		return -1;
	a->fields = &result->via.array.ptr[1].via.array;
	return 0;
}

static bool
has_item(const char *list, struct bytes item)
{
	struct text_items items = {0};

	if (list)
		text_items_add(&items, bytes_of(list));
	for (unsigned i = 0; i < items.count; i++)
		if (bytes_equal(items.items[i], item))
			return true;
	return false;
}

/* nil or "": none */
static int
take_protocol(struct ws_client *c, const msgpack_object *o, struct error *err)
{
	struct bytes protocol = codec_bytes(o);

	if (o->type != MSGPACK_OBJECT_NIL && o->type != MSGPACK_OBJECT_STR)
		return error_set(err, "its protocol is not a string");
	if (!protocol.length)
		return 0;
	if (!has_item(c->conn.protocols, protocol))
		return error_set(err,
			"it chose a subprotocol that it does not register");
	if (!has_item(c->offered, protocol))
		return error_set(err,
			"it chose a subprotocol that the client did not offer");
	c->conn.protocol = memory_copy_bytes(protocol.at, protocol.length);
	return 0;
}

static void
take_up(struct ws_client *c, const struct answer *a)
{
	struct exchange *x = c->exchange;
	struct buffer fields = {0};
	struct websocket_terms terms = {
		.ops = &websocket_ops,
		.owner = c,
		.protocol = bytes_of(c->conn.protocol ? c->conn.protocol : ""),
		.message_max = c->conn.message_limit,
		.queue_max = WS_CLIENT_QUEUE_MAX,
	};

	answer_write_fields(&fields, a);
	buffer_append_byte(&fields, '\0');
	terms.fields = (const char *)buffer_bytes(&fields);
	if (x->note)
		x->note->generation =
			dispatch_generation(gateway_of(c), &c->conn.ask);
	c->exchange = NULL;
	c->websocket = websocket_accept(x, &c->handshake, &terms);
	buffer_finish(&fields);
	free(c->offered);
	c->offered = NULL;
}

/* Passes the plugin's refusal on. */
static void
decline(struct ws_client *c, const struct answer *a)
{
	struct exchange *x = c->exchange;
	struct answer_frame frame;

	exchange_leave_body(x);
	frame = exchange_frame(x);
	answer_write(exchange_output(x), a, &frame);
	x->keep_alive = frame.keep_alive;
	x->status = a->status;
	exchange_finish(x);
	exchange_let_go(x);
	ws_conn_closed(&c->conn, WS_CODE_NORMAL, BYTES(""));
	client_free(c);
}

static bool
on_answer(struct ws_conn *conn, const struct message *m)
{
	struct ws_client *c = client_of(conn);
	struct answer a;
	struct error err;
	char text[600];
	bool accepts = false;

	if (m->error) {
		enum wire_error code =
			codec_read_error(m->error, text, sizeof(text));

		if (code == WIRE_TOO_LARGE)
			code = WIRE_FAILED;
		refuse_answer(c, REQUEST_FAILED, wire_error_status(code), text);
		return false;
	}
	if (read_answer(&a, m->result, &accepts, &err) ||
		(accepts &&
			take_protocol(c, &m->result->via.array.ptr[2], &err))) {
		text_format(text, sizeof(text), "%s: %s",
			request_failures[REQUEST_BAD_ANSWER].text, err.text);
		refuse_answer(c, REQUEST_BAD_ANSWER,
			request_failures[REQUEST_BAD_ANSWER].status, text);
		return false;
	}
	dispatch_note_answer(
		gateway_of(c), &conn->ask, accepts ? 101 : a.status);
	if (accepts)
		take_up(c, &a);
	else
		decline(c, &a);
	return accepts;
}

static const struct ws_conn_ops conn_ops = {
	.answer = on_answer,
	.fail = on_fail,
	.message = on_message,
	.close = on_close,
	.room = on_room,
};

/* ---- the request ---- */

/* The client left before the answer. */
static void
on_abandon(struct exchange *x)
{
	struct ws_client *c = x->answering;

	ws_conn_closed(&c->conn, WEBSOCKET_LOST, BYTES(""));
	client_free(c);
}

static const struct responder responder = {
	.refuse = exchange_refuse_as_accepted,
	.abandon = on_abandon,
};

static char *
offered_by(const struct head *h)
{
	struct text_items items = {0};
	struct buffer text = {0};
	char *copy;

	websocket_offered(h, &items);
	for (unsigned i = 0; i < items.count; i++) {
		if (i)
			buffer_append_text(&text, ", ");
		buffer_append(&text, items.items[i].at, items.items[i].length);
	}
	copy = memory_copy_bytes(
		(const char *)buffer_bytes(&text), buffer_length(&text));
	buffer_finish(&text);
	return copy;
}

static void
begin(struct exchange *x, const struct head *h, const struct route_match *match,
	const struct websocket_handshake *hs)
{
	struct gateway *g = x->connection->server->gateway;
	struct ws_client *c = memory_alloc(sizeof(*c));

	c->exchange = x;
	c->handshake = *hs;
	c->offered = offered_by(h);
	c->conn.ops = &conn_ops;
	c->conn.path = memory_copy_bytes(h->path.at, h->path.length);
	c->conn.trace_at = exchange_pack_ws(x, h, &c->conn.rest);
	c->conn.ask.span = x->request.span;
	ws_conn_take_route(&c->conn, match);
	exchange_note_plugin(x, match);
	exchange_hand_to(x, &responder, c);
	x->state = EXCHANGE_WAITING;
	ws_conn_open(&c->conn, g, match);
}

bool
ws_client_begin(
	struct exchange *x, const struct head *h, const struct path *path)
{
	struct gateway *g = x->connection->server->gateway;
	struct websocket_handshake handshake;
	struct websocket_refusal refusal;
	struct route_match match;

	if (dispatch_find_websocket(g, path, &match) != ROUTE_FOUND)
		return false;
	if (websocket_handshake_read(&handshake, h, &refusal) < 0)
		exchange_refuse(
			x, refusal.status, refusal.fields, refusal.reason);
	else
		begin(x, h, &match, &handshake);
	return true;
}
