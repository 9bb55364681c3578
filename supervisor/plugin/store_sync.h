/* store_sync: makes the files of the state directory safe from a power failure.
 * A `sup-worker sync` child does it, so that the loop never waits for a disk.
 * One child runs at a time, for all requests since the last. */
#pragma once

#include "supervisor/plugin/worker.h"

struct store_sync;

/* state_dir is borrowed. */
struct store_sync *store_sync_create(
	struct workers *workers, const char *state_dir);
/* Requests a sync of everything written so far, within about
 * STORE_SYNC_DELAY_MS and the time that the disk needs. A failure is logged
 * once and retried with the next request. NULL-safe, as all of these are. */
void store_sync_soon(struct store_sync *s);
/* The same without the delay, because a caller waits. */
void store_sync_now(struct store_sync *s);
void store_sync_destroy(struct store_sync *s); /* kills the child */

#define STORE_SYNC_DELAY_MS 100

/* The number of the last request; they count up from 1. */
uint64_t store_sync_asked(const struct store_sync *s);

#define STORE_SYNC_WAIT_MS 5000

/* A wait for the end of a request, in the caller's memory. Zero it and call
 * list_init(&node) before the first use. */
struct store_sync_wait {
	struct list node;
	uint64_t number; /* number of the request */
	struct wheel_timer limit;
	struct store_sync *sync; /* private to store_sync, as is limit */
	/* Called once, at the end or after STORE_SYNC_WAIT_MS. problem is
	 * borrowed; NULL: synced. The callback may free the wait. */
	void (*on_end)(struct store_sync_wait *w, const char *problem);
};

/* Begins a wait. False: the request is synced already, and on_end is not
 * called. A failed sync is retried for the wait. */
bool store_sync_wait(struct store_sync *s, struct store_sync_wait *w);
void store_sync_leave(struct store_sync_wait *w); /* idempotent */
