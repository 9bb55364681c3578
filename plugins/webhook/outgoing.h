/* outgoing: the plugin's hooks, one per target and pattern, and the sender
 * behind them. A build without libcurl has neither. */
#pragma once

#include <jansson.h>
#include <sup/plugin.h>

#include "settings.h"

/* Registers the hooks, in init. -1 with the reason. */
int outgoing_start(
	struct sup *p, const struct settings *settings, char why[256]);
/* Stops sending; done is called when nothing is on its way any more. */
void outgoing_give_up(void (*done)(void *user), void *user);
/* The older generation has given up. */
void outgoing_take_over(void);
/* A map, by target. */
json_t *outgoing_status(void);
