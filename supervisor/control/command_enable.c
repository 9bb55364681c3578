/* command_enable: enable and disable: which plugin is meant; the gateway does
 * it. */
#include "supervisor/control/batch.h"

static enum reload_refusal
begin_enable(struct batch *b, struct plugin *p, struct reload_watcher *watcher,
	char *id_out, struct error *err)
{
	return reload_begin_enable(
		b->call->gateway, p, b->call->door, watcher, id_out, err);
}

static enum reload_refusal
begin_disable(struct batch *b, struct plugin *p, struct reload_watcher *watcher,
	char *id_out, struct error *err)
{
	return reload_begin_disable(
		b->call->gateway, p, b->call->door, watcher, id_out, err);
}

void
command_enable(struct command_call *call, const json_t *args)
{
	batch_run_one(call, args, begin_enable);
}

void
command_disable(struct command_call *call, const json_t *args)
{
	batch_run_one(call, args, begin_disable);
}
