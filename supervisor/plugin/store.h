/* store: the state of a plugin that outlives supd, in two copies:
 * STATE/plugins/ID.json and ID.2.json. Each write goes to the older copy, so
 * that a torn write leaves the other one intact; a sequence number shows which
 * is newer, a checksum whether it is complete. Read once, at the start. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/error.h"

#define STORE_COPIES 2

/* What a user decided about a value of the file. It holds until the file has
 * another value than `file`, its value at that time. */
struct store_decision {
	bool by_person, person, file;
};

struct store {
	uint64_t sequence;		      /* of the newest record */
	unsigned copy;			      /* the copy that has it */
	uint32_t generation;		      /* the last one assigned */
	uint32_t proven_generation;	      /* last that served; stage kept */
	char *proven_digest, *proven_version; /* owned; NULL: none */
	/* The one proven before that; its stage is kept, too. 0: none. */
	uint32_t older_generation;
	char *older_digest, *older_version; /* owned; NULL: none */
	/* The generation last started from the older stage; 0: none. It serves
	 * if it equals proven_generation. */
	uint32_t older_run;
	/* No epoch greater than this was ever sent to a worker; 0: none was. */
	uint64_t epoch;
	bool stopped;	/* by a user: stays stopped */
	bool made_file; /* the last save made a new file, not synced yet */
	struct store_decision enabled, watched;
};

/* What counts if the file has that value. */
static inline bool
store_decides(const struct store_decision *d, bool by_file)
{
	return d->by_person && d->file == by_file ? d->person : by_file;
}

/* Whether a plugin is enabled, if the file's value is by_file. */
static inline bool
store_is_enabled(const struct store *s, bool by_file)
{
	return store_decides(&s->enabled, by_file);
}

/* Notes that this stage serves. The stage proven before becomes the older one;
 * if the older one serves again, there is none before it. */
void store_note_proven(struct store *s, uint32_t generation, const char *digest,
	const char *version);
/* Forgets the proven stages, because they are damaged. */
void store_forget_proven(struct store *s);
void store_forget_older(struct store *s);

/* Reads a store. 0: read, or no store exists and s is empty. 1: one copy is
 * damaged or missing, as err says; the other was read and may be one save
 * older. -1: both copies are damaged; s is empty. Changes nothing on disk. */
int store_load(struct store *s, const char *state_dir, const char *plugin_id,
	struct error *err);
/* After -1: renames both copies, for inspection. -1: err names the copy that
 * stays. */
int store_put_aside(
	const char *state_dir, const char *plugin_id, struct error *err);
int store_save(struct store *s, const char *state_dir, const char *plugin_id,
	struct error *err);
void store_finish(struct store *s);
