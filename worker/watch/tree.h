/* tree: one thing that is watched: the files below some paths. It notices that
 * they changed, waits until they are quiet, and reports it if they look
 * different then; what a build makes while it runs is not reported. Where
 * inotify cannot serve, its owner has it swept. */
#pragma once

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>

#include "proto/util/list.h"
#include "worker/watch/notify.h"
#include "worker/watch/origin.h"
#include "worker/watch/snapshot.h"

/* A change that does not end is reported after that many debounces. */
#define TREE_PATIENCE 10
/* To look at a large one takes long. Its debounce is at least that many times
 * as long, so that files which change all the time cost a tenth of a core. */
#define TREE_SHARE 10

struct watch_tree;

struct tree_change {
	const char *file; /* one of them, or NULL; borrowed */
	size_t count;
	bool is_of_build; /* it changed while a build ran */
	bool is_of_files; /* one of the order's "files" did */
};

struct tree_host {
	struct ev_loop *loop;
	struct notify *notify; /* NULL: there is none */
	/* The kernel dropped events: any tree may have changed. */
	void (*on_lost)(struct tree_host *host);
	/* How it is watched, or why it is swept (NULL: by inotify). */
	void (*on_mode)(struct watch_tree *t);
	/* Something may have changed; on_calm or on_changed follows. */
	void (*on_pending)(struct watch_tree *t);
	void (*on_calm)(struct watch_tree *t);
	void (*on_changed)(
		struct watch_tree *t, const struct tree_change *change);
};

struct watch_tree {
	struct list node; /* the owner's */
	struct tree_host *host;
	char *key;
	json_t *order; /* a reference: see proto/launch.h */
	double debounce_s;
	struct notify_owner owner;
	struct snapshot known; /* as it was reported, or found at first */
	const char *swept_why; /* static; NULL: by inotify */
	bool is_short;	       /* swept because inotify has run out */
	bool is_pending;
	bool is_doubted;   /* it changed, but inotify has not said so */
	bool is_building;  /* nothing is reported */
	char *owed;	   /* a file whose change is known but not yet
			      reported ("": some file), or NULL */
	bool is_of_build;  /* it changed while a build ran */
	bool is_of_files;  /* one of "files" changed, not yet reported */
	uint64_t seen_sum; /* when it was last looked at while pending */
	double took_s;	   /* to look at it */
	struct origin origin;
	ev_timer quiet;
	double pending_since; /* on the loop's clock */
};

/* Watches from now on, against what is there now. old, which is destroyed: the
 * same by another order, or NULL; a change that it has not reported yet is
 * reported by the new one. */
struct watch_tree *watch_tree_replace(struct watch_tree *old,
	struct tree_host *host, const char *key, json_t *order);
void watch_tree_destroy(struct watch_tree *t);
/* A build of what is there now begins. Nothing is reported until it ends; then
 * what it made is known, and a change of what it is built from is reported as
 * usual: see origin.h. */
void watch_tree_build(struct watch_tree *t);
void watch_tree_built(struct watch_tree *t);
/* Looks without having been notified: a sweep, or to see whether inotify
 * notices everything here; if not, it is swept from now on. */
void watch_tree_look(struct watch_tree *t);
/* One that is short may be watched by inotify again. False: not yet. */
bool watch_tree_retry(struct watch_tree *t);
/* Something changed somewhere. */
void watch_tree_suspect(struct watch_tree *t);
