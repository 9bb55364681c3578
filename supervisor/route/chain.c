/* chain: the links. They are counted, because requests, events and other links
 * end in any order. */
#include "supervisor/route/chain.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"

struct chain *
chain_extend(struct chain *before, const char *plugin_id, const char *name,
	bool is_filter)
{
	size_t id_bytes = strlen(plugin_id), name_bytes;
	struct chain *c;

	assert(!chain_is_full(before));
	id_bytes = text_fit(plugin_id, id_bytes, CHAIN_LINK_BYTES / 2);
	name_bytes =
		text_fit(name, strlen(name), CHAIN_LINK_BYTES - 1 - id_bytes);
	c = memory_alloc(sizeof(*c) + id_bytes + 1 + name_bytes + 1);
	c->references = 1;
	c->before = chain_ref(before);
	c->trace = (struct trace_context){0};
	c->depth = before ? before->depth + 1 : 1;
	c->in_filter = is_filter || (before && before->in_filter);
	memcpy(c->text, plugin_id, id_bytes);
	c->text[id_bytes] = ':';
	memcpy(c->text + id_bytes + 1, name, name_bytes);
	return c;
}

struct chain *
chain_ref(struct chain *c)
{
	if (c)
		c->references++;
	return c;
}

void
chain_unref(struct chain *c)
{
	while (c && !--c->references) {
		struct chain *before = c->before;

		free(c);
		c = before;
	}
}

bool
chain_is_full(const struct chain *c)
{
	return c && c->depth >= CHAIN_DEPTH_MAX;
}

/* The links, the oldest first. */
static unsigned
chain_links(const struct chain *c, const struct chain *links[CHAIN_DEPTH_MAX])
{
	unsigned count = c ? c->depth : 0;

	for (unsigned i = count; i > 0; i--, c = c->before)
		links[i - 1] = c;
	return count;
}

char *
chain_text(const struct chain *c)
{
	const struct chain *links[CHAIN_DEPTH_MAX];
	unsigned count = chain_links(c, links);
	struct buffer text = {0};
	char *copy;

	if (!count)
		return memory_copy_text("");
	for (unsigned i = 0; i < count; i++) {
		if (i)
			buffer_append(&text, " > ", 3);
		buffer_append(&text, links[i]->text, strlen(links[i]->text));
	}
	copy = memory_copy_bytes(
		(const char *)buffer_bytes(&text), buffer_length(&text));
	buffer_finish(&text);
	return copy;
}

json_t *
chain_json(const struct chain *c)
{
	const struct chain *links[CHAIN_DEPTH_MAX];
	unsigned count = chain_links(c, links);
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, json_string(links[i]->text));
	return list;
}
