/* command_config: the configuration in force, as a document that is itself a
 * valid configuration. config_view masks the secrets, not this file. */
#include "proto/json_text.h"
#include "supervisor/control/rows.h"

static json_t *
config_begin(struct rows *r)
{
	const struct gateway *g = r->gateway;
	struct config others = *r->config; /* borrowed, without plugins */
	enum log_format format;
	enum log_level level;
	json_t *document;

	others.plugin_count = 0;
	log_get(&format, &level);
	document = config_view(&others, &(struct config_in_force){
						.runtime_dir = g->runtime_dir,
						.state_dir = g->state_dir,
						.log_level = (int)level,
						.log_format = (int)format,
					});
	json_object_del(document, "plugins");
	return document;
}

static bool
config_next(struct rows *r, struct buffer *text)
{
	const struct plugin_config *plugin;
	json_t *entry;

	if (r->at >= r->config->plugin_count)
		return false;
	plugin = r->config->plugins[r->at++];
	json_text_append_string(text, bytes_of(plugin->id));
	buffer_append_byte(text, ':');
	entry = config_plugin_view(plugin);
	json_text_append(text, entry, JSON_TEXT_COMPACT);
	json_decref(entry);
	return true;
}

void
command_config(struct command_call *call, const json_t *args)
{
	struct rows *r = rows_create(call->gateway, "plugins", NULL);

	r->config = config_ref(call->gateway->config);
	r->is_map = true;
	r->begin = config_begin;
	r->next = config_next;
	rows_finish(
		call, r, "config", r->config->plugin_count <= ROWS_AT_ONCE_MAX);
}
