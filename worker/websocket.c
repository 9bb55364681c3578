/* websocket: messages of clients' connections: each is given to the plugin
 * whole; what the plugin sends without credit waits here. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "worker/websocket_private.h"

#define PIECE_BYTES (64 * 1024)	 /* of a message, sent at once */
#define CREDIT_BYTES (32 * 1024) /* confirmed together */
#define CODE_FAULT 1011

struct sup_ws *
websocket_find(struct sup *p, uint64_t id)
{
	list_for_each (node, &p->conns[id % REQUEST_BUCKETS]) {
		struct sup_ws *ws = container_of(node, struct sup_ws, node);

		if (ws->id == id && !ws->over)
			return ws;
	}
	return NULL;
}

static struct ws_message *
message_create(enum sup_ws_type type)
{
	struct ws_message *m = memory_alloc(sizeof(*m));

	m->type = type;
	list_init(&m->node);
	return m;
}

static void
message_free(struct ws_message *m)
{
	if (!m)
		return;
	list_remove(&m->node);
	buffer_finish(&m->bytes);
	free(m);
}

static struct ws_message *
first_of(struct list *box)
{
	return list_is_empty(box)
		       ? NULL
		       : container_of(box->next, struct ws_message, node);
}

void
websocket_free_if_over(struct sup_ws *ws)
{
	if (!ws->over || ws->inside || ws->asked)
		return;
	list_remove(&ws->node);
	message_free(ws->part);
	while (!list_is_empty(&ws->inbox))
		message_free(first_of(&ws->inbox));
	while (!list_is_empty(&ws->outbox))
		message_free(first_of(&ws->outbox));
	offer_set_unref(ws->set);
	free(ws->protocol);
	free(ws);
}

/* ---- sending ---- */

static uint64_t
cost_of(size_t bytes)
{
	return bytes ? bytes : 1;
}

static void
send_piece(
	struct sup_ws *ws, enum sup_ws_type type, struct bytes piece, bool more)
{
	msgpack_packer *out = link_begin(ws->plugin->link);

	ws->credit -= cost_of(piece.length);
	codec_notification(out, MESSAGE_WS_MESSAGE, 4);
	msgpack_pack_uint32(out, ws->id);
	msgpack_pack_int(out, (int)type);
	codec_bin(out, piece);
	more ? msgpack_pack_true(out) : msgpack_pack_false(out);
	link_end(ws->plugin->link);
}

/* Sends what credit allows; returns the number of bytes. *all: the message is
 * complete. */
static size_t
send_some(struct sup_ws *ws, enum sup_ws_type type, struct bytes bytes,
	bool *all_out)
{
	size_t sent = 0, size;

	*all_out = false;
	while (ws->credit && !*all_out) {
		size = bytes.length - sent;
		if (size > PIECE_BYTES)
			size = PIECE_BYTES;
		if (size > ws->credit)
			size = (size_t)ws->credit;
		*all_out = sent + size == bytes.length;
		send_piece(ws, type, (struct bytes){bytes.at + sent, size},
			!*all_out);
		sent += size;
	}
	return sent;
}

void
websocket_pump(struct sup_ws *ws)
{
	struct ws_message *m;
	size_t sent;
	bool all = true;

	while (all && ws->accepted && (m = first_of(&ws->outbox))) {
		sent = send_some(ws, m->type,
			(struct bytes){(const char *)buffer_bytes(&m->bytes),
				buffer_length(&m->bytes)},
			&all);
		if (all)
			message_free(m);
		else
			buffer_consume(&m->bytes, sent);
	}
}

int64_t
sup_ws_send(struct sup_ws *ws, enum sup_ws_type type, const void *bytes,
	size_t size)
{
	HOST_NEEDS(ws, "ws");
	HOST_NEEDS(bytes || !size, "bytes");

	struct bytes whole = {size ? bytes : "", size};
	struct ws_message *m;
	size_t sent = 0;
	bool all = false;

	if (ws->over)
		return -1;
	if (ws->accepted && list_is_empty(&ws->outbox))
		sent = send_some(ws, type, whole, &all);
	if (!all) {
		m = message_create(type);
		buffer_append(&m->bytes, whole.at + sent, size - sent);
		list_append(&ws->outbox, &m->node);
	}
	return list_is_empty(&ws->outbox) ? (int64_t)ws->credit : 0;
}

/* ---- the end ---- */

/* RFC 6455, section 7.4. */
static bool
code_is_sent(int code)
{
	return (code >= 1000 && code <= 1003) ||
	       (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

void
sup_ws_close(struct sup_ws *ws, int code, const char *reason)
{
	HOST_NEEDS(ws, "ws");

	msgpack_packer *out;

	if (ws->over)
		return;
	if (!ws->accepted)
		host_abort("sup_ws_close() before the connection is accepted");
	if (!code_is_sent(code)) {
		sup_log(ws->plugin, SUP_ERROR,
			"sup_ws_close(): close code %d must be 1000 to 1003, "
			"1007 to 1014 or 3000 to 4999; 1011 is sent",
			code);
		code = CODE_FAULT;
	}
	ws->over = true;
	out = link_begin(ws->plugin->link);
	codec_notification(out, MESSAGE_WS_CLOSE, 3);
	msgpack_pack_uint32(out, ws->id);
	msgpack_pack_uint32(out, (uint32_t)code);
	codec_text(out, reason ? reason : "");
	link_end(ws->plugin->link);
	websocket_free_if_over(ws);
}

static void
leave(struct sup_ws *ws)
{
	ws->inside--;
	websocket_free_if_over(ws);
}

void
websocket_end(struct sup_ws *ws, int code, const char *reason)
{
	ws->over = true;
	ws->inside++;
	if (ws->accepted && ws->offer->ws.close)
		ws->offer->ws.close(ws, code, reason, ws->offer->ws.user);
	leave(ws);
}

void
websocket_on_close(struct sup *p, const struct message *m)
{
	struct sup_ws *ws = websocket_find(p, m->params[0].via.u64);
	struct bytes reason = codec_bytes(&m->params[2]);
	char *text;

	if (!ws)
		return;
	text = memory_copy_bytes(reason.at, reason.length);
	websocket_end(ws, (int)m->params[1].via.u64, text);
	free(text);
}

/* ---- receiving ---- */

static void
confirm(struct sup_ws *ws)
{
	msgpack_packer *out;

	if (ws->owed < CREDIT_BYTES || ws->over)
		return;
	out = link_begin(ws->plugin->link);
	codec_notification(out, MESSAGE_CREDIT, 2);
	msgpack_pack_uint32(out, ws->id);
	msgpack_pack_uint64(out, ws->owed);
	link_end(ws->plugin->link);
	ws->owed = 0;
}

/* A long message must not wait for credit; but one that waits behind others
 * does. */
static void
confirm_part(struct sup_ws *ws)
{
	if (!ws->part || !list_is_empty(&ws->inbox))
		return;
	ws->owed += ws->part->cost;
	ws->part->cost = 0;
	confirm(ws);
}

/* false: the connection may be gone. */
static bool
give(struct sup_ws *ws, enum sup_ws_type type, struct bytes bytes,
	uint64_t cost)
{
	ws->inside++;
	if (ws->offer->ws.message)
		ws->offer->ws.message(ws, type, bytes.length ? bytes.at : "",
			bytes.length, ws->offer->ws.user);
	ws->owed += cost;
	if (!ws->over) {
		confirm(ws);
		ws->inside--;
		return true;
	}
	leave(ws);
	return false;
}

void
websocket_give_all(struct sup_ws *ws)
{
	struct ws_message *m;
	bool is_there = true;

	while (is_there && ws->accepted && !ws->paused && !ws->inside &&
		(m = first_of(&ws->inbox))) {
		list_remove(&m->node);
		is_there = give(ws, m->type,
			(struct bytes){(const char *)buffer_bytes(&m->bytes),
				buffer_length(&m->bytes)},
			m->cost);
		message_free(m);
	}
	if (!is_there || !list_is_empty(&ws->inbox))
		return;
	confirm_part(ws);
	if (ws->asked && ws->accepted && !ws->inside &&
		ws->asked->state == REQUEST_COLLECTING)
		request_start(ws->asked);
}

static bool
can_give_at_once(const struct sup_ws *ws)
{
	return ws->accepted && !ws->paused && !ws->inside &&
	       list_is_empty(&ws->inbox);
}

void
websocket_on_message(struct sup *p, const struct message *m)
{
	struct sup_ws *ws = websocket_find(p, m->params[0].via.u64);
	enum sup_ws_type type = (enum sup_ws_type)m->params[1].via.u64;
	struct bytes piece = codec_bytes(&m->params[2]);
	bool more = m->params[3].via.boolean;

	if (!ws)
		return;
	if (!ws->part && !more && can_give_at_once(ws)) {
		give(ws, type, piece, cost_of(piece.length));
		return;
	}
	if (!ws->part)
		ws->part = message_create(type);
	buffer_append(&ws->part->bytes, piece.at, piece.length);
	ws->part->cost += cost_of(piece.length);
	if (more) {
		confirm_part(ws);
		return;
	}
	list_append(&ws->inbox, &ws->part->node);
	ws->part = NULL;
	websocket_give_all(ws);
}

void
sup_ws_pause(struct sup_ws *ws)
{
	HOST_NEEDS(ws, "ws");
	ws->paused = true;
}

/* From the loop, so that a plugin may resume within its callback. */
static void
resume_later(void *user)
{
	struct sup_ws *ws = user;

	ws->inside--;
	if (ws->over)
		websocket_free_if_over(ws);
	else
		websocket_give_all(ws);
}

void
sup_ws_resume(struct sup_ws *ws)
{
	HOST_NEEDS(ws, "ws");
	if (!ws->paused)
		return;
	ws->paused = false;
	ws->inside++;
	sup_post(ws->plugin, resume_later, ws);
}

bool
websocket_on_credit(struct sup *p, uint32_t id, uint64_t bytes)
{
	struct sup_ws *ws = websocket_find(p, id);
	bool waited;

	if (!ws)
		return false;
	ws->credit += bytes;
	waited = !list_is_empty(&ws->outbox);
	websocket_pump(ws);
	if (!waited || !list_is_empty(&ws->outbox) || !ws->offer->ws.writable)
		return true;
	ws->inside++;
	ws->offer->ws.writable(ws, ws->offer->ws.user);
	leave(ws);
	return true;
}
