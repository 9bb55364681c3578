/* build: what a candidate is made of: package, manifest, stage, generation,
 * settings; and what is noted of it once it is proven. The parts of a reload
 * that touch files. */
#pragma once

#include "supervisor/gateway/transaction.h"

/* Looks for the folder only; reads no manifest. */
bool build_package_is_there(const struct gateway *g, const struct plugin *p);
/* Finds the package, reads its manifest and begins to stage it; done comes
 * later. All three: -1 with r->error. */
int build_stage(struct reload *r,
	void (*done)(void *user, const struct stage_result *result));
/* Takes the staged copy: its manifest is the one that counts from here. */
int build_take_stage(struct reload *r, const struct stage_result *result);
/* The last proven stage instead of the package. */
int build_from_proven(struct reload *r);
/* Persists the generation, then spawns: r->fresh and the plugin's candidate. */
int build_spawn(struct reload *r);
/* At the commit: this stage is what a crash restarts. Never fails; what could
 * not be written is logged. */
void build_note_proven(struct reload *r);
void build_note_reverted(struct plugin *p, const struct worker *w);
/* A worker has exited: removes its stage unless it is the proven one or
 * another worker runs from it. */
void build_clean_stage(struct plugin *p, const struct worker *w);
/* After a rollback: the proven stage if a start from the package failed, the
 * crash policy if nothing serves. Nothing if a change came meanwhile: then one
 * more reload follows anyhow. */
void build_after_failure(struct reload *r);
