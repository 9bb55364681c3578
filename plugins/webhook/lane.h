/* lane: one target and what waits for it: one delivery is on its way, or its
 * next attempt is waited for. */
#pragma once

#include <ev.h>
#include <sup/plugin.h>

#include "queue.h"
#include "quiet.h"
#include "settings.h"
#include "transfer.h"

struct lane {
	struct sup *plugin;
	const struct settings *settings; /* whose target `number` it is */
	size_t number;
	struct transfers *transfers;
	void (*on_idle)(void *user); /* nothing is on its way after a stop */
	void *user;

	struct queue *queue; /* NULL: not the owner, or the disk refuses it */
	struct transfer *transfer; /* NULL: nothing is on its way */
	ev_timer pause;
	bool stopped, is_failing;
	uint64_t delivered, given_up; /* since the start of the worker */
	struct quiet troubles;
};

const struct target *lane_target(const struct lane *l);
/* Opens the queue and sends. -1: logged. */
int lane_start(struct lane *l);
/* Begins nothing more; on_idle is called when what is on its way has ended, but
 * not from here: look at lane_is_idle(). */
void lane_stop(struct lane *l);
bool lane_is_idle(const struct lane *l);
/* Cuts what is on its way; it is sent again by the next owner. */
void lane_cut(struct lane *l);
void lane_close(struct lane *l);
/* NULL once it is in the queue, or among the dead letters because there is no
 * more room; else why not. */
const char *lane_add(struct lane *l, const char *id, const char *body);
