/* supervisor: the root object: what starts and stops in which order, and what
 * a signal means. Everything else belongs to a room. */
#pragma once

#include <stdbool.h>

#include "proto/util/error.h"
#include "proto/util/log.h"
#include "supervisor/config/config.h"

struct supervisor_options {
	const char *config_file;	     /* NULL: by the search order */
	const char *runtime_dir, *state_dir; /* NULL: config, then search */
	bool level_is_set, format_is_set;    /* flags win over the config */
	enum log_level level;
	enum log_format format;
};

/* Runs until it is told to stop. Returns the exit status: 0 clean stop, 1
 * could not start. Signals are blocked by the caller from the first line of
 * main on, so that none is lost before there is a loop. */
int supervisor_run(const struct supervisor_options *options);
