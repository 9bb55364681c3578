/* websocket_write: frames to the client. They wait in a queue of references and
 * are copied to the connection's output as the client takes it, so that a
 * frame for many costs each that waits only its reference. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/http/server.h"
#include "supervisor/http/websocket_private.h"

#define FIN 0x80u
#define QUEUE_FIRST 8 /* items of a new queue */

/* Returns the length of the head. */
static size_t
put_head(uint8_t *at, uint8_t first, size_t length)
{
	unsigned digits = length < 126 ? 0 : length < 65536 ? 2 : 8;

	at[0] = first;
	at[1] = digits == 8 ? 127 : digits ? 126 : (uint8_t)length;
	for (unsigned i = 0; i < digits; i++)
		at[2 + i] =
			(uint8_t)((uint64_t)length >> (8 * (digits - 1 - i)));
	return 2 + digits;
}

/* ---- frames ---- */

static struct websocket_frame *
frame_create(uint8_t first, const void *payload, size_t length)
{
	uint8_t head[WEBSOCKET_HEAD_MAX];
	size_t head_length = put_head(head, first, length);
	struct websocket_frame *f =
		memory_alloc(sizeof(*f) + head_length + length);

	f->refs = 1;
	f->length = (uint32_t)(head_length + length);
	memcpy(f->bytes, head, head_length);
	if (length)
		memcpy(f->bytes + head_length, payload, length);
	return f;
}

struct websocket_frame *
websocket_frame_create(enum websocket_opcode opcode, struct bytes payload)
{
	return frame_create(
		(uint8_t)(FIN | opcode), payload.at, payload.length);
}

void
websocket_frame_unref(struct websocket_frame *f)
{
	if (!--f->refs)
		free(f);
}

size_t
websocket_frame_bytes(const struct websocket_frame *f)
{
	return f->length;
}

static size_t
cost_of(const struct websocket_frame *f)
{
	return sizeof(*f) + sizeof(f) + f->length;
}

/* ---- the queue ---- */

static void
queue_grow(struct websocket_queue *q)
{
	uint32_t capacity = q->capacity ? 2 * q->capacity : QUEUE_FIRST;
	struct websocket_frame **items =
		memory_alloc(capacity * sizeof(*items));

	for (uint32_t i = 0; i < q->count; i++)
		items[i] = q->items[(q->first + i) % q->capacity];
	free(q->items);
	q->items = items;
	q->first = 0;
	q->capacity = capacity;
}

/* Takes the caller's reference. */
static void
queue_push(struct websocket_queue *q, struct websocket_frame *f)
{
	if (q->count == q->capacity)
		queue_grow(q);
	q->items[(q->first + q->count++) % q->capacity] = f;
	q->bytes += cost_of(f);
}

static void
queue_pop(struct websocket_queue *q)
{
	struct websocket_frame *f = q->items[q->first];

	q->bytes -= cost_of(f);
	q->first = (q->first + 1) % q->capacity;
	q->count--;
	q->offset = 0;
	websocket_frame_unref(f);
}

void
websocket_drop_queue(struct websocket *w)
{
	struct websocket_queue *q = &w->queue;
	uint32_t kept = q->offset ? 1 : 0;

	while (q->count > kept) {
		struct websocket_frame *f =
			q->items[(q->first + --q->count) % q->capacity];

		q->bytes -= cost_of(f);
		websocket_frame_unref(f);
	}
}

void
websocket_queue_finish(struct websocket *w)
{
	while (w->queue.count)
		queue_pop(&w->queue);
	free(w->queue.items);
	w->queue = (struct websocket_queue){0};
	free(w->pong);
	w->pong = NULL;
}

size_t
websocket_queued(const struct websocket *w)
{
	return w->queue.bytes - w->queue.offset +
	       buffer_length(&w->connection->out);
}

bool
websocket_has_room(struct websocket *w)
{
	bool has = websocket_queued(w) < w->queue_max;

	w->wants_room |= !has;
	return has;
}

/* ---- sending ---- */

static void
push(struct websocket *w, struct websocket_frame *f)
{
	queue_push(&w->queue, f);
	connection_touch(w->connection);
}

/* Whether a frame of that size can be written to the output at once: nothing
 * waits, and the client takes what it is sent. */
static bool
goes_straight(const struct websocket *w, size_t length)
{
	const struct connection *c = w->connection;

	return w->begun && !w->queue.count && !w->pong &&
	       !ev_is_active(&c->writable) &&
	       buffer_length(&c->out) + length + WEBSOCKET_HEAD_MAX <=
		       WEBSOCKET_OUT_MAX;
}

static struct buffer *
output_of(struct connection *c)
{
	if (!c->out.memory)
		http_server_take_buffer(c->server, &c->out);
	return &c->out;
}

static void
write_straight(struct websocket *w, uint8_t first, struct bytes payload)
{
	struct buffer *out = output_of(w->connection);
	uint8_t *at = buffer_reserve(out, WEBSOCKET_HEAD_MAX + payload.length);
	size_t length = put_head(at, first, payload.length);

	if (payload.length)
		memcpy(at + length, payload.at, payload.length);
	buffer_commit(out, length + payload.length);
	connection_touch(w->connection);
}

static void
send_frame(struct websocket *w, uint8_t first, struct bytes payload)
{
	if (goes_straight(w, payload.length))
		write_straight(w, first, payload);
	else
		push(w, frame_create(first, payload.at, payload.length));
}

void
websocket_send(struct websocket *w, enum websocket_opcode opcode,
	struct bytes payload, bool more)
{
	uint8_t first =
		w->sends_part ? WEBSOCKET_CONTINUATION : (uint8_t)opcode;

	if (w->state != WEBSOCKET_OPEN)
		return;
	if (!more)
		first |= FIN;
	w->sends_part = more;
	send_frame(w, first, payload);
}

void
websocket_send_frame(struct websocket *w, struct websocket_frame *f)
{
	assert(!w->sends_part);
	if (w->state != WEBSOCKET_OPEN)
		return;
	f->refs++;
	push(w, f);
}

void
websocket_send_control(
	struct websocket *w, uint8_t opcode, const void *bytes, size_t size)
{
	send_frame(w, (uint8_t)(FIN | opcode), (struct bytes){bytes, size});
}

void
websocket_send_close(struct websocket *w, int code, struct bytes reason)
{
	uint8_t payload[WEBSOCKET_CONTROL_MAX];
	size_t length = 0;

	if (code != WEBSOCKET_NO_CODE) {
		payload[0] = (uint8_t)(code >> 8);
		payload[1] = (uint8_t)code;
		length = text_fit(
			reason.at, reason.length, WEBSOCKET_REASON_MAX);
		if (length)
			memcpy(payload + 2, reason.at, length);
		length += 2;
	}
	websocket_send_control(w, WEBSOCKET_CLOSE_FRAME, payload, length);
}

/* Only the last ping needs an answer (section 5.5.3), so that a client that
 * sends many and reads nothing is owed one pong. */
void
websocket_answer_ping(struct websocket *w, const void *bytes, size_t size)
{
	if (goes_straight(w, size)) {
		websocket_send_control(w, WEBSOCKET_PONG_FRAME, bytes, size);
		return;
	}
	if (!w->pong)
		w->pong = memory_alloc(sizeof(*w->pong));
	w->pong->length = (uint8_t)size;
	if (size)
		memcpy(w->pong->bytes, bytes, size);
	connection_touch(w->connection);
}

/* ---- from the queue to the output ---- */

static void
move_pong(struct websocket *w)
{
	struct websocket_control *pong = w->pong;

	w->pong = NULL;
	write_straight(w, (uint8_t)(FIN | WEBSOCKET_PONG_FRAME),
		(struct bytes){(char *)pong->bytes, pong->length});
	free(pong);
}

void
websocket_move(struct websocket *w)
{
	struct connection *c = w->connection;
	struct websocket_queue *q = &w->queue;

	while (buffer_length(&c->out) < WEBSOCKET_OUT_MAX) {
		size_t room = WEBSOCKET_OUT_MAX - buffer_length(&c->out);
		const struct websocket_frame *f;
		size_t left;

		if (w->pong && !q->offset) {
			move_pong(w);
			continue;
		}
		if (!q->count)
			return;
		f = q->items[q->first];
		left = f->length - q->offset;
		buffer_append(output_of(c), f->bytes + q->offset,
			left < room ? left : room);
		if (left <= room)
			queue_pop(q);
		else
			q->offset += room;
	}
}
