/* websocket_private: what the files of websocket share. */
#pragma once

#include <wslay/wslay.h>

#include "proto/util/buffer.h"
#include "proto/util/utf8.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/websocket.h"

#define WEBSOCKET_CONTROL_MAX 125     /* bytes of a control frame's payload */
#define WEBSOCKET_HEAD_MAX 10	      /* bytes of the head of a frame we send */
#define WEBSOCKET_OUT_MAX (64 * 1024) /* moved from the queue at once */

enum {
	WEBSOCKET_CONTINUATION = 0,
	WEBSOCKET_CLOSE_FRAME = 8,
	WEBSOCKET_PING_FRAME = 9,
	WEBSOCKET_PONG_FRAME = 10,
};

enum websocket_state {
	WEBSOCKET_OPEN,
	WEBSOCKET_CLOSING, /* our close is queued; theirs has not come */
	WEBSOCKET_OVER,	   /* nothing more is read or sent */
};

/* A frame with its head, immutable; it may be queued for many. */
struct websocket_frame {
	uint32_t refs;
	uint32_t length;
	uint8_t bytes[];
};

/* The frames that wait, a ring. */
struct websocket_queue {
	struct websocket_frame **items;
	uint32_t first, count, capacity;
	size_t offset; /* bytes of the first one that are moved already */
	size_t bytes;  /* as websocket_queued() counts them */
};

/* The payload of a control frame. */
struct websocket_control {
	uint8_t length;
	uint8_t bytes[WEBSOCKET_CONTROL_MAX];
};

/* Reads frames; lent to a websocket while it is within a frame. */
struct websocket_framer {
	wslay_frame_context_ptr frames;
	const char *input; /* of this turn, not yet used */
	size_t input_left;
	size_t held; /* bytes that wslay has read and not yet given out */
	struct websocket_control control; /* the one that is being read */
};

struct websocket {
	struct connection *connection;
	struct list node; /* in the house */
	const struct websocket_ops *ops;
	void *owner;
	uint64_t message_max;
	size_t queue_max;
	enum websocket_state state;
	bool begun;	    /* the 101 is in the output */
	bool paused;	    /* nothing is read */
	bool is_idle;	    /* gives way to another connection */
	bool wants_room;    /* on_room() is due when there is some */
	bool sends_part;    /* a message that we send goes on */
	uint8_t unanswered; /* pings */

	/* the message and the frame that are being read */
	bool in_message;
	uint64_t frame_left; /* bytes of its payload */
	enum websocket_opcode opcode;
	uint64_t message_bytes;
	struct utf8_pieces text;
	struct websocket_framer *framer; /* NULL: at rest */

	struct websocket_queue queue;
	struct websocket_control *pong; /* due; NULL: none */
	struct wheel_timer close_timer;
};

extern const struct protocol websocket_protocol;

/* ---- websocket.c ---- */
/* Tells the owner, once, and detaches it. */
void websocket_tell_closed(struct websocket *w, int code, struct bytes reason);
/* Sends the close and ends the connection, without waiting for theirs. */
void websocket_end(struct websocket *w, int code, struct bytes reason);

/* Closes without a word: the client does not answer. */
void websocket_give_up(struct websocket *w);
/* supd stops: asks the owner to close it, or closes it. */
void websocket_stop(struct websocket *w);

/* ---- websocket_house.c ---- */
void websocket_house_set_ping(struct websocket_house *house);

/* ---- websocket_read.c ---- */
size_t websocket_take(struct connection *c, char *bytes, size_t size);
void websocket_framer_destroy(struct websocket_framer *f);

/* ---- websocket_write.c ---- */
void websocket_send_control(
	struct websocket *w, uint8_t opcode, const void *bytes, size_t size);
void websocket_send_close(struct websocket *w, int code, struct bytes reason);
void websocket_answer_ping(struct websocket *w, const void *bytes, size_t size);
void websocket_move(struct websocket *w); /* from the queue to the output */
/* Drops the frames of which nothing is moved. */
void websocket_drop_queue(struct websocket *w);
void websocket_queue_finish(struct websocket *w);
