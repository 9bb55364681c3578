/* events: the engine of hooks. All events pass through here: supd's own and
 * those of plugins and users, which come from the journal, and those that
 * exist only while somebody listens (tool.*, command.*, message.*).
 *
 * Data flows one way: a source -> events -> the queue of each observer that
 * matches -> dispatch -> the worker that serves. Queues belong to hooks, which
 * live as long as their plugin serves a registration of that name: a reload
 * keeps them. Which hooks there are follows from the route table, within each
 * commit. Nothing here waits, and nobody waits for observers. What fails: a
 * queue is full, a worker dies with an event, a handler fails or is late; all
 * of it is counted per hook, and losses are reported. */
#pragma once

#include <jansson.h>

#include "supervisor/gateway/gateway.h"

struct event_source;
struct events;

/* Who hears of transient events besides hooks: the sessions. */
struct event_listener {
	/* Whether it wants events of that name at the moment. */
	bool (*wants)(const struct event_listener *l, struct bytes name);
	/* An event that it wants; all of it is borrowed. */
	void (*take)(
		struct event_listener *l, const struct event_source *source);
};

/* From now on the gateway's events go to hooks. */
struct events *events_create(struct gateway *g);
void events_destroy(struct events *e); /* all plugins must be gone */

/* Adds an event of a plugin unless it would be lost: -1 with err and code if
 * its name or data are not accepted, or the queue of an observer is full. data
 * is borrowed, and so is the chain of calls that led to it, or NULL. */
int events_take(struct events *e, struct plugin *p, const char *name,
	const json_t *data, struct chain *chain, uint64_t *seq_out,
	enum wire_error *code_out, struct error *err);

/* Passes an event that is in no journal to its observers and to the listener.
 */
void events_pass(struct events *e, const struct event_source *source);
/* The id of the next such event. */
uint64_t events_next_id(struct events *e);

/* There is one listener, or none (NULL). Call it also when what it wants has
 * changed, because transient events are made only while somebody listens. */
void events_listen(struct events *e, struct event_listener *l);

/* A plugin was added to the gateway. e may be NULL. */
void events_add_plugin(struct events *e, const struct plugin *p);

/* Calls done() when the observers of gateway.stopping have handled it, at the
 * latest after that time; possibly before it returns. Call it after the event,
 * at most once. */
void events_await_stopping(struct events *e, uint64_t limit_ms,
	void (*done)(void *user), void *user);
