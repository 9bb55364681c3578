/* announce: tells the chats of a channel that it is about to be passed on to a
 * new worker: those of admin.notify, and those where somebody wrote lately. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/channel/parts.h"
#include "supervisor/event/services.h"

#define SENDS_MAX 32 /* of a worker with several channels */

struct announcement_send {
	struct channel_send send;
	struct announcement *announcement;
};

struct announcement {
	struct announcement_send sends[SENDS_MAX];
	unsigned count, open;
	bool has_begun; /* all are given to the channel */
	void (*over)(void *user);
	void *user;
};

/* The chats of one channel; borrowed. */
struct chats {
	const char *of[ANNOUNCE_CHATS_MAX];
	unsigned count;
};

/* ---- who wrote lately ---- */

void
announce_note(struct channel *c, const json_t *message)
{
	const char *chat = json_string_value(
		json_object_get(json_object_get(message, "chat"), "id"));
	unsigned at = 0;
	char *kept;

	if (!c->announces || !chat ||
		json_is_true(json_object_get(message, "self")))
		return;
	while (at < ANNOUNCE_CHATS_MAX - 1 && c->recent[at].chat &&
		strcmp(c->recent[at].chat, chat) != 0)
		at++;
	kept = c->recent[at].chat;
	if (!kept || strcmp(kept, chat) != 0) {
		free(kept);
		kept = memory_copy_text(chat);
	}
	memmove(&c->recent[1], &c->recent[0], at * sizeof(c->recent[0]));
	c->recent[0] = (struct channel_recent){kept, clock_ms()};
}

void
announce_forget(struct channel *c)
{
	for (unsigned i = 0; i < ANNOUNCE_CHATS_MAX; i++)
		free(c->recent[i].chat);
}

/* ---- which chats ---- */

static void
add(struct chats *chats, const char *chat)
{
	for (unsigned i = 0; i < chats->count; i++)
		if (!strcmp(chats->of[i], chat))
			return;
	if (chats->count < ANNOUNCE_CHATS_MAX)
		chats->of[chats->count++] = chat;
}

static void
find_chats(const struct channel *c, struct chats *chats)
{
	const struct config_admin *admin = &c->all->gateway->config->admin;
	uint64_t now = clock_ms();

	chats->count = 0;
	for (uint32_t i = 0; i < admin->notify.count; i++)
		if (!strcmp(admin->notify.items[i].channel, c->name))
			add(chats, admin->notify.items[i].chat);
	for (unsigned i = 0; i < ANNOUNCE_CHATS_MAX; i++)
		if (c->recent[i].chat &&
			now - c->recent[i].at_ms < ANNOUNCE_RECENT_MS)
			add(chats, c->recent[i].chat);
}

/* The next channel of the worker that has chats to tell; *at begins with 0. */
static struct channel *
next_channel(const struct worker *w, uint32_t *at, struct chats *chats)
{
	const struct registration_set *set = w ? &w->registrations : NULL;

	while (set && *at < set->count) {
		const struct registration *r = &set->items[(*at)++];
		struct channel *c;

		if (r->kind != REGISTRATION_CHANNEL || !r->channel.announce ||
			r->channel.overlap || !services_channel_is_up(w, r))
			continue;
		c = channel_of(w, r);
		find_chats(c, chats);
		if (chats->count)
			return c;
	}
	return NULL;
}

bool
announcement_applies(const struct worker *w)
{
	struct chats chats;
	uint32_t at = 0;

	return next_channel(w, &at, &chats);
}

/* ---- sending ---- */

static void
ended(struct channel_send *s, const struct channel_sent *sent)
{
	struct announcement *a =
		container_of(s, struct announcement_send, send)->announcement;

	(void)sent;
	if (!--a->open && a->has_begun)
		a->over(a->user);
}

static void
tell(struct announcement *a, const struct channel *c, const char *chat,
	const struct channel_order *like)
{
	struct announcement_send *s = &a->sends[a->count];
	struct channel_order order = *like;

	if (a->count == SENDS_MAX)
		return;
	a->count++;
	a->open++;
	s->announcement = a;
	s->send.done = ended;
	order.channel = bytes_of(c->name);
	order.target = json_pack("{s:s}", "chat", chat);
	channels_send(c->all, &order, &s->send);
	json_decref(order.target);
}

struct announcement *
announcement_begin(const struct worker *w, const char *text, uint64_t limit_ms,
	void (*over)(void *user), void *user)
{
	struct announcement *a = memory_alloc(sizeof(*a));
	struct channel_order order = {.deadline_ms = limit_ms,
		.is_reply = true,
		.content = json_pack(
			"{s:s,s:s}", "text", text, "format", "plain")};
	struct chats chats;
	struct channel *c;
	uint32_t at = 0;

	a->over = over;
	a->user = user;
	while ((c = next_channel(w, &at, &chats)))
		for (unsigned i = 0; i < chats.count; i++)
			tell(a, c, chats.of[i], &order);
	a->has_begun = true;
	json_decref(order.content);
	return a;
}

bool
announcement_is_over(const struct announcement *a)
{
	return !a->open;
}

void
announcement_leave(struct announcement *a)
{
	for (unsigned i = 0; a && i < a->count; i++)
		channels_leave_send(&a->sends[i].send);
	free(a);
}
