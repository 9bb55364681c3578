/* worker_states: the life of a worker as a table, state x event -> state.
 * Pure: worker.c takes the steps. */
#pragma once

#include <stdbool.h>

#include "supervisor/plugin/worker.h"

const char *worker_event_text(enum worker_event e);

/* The next state; the same one if the event has no effect. Aborts on an event
 * that only a bug in supd can cause in that state. */
enum worker_state worker_state_next(enum worker_state s, enum worker_event e);
/* False if worker_state_next() would abort. */
bool worker_state_takes(enum worker_state s, enum worker_event e);
