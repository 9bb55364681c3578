/* event: packs events, and keeps references to them in bounded queues. */
#include "supervisor/event/event.h"

#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/util/memory.h"
#include "proto/value.h"

void
event_pack_context(msgpack_packer *p, const struct event_source *source)
{
	json_t *chain = chain_json(source->chain);

	msgpack_pack_map(p, 4);
	codec_text(p, "id");
	msgpack_pack_uint64(p, source->id);
	codec_text(p, "at");
	codec_text(p, source->at);
	codec_text(p, "plugin");
	codec_text(p, source->plugin_id);
	codec_text(p, "chain");
	value_pack(p, chain);
	json_decref(chain);
}

struct event *
event_create(const struct event_source *source)
{
	struct buffer packed = {0};
	size_t name_end, data_end, length;
	struct event *e;
	msgpack_packer p;
	char *at;

	codec_packer(&p, &packed);
	codec_text(&p, source->name);
	name_end = buffer_length(&packed);
	value_pack(&p, source->data);
	data_end = buffer_length(&packed);
	event_pack_context(&p, source);
	length = buffer_length(&packed);
	e = memory_alloc(sizeof(*e) + length);
	at = (char *)(e + 1);
	memcpy(at, buffer_bytes(&packed), length);
	buffer_finish(&packed);
	*e = (struct event){.refs = 1,
		.id = source->id,
		.bytes = sizeof(*e) + length,
		.chain = chain_ref(source->chain),
		.trace = source->trace,
		.name = {at, name_end},
		.data = {at + name_end, data_end - name_end},
		.context = {at + data_end, length - data_end},
		.watch = source->watch};
	if (e->watch)
		e->watch->event = e;
	return e;
}

struct event *
event_ref(struct event *e)
{
	e->refs++;
	return e;
}

void
event_unref(struct event *e)
{
	struct event_watch *watch;
	const char *lost;

	if (!e || --e->refs)
		return;
	chain_unref(e->chain);
	watch = e->watch;
	lost = e->lost;
	free(e);
	if (!watch)
		return;
	watch->event = NULL;
	watch->ended(watch, lost);
}

void
event_unwatch(struct event_watch *w)
{
	if (w->event)
		w->event->watch = NULL;
	w->event = NULL;
}

void
event_pack(const struct event *e, msgpack_packer *p)
{
	codec_raw(p, e->name);
	codec_raw(p, e->data);
	codec_raw(p, e->context);
}

/* ---- queues ---- */

bool
event_queue_has_room(const struct event_queue *q, size_t bytes)
{
	return q->count < EVENT_QUEUE_EVENTS_MAX &&
	       bytes <= EVENT_QUEUE_BYTES_MAX &&
	       q->bytes <= EVENT_QUEUE_BYTES_MAX - bytes;
}

/* Room for one more: a ring twice as large, its oldest event first. */
static void
grow(struct event_queue *q)
{
	uint32_t capacity = q->capacity ? q->capacity * 2 : 8;
	struct event **items = memory_alloc(capacity * sizeof(*items));

	for (uint32_t i = 0; i < q->count; i++)
		items[i] = q->items[(q->first + i) & (q->capacity - 1)];
	free(q->items);
	q->items = items;
	q->first = 0;
	q->capacity = capacity;
}

bool
event_queue_push(struct event_queue *q, struct event *e)
{
	if (!event_queue_has_room(q, e->bytes))
		return false;
	if (q->count == q->capacity)
		grow(q);
	q->items[(q->first + q->count++) & (q->capacity - 1)] = event_ref(e);
	q->bytes += e->bytes;
	return true;
}

struct event *
event_queue_pop(struct event_queue *q)
{
	struct event *e;

	if (!q->count)
		return NULL;
	e = q->items[q->first];
	q->first = (q->first + 1) & (q->capacity - 1);
	q->bytes -= e->bytes;
	if (!--q->count && q->capacity > 64)
		event_queue_clear(q); /* after a burst: gives memory back */
	return e;
}

void
event_queue_return(struct event_queue *q, struct event *e)
{
	if (q->count == q->capacity)
		grow(q);
	q->first = (q->first - 1) & (q->capacity - 1);
	q->items[q->first] = e;
	q->count++;
	q->bytes += e->bytes;
}

void
event_queue_clear(struct event_queue *q)
{
	for (uint32_t i = 0; i < q->count; i++)
		event_unref(q->items[(q->first + i) & (q->capacity - 1)]);
	free(q->items);
	*q = (struct event_queue){0};
}
