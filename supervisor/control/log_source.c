/* log_source: see log_source.h. A plugin is looked up by id each time, because
 * it may have been removed and added again. */
#include "supervisor/control/log_source.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

void
log_source_init(struct log_source *s, const struct gateway *g, const char *id,
	const char *grep)
{
	*s = (struct log_source){.gateway = g,
		.id = id ? memory_copy_text(id) : NULL,
		.grep = grep && *grep ? memory_copy_text(grep) : NULL};
}

void
log_source_finish(struct log_source *s)
{
	free(s->id);
	free(s->grep);
	s->id = s->grep = NULL;
}

static const struct output *
own_output(const struct log_source *s)
{
	const struct plugin *p = gateway_plugin(s->gateway, s->id);

	return p && !p->removed ? p->output : NULL;
}

const struct output_line *
log_source_line(const struct log_source *s, uint64_t *number, bool back,
	const char **id_out)
{
	const struct output_hub *all = s->gateway->lines;
	const struct output *own;

	if (!s->id)
		return back ? output_hub_until(all, number, id_out)
			    : output_hub_at(all, number, id_out);
	own = own_output(s);
	*id_out = s->id;
	if (!own)
		return NULL;
	return back ? output_until(own, number) : output_at(own, number);
}

uint64_t
log_source_newest(const struct log_source *s)
{
	const struct output *own;

	if (!s->id)
		return output_hub_newest(s->gateway->lines);
	own = own_output(s);
	return own ? output_newest(own) : 0;
}

bool
log_source_takes(const struct log_source *s, const struct output_line *line)
{
	return line->wall_ms >= s->since_ms &&
	       (!s->grep || strstr(line->text, s->grep));
}

json_t *
log_source_json(const struct log_source *s, const struct output_line *line,
	const char *id)
{
	json_t *row = output_line_json(line);

	if (!s->id)
		json_object_set_new(row, "pluginId", json_string(id));
	return row;
}
