/* rpc_transient: calls of tools and commands as events for sessions. The
 * journal does not keep them, so they wait here for the fan-out, a bounded
 * number; what does not fit is counted and reported as missed. Nothing is made,
 * and calls cost nothing, while no session wants them. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event_name.h"
#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "supervisor/event/event.h"
#include "supervisor/http/rpc_session.h"
#include "supervisor/http/server.h"

static const char *const names[RPC_TRANSIENT_NAMES] = {
	"command.before", "tool.after", "tool.before"};

struct transient {
	struct list node;
	size_t bytes;
	char name[EVENT_NAME_MAX + 1];
	struct websocket_frame *frame;
};

static_assert(EVENT_NAME_MAX <= JOURNAL_NAME_MAX, "names fit");

static struct rpc_fanout *
fanout_of(struct rpc_transients *t)
{
	return container_of(t, struct rpc_fanout, transients);
}

static struct events *
events_of(struct rpc_fanout *f)
{
	struct rpc_house *h = container_of(f, struct rpc_house, fanout);

	return h->server->gateway->events;
}

/* ---- taking them ---- */

/* Data that is too large for an event of the journal is left out here, too. */
static void
append_data(struct buffer *text, const json_t *data)
{
	struct buffer value = {0};

	json_text_append(&value, data, JSON_TEXT_COMPACT);
	if (buffer_length(&value) <= JOURNAL_DATA_MAX)
		buffer_append(
			text, buffer_bytes(&value), buffer_length(&value));
	else
		buffer_format(text, "null,\"omittedBytes\":%zu",
			buffer_length(&value));
	buffer_finish(&value);
}

/* As events of the journal, but without a seq to continue from. */
static struct websocket_frame *
frame_of(const struct event_source *source)
{
	struct websocket_frame *f;
	struct buffer text = {0};

	buffer_format(&text,
		"{\"seq\":null,\"at\":\"%s\",\"event\":\"%s\",\"pluginId\":",
		source->at, source->name);
	if (source->plugin_id)
		json_text_append_string(&text, bytes_of(source->plugin_id));
	else
		buffer_append_text(&text, "null");
	buffer_append_text(&text, ",\"data\":");
	append_data(&text, source->data);
	buffer_append_byte(&text, '}');
	f = rpc_event_frame((char *)buffer_bytes(&text), buffer_length(&text));
	buffer_finish(&text);
	return f;
}

static void
take(struct event_listener *l, const struct event_source *source)
{
	struct rpc_transients *t =
		container_of(l, struct rpc_transients, listener);
	struct transient *waits;

	if (t->count == RPC_TRANSIENTS_MAX || t->bytes > RPC_TRANSIENT_BYTES) {
		t->missed++;
		return;
	}
	waits = memory_alloc(sizeof(*waits));
	memcpy(waits->name, source->name, strlen(source->name) + 1);
	waits->frame = frame_of(source);
	waits->bytes = websocket_frame_bytes(waits->frame);
	list_append(&t->waiting, &waits->node);
	t->count++;
	t->bytes += waits->bytes;
	rpc_fan_out(fanout_of(t));
}

static void
forget(struct rpc_transients *t, struct transient *waits)
{
	list_remove(&waits->node);
	t->count--;
	t->bytes -= waits->bytes;
	free(waits);
}

bool
rpc_take_transient(struct rpc_fanout *f)
{
	struct rpc_transients *t = &f->transients;
	struct transient *waits;

	if (list_is_empty(&t->waiting))
		return false;
	waits = container_of(t->waiting.next, struct transient, node);
	f->is_transient = true;
	f->frame = waits->frame;
	memcpy(f->name, waits->name, sizeof(waits->name));
	f->missed_count = t->missed;
	f->missed = t->missed ? rpc_missed_frame(t->missed) : NULL;
	t->missed = 0;
	forget(t, waits);
	return true;
}

/* ---- who wants them ---- */

static bool
wants(const struct event_listener *l, struct bytes name)
{
	const struct rpc_transients *t =
		container_of((struct event_listener *)(uintptr_t)l,
			struct rpc_transients, listener);

	for (size_t i = 0; i < RPC_TRANSIENT_NAMES; i++)
		if (bytes_equal(bytes_of(names[i]), name))
			return t->wanted[i] > 0;
	return false;
}

void
rpc_count_pattern(struct rpc_fanout *f, const char *pattern, int change)
{
	struct rpc_transients *t = &f->transients;
	bool changed = false;

	for (size_t i = 0; i < RPC_TRANSIENT_NAMES; i++) {
		bool before = t->wanted[i] > 0;

		if (!event_pattern_matches(
			    bytes_of(pattern), bytes_of(names[i])))
			continue;
		t->wanted[i] += (unsigned)change;
		changed |= before != (t->wanted[i] > 0);
	}
	if (changed && events_of(f))
		events_listen(events_of(f), &t->listener);
}

void
rpc_transients_init(struct rpc_transients *t)
{
	t->listener = (struct event_listener){.wants = wants, .take = take};
	list_init(&t->waiting);
}

void
rpc_transients_finish(struct rpc_fanout *f)
{
	struct rpc_transients *t = &f->transients;

	if (events_of(f))
		events_listen(events_of(f), NULL);
	while (!list_is_empty(&t->waiting)) {
		struct transient *waits =
			container_of(t->waiting.next, struct transient, node);

		websocket_frame_unref(waits->frame);
		forget(t, waits);
	}
}
