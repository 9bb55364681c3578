/* event: one event as hooks get it, packed once and shared by all who wait for
 * it. Pure. */
#pragma once

#include <jansson.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/util/bytes.h"
#include "supervisor/route/chain.h"

struct event;

/* Is notified when all observers of an event have handled it, or lost it. */
struct event_watch {
	/* Once, possibly while the event is passed on: it has no observers.
	 * lost: an observer has not handled it, for that reason (static), or
	 * NULL. It may pass on other events, in a later turn. */
	void (*ended)(struct event_watch *w, const char *lost);
	struct event *event; /* NULL: not on its way */
};

/* What an event is made of; all borrowed. */
struct event_source {
	uint64_t id;	/* grows with time, also over restarts of supd */
	const char *at; /* "2026-11-21T10:00:00.123Z" */
	const char *name;
	const char *plugin_id; /* who caused it; NULL: supd or a user */
	struct chain *chain;   /* NULL: none */
	/* Where it belongs in a trace; all zero: as its chain does. */
	struct trace_context trace;
	const json_t *data; /* NULL: null */
	/* Notified of its end, or NULL. With a watch the event is sent again,
	 * once, if a worker dies with it; without, as the hook says. */
	struct event_watch *watch;
};

struct event {
	uint32_t refs;
	uint64_t id;
	size_t bytes;	     /* of memory */
	struct chain *chain; /* a reference, or NULL */
	struct trace_context trace;
	/* MessagePack: the name as str, the data, and the context: a map of id,
	 * at, plugin and chain. */
	struct bytes name, data, context;
	struct event_watch *watch; /* NULL: none */
	const char *lost;	   /* the first reason; static */
};

struct event *event_create(const struct event_source *source); /* one ref */
struct event *event_ref(struct event *e);
void event_unref(struct event *e); /* NULL is fine */
/* The watch is no longer notified. */
void event_unwatch(struct event_watch *w);
/* A map of id, at, plugin and chain. */
void event_pack_context(msgpack_packer *p, const struct event_source *source);
/* The first params of `hook` after the name of the hook. */
void event_pack(const struct event *e, msgpack_packer *p);

/* ---- a queue of references, for one observer ---- */

#define EVENT_QUEUE_EVENTS_MAX 10000
#define EVENT_QUEUE_BYTES_MAX ((size_t)16 << 20)

/* All zero: empty. */
struct event_queue {
	struct event **items; /* a ring of `capacity`, a power of two */
	uint32_t first, count, capacity;
	size_t bytes;
};

/* Whether an event of that size would be taken. */
bool event_queue_has_room(const struct event_queue *q, size_t bytes);
/* Takes a reference of its own. False: the queue is full. */
bool event_queue_push(struct event_queue *q, struct event *e);
/* The oldest, whose reference is now the caller's; NULL: empty. */
struct event *event_queue_pop(struct event_queue *q);
/* Puts back what was popped last; its reference is taken. Never refused. */
void event_queue_return(struct event_queue *q, struct event *e);
void event_queue_clear(struct event_queue *q);
