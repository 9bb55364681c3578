/* channel_parts: what the files channel*.c share. Nobody else includes it. */
#pragma once

#include "proto/util/map.h"
#include "worker/channel.h"
#include "worker/request.h"

enum received_state {
	RECEIVED_HELD, /* behind others of its lane, or supd was busy */
	RECEIVED_ASKED,
	RECEIVED_TAKEN, /* over: supd does not need it again */
	RECEIVED_LOST,	/* over: the platform must give it again */
};

/* Of the messages of one lane that are not over. */
struct received_lane {
	struct list messages; /* struct received.in_lane, in order */
	struct list pausing;  /* in channel.pausing: supd was busy */
	uint32_t asked, most; /* supd owes an answer, of so many at a time */
	unsigned pauses;      /* one after the other */
	uint64_t again_ms;    /* clock_ms(), while it pauses */
	size_t name_bytes;
	char name[];
};

/* A message of sup_channel_receive(). The list of a channel has them in the
 * order of these calls; of neighbours that are taken only the last stays. */
struct received {
	struct list node; /* of channel.messages; a reference while not over */
	struct channel *channel;
	enum received_state state;
	bool was_asked;
	struct list in_lane; /* of lane.messages while it is not over */
	struct received_lane *lane;
	struct bytes cursor;  /* own memory; at NULL: none */
	struct buffer fields; /* packed pairs, without the cursor */
	uint32_t field_count;
	void (*acknowledge)(struct sup *p, void *user);
	void (*over)(
		struct sup *p, enum sup_taken how, const char *why, void *user);
	void *user;
};

struct channel {
	struct list node; /* of sup.channels */
	struct sup *plugin;
	uint32_t references; /* offers and requests */
	char *name;
	/* Starts and stops without an answer or a cancel, in order; the first
	 * one may have been given to the plugin. */
	struct list turns;
	bool is_open;		/* takes messages */
	const char *closed_why; /* if not */
	bool runs;		/* sends are given to the plugin */

	struct list messages; /* struct received */
	struct map lanes;     /* struct received_lane by name */
	struct list pausing;  /* struct received_lane.pausing */
	uint32_t count;	      /* of those that are not over */
	uint32_t asked;	      /* of those: supd owes an answer */
	bool was_full;	      /* the plugin waits for `room` */
	struct bytes cursor;  /* own memory: of all that was taken so far */
	ev_timer again;
};

/* ---- channel.c ---- */
/* Gives the next start or stop to the plugin if its time has come. */
void channel_look(struct channel *c);
/* The offer in force; NULL: it was withdrawn. */
const struct offer *channel_offer(const struct channel *c);

/* ---- channel_message.c ---- */
/* Reads and checks what the plugin says into a zeroed struct. -1: a field is
 * missing, or not as it must be; it is zeroed again. */
int received_read(
	struct received *r, const struct sup_message *said, struct error *err);
void received_empty(struct received *r); /* frees all but the cursor */

/* ---- channel_receive.c ---- */
void channel_init_receiving(struct channel *c);
void channel_finish_receiving(struct channel *c);
/* Takes messages from now on, from that position; nothing is asked. */
void channel_open(struct channel *c, struct bytes cursor);
/* Takes no more. What supd was not asked to take, or was too busy for, is
 * over. */
void channel_close(struct channel *c, const char *why);
