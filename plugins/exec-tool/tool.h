/* tool: what the settings say about each tool. Starts nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOOL_OUTPUT_MAX (1000 * 1024) /* a result is one message */

struct tool {
	char *name, *description, *schema; /* the latter two may be NULL */
	bool skip_validation;		   /* of arguments by the schema */
	char **command;			   /* NULL ends it */
	char **environment; /* "NAME=value", whole; NULL ends it */
	uint64_t timeout_ms, output_bytes, concurrency;
	uint64_t running;
};

struct tools {
	struct tool *items;
	size_t count;
	uint64_t concurrency, running;
};

/* Reads the plugin's settings (JSON text). -1 with the reason in `why`: what
 * is missing, unknown or of the wrong type, and of which tool. What it takes
 * lasts as long as the process. */
int tools_read(struct tools *tools, const char *settings_json, char why[256]);
