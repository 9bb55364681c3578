/* message_store: the messages of channels on disk, as the loop sees them. A
 * process of its own (supd-store) writes them to SQLite in groups, and answers
 * a request once its group is on the disk. The loop never waits. If the
 * process dies, it is started again and asked once more for everything that it
 * had not answered; the outcome is the same as if it had not died.
 *
 * The process is started by the first request, never before. */
#pragma once

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/peer.h"
#include "proto/util/bytes.h"
#include "supervisor/channel/store/stored.h"
#include "supervisor/plugin/child.h"

/* Requests that are not answered: beyond this they are refused at once. Changes
 * of messages that are kept already have as much again for themselves. */
#define STORE_REQUESTS_MAX 4096
#define STORE_REQUEST_BYTES_MAX ((size_t)16 * 1024 * 1024)
/* While the process cannot work (it does not start, or the database cannot be
 * opened), requests wait for it this long and are then answered with BUSY. */
#define STORE_PATIENCE_MS 5000

/* Borrowed; valid during done(). */
struct store_result {
	enum store_answer answer;
	const struct stored_message *messages;
	size_t message_count;
	bool more;	   /* of a query: there are further pages */
	uint64_t next_seq; /* where they begin: their after_seq */
	/* Of message_store_open_channel(). */
	uint64_t epoch;
	struct bytes cursor; /* empty: none yet */
	/* Of message_store_counts(). */
	const struct stored_counts *counts;
	size_t count_count;
};

/* A request in the eyes of its caller, who owns it and keeps it until done(),
 * which comes exactly once, never before the function that made the request has
 * returned, and never after message_store_forget(). done() may make requests,
 * and may free the call; it may not destroy the store. */
struct store_call {
	void (*done)(
		struct store_call *call, const struct store_result *result);
	struct store_request *request; /* the store's; NULL: none in progress */
};

struct message_store_settings {
	bool full_sync;	    /* each group is synced, not only each checkpoint */
	uint64_t keep_ms;   /* finished messages are removed after this */
	uint64_t max_bytes; /* of the database; the oldest finished go first */
};

struct message_store_owner {
	struct peer_group *group; /* of the loop that the store lives on */
	struct children *children;
	void *user;
	/* Optional. The store cannot work (reason), or works again (NULL). It
	 * has been logged. */
	void (*on_trouble)(void *user, const char *reason);
	/* Optional. The database was damaged and was renamed to `path`; a new
	 * one was begun. It has been logged. */
	void (*on_damaged)(void *user, const char *path);
};

struct message_store;

/* Path of supd-store, which lies beside sup-worker, or in its place in a build
 * tree. The caller frees. */
char *message_store_program(const char *worker_program);

/* database: its path, in a folder that exists. Starts nothing. */
struct message_store *message_store_create(
	const struct message_store_owner *owner, const char *program,
	const char *database, const struct message_store_settings *settings);
/* Kills the process. Calls in progress are forgotten. NULL is fine. */
void message_store_destroy(struct message_store *s);
/* The settings have changed; they take effect with the next request. */
void message_store_configure(
	struct message_store *s, const struct message_store_settings *settings);
/* Answers what is in progress, lets the process end, and then calls stopped(),
 * possibly before it returns; after `limit_ms` the process is killed. Requests
 * made after this are answered with BUSY. */
void message_store_stop(struct message_store *s, uint64_t limit_ms,
	void (*stopped)(void *user), void *user);
/* The call will not be answered; the request itself is still carried out. */
void message_store_forget(struct message_store *s, struct store_call *call);

/* ---- requests. Where it says so, call may be NULL: nobody wants to know ----
 */

/* Keeps a message as PENDING: NEW, SEEN, BUSY or TOO_LARGE. With NEW and SEEN,
 * messages[0] has its seq, state, note, tries and at_ms, which are ignored in
 * `message`. Of several puts with one id, exactly one is answered with NEW. */
void message_store_put(struct message_store *s, struct store_call *call,
	const struct stored_message *message);

/* OK, NOT_FOUND (the database was replaced, or the message was removed),
 * TOO_LARGE (the note), or BUSY beyond the bounds above. A full disk does not
 * make it BUSY: supd keeps the change, in order, and writes it as soon as there
 * is room; done() comes then. call may be NULL. */
void message_store_set_state(struct message_store *s, struct store_call *call,
	const struct stored_change *change);

/* A channel is about to be started: OK with its new epoch, which is greater
 * than all before and at least epoch_min, and with its cursor. */
void message_store_open_channel(struct message_store *s,
	struct store_call *call, struct bytes channel, uint64_t epoch_min);
/* OK, or CONFLICT: the channel has a greater epoch. Like set_state() it is kept
 * while the disk is full. Only the last one of a group costs a write. call may
 * be NULL. */
void message_store_set_cursor(struct message_store *s, struct store_call *call,
	struct bytes channel, uint64_t epoch, struct bytes cursor);

/* OK with a page of messages, in the order of seq; a page may be empty and have
 * more, because the work on one is bounded. For what is left of an earlier
 * supd: states PENDING and ACTIVE, with bodies. */
void message_store_query(struct message_store *s, struct store_call *call,
	const struct store_query *query);
/* OK with the message and its body, or NOT_FOUND. */
void message_store_get(
	struct message_store *s, struct store_call *call, uint64_t seq);
/* DEAD, UNKNOWN and DROPPED become PENDING, with no tries and no note. OK with
 * the message and its body, also if it was PENDING before: handle it unless you
 * have it already. CONFLICT: it is in another state, as messages[0] says, or
 * its body was removed to save space. NOT_FOUND. */
void message_store_retry(
	struct message_store *s, struct store_call *call, uint64_t seq);
/* PENDING, DEAD and UNKNOWN become DROPPED. OK with the message, without body,
 * also if it was DROPPED before; CONFLICT as above; NOT_FOUND. */
void message_store_drop(
	struct message_store *s, struct store_call *call, uint64_t seq);
/* OK with the counts of a channel, or of all (empty); in both directions. */
void message_store_counts(
	struct message_store *s, struct store_call *call, struct bytes channel);

/* ---- views ---- */

bool message_store_is_started(const struct message_store *s);
/* Why it cannot work, or NULL. */
const char *message_store_trouble(const struct message_store *s);
/* {"state": idle|starting|up|down|stopped, "pid", "restarts", "unanswered",
 * "unansweredBytes", "refused", "trouble"?}; idle: it was never needed. */
json_t *message_store_view(const struct message_store *s);
