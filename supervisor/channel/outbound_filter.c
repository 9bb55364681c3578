/* outbound_filter: the event message.sending, and what its filters make of a
 * message. */
#include "supervisor/channel/outbound.h"

#include "proto/util/clock.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/event/events.h"

static void
report_sending(struct outbound *o, const char *key, json_t *more)
{
	json_t *data = json_copy(o->data);
	struct gateway *g = o->channel->all->gateway;

	if (key)
		json_object_set_new(data, key, more);
	o->source.id = events_next_id(g->events);
	o->source.data = data;
	events_pass(g->events, &o->source);
	json_decref(data);
}

static int
check(struct filter_run *f, enum hook_verdict verdict, json_t *data,
	struct error *err)
{
	const struct outbound *o = container_of(f, struct outbound, filter);
	static const char *const facts[] = {
		"channel", "sendId", "target", "plugin"};

	if (verdict == HOOK_VERDICT_CLAIM)
		return 0;
	if (outbound_check_content(
		    o->channel, json_object_get(data, "content"), err) < 0)
		return -1;
	for (size_t k = 0; k < sizeof(facts) / sizeof(*facts); k++)
		json_object_set(
			data, facts[k], json_object_get(o->data, facts[k]));
	return 0;
}

static void
stopped(struct outbound *o, const struct filter_end *end)
{
	json_t *more = filter_end_view(end);
	char text[768];

	text_format(text, sizeof(text),
		"stopped by the hook %s of plugin '%s'%s%s", end->hook,
		end->plugin_id, *end->reason ? ": " : "", end->reason);
	json_object_set_new(more, "reason", value_text(end->reason));
	report_sending(o, "stopped", more);
	o->channel->sends_ended[OUTBOUND_STOPPED]++;
	outbound_fail(o, end->by_error ? WIRE_FAILED : WIRE_DENIED, text);
}

/* A filter has sent it itself, or did something else instead. */
static void
claimed(struct outbound *o, const struct filter_end *end)
{
	json_t *receipt = json_incref(end->data);

	report_sending(o, "claimed", filter_end_view(end));
	o->channel->sends_ended[OUTBOUND_CLAIMED]++;
	outbound_answer(o,
		&(struct channel_sent){
			.send_id = o->id, .state = "sent", .receipt = receipt});
	json_decref(receipt);
	outbound_destroy(o);
}

static void
filtered(struct filter_run *f, const struct filter_end *end)
{
	struct outbound *o = container_of(f, struct outbound, filter);

	if (end->verdict == HOOK_VERDICT_CLAIM) {
		claimed(o, end);
	} else if (end->verdict == HOOK_VERDICT_STOP && end->is_late) {
		outbound_fail(o, WIRE_TIMEOUT, end->reason);
	} else if (end->verdict == HOOK_VERDICT_STOP) {
		stopped(o, end);
	} else {
		json_t *data = json_incref(end->data);

		o->is_filtered = false;
		filter_finish(f);
		json_decref(o->data);
		o->data = data;
		outbound_set_content(o, json_object_get(data, "content"));
		report_sending(o, NULL, NULL);
		outbound_keep(o);
	}
}

void
outbound_filter(struct outbound *o, const struct channel_order *order)
{
	struct gateway *g = o->channel->all->gateway;

	o->trace = order->trace;
	if (!o->trace.sampling && order->chain)
		o->trace = order->chain->trace;
	o->data = json_pack("{s:s,s:s,s:O,s:O,s:s*}", "channel",
		o->channel->name, "sendId", o->id, "target", o->target,
		"content", o->content, "plugin", o->plugin_id);
	o->source = (struct event_source){.id = events_next_id(g->events),
		.at = time_text(o->at, clock_wall_ms()),
		.name = "message.sending",
		.plugin_id = o->plugin_id,
		.chain = order->chain,
		.trace = o->trace,
		.data = o->data};
	if ((order->chain && order->chain->in_filter) ||
		!filter_is_there(g->events, "message.sending")) {
		report_sending(o, NULL, NULL);
		o->source.chain = NULL; /* borrowed until now */
		outbound_keep(o);
		return;
	}
	o->source.chain = o->chain = chain_ref(order->chain);
	o->is_filtered = true;
	filter_begin(&o->filter, g->events,
		&(const struct filter_event){.source = &o->source,
			.data = o->data,
			.limit_ms = o->due_ms,
			.check = check,
			.done = filtered});
}
