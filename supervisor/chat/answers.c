/* answers: see the header. A tally lives while something is counted by it. */
#include "supervisor/chat/answers.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/channel/pieces.h"

struct tally {
	char *key;
	unsigned waiting;
};

/* A piece that waits to be sent. */
struct answer {
	struct channel_send send;
	struct list node; /* in answers.waiting */
	struct answers *answers;
	struct tally *chat, *channel; /* channel: NULL: not counted */
	char *name;		      /* of the channel */
};

/* ---- tallies ---- */

static const char *
chat_of(const struct answers_to *to)
{
	return json_string_value(json_object_get(to->target, "chat"));
}

/* Names of channels have no line end. */
static char *
key_of(const struct answers_to *to, const char *chat)
{
	return memory_format("%s\n%s", to->channel, chat);
}

static unsigned
waiting_at(
	const struct answers *a, const struct answers_to *to, const char *chat)
{
	char *key = key_of(to, chat);
	const struct tally *t = map_get(&a->tallies, key, strlen(key));

	free(key);
	return t ? t->waiting : 0;
}

static struct tally *
count(struct answers *a, const struct answers_to *to, const char *chat)
{
	char *key = key_of(to, chat);
	struct tally *t = map_get(&a->tallies, key, strlen(key));

	if (!t) {
		t = memory_alloc(sizeof(*t));
		t->key = memory_copy_text(key);
		map_set(&a->tallies, key, strlen(key), t);
	}
	t->waiting++;
	free(key);
	return t;
}

static void
uncount(struct answers *a, struct tally *t)
{
	if (!t || --t->waiting)
		return;
	map_remove(&a->tallies, t->key, strlen(t->key));
	free(t->key);
	free(t);
}

static bool
has_room(const struct answers *a, const struct answers_to *to)
{
	unsigned waiting = waiting_at(a, to, chat_of(to));

	if (to->has_role)
		return waiting < ANSWERS_ADMIN_MAX;
	return waiting < ANSWERS_STRANGER_MAX &&
	       waiting_at(a, to, "") < ANSWERS_CHANNEL_MAX;
}

/* ---- sending ---- */

static void
destroy(struct answer *w)
{
	uncount(w->answers, w->chat);
	uncount(w->answers, w->channel);
	list_remove(&w->node);
	free(w->name);
	free(w);
}

/* What was kept and not sent is reported by the channel. */
static void
over(struct channel_send *s, const struct channel_sent *sent)
{
	struct answer *w = container_of(s, struct answer, send);

	if (sent->error)
		channels_tell_unsent(w->answers->gateway->channels, w->name,
			"an answer", sent->error);
	destroy(w);
}

static void
send_piece(struct answers *a, const struct answers_to *to, json_t *content,
	const char *key)
{
	struct answer *w = memory_alloc(sizeof(*w));

	w->answers = a;
	w->send.done = over;
	w->name = memory_copy_text(to->channel);
	w->chat = count(a, to, chat_of(to));
	w->channel = to->has_role ? NULL : count(a, to, "");
	list_append(&a->waiting, &w->node);
	channels_send(a->gateway->channels,
		&(struct channel_order){.channel = bytes_of(w->name),
			.target = to->target,
			.content = content,
			.key = key,
			.deadline_ms = CHANNEL_REPLY_MS,
			.is_reply = true},
		&w->send);
}

void
answers_send(struct answers *a, const struct answers_to *to, const char *text)
{
	struct pieces pieces = {.rest = bytes_of(text),
		.limit =
			channels_text_limit(a->gateway->channels, to->channel)};
	json_t *content;
	char *key;

	if (!has_room(a, to)) {
		a->gateway->chat.unanswered++;
		return;
	}
	while ((content = pieces_next(&pieces))) {
		key = pieces_key(&pieces, to->key);
		send_piece(a, to, content, key);
		json_decref(content);
		free(key);
	}
}

/* ---- begin and end ---- */

void
answers_init(struct answers *a, struct gateway *g)
{
	a->gateway = g;
	list_init(&a->waiting);
}

void
answers_finish(struct answers *a)
{
	while (!list_is_empty(&a->waiting)) {
		struct answer *w =
			container_of(a->waiting.next, struct answer, node);

		channels_leave_send(&w->send);
		destroy(w);
	}
	map_finish(&a->tallies);
}

void
answers_to_init(struct answers_to *to, const struct channel_said *said)
{
	to->channel = memory_copy_text(said->channel);
	to->key = memory_copy_text(said->key);
	to->target = json_incref(said->target);
}

void
answers_to_finish(struct answers_to *to)
{
	free(to->channel);
	free(to->key);
	json_decref(to->target);
}
