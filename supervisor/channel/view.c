/* view: channels for those who look, and their figures. */
#include <string.h>

#include "proto/util/clock.h"
#include "proto/value.h"
#include "supervisor/channel/parts.h"
#include "supervisor/event/services.h"
#include "supervisor/gateway/dispatch.h"

#define MINUTE_MS 60000

const char *const inbound_end_names[INBOUND_END_COUNT] = {
#define X(name, text) [INBOUND_##name] = text,
	INBOUND_ENDS(X)
#undef X
};
const char *const inbound_answer_names[INBOUND_ANSWER_COUNT] = {
#define X(name, text) [INBOUND_ANSWER_##name] = text,
	INBOUND_ANSWERS(X)
#undef X
};
const char *const outbound_end_names[OUTBOUND_END_COUNT] = {
#define X(name, text) [OUTBOUND_##name] = text,
	OUTBOUND_ENDS(X)
#undef X
};

/* ---- rates ---- */

static void
go_on_to(struct channel_rate *r, uint64_t minute)
{
	if (minute == r->minute)
		return;
	r->before = minute == r->minute + 1 ? r->now : 0;
	r->now = 0;
	r->minute = minute;
}

void
channel_count(struct channel_rate *r)
{
	go_on_to(r, clock_ms() / MINUTE_MS);
	r->now++;
}

/* Of the last 60 seconds, as if those of the minute before had come evenly. */
static uint64_t
per_minute(struct channel_rate rate)
{
	uint64_t now = clock_ms(), gone = now % MINUTE_MS;

	go_on_to(&rate, now / MINUTE_MS);
	return rate.now + rate.before * (MINUTE_MS - gone) / MINUTE_MS;
}

/* How long the oldest message has waited to be handled. */
static uint64_t
lag_ms(const struct channel *c)
{
	uint64_t now = clock_wall_ms(), oldest = now;

	if (!list_is_empty(&c->messages))
		oldest = container_of(c->messages.next, struct inbound, node)
				 ->kept_ms;
	return oldest && now > oldest ? now - oldest : 0;
}

/* ---- for people ---- */

static json_t *
counts(const uint64_t *values, const char *const *names, int count)
{
	json_t *o = json_object();

	for (int i = 0; i < count; i++)
		json_object_set_new(
			o, names[i], json_integer((json_int_t)values[i]));
	return o;
}

static const char *
state_of(const struct channel *c, const char **text_out)
{
	struct gateway *g = c->all->gateway;
	struct route_match match;
	struct worker *w;

	*text_out = "";
	if (dispatch_find_name(g, REGISTRATION_CHANNEL, bytes_of(c->name),
		    &match) != ROUTE_FOUND)
		return "gone";
	w = plugin_serving(gateway_plugin_by_number(g, match.plugin));
	return w ? services_channel_state(w, match.row->declared, text_out)
		 : "down";
}

static json_t *
view_of(const struct channel *c)
{
	struct plugin *p = channel_plugin(c);
	const char *text, *state = state_of(c, &text);
	json_t *o = json_pack("{s:o,s:o,s:s,s:o,s:I}", "name",
		value_text(c->name), "pluginId",
		p ? value_text(p->id) : json_null(), "state", state, "text",
		*text ? value_text(text) : json_null(), "epoch",
		(json_int_t)c->epoch);

	json_object_set_new(o, "pending", json_integer(c->count));
	json_object_set_new(
		o, "pendingBytes", json_integer((json_int_t)c->bytes));
	json_object_set_new(o, "sending", json_integer(c->send_count));
	json_object_set_new(o, "lagMs", json_integer((json_int_t)lag_ms(c)));
	json_object_set_new(
		o, "perMinute", json_integer((json_int_t)per_minute(c->rate)));
	json_object_set_new(o, "answers",
		counts(c->answers, inbound_answer_names, INBOUND_ANSWER_COUNT));
	json_object_set_new(o, "ended",
		counts(c->ends, inbound_end_names, INBOUND_END_COUNT));
	json_object_set_new(o, "sent",
		counts(c->sends_ended, outbound_end_names, OUTBOUND_END_COUNT));
	json_object_set_new(o, "retries", json_integer((json_int_t)c->retries));
	return o;
}

json_t *
channels_view_next(const struct channels *all, size_t *at)
{
	const struct map_entry *entry = map_next(&all->by_name, at);

	return entry ? view_of(entry->value) : NULL;
}

json_t *
channels_store_view(const struct channels *all)
{
	return all->store ? message_store_view(all->store) : json_null();
}

/* ---- figures ---- */

bool
channels_are_busy(const struct worker *w)
{
	const struct registration_set *set = w ? &w->registrations : NULL;

	/* channels are the first in the order of registrations */
	for (uint32_t i = 0; set && set->order && i < set->count; i++) {
		const struct registration *r = &set->items[set->order[i]];
		struct channel_owner *o;

		if (r->kind != REGISTRATION_CHANNEL)
			return false;
		if (r->channel.overlap)
			continue;
		o = channel_owner_of(channel_of(w, r), w);
		if (o && (!list_is_empty(&o->askers) ||
				 o->channel->send_lanes.busy))
			return true;
	}
	return false;
}

bool
channels_figures(const struct worker *w, const struct registration *r,
	struct channel_figures *out)
{
	const struct channel *c = channel_of(w, r);

	if (!c->epoch)
		return false;
	*out = (struct channel_figures){
		.name = c->name,
		.answers = c->answers,
		.ends = c->ends,
		.sends_ended = c->sends_ended,
		.retries = c->retries,
		.pending = c->count,
		.sending = c->send_count,
		.is_up = services_channel_is_up(w, r),
	};
	return true;
}
