/* hook: one registration of kind hook while its plugin has it, with its queue
 * and its counters. Used by event/ and by the views of hooks. */
#pragma once

#include "proto/registration.h"
#include "supervisor/event/event.h"
#include "supervisor/event/events.h"
#include "supervisor/event/topics.h"
#include "supervisor/gateway/gateway.h"
#include "supervisor/ops/journal.h"

/* A plugin that has hooks. */
struct hook_owner {
	struct events *events;
	uint32_t plugin;
	uint32_t place;	     /* of the plugin in the configuration */
	struct map by_name;  /* struct hook, without those that are gone */
	struct list hooks;   /* struct hook.sibling, in order of registration */
	struct list waiting; /* struct hook.wait: observers that have events
				and none in flight, first come first served */
	struct list ready;   /* of events.ready: look at `waiting` */
	bool is_stuck;	     /* the last one could not be sent */
	bool is_kept;	     /* though it may have no hooks */
};

struct hook {
	struct hook_owner *owner;
	struct topic *topic;
	struct list sibling, in_topic, wait;
	char *name; /* as registered */
	/* The route table's: valid until it changes, which updates this. */
	const struct registration *declared;
	uint32_t index; /* of the registration, in the worker that serves */
	/* What is declared, until the route table has it: guards.h. */
	struct registration *guard;
	uint64_t serial; /* of the last look at the table that found it */
	bool is_gone;	 /* not registered any more; a request is in flight */
	struct hook_counters counters;
	uint64_t repeats; /* sent again after a crash */
	/* ---- observers ---- */
	struct event_queue queue;
	struct event *current; /* being sent; a reference */
	unsigned sends;	       /* of current */
	struct request request;
	/* lost since the last report */
	uint64_t unreported[HOOK_LOSS_COUNT];
	uint64_t reported_ms, logged_ms;
	struct wheel_timer report_again;
};

/* The inside of the engine. */
struct events {
	struct gateway *gateway;
	struct journal_reader reader;
	struct topics topics;
	struct hook_owner **owners; /* by number of plugin; NULL: no hooks */
	uint32_t owner_count;	    /* entries of owners[] */
	uint32_t hook_count;
	uint64_t looks; /* at the table: struct hook.serial */
	/* The configuration whose places the owners have: a reference, or
	 * NULL. */
	struct config *places_of;
	json_t *guards;	    /* by id of plugin: guards.h */
	bool guards_unread; /* the file could not be read yet */
	struct wheel_timer guards_save;
	struct list ready;
	ev_timer pump;		  /* runs what is ready, in the next turn */
	struct wheel_timer retry; /* the table of requests was full */
	uint64_t transient_id;	  /* of the last event not in the journal */
	struct event_listener *listener; /* or NULL */
	/* Whether somebody listens to these: calls.h. */
	bool has_tool_before, has_tool_after, has_command_before;
	/* The event gateway.stopping: its id, and how many observers have yet
	 * to handle it. */
	uint64_t stopping_id;
	uint32_t stopping_count;
	struct wheel_timer stopping_timer;
	void (*on_stopping_handled)(void *user);
	void *stopping_user;
};

/* ---- events.c ---- */
struct plugin *hook_plugin(const struct hook *h);
/* Count for the hook and for its plugin. */
void hook_count_call(struct hook *h, enum hook_call outcome);
void hook_count_loss(struct hook *h, enum hook_loss why);
void hook_count_answer(struct hook *h);
/* An observer has handled, or lost, an event. */
void events_note_end(struct events *e, const struct event *event);

/* ---- observer.c ---- */
void observer_init(struct hook *h);
/* Queues the event. False: it is lost, and counted. */
bool observer_take(struct hook *h, struct event *event);
/* Sends what the worker can take. */
void observer_pump(struct hook_owner *o);
/* Looks at the owner's observers in the next turn. */
void observer_wake(struct hook_owner *o);
/* Drops what waits. */
void observer_finish(struct hook *h);

/* At most once a second for each hook; the counters have them all. text may be
 * NULL. */
void hook_log_failure(struct hook *h, const char *what, const char *text);

/* ---- hook.c ---- */
/* Whether a filter that fails stops the event. */
bool hook_stops(const struct registration *r);
/* NULL: the plugin has no hook of that name. */
struct hook *hooks_find(
	const struct events *e, uint32_t plugin, const char *name);
/* Brings the place of each owner up to date. */
void hooks_know_places(struct events *e);
/* Reads the plugin's hooks from the route table. */
void hooks_follow_table(struct events *e, uint32_t plugin);
/* A filter that is remembered; takes the registration. */
void hook_add_guard(struct events *e, uint32_t plugin, struct registration *r,
	uint32_t index);
/* Frees a hook that is gone and has nothing in flight. */
void hook_free_if_gone(struct hook *h);
void hooks_finish(struct events *e);
