/* supervisor: the root object: the order of start and stop, and the meaning of
 * signals. Everything else is in the folders below. */
#pragma once

#include <stdbool.h>

#include "proto/util/error.h"
#include "proto/util/log.h"
#include "supervisor/config/config.h"

struct supervisor_options {
	const char *config_file; /* NULL: the search order of supd(8) */
	const char *runtime_dir,
		*state_dir; /* NULL: the config's, then the default */
	bool level_is_set, format_is_set; /* flags win over the config */
	bool watch; /* everything, whatever the file says */
	enum log_level level;
	enum log_format format;
};

/* Runs until a signal or a shutdown command. Returns the exit status: 0 after a
 * clean stop, 1 if supd could not start. The caller must have blocked the
 * signals, so that none is lost before the loop runs. */
int supervisor_run(const struct supervisor_options *options);
