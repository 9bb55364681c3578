/* websocket_read: frames from the client. wslay finds their borders and
 * unmasks them; what they may contain is checked here. A framer is 4 KiB, so a
 * websocket has one only while it is within a frame. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/http/server.h"
#include "supervisor/http/websocket_private.h"

/* ---- framers ---- */

static ssize_t
read_input(uint8_t *into, size_t size, int flags, void *user)
{
	struct websocket_framer *f = user;

	(void)flags;
	if (size > f->input_left)
		size = f->input_left;
	if (!size)
		return -1;
	memcpy(into, f->input, size);
	f->input += size;
	f->input_left -= size;
	f->held += size;
	return (ssize_t)size;
}

static struct websocket_framer *
framer_create(void)
{
	static const struct wslay_frame_callbacks callbacks = {
		.recv_callback = read_input};
	struct websocket_framer *f = memory_alloc(sizeof(*f));

	if (wslay_frame_context_init(&f->frames, &callbacks, f))
		abort(); /* no memory */
	return f;
}

void
websocket_framer_destroy(struct websocket_framer *f)
{
	if (!f)
		return;
	wslay_frame_context_free(f->frames);
	free(f);
}

static void
take_framer(struct websocket *w)
{
	struct websocket_house *house = &w->connection->server->websockets;

	w->framer = house->spare ? house->spare : framer_create();
	house->spare = NULL;
}

/* Gives it back between two frames, or when nothing is read any more. */
static void
rest(struct websocket *w)
{
	struct websocket_house *house = &w->connection->server->websockets;
	bool is_clean = !w->framer->held && !w->frame_left;

	if (w->state != WEBSOCKET_OVER && !is_clean)
		return;
	if (house->spare || !is_clean)
		websocket_framer_destroy(w->framer);
	else
		house->spare = w->framer;
	w->framer = NULL;
}

/* ---- what frames may contain ---- */

static void
fail(struct websocket *w, int code, const char *reason)
{
	websocket_end(w, code, bytes_of(reason));
}

/* Checks the head of a frame; false: it failed. */
static bool
check_head(struct websocket *w, const struct wslay_frame_iocb *frame)
{
	const char *wrong = NULL;

	if (!frame->mask)
		wrong = "a frame of a client must be masked";
	else if (frame->rsv)
		wrong = "a reserved bit is set; no extension was negotiated";
	else if (frame->opcode > WEBSOCKET_PONG_FRAME ||
		 (frame->opcode > WEBSOCKET_BINARY &&
			 frame->opcode < WEBSOCKET_CLOSE_FRAME))
		wrong = "the opcode is not known";
	else if (frame->opcode == WEBSOCKET_CONTINUATION && !w->in_message)
		wrong = "there is no message to continue";
	else if ((frame->opcode == WEBSOCKET_TEXT ||
			 frame->opcode == WEBSOCKET_BINARY) &&
		 w->in_message)
		wrong = "the message before is not complete";
	if (wrong) {
		fail(w, WEBSOCKET_PROTOCOL_ERROR, wrong);
		return false;
	}
	return true;
}

static bool
begin_frame(struct websocket *w, const struct wslay_frame_iocb *frame)
{
	if (!check_head(w, frame))
		return false;
	if (wslay_is_ctrl_frame(frame->opcode)) {
		w->framer->control.length = 0;
		return true;
	}
	if (!w->in_message) {
		w->in_message = true;
		w->opcode = (enum websocket_opcode)frame->opcode;
		w->message_bytes = 0;
		w->text = (struct utf8_pieces){0};
	}
	if (frame->payload_length <= w->message_max - w->message_bytes) {
		w->message_bytes += frame->payload_length;
		return true;
	}
	if (w->state == WEBSOCKET_OPEN)
		fail(w, WEBSOCKET_TOO_LARGE, "the message is too large");
	return w->state != WEBSOCKET_OVER;
}

static void
take_data(struct websocket *w, const struct wslay_frame_iocb *frame)
{
	bool ends = !w->frame_left && frame->fin;
	struct bytes piece = {(const char *)frame->data, frame->data_length};

	if (ends)
		w->in_message = false;
	if (w->state != WEBSOCKET_OPEN)
		return;
	if (w->opcode == WEBSOCKET_TEXT &&
		(!utf8_take_piece(&w->text, piece.at, piece.length) ||
			(ends && w->text.left))) {
		fail(w, WEBSOCKET_BAD_TEXT, "the text is not UTF-8");
		return;
	}
	/* an empty piece says something only at the end of a message */
	if (piece.length || ends)
		w->ops->on_piece(w, w->opcode, piece, !ends);
}

bool
websocket_code_is_valid(int code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 &&
		       code != WEBSOCKET_NO_CODE && code != WEBSOCKET_LOST) ||
	       (code >= 3000 && code <= 4999);
}

/* The client closes: answers with its code. */
static void
take_close(struct websocket *w, const struct websocket_control *frame)
{
	const uint8_t *at = frame->bytes;
	struct bytes reason = {"", 0};
	int code = WEBSOCKET_NO_CODE;

	if (frame->length >= 2) {
		code = at[0] << 8 | at[1];
		reason = (struct bytes){
			(const char *)at + 2, frame->length - 2u};
	}
	if (frame->length == 1 ||
		(frame->length && !websocket_code_is_valid(code)))
		fail(w, WEBSOCKET_PROTOCOL_ERROR, "the close has a bad code");
	else if (!utf8_is_valid(reason.at, reason.length))
		fail(w, WEBSOCKET_BAD_TEXT, "the reason is not UTF-8");
	else
		websocket_end(w, code, reason);
}

static void
take_control(struct websocket *w, const struct wslay_frame_iocb *frame)
{
	struct websocket_control *control = &w->framer->control;

	/* wslay lets no control frame through that is larger */
	memcpy(control->bytes + control->length, frame->data,
		frame->data_length);
	control->length += (uint8_t)frame->data_length;
	if (w->frame_left)
		return;
	if (frame->opcode == WEBSOCKET_CLOSE_FRAME)
		take_close(w, control);
	else if (frame->opcode == WEBSOCKET_PONG_FRAME)
		w->unanswered = 0;
	else if (w->state == WEBSOCKET_OPEN)
		websocket_answer_ping(w, control->bytes, control->length);
}

/* ---- a turn ---- */

/* Bytes of the head of a client's frame. wslay refuses a longer form. */
static size_t
head_bytes(uint64_t payload_length)
{
	size_t length = payload_length < 126	 ? 0
			: payload_length < 65536 ? 2
						 : 8;

	return 2 + length + 4;
}

/* Takes the next piece of a frame; false: there is none. */
static bool
take_piece(struct websocket *w)
{
	struct wslay_frame_iocb frame = {0};
	ssize_t n = wslay_frame_recv(w->framer->frames, &frame);

	if (n == WSLAY_ERR_WANT_READ || n == WSLAY_ERR_INVALID_CALLBACK)
		return false;
	if (n < 0) {
		fail(w, WEBSOCKET_PROTOCOL_ERROR, "the frame is malformed");
		return false;
	}
	if (!w->frame_left) {
		w->frame_left = frame.payload_length;
		if (!begin_frame(w, &frame))
			return false;
		w->framer->held -= head_bytes(frame.payload_length);
	}
	w->frame_left -= frame.data_length;
	w->framer->held -= frame.data_length;
	if (wslay_is_ctrl_frame(frame.opcode))
		take_control(w, &frame);
	else
		take_data(w, &frame);
	return true;
}

static bool
may_read(const struct websocket *w)
{
	return w->state != WEBSOCKET_OVER && !w->paused;
}

size_t
websocket_take(struct connection *c, char *bytes, size_t size)
{
	struct websocket *w = c->websocket;
	unsigned pieces = 0;
	bool more = true;

	c->again = false;
	if (!may_read(w) || (!size && !w->framer))
		return 0;
	if (!w->framer)
		take_framer(w);
	w->framer->input = bytes;
	w->framer->input_left = size;
	while (may_read(w) && pieces++ < WEBSOCKET_PIECES_MAX &&
		(more = take_piece(w)))
		;
	size -= w->framer->input_left;
	if (w->state == WEBSOCKET_OVER || !more)
		rest(w);
	else if (may_read(w))
		c->again = true;
	return size;
}
