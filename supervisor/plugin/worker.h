/* worker: one process that runs one generation of one plugin: its state
 * machine, its endpoint and its requests in flight. Knows no routes and no
 * other worker; reports through worker_ops. Owned by its plugin (plugin.h). */
#pragma once

#include <ev.h>
#include <jansson.h>
#include <sys/types.h>

#include "proto/peer.h"
#include "proto/registration.h"
#include "proto/util/buffer.h"
#include "proto/util/wheel.h"
#include "supervisor/config/config.h"
#include "supervisor/config/manifest.h"
#include "supervisor/plugin/child.h"
#include "supervisor/plugin/output.h"
#include "supervisor/plugin/sweep.h"
#include "supervisor/plugin/usage.h"
#include "supervisor/route/request.h"
#include "supervisor/trace/tracer.h"

/* X(ENUM, "name"). There is no FAILED state: a worker that fails before READY
 * goes to STOPPING with `error` set. */
#define WORKER_STATES(X)                                                       \
	X(STARTING, "starting")		/* spawned, hello awaited */           \
	X(INITIALISING, "initialising") /* hello came, ready awaited */        \
	X(CHECKING, "checking")		/* ready came, health and probes */    \
	X(READY, "ready")		/* proven, not routed */               \
	X(SERVING, "serving")                                                  \
	X(DRAINING, "draining") /* retired, finishing its requests */          \
	X(STANDBY, "standby")	/* drained, idle, may be resumed */            \
	X(STOPPING, "stopping") /* socket closed, exit awaited */              \
	X(DEAD, "dead")

#define WORKER_EVENTS(X)                                                       \
	X(HELLO, "hello")                                                      \
	X(DECLARED, "ready")                                                   \
	X(HEALTHY, "healthy")                                                  \
	X(SWAP, "swap")                                                        \
	X(RETIRE, "retire")                                                    \
	X(DRAINED, "drained")                                                  \
	X(REVERT, "revert")                                                    \
	X(STOP, "stop")                                                        \
	X(FAULT, "fault") /* deadline, bad message, failed check, EOF */       \
	X(EXIT, "exit")

enum worker_state {
#define X(name, text) WORKER_##name,
	WORKER_STATES(X)
#undef X
		WORKER_STATE_COUNT,
};

enum worker_event {
#define X(name, text) WORKER_EVENT_##name,
	WORKER_EVENTS(X)
#undef X
		WORKER_EVENT_COUNT,
};

const char *worker_state_text(enum worker_state s);

struct worker;

#define STATE_BYTES_MAX (16u << 20) /* of a blob */

/* The state that a worker exported; free it with state_blob_finish(). */
struct state_blob {
	int64_t version;
	struct buffer bytes;
	char sha256[65]; /* of bytes, in lower-case hex */
};
void state_blob_finish(struct state_blob *b);

/* What worker_task_begin() asks for. */
enum worker_task {
	WORKER_TASK_START,	   /* service.start */
	WORKER_TASK_STOP,	   /* service.stop */
	WORKER_TASK_CHANNEL_START, /* channel.start */
	WORKER_TASK_CHANNEL_STOP,  /* channel.stop */
	WORKER_TASK_TAKE,	   /* take */
	WORKER_TASK_QUIESCE,	   /* quiesce */
};

struct worker_task_order {
	enum worker_task what;
	/* Of a service or channel: borrowed until the end. */
	const char *name;
	uint64_t epoch;	     /* of a take, or of the start of a channel */
	struct bytes cursor; /* of that start; at NULL: none */
	uint64_t ms;	     /* time for the answer */
};

enum worker_task_end {
	WORKER_TASK_DONE,
	WORKER_TASK_REFUSED, /* by an error */
	WORKER_TASK_UNKNOWN, /* refused with not_found */
	WORKER_TASK_LATE,    /* no answer: what became of it is unknown */
};

/* Upcalls. Only on_exit may destroy the worker, which is not used after it. */
struct worker_ops {
	void (*on_hello)(struct worker *w);
	/* `ready` came; registrations and version are set. Return -1 with err
	 * to refuse them (a conflict), which is a FAULT; else the health call
	 * and the probes follow. */
	int (*on_declared)(struct worker *w, struct error *err);
	/* All checks passed; the state is READY. */
	void (*on_proven)(struct worker *w);
	/* The worker failed before READY, or went down later (connection lost,
	 * pings missed, protocol broken). w->error says why; the state is
	 * STOPPING, `was` is the one before, and on_exit follows. on_orphan was
	 * called before for each request in flight. */
	void (*on_down)(struct worker *w, enum worker_state was);
	void (*on_drained)(struct worker *w); /* state is STANDBY */
	/* The worker will not answer this request, which is out of w->in_flight
	 * but still in the request table. */
	void (*on_orphan)(struct worker *w, struct request *r);
	/* The worker has room again after it had none. */
	void (*on_room)(struct worker *w);
	/* `call` from the worker; answer later with worker_answer_*(). */
	void (*on_call)(struct worker *w, const struct message *m);
	/* `offer` from the worker: answer it with worker_answer_call() or
	 * worker_refuse_call(), now or later. May be NULL. */
	void (*on_offer)(struct worker *w, const struct message *m);
	/* `channel.message` from the worker; answer later, or now, like a
	 * `call`. May be NULL. */
	void (*on_channel)(struct worker *w, const struct message *m);
	/* ws.message, ws.close or credit from the worker, about one of its open
	 * connections or none. May be NULL. */
	void (*on_conn)(struct worker *w, const struct message *m);
	/* The time for its open connections is over: close them, some or all;
	 * called again soon while there are any. May be NULL. */
	void (*on_conns_due)(struct worker *w);
	/* The worker went down and had open connections: take them. May be
	 * NULL. */
	void (*on_conns_lost)(struct worker *w);
	/* `emit` from the worker. May be NULL. */
	void (*on_emit)(struct worker *w, const struct message *m);
	/* A worker_ask_*() succeeded (err NULL; state: of an export, owned by
	 * the callee) or failed. Not called after the worker went down. */
	void (*on_asked)(struct worker *w, struct state_blob *state,
		const struct error *err);
	/* A worker_task_begin() ended; err says why, unless it is done: then
	 * `result` is the answer. Not called after the worker went down. */
	void (*on_task)(struct worker *w, enum worker_task_end end,
		const struct error *err, const msgpack_object *result);
	/* `service.status` or `channel.status` from the worker. */
	void (*on_status)(struct worker *w, const struct message *m);
	/* The wait of worker_await_quiet() is over. */
	void (*on_quiet)(struct worker *w);
	/* The process is reaped; w->exit_text says how it ended. Destroy the
	 * worker here. */
	void (*on_exit)(struct worker *w);
};

/* What all workers share; owned by the gateway. */
struct workers {
	struct ev_loop *loop;
	struct children children; /* children_init() */
	struct peer_group *peers;
	struct wheel *wheel;
	struct request_table *requests;
	const char *runtime_dir;    /* absolute; workers get RUNTIME/w/N */
	const char *worker_program; /* absolute path of sup-worker */
	uint32_t next_number;	/* N, counts up from 1; also the worker id */
	struct tracer tracer;	/* all zero: off */
	uint64_t body_limit;	/* limits.body, sent to workers; 0: not sent */
	uint64_t nofile;	/* soft RLIMIT_NOFILE of workers; 0: supd's */
	struct sweeper sweeper; /* all zero: process trees are left alone */
	/* At most starting_max (0: any number) workers are between spawn and
	 * READY; further ones wait here. Zero at first. */
	uint32_t starting, starting_max;
	struct list waiting;
	/* As many places again, for urgent starts only. */
	uint32_t urgent_starting;
	struct list urgent_waiting;
	/* stage.h: stagings in progress, folders to remove, folders that could
	 * not be removed, and the remover */
	struct list stagings, removals, leftovers;
	struct stage_remover *remover;
	uint64_t put_away_total; /* folders to remove: part of their names */
};

/* How to start a worker, which copies or references the members. */
struct worker_start {
	const char *plugin_id;
	uint32_t plugin; /* slot number */
	uint32_t generation;
	const char *stage_dir;	   /* cwd: absolute path of the staged copy */
	const char *digest;	   /* "sha256:..." */
	const char *package_dir;   /* source of the copy; NULL: unknown */
	const char *data_dir;	   /* SUPD_DATA_DIR, must exist */
	struct manifest *manifest; /* a reference is taken */
	const struct plugin_config *config; /* a reference is taken */
	json_t *settings;		    /* merged; a reference is taken */
	struct output *output; /* the plugin's ring; outlives the worker */
	/* Does not queue behind first starts: the worker replaces one that
	 * serves or served, or a user waits for it. */
	bool urgent;
};

/* Why supd ended a running worker; X(ENUM, "reason in metrics") */
#define WORKER_CUTS(X)                                                         \
	X(NOT, "")                                                             \
	X(UNREAD, "unread") /* it does not read its socket */                  \
	X(PING, "ping")	    /* it does not answer pings */                     \
	X(OWED, "requests") /* it does not answer cancelled requests */

enum worker_cut {
#define X(name, text) WORKER_CUT_##name,
	WORKER_CUTS(X)
#undef X
		WORKER_CUT_COUNT,
};

/* How a worker ended badly; text "" if it did not or has not ended. */
struct worker_trace {
	int pid; /* 0: never started */
	uint64_t wall_ms;
	char text[768]; /* "killed by signal 11 (...) while answering GET /x" */
};

struct worker {
	uint32_t
		id; /* N in workers->next_number, used in routes and requests */
	uint32_t plugin, generation;
	enum worker_state state;
	const struct worker_ops *ops;
	void *owner;	    /* the struct plugin */
	struct list node;   /* the plugin's retiring list */
	pid_t pid;	    /* 0 once reaped */
	struct usage usage; /* as it was last read */
	char *plugin_id, *stage_dir, *digest, *version /* from ready */, *sdk;
	struct manifest *manifest;
	const struct plugin_config *config;
	json_t *settings;
	struct registration_set registrations;
	struct list in_flight; /* struct request.node, oldest first */
	uint32_t in_flight_count;
	/* Requests in flight that wait for their clients to read or to send;
	 * they do not count against max_in_flight. */
	uint32_t waiting_count;
	/* Its open WebSocket connections: those that move to a successor, and
	 * those that stay to their end. */
	struct list conns, pinned; /* struct ws_conn.node */
	uint32_t conn_count;
	bool ends_pinned;	 /* those that were to stay are ended, too */
	uint32_t calls;		 /* its `call`s without an answer yet */
	size_t call_bytes;	 /* of their arguments */
	uint64_t answered_total; /* without pings and checks */
	/* finished: answered to the end. left: abandoned by their owners
	 * (counted by dispatch); the last counter is of those that the worker
	 * has yet to answer. */
	uint64_t finished_total, left_total;
	uint32_t left_count;
	uint64_t spawned_ms, ready_ms, serving_ms; /* clock_ms(), 0: not yet */
	bool served;				   /* reached SERVING once */
	struct error error; /* why it went down, "" if not */
	enum worker_cut cut;
	char exit_text[80];	   /* "exit status 3", "killed by signal 9" */
	struct worker_trace trace; /* in on_exit */
	struct services *services; /* of event/; NULL: it has none */
	struct worker_private *private; /* endpoint, pidfd, timers, proof */
};

/* ---- birth, in three steps ---- */
/* Without a process yet. config and manifest are kept by a reference of its
 * own. */
struct worker *worker_new(struct workers *workers,
	const struct worker_start *start, const struct worker_ops *ops,
	void *owner);
/* Binds the endpoint and starts the process, which is adopted when it connects.
 * -1 with err: the caller must destroy the worker. start_timeout runs from the
 * start to `ready`. If too many workers are starting, this one waits: pid is 0
 * until its start, and a later failure is reported by on_down and on_exit. */
int worker_spawn(struct worker *w, struct error *err);
/* Connects the worker to its running process, whose first message must be
 * hello. Takes ownership of fd. */
void worker_adopt(struct worker *w, int fd);
/* Call only in on_exit or before any loop turn; kills and reaps the process if
 * it runs. */
void worker_destroy(struct worker *w);

/* Changes the limits of a running worker; config must not differ otherwise.
 * Takes a reference. */
void worker_configure(struct worker *w, const struct plugin_config *config);
/* READY -> SERVING. Void: part of the commit. */
void worker_serve(struct worker *w);
/* SERVING -> DRAINING: sends drain; calls on_drained when `drained` came *and*
 * nothing is in flight and no connection is open. Requests in flight after
 * drain_timeout (streams after stream_drain) fail with REQUEST_ENDED and are
 * cancelled at the worker; on_conns_due follows for open connections. */
void worker_retire(struct worker *w);
/* Limits the rest of a drain to this time, streams included. Does nothing in
 * other states. */
void worker_drain_within(struct worker *w, uint64_t ms);
/* DRAINING or STANDBY -> SERVING: sends resume. Void: part of a commit. */
void worker_resume(struct worker *w);
/* Any -> STOPPING: calls on_orphan for requests in flight, closes the socket,
 * sends TERM at once and KILL to the group after stop_timeout. Idempotent. */
void worker_stop(struct worker *w);
/* The same, with KILL at once. */
void worker_kill(struct worker *w);
/* Ends all requests in flight with REQUEST_ENDED and cancels them (--force). */
void worker_end_requests(struct worker *w, const char *notice);

/* Whether the worker reads its socket and has fewer than max_in_flight
 * requests, not counting those that wait for their clients. */
bool worker_has_room(struct worker *w);
/* Its connection has ended, but supd still waits for the exit status: it will
 * never serve. */
bool worker_is_closed(const struct worker *w);
/* Notes whether a sent request waits for its client. May call on_room. */
void worker_note_waiting(struct worker *w, struct request *r, bool waits);
/* Sends the present limits, in the form of hello's answer. */
void worker_send_limits(struct worker *w);
/* Packs the request into the batch and puts it in flight. The state must be
 * SERVING (for supd's own requests CHECKING to STANDBY). A request too large
 * for the wire fails with REQUEST_FAILED before this returns. */
void worker_send(struct worker *w, struct request *r);
/* Cancels a request whose owner leaves: r is out of the table when this returns
 * and may be freed. Sends cancel; the place stays taken until the worker
 * answers. */
void worker_cancel(struct worker *w, struct request *r);
void worker_send_chunk(
	struct worker *w, struct request *r, struct bytes piece, bool more);
/* Bytes queued to the worker. */
size_t worker_backlog(const struct worker *w);
void worker_send_credit(struct worker *w, struct request *r, uint64_t bytes);

/* ---- worker_conns.c: open WebSocket connections ---- */
void worker_add_conn(struct worker *w, struct list *node, bool pinned);
void worker_remove_conn(struct worker *w, struct list *node);
/* Nothing is sent to a worker that goes down. */
void worker_send_ws_message(struct worker *w, uint32_t conn, unsigned opcode,
	struct bytes piece, bool more);
void worker_send_ws_close(
	struct worker *w, uint32_t conn, unsigned code, struct bytes reason);
void worker_send_ws_credit(struct worker *w, uint32_t conn, uint64_t bytes);

/* ---- worker_ask.c, worker_export.c: requests of supd to a proven worker, one
 * at a time; on_asked reports the outcome later. -1: not sent. ---- */
/* Sends new settings; on success they become w->settings. */
int worker_ask_configure(struct worker *w, json_t *settings, struct error *err);
int worker_ask_export(struct worker *w, struct error *err);
/* Sends state. It must stay valid until the outcome. */
int worker_ask_import(
	struct worker *w, const struct state_blob *state, struct error *err);
/* Ends the interest in an outcome, and a wait for quiet. */
void worker_ask_end(struct worker *w);
/* True: at most `owed` answers are awaited, apart from streams whose head is
 * out. Else on_quiet follows when that is so. */
bool worker_await_quiet(struct worker *w, uint32_t owed);
/* The number of answers awaited, in the same sense. */
uint32_t worker_unanswered(const struct worker *w);

/* What a call or event inherits from the request in whose name it is made. */
struct worker_chain {
	struct chain *chain; /* up to that request: borrowed */
	uint64_t due_ms;     /* its deadline; 0: none */
};
/* False: w has no such request. A request whose owner left is one until the
 * worker has answered it. */
bool worker_chain(struct worker *w, uint64_t id, struct worker_chain *out);

/* ---- worker_task.c: from READY on, drained workers included ---- */
/* Sends the order; on_task follows. -1: not sent. One at a time. */
int worker_task_begin(struct worker *w, const struct worker_task_order *order,
	struct error *err);
/* Cancels the task in progress, if any: on_task does not follow, and what
 * became of it is unknown. */
void worker_task_cancel(struct worker *w);
/* From now on these are its registrations; takes the set. */
void worker_take_registrations(struct worker *w, struct registration_set *set);

/* Answers a `call`. result NULL: nil. */
void worker_answer_call(struct worker *w, uint32_t id, const json_t *result);
/* The same for a result that is MessagePack already. */
void worker_answer_packed(struct worker *w, uint32_t id, struct bytes result);
void worker_refuse_call(
	struct worker *w, uint32_t id, enum wire_error code, const char *text);
