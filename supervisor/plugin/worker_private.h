/* worker_private: what the files worker_*.c share. No other file includes it.
 */
#pragma once

#include "proto/util/clock.h"
#include "proto/util/sha256.h"
#include "supervisor/plugin/capture.h"
#include "supervisor/plugin/child.h"
#include "supervisor/plugin/endpoint.h"
#include "supervisor/plugin/worker.h"
#include "supervisor/plugin/worker_states.h"

#define NONCE_DIGITS 32
#define ENDED_IDS 64
#define WORKER_WORD_MAX 128 /* bytes of a version or SDK */
/* Bytes queued to a worker. Past the first limit it gets no requests; past the
 * second, nothing is read from it. */
#define WORKER_BACKLOG_MAX ((size_t)1024 * 1024)
#define WORKER_QUEUED_MAX ((size_t)4 * 1024 * 1024)
/* Per loop turn, for its messages. Their number counts, too: an answer is read
 * in 1 us and written to its client at the end of the turn in 10. */
#define WORKER_TURN_US 2000
#define WORKER_TURN_MESSAGES 256

struct worker_private {
	struct worker *worker;
	struct workers *workers;
	struct output *output;
	char *data_dir;
	/* Both end with a slash; staged_dir is the real path. NULL: the
	 * package's folder is unknown. */
	char *package_dir, *staged_dir;

	struct list waiting; /* in workers->waiting until it may start */
	bool has_place;	     /* counted in workers->starting */
	bool urgent;	     /* or in workers->urgent_starting */

	char nonce[NONCE_DIGITS + 1];
	struct endpoint endpoint;
	struct child child;
	bool ended;	  /* the process ended; exit_text says how */
	bool ended_short; /* exit status was LAUNCH_EXIT_SHORT */
	int end_signal;	  /* signal that killed it, or 0 */

	/* For the trace of a worker that ends badly. */
	bool end_is_cause;    /* went down because the process ended */
	bool connection_lost; /* went down because the connection was lost */
	bool was_killed;      /* by supd, after stop_timeout */
	bool killed_at_once;  /* by supd, without that time */
	const char *when;     /* with end_is_cause: the state, or "" */
	char answering[512];  /* its requests in flight, or "" */
	struct capture capture;
	struct wheel_timer dropped_due; /* reports dropped lines */
	struct peer peer;
	bool connected; /* peer was initialised */
	/* Runs while the connection is lost and the exit status may follow.
	 * Also reports the exit of a worker without a process. */
	ev_timer soon;

	/* The deadline of the state: of hello, ready, checks, drain or stop. */
	struct wheel_timer deadline;

	/* Placeholders of requests whose owner left before the answer, and
	 * spare ones. in_flight_count is the length of in_flight plus that of
	 * `left`. */
	struct list left, spare;
	/* The last ids that ended in `left`. A second answer to one of them is
	 * ignored, because answer and cancel may have crossed. */
	uint32_t ended_ids[ENDED_IDS];
	unsigned ended_count;
	uint64_t stray_total;	     /* messages about ended requests */
	uint32_t left_tasks;	     /* of `left`, those that were tasks */
	struct wheel_timer owed_due; /* see worker_owed.c */
	uint64_t owed_since_ms;	     /* of the last answer to one of `left` */
	bool owed_reported;

	uint64_t retired_ms;
	uint64_t drain_due_ms; /* when the deadline of the drain is */
	bool drained_came, drain_over, drain_look;

	struct request ping;
	struct wheel_timer ping_due;
	uint64_t ping_sent_ms;
	bool ping_overdue;
	/* Until ping_read_due fires, or something is sent to the worker,
	 * nothing is read from it. */
	bool ping_unread;
	struct wheel_timer ping_read_due;
	bool heard; /* it sent something since the last ping */

	struct request check; /* supd's own request: a check, or worker_ask */
	struct audit *audit;  /* only in CHECKING, see worker_audit.c */
	uint32_t checks_done;
	struct route_table *check_routes; /* of its own registrations */

	struct {
		bool is_sending;    /* packing: a failure is returned at once */
		struct error error; /* of that */
		struct state_blob blob; /* of an export, as received so far */
		SHA256_CTX sum;		/* of the bytes received */
		json_t *settings;	/* of a configure: a reference */
		const struct state_blob *state; /* of an import, borrowed */
		size_t sent;			/* bytes of the import sent */
		uint64_t credit;
	} ask;
	struct {
		struct request request;
		enum worker_task what;
		const char *name;
		uint64_t epoch, ms;
		struct bytes cursor; /* only while it is sent */
		bool is_sending;
	} task; /* see worker_task.c */
	struct wheel_timer unread_due;
	bool quiet_awaited;
	uint32_t quiet_owed; /* answers that may still be awaited */
	uint32_t quiet_ends; /* ends needed before the next count */
};

/* ---- worker.c ---- */
/* Takes the step and logs it; false: the event has no effect in this state. */
bool worker_step(struct worker *w, enum worker_event event, const char *reason);
/* "30s", "500ms" */
const char *worker_duration(uint64_t ms, char text[24]);
void worker_set_deadline(struct worker *w, uint64_t due_ms);

/* ---- worker_end.c ---- */
/* FAULT: takes the worker down, and notifies the owners of its requests and its
 * own. */
void worker_fail(struct worker *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Lines were captured: schedules the report of dropped ones. */
void worker_captured(struct worker *w);
void worker_report_dropped(struct wheel_timer *timer);
void worker_soon(struct ev_loop *loop, ev_timer *timer, int events);
extern const struct child_ops worker_child_ops;
extern const struct peer_ops worker_peer_ops;

/* ---- worker_trace.c ---- */
/* The worker goes down by a fault: notes its requests in flight before they are
 * orphaned. */
void trace_note_requests(struct worker *w);
/* Puts what to do behind w->error, if its output says what is wrong. */
void trace_add_hint(struct worker *w);
/* The process ended, and exit_text is set: completes w->error, and if the end
 * was bad, fills w->trace and adds a line to the plugin's output. */
void trace_write(struct worker *w);

/* ---- worker_launch.c ---- */
/* Gives the worker's place to the next one, or takes it out of the queue. */
void worker_release_place(struct worker *w);

/* ---- worker_messages.c ---- */
void worker_on_message(struct peer *peer, const struct message *m);

/* ---- worker_flight.c ---- */
void flight_response(struct worker *w, const struct message *m);
void flight_chunk(struct worker *w, const struct message *m);
void flight_output(struct worker *w, const struct message *m);
void flight_credit(struct worker *w, const struct message *m);
void flight_give_up(struct worker *w, const struct message *m);
/* Ends requests in flight; streams whose head is out only if streams_too. */
void flight_end(struct worker *w, bool streams_too, const char *notice);
/* The worker is gone: calls on_orphan for all requests in flight. */
void flight_orphan(struct worker *w);
void flight_finish(struct worker *w);
/* Counts unanswered requests. If they exceed quiet_owed, quiet_ends is the
 * number of ends before which counting again is pointless. */
bool flight_is_quiet(struct worker *w);

/* ---- worker_chain.c ---- */
/* r's owner leaves, and its chain with it. */
void chain_before_leaving(struct worker *w, const struct request *r);

/* ---- worker_left.c ---- */
bool left_is_placeholder(const struct request *r);
/* Puts a placeholder in the table, which keeps `id` taken until the worker's
 * final answer to `was`, and sends cancel. */
void left_put(struct worker *w, uint32_t id, const struct request *was);
/* The final answer to a placeholder came. */
void left_end(struct worker *w, struct request *placeholder);
/* Whether that answer came lately: a second one is then no fault. */
bool left_has_ended(const struct worker *w, uint32_t id);
void left_end_all(struct worker *w);
void left_finish(struct worker *w);

/* ---- worker_ask.c, worker_export.c ---- */
void ask_clear(struct worker *w); /* frees the request of worker_ask */
struct worker *ask_worker(struct request *r);
/* Sends the request; -1: the caller must call ask_clear(). */
int ask_send(
	struct worker *w, const struct request_ops *ops, struct error *err);
void ask_fail(struct request *r, enum request_failure why, const char *text);
/* Reports the outcome; takes state. err NULL: success. */
void ask_report(
	struct worker *w, struct state_blob *state, const struct error *err);
void ask_report_error(struct worker *w, const struct message *m);

/* ---- worker_task.c ---- */
void task_init(struct worker *w);
void task_end(struct worker *w); /* fine if none is in progress */

/* ---- worker_drain.c ---- */
void drain_came(struct worker *w);  /* `drained` came */
void drain_check(struct worker *w); /* a request ended */
void drain_due(struct worker *w);   /* the deadline */
void drain_left(struct worker *w);  /* an owner left */
void drain_look(struct worker *w);  /* a connection was closed or moved */

/* ---- worker_ping.c ---- */
void ping_init(struct worker *w);
void ping_begin(struct worker *w);
void ping_configure(struct worker *w); /* ping_timeout may have changed */
void ping_end(struct worker *w);
/* Reads the worker's socket again, if that waits. */
void ping_read(struct worker *w);
/* When a worker of that plugin (its number) is pinged next: at one of the times
 * that all workers with this timeout share, the first one after that. A period
 * of more than a second is of whole seconds, so that they meet. Pure. */
uint64_t ping_next_ms(uint64_t after_ms, uint64_t timeout_ms, uint32_t plugin);

/* ---- worker_unread.c ---- */
void unread_init(struct worker *w);
void unread_end(struct worker *w);
/* Takes the worker down, as it has not read since then. False: nothing waits to
 * be read. */
bool unread_fail(struct worker *w, uint64_t since_ms);
/* peer_end(), and a check of the backlog. */
int worker_end_message(struct worker *w);

/* ---- worker_owed.c ---- */
void owed_init(struct worker *w);
void owed_more(struct worker *w); /* a request was added to `left` */
void owed_less(struct worker *w); /* the worker answered one of `left` */
void owed_end(struct worker *w);

/* ---- worker_audit.c: in CHECKING ---- */
void audit_begin(struct worker *w); /* proof_audited() or a failure follows */
void audit_end(struct worker *w);   /* fine if none is in progress */
bool audit_is_over(const struct worker *w);
bool audit_has(const struct request *r); /* whether it is one of an audit */
/* "the probe of tool:x (and 2 more ...)"; false: none is unanswered. */
bool audit_describe_unanswered(const struct worker *w, char *out, size_t size);

/* ---- worker_proof.c ---- */
void proof_audited(struct worker *w); /* it knows all its registrations */
/* Describes an answer that the checks still wait for. */
void proof_describe_awaited(struct worker *w, char *out, size_t size);
void proof_begin(struct worker *w); /* CHECKING has begun */
void proof_end(struct worker *w);   /* fine if none is in progress */
