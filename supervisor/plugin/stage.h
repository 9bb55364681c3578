/* stage: a generation's own copy of its package, made by a `sup-worker stage`
 * child so that the loop never waits. Stages live in STATE/run/ID/GEN. */
#pragma once

#include <stdint.h>

#include "proto/util/error.h"
#include "supervisor/config/manifest.h"
#include "supervisor/plugin/worker.h"

struct stage; /* a staging in progress */

struct stage_result {
	const char *dir;    /* absolute */
	const char *digest; /* "sha256:..." */
	const char
		*fingerprint; /* of the package at that time: proto/launch.h */
	uint64_t bytes;
	/* NULL: success. The error is a shortage if the package was not at
	 * fault: the child was killed, or space ran out. */
	struct error *err;
};

/* Copies source into state_dir/run/plugin_id/generation (left-overs there are
 * removed first). done is called once, from the loop, unless cancelled. */
struct stage *stage_begin(struct workers *workers, const char *state_dir,
	const char *plugin_id, uint32_t generation,
	const struct manifest *manifest, uint64_t deadline_ms,
	void (*done)(void *user, const struct stage_result *result), void *user,
	struct error *err);
/* Kills the child, removes the copy; done is not called. */
void stage_cancel(struct stage *s);

/* Removes a stage in the background, by a child; its name can be used again
 * when this returns. NULL-safe. A stage that cannot be removed is retried with
 * each later removal. */
void stage_remove(struct workers *workers, const char *dir);
/* Removes all stages of a removed plugin. */
void stage_remove_all(
	struct workers *workers, const char *state_dir, const char *plugin_id);
/* At start: removes all stages of the plugin except the kept generations (0:
 * none). */
void stage_sweep(struct workers *workers, const char *state_dir,
	const char *plugin_id, const uint32_t *kept, unsigned kept_count);
/* At start: removes each folder of stages for whose name is_kept() is false. */
void stage_sweep_unknown(struct workers *workers, const char *state_dir,
	bool (*is_kept)(const void *user, const char *plugin_id),
	const void *user);
/* At start, before the functions below: if the folder of the plugin's stages is
 * something else, moves it aside with an error in the log. */
void stage_check_dir(const char *state_dir, const char *plugin_id);
/* The greatest generation of the plugin's stages and claims; 0: none. */
uint32_t stage_newest(const char *state_dir, const char *plugin_id);
/* Claims a generation: marks it as used beside the stages, when the store could
 * not be written. -1: the claim failed, too. */
int stage_claim(const char *state_dir, const char *plugin_id,
	uint32_t generation, struct error *err);
/* Removes a claim, once the store has the generation. */
void stage_unclaim(
	const char *state_dir, const char *plugin_id, uint32_t generation);

/* Ends all stagings and removals, after the loop. */
void stage_finish(struct workers *workers);
