/* handle: what becomes of a message that is in the store: filters of
 * message.inbound, then a command that it names, then the observers of
 * message.received. While supd stops, what is in progress stays pending, and is
 * handled by the next supd. */
#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/channel/incoming.h"
#include "supervisor/channel/parts.h"
#include "supervisor/event/events.h"

static struct gateway *
gateway_of(const struct inbound *i)
{
	return i->channel->all->gateway;
}

/* Takes the reference, or NULL. */
static void
set_data(struct inbound *i, json_t *data)
{
	size_t bytes = data ? value_memory(data) : 0;
	struct channel *c = i->channel;

	json_decref(i->data);
	c->bytes += bytes - i->data_bytes;
	c->value_bytes += bytes - i->data_bytes;
	i->data = data;
	i->data_bytes = bytes;
}

/* ---- events ---- */

static const struct event_source *
new_event(struct inbound *i, const char *name, const json_t *data)
{
	struct gateway *g = gateway_of(i);
	struct plugin *p = channel_plugin(i->channel);

	i->source = (struct event_source){.id = events_next_id(g->events),
		.at = time_text(i->at, clock_wall_ms()),
		.name = name,
		.plugin_id = p ? p->id : NULL,
		.trace = i->span.context,
		.data = data};
	return &i->source;
}

/* Reports the result of the filters to observers of message.inbound; `more` is
 * taken. */
static void
report_inbound(struct inbound *i, const char *key, json_t *more)
{
	json_t *data = json_copy(i->data);

	if (key)
		json_object_set_new(data, key, more);
	events_pass(
		gateway_of(i)->events, new_event(i, "message.inbound", data));
	json_decref(data);
}

static void
report_failure(struct inbound *i, const char *why)
{
	struct plugin *p = channel_plugin(i->channel);
	json_t *data =
		json_pack("{s:s,s:I,s:o,s:o,s:o}", "channel", i->channel->name,
			"seq", (json_int_t)i->seq, "id", value_text(i->id),
			"lane", value_text(i->lane), "reason", value_text(why));
	unsigned hidden;

	if (report_may(&i->channel->all->dead_letters, clock_ms(), &hidden))
		log_write(LOG_WARN,
			&(struct log_subject){.plugin = p ? p->id : NULL},
			"channel %s: message %llu is a dead letter: %.*s (%u "
			"more since the last line)",
			i->channel->name, (unsigned long long)i->seq,
			TEXT_FIT(why, REPORT_REASON_BYTES), hidden);
	events_pass(
		gateway_of(i)->events, new_event(i, "message.failed", data));
	json_decref(data);
}

void
handle_fail(struct inbound *i, const char *why)
{
	report_failure(i, why);
	inbound_finish(i, INBOUND_DEAD, why);
}

/* ---- observers ---- */

static void
observed(struct event_watch *watch, const char *lost)
{
	struct inbound *i = container_of(watch, struct inbound, watch);
	char text[128];

	if (lost && gateway_of(i)->stopping)
		return;
	if (!lost) {
		inbound_finish(i, i->end, NULL);
		return;
	}
	text_format(text, sizeof(text),
		"a hook of message.received lost it: %s", lost);
	handle_fail(i, text);
}

static void
make_received(struct inbound *i)
{
	i->end = i->command ? INBOUND_COMMAND : INBOUND_OBSERVED;
	if (i->command)
		json_object_set_new(i->data, "command", value_text(i->command));
	new_event(i, "message.received", i->data);
}

void
handle_observe(struct inbound *i)
{
	make_received(i);
	i->watch.ended = observed;
	i->source.watch = &i->watch;
	events_pass(gateway_of(i)->events, &i->source);
}

void
handle_end(struct inbound *i)
{
	make_received(i);
	events_pass(gateway_of(i)->events, &i->source);
	inbound_finish(i, i->end, NULL);
}

static void
pass(struct inbound *i)
{
	announce_note(i->channel, i->data);
	report_inbound(i, NULL, NULL);
	if (!command_begin(i))
		handle_observe(i);
}

/* ---- filters ---- */

/* Members that a filter may not change, as others rely on them. */
static void
keep_facts(const struct inbound *i, json_t *data)
{
	static const char *const facts[] = {
		"channel", "id", "lane", "at", "from", "chat", "self"};

	for (size_t k = 0; k < sizeof(facts) / sizeof(*facts); k++) {
		json_t *fact = json_object_get(i->data, facts[k]);

		if (fact)
			json_object_set(data, facts[k], fact);
		else
			json_object_del(data, facts[k]);
	}
}

static int
check(struct filter_run *f, enum hook_verdict verdict, json_t *data,
	struct error *err)
{
	const struct inbound *i = container_of(f, struct inbound, filter);
	const json_t *text = json_object_get(data, "text");
	const json_t *reply = json_object_get(data, "reply");

	if (verdict == HOOK_VERDICT_CLAIM) {
		if (!reply || json_is_null(reply) || json_is_string(reply) ||
			json_is_object(reply))
			return 0;
		return error_set(
			err, "its reply must be a string or an object");
	}
	if (!json_is_object(data))
		return error_set(err, "its data is not an object");
	if (text && !json_is_string(text))
		return error_set(err, "its text is not a string");
	keep_facts(i, data);
	return 0;
}

static void
claim(struct inbound *i, const struct filter_end *end)
{
	json_t *said = json_object_get(end->data, "reply");

	if (json_is_object(said))
		outbound_reply(i, json_incref(said));
	else
		command_reply(i, said);
	report_inbound(i, "claimed", filter_end_view(end));
	inbound_finish(i, INBOUND_CLAIMED, NULL);
}

static void
stop(struct inbound *i, const struct filter_end *end)
{
	json_t *stopped = filter_end_view(end);
	char text[768];

	text_format(text, sizeof(text),
		"stopped by the hook %s of plugin '%s'%s%s", end->hook,
		end->plugin_id, *end->reason ? ": " : "", end->reason);
	json_object_set_new(stopped, "reason", value_text(end->reason));
	report_inbound(i, "stopped", stopped);
	if (end->by_error)
		handle_fail(i, text);
	else
		inbound_finish(i, INBOUND_STOPPED, text);
}

static void
filtered(struct filter_run *f, const struct filter_end *end)
{
	struct inbound *i = container_of(f, struct inbound, filter);

	if (gateway_of(i)->stopping)
		return;
	if (end->verdict == HOOK_VERDICT_CLAIM) {
		claim(i, end);
	} else if (end->verdict == HOOK_VERDICT_STOP) {
		stop(i, end);
	} else {
		set_data(i, json_incref(end->data));
		i->is_filtered = false;
		filter_finish(f);
		pass(i);
	}
}

/* ---- begin and end ---- */

void
handle_end_span(struct inbound *i, enum inbound_end end, const char *note)
{
	struct plugin *p = channel_plugin(i->channel);
	char name[RECORD_TEXT_MAX + 1];

	if (!trace_is_sampled(&i->span))
		return;
	text_format(name, sizeof(name), "message %s", i->channel->name);
	tracer_end_step(&gateway_of(i)->workers.tracer,
		&(const struct tracer_step){
			.span = &i->span,
			.kind = SPAN_CONSUMER,
			.name = name,
			.plugin_id = p ? p->id : NULL,
			.id = i->id,
			.error = end == INBOUND_DEAD ? "dead_letter" : NULL,
			.text = note,
		});
	i->span = (struct trace_span){0};
}

static json_t *
read_body(const struct inbound *i, struct error *err)
{
	struct codec *codec = codec_create();
	const msgpack_object *o = codec_decode_value(
		codec, (const uint8_t *)i->body, i->body_length, err);
	json_t *data = o && o->type == MSGPACK_OBJECT_MAP
			       ? incoming_data(o, i->channel->name, err)
			       : NULL;

	codec_destroy(codec);
	return data;
}

void
handle_begin(struct inbound *i)
{
	static const struct trace_context none;
	struct events *events = gateway_of(i)->events;
	struct error err = {.text = "it is not a map"};

	if (gateway_of(i)->stopping)
		return;
	tracer_begin(&gateway_of(i)->workers.tracer, &none, &i->span);
	set_data(i, read_body(i, &err));
	if (!i->data) { /* of another version of supd */
		handle_fail(i, err.text);
		return;
	}
	if (!filter_is_there(events, "message.inbound")) {
		pass(i);
		return;
	}
	i->is_filtered = true;
	filter_begin(&i->filter, events,
		&(const struct filter_event){
			.source = new_event(i, "message.inbound", i->data),
			.data = i->data,
			.check = check,
			.done = filtered});
}

void
handle_note_command(struct inbound *i)
{
	const struct stored_change change = {.seq = i->seq,
		.state = STORED_PENDING,
		.note = BYTES(COMMAND_HAS_RUN),
		.tries = i->tries};

	if (i->was_run && i->item.lane)
		message_store_set_state(i->channel->all->store, NULL, &change);
}

void
handle_abandon(struct inbound *i)
{
	if (i->is_filtered)
		filter_finish(&i->filter);
	if (i->is_invoked)
		invoke_finish(&i->invoke);
	i->is_filtered = i->is_invoked = false;
	event_unwatch(&i->watch);
	set_data(i, NULL);
	free(i->command);
	i->command = NULL;
}
