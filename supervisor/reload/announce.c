/* announce: a channel with `announce` is told to say that it is about to be
 * passed on, once everything is proven and before anything is held. That takes
 * LIMIT_MS at most: what is not sent by then is not waited for. */
#include "supervisor/channel/channel.h"

#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/reload/transaction.h"

#define LIMIT_MS 1000

bool
announce_applies(const struct reload *r)
{
	return !r->force && takeover_applies(r) &&
	       announcement_applies(plugin_serving(r->plugin));
}

uint64_t
announce_most_ms(void)
{
	return LIMIT_MS;
}

uint64_t
announce_deadline(const struct reload *r)
{
	(void)r;
	return clock_ms() + LIMIT_MS;
}

static void
over(void *user)
{
	reload_soon(user);
}

void
announce_enter(struct reload *r)
{
	char *text = memory_format("plugin '%s' is about to be %s; messages "
				   "wait until it is back",
		r->plugin->id,
		r->kind == KIND_RESTART ? "restarted" : "reloaded");

	r->announcement = announcement_begin(
		plugin_serving(r->plugin), text, LIMIT_MS, over, r);
	free(text);
}

void
announce_undo(struct reload *r)
{
	announcement_leave(r->announcement);
	r->announcement = NULL;
}

static void
go_on(struct reload *r)
{
	announce_undo(r);
	reload_advance(r);
}

void
announce_look(struct reload *r)
{
	if (announcement_is_over(r->announcement))
		go_on(r);
}

void
announce_on_due(struct reload *r)
{
	go_on(r);
}

void
announce_on_old_down(struct reload *r, bool reverted)
{
	(void)reverted;
	go_on(r);
}
