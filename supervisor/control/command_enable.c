/* command_enable: enable and disable: finds the plugins; apply/enable does the
 * rest. */
#include "supervisor/apply/enable.h"
#include "supervisor/control/batch.h"

static enum reload_refusal
begin_enable(struct batch *b, struct plugin *p, struct reload_watcher *watcher,
	char *id_out, struct error *err)
{
	return enable_begin_enable(
		b->call->gateway, p, b->call->door, watcher, id_out, err);
}

static enum reload_refusal
begin_disable(struct batch *b, struct plugin *p, struct reload_watcher *watcher,
	char *id_out, struct error *err)
{
	return enable_begin_disable(
		b->call->gateway, p, b->call->door, watcher, id_out, err);
}

void
command_enable(struct command_call *call, const json_t *args)
{
	batch_run(call, args, begin_enable);
}

void
command_disable(struct command_call *call, const json_t *args)
{
	batch_run(call, args, begin_disable);
}
