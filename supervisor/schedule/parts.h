/* parts: the inside of the room, for its own files. */
#pragma once

#include <ev.h>

#include "proto/util/list.h"
#include "proto/util/map.h"
#include "proto/util/wheel.h"
#include "proto/when/when.h"
#include "supervisor/ops/metrics.h"
#include "supervisor/route/request.h"
#include "supervisor/schedule/schedule.h"

/* More missed due times of a cron expression are not counted one by one. */
#define MISSED_COUNT_MAX 10000

#define NOT_IN_HEAP UINT32_MAX

/* How the last tick ended; X(ENUM, "text in show") */
#define TICK_ENDS(X)                                                           \
	X(NONE, "none")                                                        \
	X(DONE, "done")                                                        \
	X(FAILED, "failed")                                                    \
	X(LATE, "timed out")                                                   \
	X(DIED, "the worker died")                                             \
	X(ENDED, "ended by supd")

enum tick_end {
#define X(name, text) TICK_##name,
	TICK_ENDS(X)
#undef X
		TICK_END_COUNT,
};

/* One schedule of one plugin. It outlives the registration while its tick is
 * in flight, and after that as a memory of its anchor. Times are wall-clock
 * milliseconds, UTC. */
struct schedule {
	struct request request; /* the tick in flight, if request.id */
	struct schedule_set *set;
	char *name;
	char *when_text, *zone_name; /* zone_name NULL: the machine's */
	struct when when;
	struct zone *zone; /* a reference; NULL if not needed */
	bool catches_up;
	uint32_t registration; /* its index at the worker that serves */
	bool is_registered;    /* else it is only remembered */
	uint64_t timeout_ms;   /* 0: the plugin's */
	int64_t anchor_ms;     /* of `every`: the first registration */
	/* Up to here nothing is owed: stored, and moved when a tick ends. */
	int64_t settled_ms;
	/* Up to here due times were sent, are pending or were given up. */
	int64_t seen_ms;
	int64_t due_ms;	  /* the next one after that; WHEN_NEVER */
	uint32_t in_heap; /* its place, or NOT_IN_HEAP */
	/* Due times that wait for their tick: none if the count is 0. In the
	 * list of the set while they wait for the plugin. */
	struct list pending_node;
	uint64_t pending_count;
	int64_t pending_ms; /* the last of them */
	bool is_delayed;    /* one of them could not be sent in time */
	/* Of the tick in flight. */
	int64_t sent_ms;
	int64_t settles_ms; /* settled_ms, once it has ended */
	uint64_t sent_missed;
	bool is_by_hand;
	struct schedule_run *run; /* who waits for it, or NULL */
	/* For people. */
	uint64_t skipped; /* given up since the last tick */
	uint64_t done, failed, missed;
	int64_t last_ms; /* due time of the last tick, 0: none */
	enum tick_end last_end;
	char last_error[160];
};

/* The schedules of one plugin. */
struct schedule_set {
	struct plugin *plugin;
	struct schedules *schedules;
	struct map by_name;
	struct list pending; /* struct schedule.pending_node */
	bool is_active;	     /* not stopped, not disabled */
	uint64_t done, failed, missed;
	/* The ledger: what was read from it and is not registered (yet) is in
	 * by_name, too. */
	struct list dirty_node;
	uint64_t sequence;
	bool is_stored;	     /* just read, from a supd that followed them */
	bool is_unsaved;     /* the last save failed */
	bool clock_reported; /* within schedule_follow() */
	double news_left;    /* a token bucket of events */
	uint64_t news_at_ms;
};

/* All of them, by the time at which they are due. */
struct schedules {
	struct gateway *gateway;
	struct schedule **heap;
	uint32_t heap_count, heap_capacity;
	int timer_fd;
	ev_io timer;
	int64_t wall_less_boot_ms; /* changes when the clock is set */
	bool clock_was_set;
	struct list dirty; /* struct schedule_set.dirty_node */
	struct wheel_timer save;
	struct metrics_histogram lateness;
};

/* ---- alarm.c: the heap and the timer ---- */
int64_t alarm_now_ms(void);
void alarm_init(struct schedules *all);
void alarm_finish(struct schedules *all);
/* due_ms of s has changed, or it leaves (WHEN_NEVER). */
void alarm_set(struct schedule *s);
void alarm_clear(struct schedule *s);
/* Sets the timer for the first due time. */
void alarm_arm(struct schedules *all);

/* ---- tick.c ---- */
/* The time is due_ms or later. */
void tick_is_due(struct schedule *s, int64_t now_ms);
/* Sends what is pending of a plugin, as far as its worker takes it. */
void tick_release(struct gateway *g, struct plugin *p);
/* Counts due times that get no tick. */
void tick_skip(struct schedule *s, uint64_t count);
void tick_forget(struct schedule *s); /* nothing is pending any more */
/* The clock was moved by that much. */
void tick_step(struct schedule *s, int64_t change_ms, int64_t now_ms);
void tick_send_by_hand(struct schedule *s, int64_t now_ms);
size_t tick_id(const struct schedule *s, int64_t due_ms,
	char out[SCHEDULE_TICK_ID_BYTES]);

/* ---- schedule.c ---- */
struct schedule *schedule_add(struct schedule_set *set, struct bytes name);

/* ---- ledger.c: STATE/schedules/ID.a and ID.b ---- */
/* Adds what is stored as remembered schedules. A damaged file is a line in the
 * log: then nothing is caught up. */
bool ledger_exists(const struct gateway *g, const char *plugin_id);
void ledger_load(struct schedule_set *set);
/* Saves the set within about LEDGER_DELAY_MS. */
#define LEDGER_DELAY_MS 1000
void ledger_touch(struct schedule_set *set);
void ledger_init(struct schedules *all);
/* Now; for the end. */
void ledger_save(struct schedule_set *set);
