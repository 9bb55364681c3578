/* notices: see the header. */
#include "supervisor/chat/notices.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/chat/notice_text.h"

#define SHORTEST 8 /* bytes that a text can be shortened to */

struct notice_chat {
	struct list node; /* in notices.chats */
	struct notices *notices;
	char *channel, *chat;
	enum config_notify what;
	unsigned left;	      /* notices that may be made at once */
	uint64_t refilled_ms; /* when `left` grew last */
	struct list waiting;  /* struct notice, oldest first */
	unsigned waiting_count;
	unsigned summed[2]; /* by enum config_notify; not in a notice yet */
};

struct notice {
	struct list node; /* in notice_chat.waiting */
	struct notice_chat *chat;
	char *text;
	uint64_t at_ms;
	bool is_given; /* the channel has it, or is asked */
	bool is_over;
	struct channel_send send;
};

static void
look_at(struct notices *n, uint64_t at_ms)
{
	if (!wheel_timer_is_set(&n->timer) || n->timer.due_ms > at_ms)
		wheel_set(&n->gateway->wheel, &n->timer, at_ms);
}

/* ---- one notice ---- */

static void
destroy(struct notice *one)
{
	channels_leave_send(&one->send);
	one->chat->waiting_count--;
	list_remove(&one->node);
	free(one->text);
	free(one);
}

static void
end(struct notice *one, enum gateway_notice_end how)
{
	one->chat->notices->gateway->chat.notices[how]++;
	one->is_over = true;
}

/* A channel that is not there may come. Whatever else it refuses, it would
 * refuse again. */
static void
not_taken(struct notice *one, const struct channel_sent *sent)
{
	struct notice_chat *c = one->chat;
	bool may_come = sent->code == WIRE_NOT_FOUND || sent->code == WIRE_BUSY;

	one->is_given = false;
	if (may_come && clock_ms() - one->at_ms < NOTICES_KEPT_MS)
		return;
	log_warn("channel %s: a notice for %s is not sent: %s", c->channel,
		c->chat, sent->error);
	end(one, GATEWAY_NOTICE_NOT_SENT);
}

/* Possibly within give(), so the notice is freed later. */
static void
sent(struct channel_send *s, const struct channel_sent *how)
{
	struct notice *one = container_of(s, struct notice, send);
	struct notices *n = one->chat->notices;

	if (how->error)
		not_taken(one, how);
	else
		end(one, !strcmp(how->state, "sent") ? GATEWAY_NOTICE_SENT
						     : GATEWAY_NOTICE_NOT_SENT);
	look_at(n, clock_ms() + (how->error ? NOTICES_RETRY_MS : 0));
}

/* A notice is one message: what is too long for the channel loses its middle.
 */
static json_t *
content_of(const struct notice *one)
{
	size_t limit = channels_text_limit(
		one->chat->notices->gateway->channels, one->chat->channel);
	char *text = memory_copy_text(one->text);
	json_t *content;

	if (limit >= SHORTEST)
		text_shorten(text, limit);
	content = json_pack("{s:s,s:s}", "text", text, "format", "plain");
	free(text);
	return content;
}

static void
give(struct notice *one)
{
	const struct notice_chat *c = one->chat;
	json_t *target = json_pack("{s:s}", "chat", c->chat);
	json_t *content = content_of(one);

	one->is_given = true;
	channels_send(c->notices->gateway->channels,
		&(struct channel_order){.channel = bytes_of(c->channel),
			.target = target,
			.content = content,
			.deadline_ms = NOTICES_KEPT_MS,
			.is_reply = true},
		&one->send);
	json_decref(target);
	json_decref(content);
}

/* ---- one chat ---- */

static void
refill(struct notice_chat *c)
{
	uint64_t now = clock_ms();
	uint64_t more = (now - c->refilled_ms) / NOTICES_EVERY_MS;

	if (more >= NOTICES_AT_ONCE - c->left) {
		c->left = NOTICES_AT_ONCE;
		c->refilled_ms = now;
	} else {
		c->left += (unsigned)more;
		c->refilled_ms += more * NOTICES_EVERY_MS;
	}
}

static bool
has_room(struct notice_chat *c)
{
	refill(c);
	return c->left && c->waiting_count < NOTICES_WAITING_MAX;
}

static void
add(struct notice_chat *c, const char *text)
{
	struct notice *one = memory_alloc(sizeof(*one));

	one->chat = c;
	one->text = memory_copy_text(text);
	one->at_ms = clock_ms();
	one->send.done = sent;
	list_append(&c->waiting, &one->node);
	c->waiting_count++;
	c->left--;
}

static void
sum_up(struct notice_chat *c)
{
	unsigned failures = c->summed[NOTIFY_FAILURES];
	unsigned others = c->summed[NOTIFY_ALL];
	char text[160];

	if (others)
		text_format(text, sizeof(text),
			"and %u more notices: %u of failures, %u of reloads; "
			"see supctl history",
			failures + others, failures, others);
	else
		text_format(text, sizeof(text),
			"and %u more notices of failures; see supctl history",
			failures);
	memset(c->summed, 0, sizeof(c->summed));
	add(c, text);
}

static void
look(struct notice_chat *c)
{
	bool waits = false;

	list_for_each_safe (node, &c->waiting) {
		struct notice *one = container_of(node, struct notice, node);

		if (!one->is_given && !one->is_over && !waits)
			give(one);
		/* the next ones wait behind it */
		waits = waits || (!one->is_given && !one->is_over);
		if (one->is_over)
			destroy(one);
	}
}

/* The sum of what was beyond the bound comes before anything else. */
static void
look_and_sum_up(struct notice_chat *c)
{
	bool has_sum = c->summed[NOTIFY_FAILURES] || c->summed[NOTIFY_ALL];

	if (has_sum && has_room(c)) {
		sum_up(c);
		has_sum = false;
	}
	look(c);
	if (has_sum)
		look_at(c->notices, clock_ms() + NOTICES_RETRY_MS);
}

static void
due(struct wheel_timer *t)
{
	struct notices *n = container_of(t, struct notices, timer);

	list_for_each_safe (node, &n->chats)
		look_and_sum_up(container_of(node, struct notice_chat, node));
}

static void
tell(struct notice_chat *c, const char *text, enum config_notify what)
{
	bool has_sum = c->summed[NOTIFY_FAILURES] || c->summed[NOTIFY_ALL];

	if (what > c->what)
		return;
	if (!has_sum && has_room(c)) {
		add(c, text);
	} else {
		c->summed[what]++;
		c->notices->gateway->chat.notices[GATEWAY_NOTICE_SUMMED]++;
	}
	look_at(c->notices, clock_ms());
}

static void
on_event(struct journal_reader *r, json_t *event)
{
	struct notices *n = container_of(r, struct notices, reader);
	enum config_notify what;
	char *text = notice_text(event, &what);

	if (!text)
		return;
	list_for_each (node, &n->chats)
		tell(container_of(node, struct notice_chat, node), text, what);
	free(text);
}

/* ---- begin and end ---- */

static struct notice_chat *
create(struct notices *n, const struct config_notice *row)
{
	struct notice_chat *c = memory_alloc(sizeof(*c));

	c->notices = n;
	c->channel = memory_copy_text(row->channel);
	c->chat = memory_copy_text(row->chat);
	c->left = NOTICES_AT_ONCE;
	c->refilled_ms = clock_ms();
	list_init(&c->waiting);
	return c;
}

static void
forget(struct notice_chat *c)
{
	list_for_each_safe (node, &c->waiting)
		destroy(container_of(node, struct notice, node));
	list_remove(&c->node);
	free(c->channel);
	free(c->chat);
	free(c);
}

static struct notice_chat *
take(struct list *chats, const struct config_notice *row)
{
	list_for_each (node, chats) {
		struct notice_chat *c =
			container_of(node, struct notice_chat, node);

		if (strcmp(c->channel, row->channel) != 0 ||
			strcmp(c->chat, row->chat) != 0)
			continue;
		list_remove(&c->node);
		return c;
	}
	return NULL;
}

void
notices_configure(struct notices *n, const struct config_admin *admin)
{
	struct list before;

	list_take_all(&before, &n->chats);
	for (uint32_t i = 0; i < admin->notify.count; i++) {
		const struct config_notice *row = &admin->notify.items[i];
		struct notice_chat *c = take(&before, row);

		if (!c)
			c = create(n, row);
		c->what = (enum config_notify)row->what;
		list_append(&n->chats, &c->node);
	}
	while (!list_is_empty(&before))
		forget(container_of(before.next, struct notice_chat, node));
	journal_leave(&n->reader);
	if (!list_is_empty(&n->chats))
		journal_watch(n->gateway->journal, &n->reader);
}

void
notices_init(struct notices *n, struct gateway *g)
{
	n->gateway = g;
	n->reader.on_event = on_event;
	list_init(&n->reader.node);
	list_init(&n->chats);
	wheel_timer_init(&n->timer, due);
}

void
notices_finish(struct notices *n)
{
	journal_leave(&n->reader);
	while (!list_is_empty(&n->chats))
		forget(container_of(n->chats.next, struct notice_chat, node));
	wheel_clear(&n->gateway->wheel, &n->timer);
}
