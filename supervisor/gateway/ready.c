/* ready: whether the gateway is ready and which plugins it waits for. Both
 * depend on the present state of the plugins only. */
#include "supervisor/gateway/gateway.h"

bool
gateway_is_settled(const struct gateway *g)
{
	for (uint32_t i = 0; i < g->plugin_count; i++)
		if (g->plugins[i] && !plugin_is_settled(g->plugins[i]))
			return false;
	return true;
}

/* A plugin that was stopped by an operator or removed is not waited for. */
static bool
is_waited_for(const struct plugin *p)
{
	if (!p || p->removed || !p->enabled || p->stopped)
		return false;
	return !p->settled_once || (p->wanted->required && !plugin_serving(p));
}

bool
gateway_is_ready(const struct gateway *g)
{
	if (g->stopping)
		return false;
	for (uint32_t i = 0; i < g->plugin_count; i++)
		if (is_waited_for(g->plugins[i]))
			return false;
	return true;
}

static json_t *
wait_view(const struct plugin *p)
{
	const char *why = plugin_state_text(plugin_state(p));
	json_t *row = json_pack("{s:s, s:o}", "pluginId", p->id, "why",
		p->failure[0] ? json_sprintf("%s: %s", why, p->failure)
			      : json_string(why));

	/* a cause that is not UTF-8 must not hide the plugin */
	return row ? row
		   : json_pack("{s:s, s:s}", "pluginId", p->id, "why", why);
}

json_t *
gateway_waits_for(const struct gateway *g)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < g->plugin_count; i++)
		if (is_waited_for(g->plugins[i]))
			json_array_append_new(rows, wait_view(g->plugins[i]));
	return rows;
}
