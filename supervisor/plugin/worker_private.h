/* worker_private: what the files worker_*.c share. Nobody else includes it. */
#pragma once

#include "proto/util/clock.h"
#include "supervisor/plugin/capture.h"
#include "supervisor/plugin/child.h"
#include "supervisor/plugin/endpoint.h"
#include "supervisor/plugin/worker.h"
#include "supervisor/plugin/worker_states.h"

#define NONCE_DIGITS 32
#define ENDED_IDS 64

struct worker_private {
	struct worker *worker;
	struct worker_room *room;
	struct output *output;
	char *data_dir;

	struct list waiting; /* in room->waiting until it may start */
	bool has_place;	     /* counted in room->starting */

	char nonce[NONCE_DIGITS + 1];
	struct endpoint endpoint;
	struct child child;
	bool ended; /* the process has; exit_text says how */
	struct capture capture;
	struct peer peer;
	bool connected; /* peer was initialised */
	/* The connection is lost, and the process may be about to end, which
	 * would tell more. Also how an exit without a process is told. */
	ev_timer soon;

	/* What it ends depends on the state: hello, ready, checks, drain,
	 * stop. */
	struct wheel_timer deadline;

	/* Places of requests whose owner left and that are still owed an
	 * answer, and such places to be used again. in_flight_count is the
	 * length of in_flight and of `left` together. */
	struct list left, spare;
	/* The last ids that ended in `left`: a second word about one of them
	 * is forgiven, the answer and the cancel may have crossed. */
	uint32_t ended_ids[ENDED_IDS];
	unsigned ended_count;
	uint64_t stray_total; /* messages about requests that are over */

	uint64_t retired_ms;
	bool drained_came, drain_over;

	struct request ping;
	struct wheel_timer ping_due;
	uint64_t ping_sent_ms;
	bool ping_overdue;

	struct request check; /* supd's own: under way in CHECKING, or asked */
	uint32_t checks_done;
	struct route_table *check_routes; /* of its own registrations */

	struct {
		bool is_sending;	/* being packed: a failure is told at
					   once */
		struct error error;	/* of that */
		struct state_blob blob; /* of an export, growing */
		void *digest;		/* EVP_MD_CTX: of what came */
		json_t *settings;	/* of a configure: a reference */
		const struct state_blob *state; /* of an import, borrowed */
		size_t sent;			/* of it */
		uint64_t credit;
	} ask;
	bool quiet_awaited;
	uint32_t quiet_owed; /* answers that may be out all the same */
};

/* ---- worker.c ---- */
/* Takes the step and logs it; false: the event means nothing here. */
bool worker_step(struct worker *w, enum worker_event event, const char *reason);
/* "30s", "500ms" */
const char *worker_duration(uint64_t ms, char text[24]);
void worker_set_deadline(struct worker *w, uint64_t due_ms);

/* ---- worker_end.c ---- */
/* FAULT: the worker goes down, its requests and its owner hear of it. */
void worker_fail(struct worker *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void worker_connected(struct endpoint *e, int fd);
void worker_soon(struct ev_loop *loop, ev_timer *timer, int events);
extern const struct child_ops worker_child_ops;

/* ---- worker_launch.c ---- */
/* Begins now, or puts it behind those that wait for a place. */
int worker_launch(struct worker *w, struct error *err);
/* Gives its place to the next; it does not wait any more either. */
void worker_release_place(struct worker *w);

/* ---- worker_messages.c ---- */
void worker_on_message(struct peer *peer, const struct message *m);

/* ---- worker_flight.c ---- */
void flight_response(struct worker *w, const struct message *m);
void flight_chunk(struct worker *w, const struct message *m);
void flight_credit(struct worker *w, const struct message *m);
void flight_give_up(struct worker *w, const struct message *m);
/* Ends what is in flight, but for streams under way if those may go on. */
void flight_end(struct worker *w, bool streams_too, const char *notice);
/* The worker is gone: all that is in flight goes to on_orphan. */
void flight_orphan(struct worker *w);
void flight_finish(struct worker *w);

/* ---- worker_ask.c, worker_state.c ---- */
/* The answer goes on in chunks: the head of an export. */
bool ask_promises_chunks(const struct request *r, const struct message *m);
void ask_clear(struct worker *w); /* frees what was asked, or was to be */
struct worker *ask_worker(struct request *r);
/* Sends it; -1: its ask_clear() is the caller's. */
int ask_send(
	struct worker *w, const struct request_ops *ops, struct error *err);
void ask_fail(struct request *r, enum request_failure why, const char *text);
/* The outcome; state is taken over. err NULL: done. */
void ask_tell(
	struct worker *w, struct state_blob *state, const struct error *err);
void ask_tell_error(struct worker *w, const struct message *m);

/* ---- worker_drain.c ---- */
void drain_came(struct worker *w);  /* the worker's `drained` */
void drain_check(struct worker *w); /* a request ended */
void drain_due(struct worker *w);   /* the deadline */
void drain_left(struct worker *w);  /* an owner left */

/* ---- worker_ping.c ---- */
void ping_init(struct worker *w);
void ping_begin(struct worker *w);
void ping_configure(struct worker *w); /* ping_timeout may be another */
void ping_end(struct worker *w);

/* ---- worker_proof.c ---- */
void proof_begin(struct worker *w); /* CHECKING has begun */
void proof_end(struct worker *w);   /* also if none is under way */
