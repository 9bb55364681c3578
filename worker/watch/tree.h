/* tree: the files below some paths. It notices changes, waits until the files
 * are quiet, and reports a change if they look different then; files that a
 * build makes are not reported. Where inotify cannot serve, the owner sweeps.
 */
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
/* Looking at a large tree takes long. Its debounce is at least this many times
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
	/* The tree is watched in another way: see swept_why. */
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
	struct snapshot known; /* as last reported, or as first seen */
	const char *swept_why; /* static; NULL: by inotify */
	bool is_short;	       /* swept because of a limit of inotify */
	bool is_pending;
	bool is_doubted;   /* it changed, but inotify has not reported it */
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

/* Watches from now on, compared with the files as they are now. old, which is
 * destroyed, is the same tree by another order, or NULL; the new tree reports a
 * change that old has not reported yet. */
struct watch_tree *watch_tree_replace(struct watch_tree *old,
	struct tree_host *host, const char *key, json_t *order);
void watch_tree_destroy(struct watch_tree *t);
/* A build of the files as they are now begins. Nothing is reported until it
 * ends. Then files that it made count as known, and changes of its sources are
 * reported as usual: see origin.h. */
void watch_tree_build(struct watch_tree *t);
void watch_tree_built(struct watch_tree *t);
/* Looks without an event: as a sweep, or to check inotify. If inotify missed a
 * change, the tree is swept from now on. */
void watch_tree_look(struct watch_tree *t);
/* Tries inotify again for one that is_short. False: it still cannot serve. */
bool watch_tree_retry(struct watch_tree *t);
/* Something may have changed. */
void watch_tree_suspect(struct watch_tree *t);
