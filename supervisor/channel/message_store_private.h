/* message_store_private: what the parts of message_store share, for
 * message_store*.c alone. */
#pragma once

#include "proto/util/list.h"
#include "proto/util/map.h"
#include "supervisor/channel/message_store.h"
#include "supervisor/channel/store/wire.h"

/* Bytes that wait for the process to read them; the rest stays in requests. */
#define STORE_WINDOW_BYTES ((size_t)256 * 1024)
#define STORE_PAUSE_MIN_MS 100
#define STORE_PAUSE_MAX_MS 10000
/* After a change was BUSY: the pause until all such are sent again. */
#define STORE_AGAIN_S 1.
#define STORE_ORPHANS_MAX 65536
/* Of a turn of the loop, for answers; the others are for the next turns. */
#define STORE_TURN_US 2000
#define STORE_WORDS_BYTES 512

/* Requests are numbered in the order in which they were made, and each list is
 * in that order. */
struct store_request {
	struct list node;
	struct store_call *call; /* NULL: nobody wants to know */
	enum store_op op;
	uint32_t id;
	unsigned sends;		  /* how often the process was sent it */
	size_t part_bytes;	  /* of `encoded`: a `part` that goes ahead */
	size_t key_at, key_bytes; /* of a put: what identifies the message */
	size_t bytes;
	uint8_t encoded[];
};

enum store_state {
	STORE_IDLE,	/* never needed */
	STORE_STARTING, /* the process runs, but has not said anything */
	STORE_UP,	/* it has said that it works, or why it does not */
	STORE_DOWN,	/* waits to be started again, or for its end */
	STORE_STOPPED,
};

/* Requests that are not answered, of one sort. */
struct store_load {
	uint32_t count;
	size_t bytes;
};

struct message_store {
	struct message_store_owner owner;
	struct message_store_settings settings;
	char *program, *database;
	enum store_state state;
	struct child child; /* while child.pid is set */
	struct peer peer;
	struct list waiting; /* not sent */
	struct list sent;
	struct list stalled; /* changes that were BUSY, and those after them */
	struct list refused; /* to be answered with BUSY or TOO_LARGE */
	struct store_load changes, others;
	uint32_t changes_sent;
	uint32_t next_id;
	uint64_t next_token;
	/* Puts that may be on the disk although nobody was answered so: keys
	 * of map, no values. The next put of the same message is NEW. */
	struct map orphans;
	uint64_t orphans_lost;
	struct buffer parts, scratch;
	struct error trouble;
	char last_words[STORE_WORDS_BYTES]; /* of a process that ends */
	bool is_impatient; /* nothing but changes waits for the process */
	bool has_answered; /* this process, at least once */
	ev_timer respawn, patience, again, deliver, limit;
	unsigned pause_ms;
	uint64_t restarts, refusals;
	bool is_stopping;
	void (*stopped)(void *user);
	void *stopped_user;
};

static inline bool
store_op_is_change(enum store_op op)
{
	return op == STORE_OP_STATE || op == STORE_OP_CURSOR;
}

/* ---- message_store_queue.c ---- */
/* Takes a request over: sends it, keeps it, or refuses it. */
void message_store_submit(struct message_store *s, struct store_request *r);
/* It will be answered so, in a later turn. Takes it over. */
void message_store_refuse(
	struct message_store *s, struct store_request *r, enum store_answer a);
/* Removes it from its list and from the load; it is the caller's. */
void message_store_take(struct message_store *s, struct store_request *r);
void message_store_pump(struct message_store *s);
/* After a change that was BUSY; takes it over. */
void message_store_stall(struct message_store *s, struct store_request *r);
void message_store_resume(struct message_store *s);
/* Everything that is not answered is to be sent to the next process. */
void message_store_collect(struct message_store *s);
/* From now on nothing but changes waits longer than STORE_PATIENCE_MS for a
 * process that answers, until message_store_be_patient(). */
void message_store_await_answer(struct message_store *s);
void message_store_be_patient(struct message_store *s);
/* Answers all that need not wait with BUSY. */
void message_store_lose_patience(struct message_store *s);
/* A put that may be on the disk although nobody was answered so. */
void message_store_orphan(
	struct message_store *s, const struct store_request *r);
/* Whether it was one; it is none any more. */
bool message_store_adopt(
	struct message_store *s, const struct store_request *r);
/* Of the timers `deliver` and `again`. */
void message_store_on_deliver(struct ev_loop *loop, ev_timer *w, int events);
void message_store_on_again(struct ev_loop *loop, ev_timer *w, int events);

/* ---- message_store.c ---- */
void message_store_set_trouble(struct message_store *s, const char *text);
/* Goes on with a stop. */
void message_store_look_if_stopped(struct message_store *s);

/* ---- message_store_process.c ---- */
void message_store_start(struct message_store *s);
/* Kills the process; its exit is noticed later. */
void message_store_kill(struct message_store *s);
/* Waits for the exit of the process. */
void message_store_reap(struct message_store *s);

/* ---- message_store_answer.c ---- */
void message_store_on_message(struct peer *p, const struct message *m);
