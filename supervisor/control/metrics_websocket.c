/* metrics_websocket: the WebSocket connections of plugins. A plugin that never
 * had one has no sample. */
#include "supervisor/control/metrics_parts.h"

static void
plugin_websockets(const struct figures *v)
{
	if (v->p->conns.opened)
		figures_put(v, v->p->conns.count);
}

static void
plugin_websocket_events(const struct figures *v)
{
	const struct plugin_conns *c = &v->p->conns;

	if (!c->opened)
		return;
	figures_put_labelled(v, "event", "opened", (double)c->opened);
	figures_put_labelled(v, "event", "moved", (double)c->moved);
	figures_put_labelled(v, "event", "cut", (double)c->cut);
}

static void
plugin_websocket_messages(const struct figures *v)
{
	const struct plugin_conns *c = &v->p->conns;

	if (!c->opened)
		return;
	figures_put_labelled(v, "direction", "in", (double)c->messages_in);
	figures_put_labelled(v, "direction", "out", (double)c->messages_out);
}

static void
plugin_websocket_losses(const struct figures *v)
{
	const struct plugin_conns *c = &v->p->conns;

	if (!c->opened)
		return;
	figures_put_labelled(v, "reason", "crash", (double)c->messages_lost);
	figures_put_labelled(v, "reason", "stray", (double)c->strays);
	figures_put_labelled(v, "reason", "excess", (double)c->excesses);
}

static const struct metrics_row rows[] = {
	{"supd_plugin_websockets", METRICS_GAUGE,
		"Open WebSocket connections of a plugin.", plugin_websockets},
	{"supd_plugin_websockets_total", METRICS_COUNTER,
		"WebSocket connections of a plugin that were opened, moved to "
		"another worker, or closed because that was not possible.",
		plugin_websocket_events},
	{"supd_plugin_websocket_messages_total", METRICS_COUNTER,
		"Messages of clients to a plugin (in) and back (out).",
		plugin_websocket_messages},
	{"supd_plugin_websocket_messages_lost_total", METRICS_COUNTER,
		"Messages that a worker may have had when it died, and "
		"messages of workers that were refused: about no connection or "
		"ill-formed (stray), or beyond credit or limit (excess).",
		plugin_websocket_losses},
};
const struct metrics_group metrics_websocket = METRICS_GROUP(rows);
