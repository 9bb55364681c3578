/* parts: the inside of the room, for its own files: watch (what is watched),
 * order (how the child is told), process (the child), report (what it says),
 * round (from a change to the verdict), loop (changes that reloads cause),
 * build (the program that runs before a reload), view. */
#pragma once

#include "proto/util/buffer.h"
#include "proto/util/map.h"
#include "supervisor/ops/journal.h"
#include "supervisor/plugin/child.h"
#include "supervisor/plugin/survey.h"
#include "supervisor/reload/reload.h"
#include "supervisor/watch/watch.h"

/* A report of the child is a line of at most that; it is killed otherwise. */
#define WATCH_LINE_MAX (64 * 1024)
/* Orders that it has not taken, beyond those of its start; it is killed then,
 * and another one is started. */
#define WATCH_ORDERS_MAX (1024 * 1024)
#define WATCH_PAUSE_MIN_S 0.1 /* before the child is started again */
#define WATCH_PAUSE_MAX_S 30.0
#define WATCH_STEADY_MS 60000 /* one that ran so long begins with the least */
/* How long a process that was killed is waited for; the kernel may not let it
 * end while a disk does not answer. */
#define WATCH_REAP_MS 1000
#define WATCH_SURVEY_MS 60000
#define WATCH_OUTPUT_MAX (16 * 1024) /* of a build: the last of it are kept */
/* See loop.c. Reloads that cause each other, before the next ones wait; those
 * that wait, before no more follow; and in a row, of changes that may be
 * somebody's. */
#define WATCH_CAUSED_MAX 5
#define WATCH_SLOWED_MAX 3
#define WATCH_LATE_MAX 60
#define WATCH_SLOW_DEBOUNCES 20 /* the first wait; each is twice as long */

#define WATCH_CONFIG_KEY "/" /* no id of a plugin */

enum watch_step {
	WATCH_IDLE,
	WATCH_QUEUED,	 /* another build runs */
	WATCH_ANNOUNCED, /* the child looks at what there is before the build */
	WATCH_BUILDING,
	WATCH_ADOPTING, /* the child looks what the build made */
	WATCH_COMPARING,
	WATCH_RELOADING,
	WATCH_AWAITING, /* another transaction of the plugin */
};

struct watch_build {
	struct child child;
	struct wheel_timer deadline;
	struct buffer said;
	bool is_late;
	bool is_good;
};

struct watch_loop {
	/* The wall clock of the last reload, in ms; until is 0 while it is in
	 * progress. */
	uint64_t from_ms, until_ms;
	uint64_t ended_ms; /* the same, monotonic */
	/* Of the last change: the reloads or builds that caused each other
	 * until it came; 0: it is somebody's. */
	unsigned depth;
	unsigned late;	  /* changes in a row right after a reload */
	bool is_followed; /* by any of these, since the last round began */
	bool is_told, is_stopped, is_looping;
	struct wheel_timer resume;
};

/* One plugin that is watched, or the configuration. */
struct watched {
	struct list node;
	struct watch *watch;
	char *key;	      /* the plugin's id */
	char *order;	      /* as the child has it; NULL: not yet */
	bool is_wanted;	      /* mark of a refresh */
	bool is_pending;      /* the child waits until the files are quiet */
	bool is_missing;      /* the package is gone */
	char how[16];	      /* "inotify", "sweep"; "": not known yet */
	char why[160];	      /* of a sweep */
	char file[256];	      /* of the last change that counted */
	uint64_t changed_ms;  /* its wall clock; 0: there was none */
	enum watch_step step; /* of the round; the configuration has none */
	bool is_again;	      /* another change came meanwhile */
	bool is_forced;	      /* reload, though the package be the same */
	uint64_t pending_ms;  /* when is_pending began, monotonic */
	struct watch_loop loop;
	struct watch_build build;
	struct survey *survey;
	struct reload_watcher reload;
};

struct watch {
	struct gateway *gateway;
	struct watch_options options;
	struct list all;	/* struct watched.node */
	struct map by_key;	/* the same */
	struct watched *config; /* in `all`, or NULL */
	struct journal_reader reader;
	ev_timer refresh; /* in the next turn */
	struct child child;
	int fd; /* -1: no child */
	ev_io readable;
	ev_io writable;
	struct buffer in, out;
	size_t out_max;
	ev_timer respawn;
	double pause_s;
	uint64_t spawned_ms;	  /* the child */
	bool has_restarted;	  /* what happened meanwhile is not known */
	struct watched *building; /* one build at a time, or NULL */
	/* Files that the configuration refers to and that could not be read
	 * when it was refused; an array of paths. */
	json_t *absent;
};

/* ---- watch.c ---- */
struct watched *watch_find(const struct watch *w, const char *key);
struct plugin *watched_plugin(const struct watched *d); /* NULL: gone */
/* Whether a plugin is to be watched, apart from the gate. */
bool watch_wants(const struct watch *w, const struct plugin *p);

/* ---- order.c ---- */
/* A line for the child, which the caller frees; NULL: there is nothing to
 * watch. */
char *order_of_plugin(const struct watch *w, const struct plugin *p);
char *order_of_config(const struct watch *w);
/* Whether files count that are not of the package: `watch.settings`. */
bool order_has_files(const struct plugin *p);
/* The `watch` of its manifest; NULL: it is not known. */
const struct manifest_watch *order_manifest(const struct plugin *p);

/* ---- process.c ---- */
/* Starts the child if there is none. */
void process_need(struct watch *w);
void process_send(struct watch *w, const char *line);
void process_order(struct watch *w, const char *verb, const char *key);
void process_stop(struct watch *w);

/* ---- report.c ---- */
/* A line of the child. */
void report_read(struct watch *w, const char *text, size_t length);

/* ---- loop.c ---- */
struct watch_change {
	bool is_of_build;
	uint64_t at_ms; /* wall clock; 0: not known */
};

void loop_init(struct watched *d);
void loop_finish(struct watched *d);
void loop_reload_begins(struct watched *d);
void loop_reload_ends(struct watched *d);
/* Whether a round may begin for the change. If not, one begins later, or it is
 * reported that none does. */
bool loop_allows(struct watched *d, const struct watch_change *c);

/* ---- round.c ---- */
/* Files of the plugin have changed. */
void round_begin(struct watched *d);
/* The plugin's other transaction may be over. */
void round_retry(struct watched *d);
/* The child knows what there was before the build: it may begin. */
void round_announced(struct watched *d);
/* The child knows what the build made. */
void round_adopted(struct watched *d);
void round_built(struct watched *d, bool is_good);
bool round_builds(const struct watched *d);
/* Begins a build that waits for its turn, if there is one. */
void round_build_next(struct watch *w);
void round_abandon(struct watched *d);

/* ---- build.c ---- */
/* round_built() follows, not before this returns. -1: it could not begin. */
int build_begin(struct watched *d, struct plugin *p,
	const struct manifest_watch *m, struct error *err);
void build_abandon(struct watched *d);
