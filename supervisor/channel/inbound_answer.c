/* inbound_answer: what those who gave a message hear of it. */
#include "supervisor/channel/inbound.h"

#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"

/* Between two log lines about what a channel refuses. */
#define REPORT_MS 1000

void
inbound_refuse(struct channel *c, struct worker *w, uint32_t wire_id,
	enum inbound_answer answer, const char *text)
{
	static const enum wire_error codes[INBOUND_ANSWER_COUNT] = {
		[INBOUND_ANSWER_BUSY] = WIRE_BUSY,
		[INBOUND_ANSWER_CONFLICT] = WIRE_CONFLICT,
		[INBOUND_ANSWER_WRONG] = WIRE_BAD_MESSAGE,
	};

	c->answers[answer]++;
	worker_refuse_call(w, wire_id, codes[answer], text);
}

void
inbound_say(struct channel *c, struct worker *w, uint32_t wire_id,
	enum inbound_answer answer)
{
	static const char *const words[INBOUND_ANSWER_COUNT] = {
		[INBOUND_ANSWER_NEW] = "\xa3new",
		[INBOUND_ANSWER_SEEN] = "\xa4seen",
		[INBOUND_ANSWER_REFUSED] = "\xa7refused",
	};

	c->answers[answer]++;
	worker_answer_packed(w, wire_id, bytes_of(words[answer]));
}

void
asker_leave(struct asker *a)
{
	list_remove(&a->of_owner);
	list_remove(&a->of_message);
	a->owner->asker_count--;
	free(a);
}

/* It is acknowledged at the platform from here on. */
static void
asker_answer(struct asker *a, enum inbound_answer how)
{
	struct channel_owner *o = a->owner;
	struct worker *w = channel_owner_worker(o);

	window_acknowledge(&o->window, a->entry);
	if (w)
		inbound_say(o->channel, w, a->wire_id, how);
	asker_leave(a);
	channel_keep_cursor(o);
}

void
asker_answer_busy(struct asker *a, const char *text)
{
	struct channel_owner *o = a->owner;
	struct worker *w = channel_owner_worker(o);

	window_refuse(&o->window, a->entry);
	if (w)
		inbound_refuse(
			o->channel, w, a->wire_id, INBOUND_ANSWER_BUSY, text);
	asker_leave(a);
}

/* The first one gave it to supd; the others gave it again. */
void
inbound_answer(struct inbound *i, enum inbound_answer first)
{
	enum inbound_answer how = first;

	while (!list_is_empty(&i->askers)) {
		asker_answer(
			container_of(i->askers.next, struct asker, of_message),
			how);
		if (how == INBOUND_ANSWER_NEW)
			how = INBOUND_ANSWER_SEEN;
	}
}

void
inbound_answer_busy(struct inbound *i, const char *text)
{
	while (!list_is_empty(&i->askers))
		asker_answer_busy(
			container_of(i->askers.next, struct asker, of_message),
			text);
}

void
inbound_let_go(struct channel_owner *o)
{
	if (!o->channel->acks_handled)
		return;
	list_for_each_safe (node, &o->askers) {
		struct asker *a = container_of(node, struct asker, of_owner);

		if (a->message->seq)
			asker_answer_busy(
				a, "the channel is about to be stopped");
	}
}

/* ---- the log ---- */

void
inbound_log_refusal(struct channel *c, const char *id, const char *why)
{
	uint64_t now = clock_ms();
	struct plugin *p = channel_plugin(c);

	if (c->refused_told_ms && now - c->refused_told_ms < REPORT_MS)
		return;
	c->refused_told_ms = now;
	log_write(LOG_WARN, &(struct log_subject){.plugin = p ? p->id : NULL},
		"channel %s: the message '%.100s' is refused: %s", c->name, id,
		why);
}
