/* worker: one process that runs one generation of one plugin: its state
 * machine, its endpoint, what is in flight on it. Knows no routes and no other
 * worker; news goes up through worker_ops. Owned by its plugin (plugin.h). */
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
#include "supervisor/route/request.h"

/* X(ENUM, "name"): design section 5. FAILED_* do not exist: a worker that
 * fails before READY goes to STOPPING with `error` set. */
#define WORKER_STATES(X)                                                       \
	X(STARTING, "starting")		/* spawned, hello awaited */           \
	X(INITIALISING, "initialising") /* hello came, ready awaited */        \
	X(CHECKING, "checking")		/* ready came, health and probes */    \
	X(READY, "ready")		/* proven, not routed */               \
	X(SERVING, "serving")                                                  \
	X(DRAINING, "draining") /* retired, finishing what it has */           \
	X(STANDBY, "standby")	/* drained, idle, may be resumed */            \
	X(STOPPING, "stopping") /* its socket is closed, exit awaited */       \
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

/* What a worker exported; owner: state_blob_finish(). */
struct state_blob {
	int64_t version;
	struct buffer bytes;
	char sha256[65]; /* of the bytes, lower-case hex */
};
void state_blob_finish(struct state_blob *b);

/* Upcalls. None of them may destroy the worker except on_exit, after which the
 * worker is not touched again. */
struct worker_ops {
	void (*on_hello)(struct worker *w);
	/* `ready` came, registrations and version are read; return -1 with
	 * err to refuse (a conflict): then it is a FAULT. Else health call and
	 * probes follow. */
	int (*on_declared)(struct worker *w, struct error *err);
	/* State is READY. */
	void (*on_proven)(struct worker *w);
	/* It failed before READY, or went down later (connection lost, pings
	 * missed, protocol broken); w->error says why; it is STOPPING now and
	 * on_exit follows. `was` is the state it fell from. In-flight
	 * requests have been handed out by on_orphan before. */
	void (*on_down)(struct worker *w, enum worker_state was);
	void (*on_drained)(struct worker *w); /* state is STANDBY */
	/* A request in flight that this worker will not answer any more; it
	 * is out of w->in_flight, and still in the request table. */
	void (*on_orphan)(struct worker *w, struct request *r);
	/* A place became free (in flight was at its limit). */
	void (*on_room)(struct worker *w);
	/* `call` from the worker; answer later with worker_answer_*(). */
	void (*on_call)(struct worker *w, const struct message *m);
	/* `emit` from the worker. May be NULL. */
	void (*on_emit)(struct worker *w, const struct message *m);
	/* What worker_ask_*() asked is done (err NULL; state of an export, to
	 * be taken over), or not. Not after it went down. */
	void (*on_asked)(struct worker *w, struct state_blob *state,
		const struct error *err);
	/* worker_await_quiet() has come to its end. */
	void (*on_quiet)(struct worker *w);
	/* Reaped. w->exit_text says how it ended. Destroy it here. */
	void (*on_exit)(struct worker *w);
};

/* What all workers share; owned by the gateway. */
struct worker_room {
	struct ev_loop *loop;
	struct children children; /* children_init() */
	struct peer_group *peers;
	struct wheel *wheel;
	struct request_table *requests;
	const char *runtime_dir;    /* absolute; workers get RUNTIME/w/N */
	const char *worker_program; /* absolute path of sup-worker */
	uint32_t next_number; /* N, counts up from 1; also the worker id */
	uint64_t body_limit;  /* limits.body, told to workers; 0: untold */
	uint64_t nofile;      /* their soft RLIMIT_NOFILE; 0: as supd's */
	/* At most starting_max (0: 2 x CPUs) workers are between their spawn
	 * and READY; the others wait here. All zero to begin with. */
	uint32_t starting, starting_max;
	struct list waiting;
	/* stage.h: stagings under way, folders to remove, who removes some */
	struct list stagings, removals;
	struct stage_remover *remover;
	uint64_t put_away_total; /* folders to remove: part of their names */
};

/* How to start one; copied or referenced (ref) by the worker. */
struct worker_start {
	const char *plugin_id;
	uint32_t plugin; /* slot number */
	uint32_t generation;
	const char *stage_dir;	   /* cwd: absolute path of the staged copy */
	const char *digest;	   /* "sha256:..." */
	const char *data_dir;	   /* SUPD_DATA_DIR, made already */
	struct manifest *manifest; /* a reference is taken */
	const struct plugin_config *config; /* the caller keeps its config
					       referenced while w lives */
	json_t *settings;		    /* merged; a reference is taken */
	struct output *output; /* the plugin's ring; outlives the worker */
};

struct worker {
	uint32_t id; /* worker_room's N: what routes and requests carry */
	uint32_t plugin, generation;
	enum worker_state state;
	const struct worker_ops *ops;
	void *owner;	  /* the struct plugin */
	struct list node; /* the plugin's retiring list */
	pid_t pid;	  /* 0 once reaped */
	char *plugin_id, *stage_dir, *digest, *version /* from ready */, *sdk;
	struct manifest *manifest;
	const struct plugin_config *config;
	json_t *settings;
	struct registration_set registrations;
	struct list in_flight; /* struct request.node, oldest first */
	uint32_t in_flight_count;
	uint32_t calls;		 /* its `call`s that are not answered yet */
	uint64_t answered_total; /* without pings and checks */
	/* The same whose last word came, and those whose owner left of itself
	 * (dispatch counts them); of these so many are still owed a word. */
	uint64_t finished_total, left_total;
	uint32_t left_count;
	uint64_t spawned_ms, ready_ms, serving_ms; /* clock_ms(), 0: not yet */
	bool served;				   /* reached SERVING once */
	struct error error; /* why it went down, "" if not */
	char exit_text[80]; /* "exit status 3", "killed by signal 9" */
	struct worker_private *private; /* endpoint, pidfd, timers, proof */
};

/* Binds the endpoint and spawns. NULL with err if that fails (nothing is left
 * behind). Deadlines run from the spawn: start_timeout to `ready`. If too many
 * are starting it waits for its turn: pid is 0 until then, and a spawn that
 * fails later is told by on_down and on_exit. config and manifest are kept by
 * a reference of its own. */
struct worker *worker_create(struct worker_room *room,
	const struct worker_start *start, const struct worker_ops *ops,
	void *owner, struct error *err);
/* Only in on_exit or before any loop turn; kills and reaps if it must. */
void worker_destroy(struct worker *w);

/* Other limits for a worker that runs; what a worker is made of is the same in
 * both. A reference is taken. */
void worker_configure(struct worker *w, const struct plugin_config *config);
/* READY -> SERVING. Void: part of the commit. */
void worker_serve(struct worker *w);
/* SERVING -> DRAINING: sends drain; on_drained when `drained` came *and*
 * nothing is in flight. What is in flight after drain_timeout (streams after
 * stream_drain) is given to ops->fail(REQUEST_ENDED) of the request and
 * cancelled at the worker. */
void worker_retire(struct worker *w);
/* One that drains does so within this time, streams too; else nothing. */
void worker_drain_within(struct worker *w, uint64_t ms);
/* DRAINING or STANDBY -> SERVING: sends resume. Void: part of a commit. */
void worker_resume(struct worker *w);
/* Any -> STOPPING: orphans first if some are in flight (caller's on_orphan),
 * closes the socket, TERM at once, KILL of the group after stop_timeout.
 * Idempotent. */
void worker_stop(struct worker *w);
/* Ends all that is in flight now with REQUEST_ENDED and cancel (--force). */
void worker_end_requests(struct worker *w, const char *notice);

bool worker_has_room(const struct worker *w); /* below max_in_flight */
/* Packs r->ops->encode into the batch, puts it in flight. State must be
 * SERVING (or CHECKING and READY for what supd itself asks). If it is too large
 * for the wire it is ended with ops->fail(REQUEST_FAILED) before this returns.
 */
void worker_send(struct worker *w, struct request *r);
/* The owner left and may free it: r is out of the table when this returns. The
 * worker is told, and the place stays taken until it answers. */
void worker_cancel(struct worker *w, struct request *r);
void worker_send_chunk(
	struct worker *w, struct request *r, struct bytes piece, bool more);
/* Bytes that it has not read yet. */
size_t worker_backlog(const struct worker *w);
void worker_send_credit(struct worker *w, struct request *r, uint64_t bytes);

/* ---- worker_ask.c, worker_state.c: what supd asks of a proven worker, one at
 * a time; the outcome is told by on_asked, later. -1: it could not be asked.
 * ---- */
/* The settings in force from now on; on success they are w->settings. */
int worker_ask_configure(struct worker *w, json_t *settings, struct error *err);
int worker_ask_export(struct worker *w, struct error *err);
/* The blob must stay until the outcome. */
int worker_ask_import(
	struct worker *w, const struct state_blob *state, struct error *err);
/* The outcome is not wanted any more, nor that it gets quiet. */
void worker_ask_end(struct worker *w);
/* True: no more than `owed` single answers are, beside streams whose head is
 * out. Else on_quiet comes when that is so. */
bool worker_await_quiet(struct worker *w, uint32_t owed);
/* How many of these there are. */
uint32_t worker_unanswered(const struct worker *w);

/* Answers a `call`. result NULL: nil. */
void worker_answer_call(struct worker *w, uint32_t id, const json_t *result);
void worker_refuse_call(
	struct worker *w, uint32_t id, enum wire_error code, const char *text);
