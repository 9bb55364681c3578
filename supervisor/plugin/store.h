/* store: what of a plugin outlives supd: STATE/plugins/ID.json, a record of one
 * sector that is overwritten, or a new file renamed over what has another
 * size. Read once at start. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/error.h"

struct store {
	uint32_t generation;	    /* the last one given out */
	uint32_t proven_generation; /* last that served; its stage is kept */
	char *proven_digest, *proven_version; /* owned; NULL: none */
	bool stopped;			      /* by a person: stays stopped */
	/* A person's enable or disable, in force until the file says something
	 * else than file_enabled: what it said when the person spoke. */
	bool enabled_by_person, person_enabled, file_enabled;
};

/* Whether a plugin is enabled whose file says file_enabled: the one rule. */
static inline bool
store_is_enabled(const struct store *s, bool file_enabled)
{
	return s->enabled_by_person && s->file_enabled == file_enabled
		       ? s->person_enabled
		       : file_enabled;
}

/* A missing file is an empty store; a broken one is an error with its path. */
int store_load(struct store *s, const char *state_dir, const char *plugin_id,
	struct error *err);
int store_save(const struct store *s, const char *state_dir,
	const char *plugin_id, struct error *err);
void store_finish(struct store *s);
