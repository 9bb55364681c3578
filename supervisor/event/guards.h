/* guards: filters that stop what they cannot check, remembered over restarts of
 * supd: until their plugin has started, they keep their place, and calls wait
 * for them, or are stopped. */
#pragma once

#include "supervisor/event/events.h"

struct hook;

/* Reads STATE/guards.json. */
void guards_load(struct events *e);
/* The plugin was added: its guards are hooks until its first commit. */
void guards_add(struct events *e, const struct plugin *p);
/* The hooks of the plugin have changed; what is remembered is saved soon. */
void guards_note(struct events *e, uint32_t plugin);
/* Frees what a guard declares, once the route table does. */
void guard_forget(struct hook *h);
void guards_finish(struct events *e); /* saves what is not saved yet */
