/* settings: which events are written, and where to. Reads and checks them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERNS_MAX 64
#define KEEP_MAX 1000

enum sync_policy { SYNC_NONE, SYNC_ALWAYS, SYNC_INTERVAL };

struct settings {
	char *patterns[PATTERNS_MAX]; /* no event matches two of them */
	size_t pattern_count;

	char *file; /* a path; NULL: none */
	uint64_t rotate_bytes;
	unsigned keep;
	enum sync_policy sync;
	uint64_t sync_ms;

	bool has_syslog;
	char *socket, *ident;
	int facility; /* LOG_DAEMON … */
};

/* Reads JSON text; a file that is no absolute path is one in `data_dir`. -1
 * with the reason in `why`; finish them in either case. */
int settings_read(struct settings *s, const char *json, const char *data_dir,
	char why[256]);
void settings_finish(struct settings *s);
