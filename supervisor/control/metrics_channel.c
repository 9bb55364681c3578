/* metrics_channel: the channels of the workers that serve. */
#include "supervisor/control/metrics_parts.h"

#include "supervisor/channel/channel.h"

/* The next channel of the plugin's worker that has been started; *at begins
 * with 0. They come first in the order of its registrations. */
static bool
next_channel(const struct figures *v, uint32_t *at, struct channel_figures *out)
{
	const struct worker *w = v->p->active;
	const struct registration_set *set = w ? &w->registrations : NULL;

	while (set && set->order && *at < set->count) {
		const struct registration *r = &set->items[set->order[(*at)++]];

		if (r->kind != REGISTRATION_CHANNEL)
			return false;
		if (channels_figures(w, r, out))
			return true;
	}
	return false;
}

static void
put_of_channel(const struct figures *v, const struct channel_figures *c,
	const char *label, const char *text, double value)
{
	const struct metrics_label labels[] = {
		{"plugin", v->p->id}, {"channel", c->name}, {label, text}};

	metrics_sample(v->w, labels, label ? 3 : 2, value);
}

static void
put_counts(const struct figures *v, const struct channel_figures *c,
	const char *label, const uint64_t *values, const char *const *names,
	int count)
{
	for (int i = 0; i < count; i++)
		put_of_channel(v, c, label, names[i], (double)values[i]);
}

static void
channel_up(const struct figures *v)
{
	struct channel_figures c;

	for (uint32_t at = 0; next_channel(v, &at, &c);)
		put_of_channel(v, &c, NULL, NULL, c.is_up);
}

static void
channel_answers(const struct figures *v)
{
	struct channel_figures c;

	for (uint32_t at = 0; next_channel(v, &at, &c);)
		put_counts(v, &c, "answer", c.answers, inbound_answer_names,
			INBOUND_ANSWER_COUNT);
}

static void
channel_ends(const struct figures *v)
{
	struct channel_figures c;

	for (uint32_t at = 0; next_channel(v, &at, &c);)
		put_counts(v, &c, "class", c.ends, inbound_end_names,
			INBOUND_END_COUNT);
}

static void
channel_sends(const struct figures *v)
{
	struct channel_figures c;

	for (uint32_t at = 0; next_channel(v, &at, &c);)
		put_counts(v, &c, "class", c.sends_ended, outbound_end_names,
			OUTBOUND_END_COUNT);
}

static void
channel_retries(const struct figures *v)
{
	struct channel_figures c;

	for (uint32_t at = 0; next_channel(v, &at, &c);)
		put_of_channel(v, &c, NULL, NULL, (double)c.retries);
}

static void
channel_waiting(const struct figures *v)
{
	struct channel_figures c;

	for (uint32_t at = 0; next_channel(v, &at, &c);) {
		put_of_channel(v, &c, "way", "in", c.pending);
		put_of_channel(v, &c, "way", "out", c.sending);
	}
}

static const struct metrics_row rows[] = {
	{"supd_channel_up", METRICS_GAUGE,
		"1 if a channel is connected at the worker that serves.",
		channel_up},
	{"supd_channel_messages_total", METRICS_COUNTER,
		"Answers to a channel's messages, by answer.", channel_answers},
	{"supd_channel_messages_ended_total", METRICS_COUNTER,
		"Ends of the messages that were new, by how they ended.",
		channel_ends},
	{"supd_channel_sends_total", METRICS_COUNTER,
		"Ends of messages for a channel to send, by how they ended.",
		channel_sends},
	{"supd_channel_send_retries_total", METRICS_COUNTER,
		"Times that a platform asked to send a message later.",
		channel_retries},
	{"supd_channel_messages_waiting", METRICS_GAUGE,
		"Messages that are not handled yet (in), or not sent (out).",
		channel_waiting},
};
const struct metrics_group metrics_channel = METRICS_GROUP(rows);
