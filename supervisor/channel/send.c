/* send: from the lane to the worker. A message is marked in the store before it
 * is given to a worker, so that a supd that comes after a crash knows which may
 * be out. It waits in its lane while the channel is not connected, and while
 * its plugin passes it to a new worker. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/channel/outbound.h"
#include "supervisor/event/services.h"
#include "supervisor/gateway/dispatch.h"

#define RETRY_LEAST_MS 20
#define RETRY_MOST_MS 60000

static void ask(struct outbound *o);
static void note_unknown(struct outbound *o, const char *text);

static struct gateway *
gateway_of(const struct outbound *o)
{
	return o->channel->all->gateway;
}

static void
mark(const struct outbound *o, enum stored_state state)
{
	message_store_set_state(o->channel->all->store, NULL,
		&(struct stored_change){.seq = o->seq, .state = state});
}

static bool
can_find(const struct outbound *o)
{
	const struct registration *r = outbound_declared(o->channel);

	return r && registration_can(r, "find");
}

static struct bytes
bytes_in(const struct buffer *b)
{
	return (struct bytes){(const char *)buffer_bytes(b), buffer_length(b)};
}

/* ---- waiting ---- */

static void
set_timer(struct outbound *o)
{
	uint64_t at_ms = o->due_ms;

	if (o->step == OUTBOUND_PAUSING && o->ready_ms < at_ms)
		at_ms = o->ready_ms;
	wheel_set(&gateway_of(o)->wheel, &o->timer, at_ms);
}

/* A send of a worker that finishes its requests must not wait for the
 * hand-over, which waits for that worker. */
static void
mark_urgent(struct outbound *o)
{
	uint32_t passes = o->channel->hold_passes;

	lanes_set_urgent(&o->item, passes && o->caller == passes);
}

/* Once for each hold. */
static void
mark_all(struct channel *c, uint32_t passes)
{
	if (c->hold_passes == passes)
		return;
	c->hold_passes = passes;
	list_for_each (node, &c->sends)
		mark_urgent(container_of(node, struct outbound, node));
}

void
send_wait(struct outbound *o)
{
	const char *chat =
		json_string_value(json_object_get(o->target, "chat"));
	const char *thread =
		json_string_value(json_object_get(o->target, "thread"));
	char *lane = memory_format(
		"%s%s%s", chat, thread ? "\n" : "", thread ? thread : "");

	o->step = OUTBOUND_WAITING;
	lanes_push(&o->channel->send_lanes, bytes_of(lane), &o->item);
	mark_urgent(o);
	set_timer(o);
	channel_look(o->channel);
	free(lane);
}

/* Makes it wait again, as the first of its lane. */
static void
wait_again(struct outbound *o)
{
	o->step = OUTBOUND_WAITING;
	lanes_return(&o->item);
	set_timer(o);
	channel_look(o->channel);
}

static const char *
why_late(const struct outbound *o)
{
	if (o->error)
		return o->error;
	return o->may_be_out ? "the worker died with it"
			     : "the channel was not connected in time";
}

void
send_due(struct wheel_timer *t)
{
	struct outbound *o = container_of(t, struct outbound, timer);

	if (o->step != OUTBOUND_WAITING && o->step != OUTBOUND_PAUSING)
		return; /* the worker's answer has its own limit */
	if (clock_ms() >= o->due_ms)
		outbound_end(o, o->may_be_out ? STORED_UNKNOWN : STORED_DEAD,
			NULL, why_late(o));
	else if (o->step == OUTBOUND_PAUSING)
		wait_again(o);
}

/* The worker that sends now, if the channel is connected in it. */
static struct worker *
sender(const struct channel *c, struct route_match *match_out)
{
	struct gateway *g = c->all->gateway;
	struct worker *w;

	if (g->stopping || dispatch_find_name(g, REGISTRATION_CHANNEL,
				   bytes_of(c->name), match_out) != ROUTE_FOUND)
		return NULL;
	w = plugin_serving(gateway_plugin_by_number(g, match_out->plugin));
	return w && services_channel_is_up(w, match_out->row->declared) ? w
									: NULL;
}

static void
on_marked(struct store_call *call, const struct store_result *result)
{
	struct outbound *o = container_of(call, struct outbound, call);

	(void)result;
	if (!o->is_dropped) {
		ask(o);
		return;
	}
	mark(o, STORED_DROPPED);
	outbound_end_dropped(o);
}

static void
begin(struct outbound *o)
{
	o->finds = o->may_be_out && can_find(o);
	if (o->finds) { /* it is marked already */
		ask(o);
		return;
	}
	if (o->may_be_out) {
		note_unknown(o, "supd ended before the outcome was known");
		return;
	}
	o->step = OUTBOUND_MARKING;
	o->call.done = on_marked;
	message_store_set_state(o->channel->all->store, &o->call,
		&(struct stored_change){.seq = o->seq, .state = STORED_ACTIVE});
}

void
send_pump(struct channel *c)
{
	struct route_match match;
	struct worker *w = sender(c, &match);
	struct lane_item *item;
	struct plugin *p;

	if (!w)
		return; /* runs() looks again */
	p = w->owner;
	mark_all(c, p->is_held ? p->hold_passes : 0);
	while ((item = p->is_held ? lanes_begin_urgent(&c->send_lanes)
				  : lanes_begin(&c->send_lanes)))
		begin(container_of(item, struct outbound, item));
	p->sends_wait = p->sends_wait || c->send_lanes.count;
}

/* ---- the request ---- */

static struct outbound *
outbound_of(struct request *r)
{
	return container_of(r, struct outbound, request);
}

static void
encode(struct request *r, msgpack_packer *p, uint32_t wire_id)
{
	struct outbound *o = outbound_of(r);

	codec_request(p, wire_id,
		o->finds ? MESSAGE_CHANNEL_FIND : MESSAGE_CHANNEL_SEND,
		o->finds ? 4 : 5);
	codec_text(p, o->channel->own_name);
	codec_text(p, o->id);
	codec_raw(p, bytes_in(&o->packed_target));
	if (o->finds) {
		msgpack_pack_uint64(p, o->at_ms);
		return;
	}
	codec_raw(p, bytes_in(&o->packed_content));
	msgpack_pack_uint64(p, dispatch_deadline_ms(r));
}

static bool
route(struct request *r, struct route_match *match_out)
{
	struct outbound *o = outbound_of(r);

	return dispatch_find_name(gateway_of(o), REGISTRATION_CHANNEL,
		       bytes_of(o->channel->name), match_out) == ROUTE_FOUND;
}

static void
set_error(struct outbound *o, const char *text)
{
	free(o->error);
	o->error = memory_copy_text(text);
}

static bool
resends(const struct outbound *o)
{
	struct route_match match;

	return dispatch_find_name(gateway_of(o), REGISTRATION_CHANNEL,
		       bytes_of(o->channel->name), &match) == ROUTE_FOUND &&
	       gateway_plugin_by_number(gateway_of(o), match.plugin)
		       ->config->resend_unknown;
}

/* It may have been sent or not: the next worker may find out. */
static void
note_unknown(struct outbound *o, const char *text)
{
	struct gateway *g = gateway_of(o);
	bool finds = can_find(o);

	set_error(o, text);
	o->may_be_out = o->was_unknown = true;
	if (g->stopping)
		return; /* it stays marked */
	if ((!finds && !resends(o)) || !o->finds_left) {
		outbound_end(o, STORED_UNKNOWN, NULL, text);
		return;
	}
	o->finds_left--;
	o->may_be_out = finds;
	wait_again(o);
}

/* Its lane waits for it, but counts as idle meanwhile. */
static void
pause_for(struct outbound *o, uint64_t ms)
{
	o->step = OUTBOUND_PAUSING;
	o->ready_ms = clock_ms() + ms;
	set_timer(o);
	lanes_pause(&o->item);
	channel_look(o->channel);
}

static void
retry_later(struct outbound *o, const json_t *receipt)
{
	json_int_t after =
		json_integer_value(json_object_get(receipt, "after_ms"));

	if (after < RETRY_LEAST_MS)
		after = RETRY_LEAST_MS;
	if (after > RETRY_MOST_MS)
		after = RETRY_MOST_MS;
	o->may_be_out = false;
	o->channel->retries++;
	set_error(o, "the platform did not take it in time");
	if (!o->was_unknown)
		mark(o, STORED_PENDING);
	pause_for(o, (uint64_t)after);
}

static void
not_sent(struct outbound *o, const json_t *receipt)
{
	const char *text = json_string_value(json_object_get(receipt, "text"));

	if (o->finds) { /* so it may be sent */
		o->may_be_out = o->was_unknown = false;
		wait_again(o);
		return;
	}
	outbound_end(o, STORED_DEAD, receipt,
		text ? text : "the platform did not take it");
}

static void
take_state(struct outbound *o, const msgpack_object *result)
{
	const msgpack_object_array *list = &result->via.array;
	struct bytes state = {0};
	json_t *receipt = NULL;
	struct error err;

	if (result->type == MSGPACK_OBJECT_ARRAY && list->size) {
		state = codec_bytes(&list->ptr[0]);
		if (list->size > 1 && list->ptr[1].type == MSGPACK_OBJECT_MAP)
			receipt = value_from(&list->ptr[1], &err);
	}
	if (bytes_equal(state, BYTES("sent")))
		outbound_end(o, STORED_DONE, receipt, NULL);
	else if (bytes_equal(state, BYTES("not_sent")))
		not_sent(o, receipt);
	else if (bytes_equal(state, BYTES("retry")) && !o->finds)
		retry_later(o, receipt);
	else if (o->finds)
		outbound_end(o, STORED_UNKNOWN, receipt,
			"the channel could not find out");
	else
		note_unknown(o, bytes_equal(state, BYTES("unknown"))
					? "the channel does not know"
					: "the channel's answer is malformed");
	json_decref(receipt);
}

static bool
answer(struct request *r, const struct message *m)
{
	struct outbound *o = outbound_of(r);
	enum wire_error code;
	char text[256];

	if (!m->error) {
		take_state(o, m->result);
		return false;
	}
	code = codec_read_error(m->error, text, sizeof(text));
	if (o->finds)
		outbound_end(o, STORED_UNKNOWN, NULL, text);
	else if (code == WIRE_NOT_FOUND || code == WIRE_BAD_MESSAGE)
		outbound_end(o, STORED_DEAD, NULL, text);
	else
		note_unknown(o, text);
	return false;
}

/* It never reached a worker. */
static void
not_given(struct outbound *o)
{
	if (!o->was_unknown)
		mark(o, STORED_PENDING);
	if (!gateway_of(o)->stopping)
		pause_for(o, RETRY_LEAST_MS);
}

static void
fail(struct request *r, enum request_failure why, const char *text)
{
	struct outbound *o = outbound_of(r);

	switch (why) {
	case REQUEST_OVERFLOW:
	case REQUEST_HELD_TOO_LONG:
	case REQUEST_UNAVAILABLE:
	case REQUEST_STOPPING:
		not_given(o);
		return;
	default:
		note_unknown(o, text ? text : request_failures[why].text);
	}
}

static void
describe(struct request *r, char *out, size_t size)
{
	const struct outbound *o = outbound_of(r);

	text_format(out, size, "%s of channel %s",
		o->finds ? "the search for a message" : "a message",
		o->channel->own_name);
}

static const struct request_ops ops = {
	.name = "channel.send",
	.encode = encode,
	.route = route,
	.answer = answer,
	.fail = fail,
	.describe = describe,
};

/* A message that passes a hold is sent at once. Dispatch need not hold any
 * other: it waits here. */
static void
ask(struct outbound *o)
{
	struct route_match match;
	struct worker *w = sender(o->channel, &match);
	uint64_t now = clock_ms();
	struct plugin *p;

	if (!w || now >= o->due_ms) {
		not_given(o);
		return;
	}
	p = w->owner;
	o->step = OUTBOUND_ASKING;
	o->request.ops = &ops;
	o->request.replayable = false;
	o->request.caller = p->is_held ? p->hold_passes : 0;
	o->request.due_limit_ms = o->due_ms;
	o->request.held_bytes = o->bytes;
	if (o->trace.sampling)
		tracer_begin(&gateway_of(o)->workers.tracer, &o->trace,
			&o->request.span);
	dispatch_submit(gateway_of(o), &o->request, &match, o->due_ms - now);
}

void
send_abandon(struct outbound *o)
{
	wheel_clear(&gateway_of(o)->wheel, &o->timer);
	if (o->request.id)
		dispatch_cancel(gateway_of(o), &o->request);
}
