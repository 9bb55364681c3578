/* roster: the plugins that exist. The configuration adds them, they start in
 * the order of `requires`, and a removed one is freed when its last worker is
 * gone. */
#pragma once

#include "supervisor/gateway/gateway.h"

/* After gateway_init(). */
void roster_init(struct gateway *g);
/* Abandons every transaction, kills every remaining worker and ends all
 * callbacks; call it before gateway_finish(). */
void roster_finish(struct gateway *g);

/* Adds the plugins of the configuration and starts the enabled ones, except
 * those that a user stopped, in the order of `requires`. */
void roster_start(struct gateway *g);
/* Drains within limit_ms, then stops the workers; on_stopped follows. */
void roster_stop(struct gateway *g, uint64_t limit_ms);

/* A plugin that was not configured so far. What an earlier one of its id has
 * proven is not used. */
struct plugin *roster_add(
	struct gateway *g, const struct plugin_config *config);
/* Whether every plugin that p requires has served or failed once, or is not to
 * run. */
bool roster_may_start(const struct gateway *g, const struct plugin *p);
