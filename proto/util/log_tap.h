/* log_tap: a second reader of the log. */
#pragma once

#include "proto/util/bytes.h"
#include "proto/util/log.h"

/* Called with the text of each line that is written, without time and subject.
 * Must not log. subject: that of log_write(), or NULL. */
typedef void (*log_tap)(void *user, enum log_level level,
	const struct log_subject *subject, struct bytes text);
void log_set_tap(log_tap tap, void *user); /* NULL: none */
