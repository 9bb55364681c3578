/* store_bed: a message store and its process on a loop of its own, in a private
 * folder. Every wait has a deadline and fails the test. */
#pragma once

#include <stdbool.h>

#include "supervisor/channel/message_store.h"

struct store_bed {
	struct ev_loop *loop;
	struct peer_group peers;
	struct children children;
	struct message_store *store;
	struct message_store_settings settings;
	char dir[64]; /* removed at the end */
	char *database;
	const char *program;
	ev_timer deadline;
	/* What was heard. */
	unsigned troubles, recoveries, damages;
	char trouble[512], damaged[512];
};

/* Nothing is started. The test may change bed->settings and bed->program before
 * bed_open(). */
void store_bed_make(struct store_bed *bed);
void store_bed_open(struct store_bed *bed);
void store_bed_stop(struct store_bed *bed); /* as supd stops it */
/* For message_store_stop(): increments the unsigned at `user`. */
void store_bed_heard_stop(void *user);
void store_bed_clear(struct store_bed *bed);	  /* stops it, too */
pid_t store_bed_pid(const struct store_bed *bed); /* 0: no process */
void store_bed_kill(const struct store_bed *bed);
/* One turn of the loop; may wait. */
void store_bed_turn(struct store_bed *bed);
void store_bed_await(
	struct store_bed *bed, const unsigned *count, unsigned least);
/* Until its process has another pid and works. */
void store_bed_await_other(struct store_bed *bed, pid_t pid);
/* What an SQL query of one number answers, with the store stopped. */
long store_bed_count(const struct store_bed *bed, const char *sql);
/* Runs SQL, with the store stopped. */
void store_bed_sql(const struct store_bed *bed, const char *sql);

/* A request, and a copy of what was answered. */
struct store_ask {
	struct store_call call;
	unsigned done;
	enum store_answer answer;
	size_t count;		       /* of messages or counts */
	struct stored_message message; /* the first; only numbers are valid */
	char id[64], note[64], body[64], cursor[64]; /* of it; cut */
	bool more;
	uint64_t next_seq, epoch, first_seq, last_seq;
	struct stored_counts counts[8];
};

/* Each makes a request and waits for its answer. */
enum store_answer store_put(struct store_bed *bed, struct store_ask *ask,
	const char *channel, const char *id, const char *body);
enum store_answer store_set(struct store_bed *bed, uint64_t seq,
	enum stored_state state, const char *note, uint32_t tries);
enum store_answer store_open(
	struct store_bed *bed, struct store_ask *ask, const char *channel);
enum store_answer store_cursor(struct store_bed *bed, const char *channel,
	uint64_t epoch, const char *cursor);
enum store_answer store_look(struct store_bed *bed, struct store_ask *ask,
	const struct store_query *query);
enum store_answer store_one(struct store_bed *bed, struct store_ask *ask,
	void (*request)(
		struct message_store *s, struct store_call *call, uint64_t seq),
	uint64_t seq);
enum store_answer store_counts(
	struct store_bed *bed, struct store_ask *ask, const char *channel);
/* Makes a request ready to be begun by the test itself. */
struct store_call *store_ask_begin(struct store_ask *ask);
void store_ask_await(struct store_bed *bed, struct store_ask *ask);
struct stored_message store_message(
	const char *channel, const char *id, const char *body);
