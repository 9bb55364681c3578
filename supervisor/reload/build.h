/* build: the parts of a reload that touch files: finds, stages and spawns a
 * candidate (package, manifest, stage, generation, settings), and notes in the
 * store that it is proven. */
#pragma once

#include "supervisor/reload/transaction.h"

/* Whether the package's folder exists; reads no manifest. */
bool build_package_is_there(const struct gateway *g, const struct plugin *p);
/* Finds the package, reads its manifest and begins to stage it; done is called
 * later. This and the next three return -1 with r->error. */
int build_stage(struct reload *r,
	void (*done)(void *user, const struct stage_result *result));
/* Takes the finished staged copy and reads its manifest, which is used from
 * here on. */
int build_take_stage(struct reload *r, const struct stage_result *result);
/* Uses the proven stage that r->source names instead of the package. */
int build_from_proven(struct reload *r);
/* Saves the new generation, then spawns r->fresh, the plugin's candidate. */
int build_spawn(struct reload *r);
/* At the commit: notes the stage as the proven one, from which a crash
 * restarts. Never fails; a write error is logged and retried. */
void build_note_proven(struct reload *r);
void build_note_reverted(struct plugin *p, const struct worker *w);
/* A worker has exited: removes its stage, unless that is kept or another worker
 * runs from it. */
void build_clean_stage(struct plugin *p, const struct worker *w);
