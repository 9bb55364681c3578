/* stage: a generation's own copy of its package, made by a `sup-worker stage`
 * child so that the loop never waits. Stages live in STATE/run/ID/GEN. */
#pragma once

#include <stdint.h>

#include "proto/util/error.h"
#include "supervisor/config/manifest.h"
#include "supervisor/plugin/worker.h"

struct stage; /* one staging under way */

struct stage_result {
	const char *dir;	 /* absolute */
	const char *digest;	 /* "sha256:..." */
	const char *fingerprint; /* of the package then: proto/launch.h */
	uint64_t bytes;
	struct error *err; /* NULL: success */
};

/* Copies source into state_dir/run/plugin_id/generation (left-overs there are
 * removed first). done is called once, from the loop, unless cancelled. */
struct stage *stage_begin(struct worker_room *room, const char *state_dir,
	const char *plugin_id, uint32_t generation,
	const struct manifest *manifest, uint64_t deadline_ms,
	void (*done)(void *user, const struct stage_result *result), void *user,
	struct error *err);
/* Kills the child, removes the copy; done is not called. */
void stage_cancel(struct stage *s);

/* Removes a stage in the background (a child does it); its name is free for
 * another when this returns. NULL-safe. */
void stage_remove(struct worker_room *room, const char *dir);
/* At start: removes every stage of the plugin but two generations (0: none). */
void stage_sweep(struct worker_room *room, const char *state_dir,
	const char *plugin_id, uint32_t keep_a, uint32_t keep_b);
/* At start: removes all stages of ids that is_known() does not know. */
void stage_sweep_unknown(struct worker_room *room, const char *state_dir,
	bool (*is_known)(const void *user, const char *plugin_id),
	const void *user);
/* The greatest generation that a stage of the plugin is there of; 0: none. */
uint32_t stage_newest(const char *state_dir, const char *plugin_id);

/* The loop turns no more: ends and forgets all of the above. */
void stage_finish(struct worker_room *room);
