/* log_tap: who else gets the lines of the log. */
#pragma once

#include "proto/util/bytes.h"
#include "proto/util/log.h"

/* Gets each line that is written, as it was before it became a line. It must
 * not log. subject is what the line was written with, and may be NULL. */
typedef void (*log_tap)(void *user, enum log_level level,
	const struct log_subject *subject, struct bytes text);
void log_set_tap(log_tap tap, void *user); /* NULL: nobody */
