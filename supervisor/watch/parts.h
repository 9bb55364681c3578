/* parts: what the files of watch/ share: watch (what is watched), order (orders
 * to the child), process (the child), report (its reports), round (from a
 * change to the verdict), loop (changes that reloads cause), build (the program
 * that runs before a reload), view. No other file includes it. */
#pragma once

#include "proto/util/buffer.h"
#include "proto/util/map.h"
#include "supervisor/ops/journal.h"
#include "supervisor/plugin/child.h"
#include "supervisor/plugin/survey.h"
#include "supervisor/reload/reload.h"
#include "supervisor/watch/watch.h"

/* The longest report of the child, a line; it is killed for a longer one. */
#define WATCH_LINE_MAX (64 * 1024)
/* Orders that it has not taken, beyond those of its start. With more of them it
 * is killed, and another one is started. */
#define WATCH_ORDERS_MAX (1024 * 1024)
#define WATCH_PAUSE_MIN_S 0.1 /* before the child is started again */
#define WATCH_PAUSE_MAX_S 30.0
#define WATCH_STEADY_MS 60000 /* after so long the pause is the least again */
/* How long to wait for a process that was killed; the kernel may not let it end
 * while a disk does not answer. */
#define WATCH_REAP_MS 1000
#define WATCH_SURVEY_MS 60000
#define WATCH_OUTPUT_MAX (16 * 1024) /* of a build, the last of it */
/* See loop.c. */
#define WATCH_CAUSED_MAX 5 /* reloads that cause each other, without a wait */
#define WATCH_SLOWED_MAX 3 /* those that wait, before no more are made */
#define WATCH_LATE_MAX 60  /* changes right after a reload, in a row */
#define WATCH_SLOW_DEBOUNCES 20 /* the first wait; each is twice as long */

#define WATCH_CONFIG_KEY "/" /* no id of a plugin */

enum watch_step {
	WATCH_IDLE,
	WATCH_QUEUED,	 /* another build runs */
	WATCH_ANNOUNCED, /* the child looks at the files before the build */
	WATCH_BUILDING,
	WATCH_ADOPTING, /* the child looks at what the build made */
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
	/* Reloads or builds that caused each other and then the last change;
	 * 0: a user made the change. */
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
	char *order;	      /* the last one sent; NULL: none yet */
	bool is_wanted;	      /* mark of a refresh */
	bool is_pending;      /* the child waits until the files are quiet */
	bool is_missing;      /* the package does not exist */
	char how[16];	      /* "inotify", "sweep"; "": not known yet */
	char why[160];	      /* of a sweep */
	char file[256];	      /* of the last change that counted */
	uint64_t changed_ms;  /* its wall clock; 0: there was none */
	enum watch_step step; /* of the round; the configuration has none */
	bool is_again;	      /* another change came meanwhile */
	bool is_forced;	      /* reload even if the package is the same */
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
	bool has_restarted;	  /* changes may have been missed */
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
/* A line for the child, which the caller frees; NULL: nothing to watch. */
char *order_of_plugin(const struct watch *w, const struct plugin *p);
char *order_of_config(const struct watch *w);
/* Whether it watches files outside of the package, by `watch.settings`. */
bool order_has_files(const struct plugin *p);
/* `watch` of its manifest; NULL: the manifest is not known. */
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
/* Whether a round may begin for the change. If not, one begins later, or an
 * event and the log say that none does. */
bool loop_allows(struct watched *d, const struct watch_change *c);

/* ---- round.c ---- */
/* Files of the plugin have changed. */
void round_begin(struct watched *d);
/* The plugin's other transaction may have ended. */
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
/* round_built() follows, after this has returned. -1: it could not begin. */
int build_begin(struct watched *d, struct plugin *p,
	const struct manifest_watch *m, struct error *err);
void build_abandon(struct watched *d);
