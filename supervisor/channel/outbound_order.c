/* outbound_order: messages that plugins and users want sent, and the replies of
 * commands and filters. */
#include "supervisor/channel/outbound.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/channel/pieces.h"
#include "supervisor/gateway/dispatch.h"

#define DEFAULT_MS 30000 /* until another message is */
/* Between two log lines about what was answered and is not sent. */
#define REPORT_MS 1000

static void
refuse(struct channel_send *s, enum wire_error code, const char *text)
{
	s->done(s, &(struct channel_sent){.code = code, .error = text});
}

/* The send_id: the key's, or one that nobody has used. */
static char *
id_of(struct channels *all, const struct channel_order *order)
{
	if (order->key)
		return memory_format("k-%s", order->key);
	return memory_format("s-%llx-%llx", (unsigned long long)all->started_ms,
		(unsigned long long)++all->sends);
}

static struct channel *
find(struct channels *all, struct bytes name)
{
	struct route_match match;

	if (dispatch_find_name(all->gateway, REGISTRATION_CHANNEL, name,
		    &match) != ROUTE_FOUND)
		return NULL;
	return channels_claim(all, name);
}

static bool
is_full(const struct channel *c, bool is_reply)
{
	unsigned factor = is_reply ? OUTBOUND_REPLIES_FACTOR : 1;

	return c->send_count >= factor * OUTBOUND_MAX ||
	       c->send_bytes >= factor * OUTBOUND_BYTES_MAX;
}

void
channels_send(struct channels *all, const struct channel_order *order,
	struct channel_send *s)
{
	struct channel *c = find(all, order->channel);
	uint64_t ms = order->deadline_ms ? order->deadline_ms : DEFAULT_MS;
	struct error err = {.text = ""};
	struct outbound *o;
	char *id;

	if (ms > WIRE_DEADLINE_MAX_MS)
		ms = WIRE_DEADLINE_MAX_MS;
	if (!c) {
		error_set(&err, "no plugin has the channel '%.*s'",
			(int)text_fit(
				order->channel.at, order->channel.length, 128),
			order->channel.at);
		refuse(s, WIRE_NOT_FOUND, err.text);
		return;
	}
	if (outbound_check(c, order, &err) < 0) {
		refuse(s, WIRE_BAD_MESSAGE, err.text);
		return;
	}
	if (all->gateway->stopping && !order->is_reply) {
		refuse(s, WIRE_BUSY, "supd is stopping");
		return;
	}
	id = id_of(all, order);
	o = map_get(&c->sends_by_id, id, strlen(id));
	if (o) { /* the same key */
		outbound_attach(o, s);
	} else if (is_full(c, order->is_reply)) {
		refuse(s, WIRE_BUSY,
			"too many messages wait to be sent by the channel");
	} else {
		channels_need_store(all);
		o = outbound_create(c, id, order->target, order->content);
		o->caller = order->caller;
		o->plugin_id = memory_copy_text(order->plugin_id);
		o->due_ms = clock_ms() + ms;
		if (order->limit_ms && o->due_ms > order->limit_ms)
			o->due_ms = order->limit_ms;
		o->until_ms = clock_wall_ms() + (o->due_ms - clock_ms());
		outbound_attach(o, s);
		outbound_filter(o, order);
	}
	free(id);
}

/* ---- replies ---- */

void
channels_tell_unsent(struct channels *all, const char *channel,
	const char *what, const char *error)
{
	const struct channel *c = channels_find(all, bytes_of(channel));
	struct plugin *p = c ? channel_plugin(c) : NULL;
	uint64_t now = clock_ms();

	if (all->unsent_told_ms && now - all->unsent_told_ms < REPORT_MS) {
		all->unsent_untold++;
		return;
	}
	log_write(LOG_WARN, &(struct log_subject){.plugin = p ? p->id : NULL},
		"channel %s: %s is not sent: %s (%u more since the last line)",
		channel, what, error, all->unsent_untold);
	all->unsent_told_ms = now;
	all->unsent_untold = 0;
}

json_t *
outbound_reply_target(const struct inbound *i)
{
	const struct registration *r = outbound_declared(i->channel);
	json_t *chat = json_object_get(json_object_get(i->data, "chat"), "id");
	json_t *thread = json_object_get(i->data, "thread");
	json_t *target = json_pack("{s:O}", "chat", chat);

	if (json_is_string(thread))
		json_object_set(target, "thread", thread);
	if (r && registration_can(r, "reply"))
		json_object_set_new(
			target, "reply_to", json_stringn(i->id, i->id_length));
	return target;
}

static void
replied(struct channel_send *s, const struct channel_sent *sent)
{
	struct channel_reply *reply =
		container_of(s, struct channel_reply, send);
	const struct channel *c = reply->channel;

	if (sent->error)
		channels_tell_unsent(c->all, c->name, "a reply", sent->error);
	list_remove(&reply->node);
	free(reply);
}

/* If supd ends before the message is done, the next supd may have the same
 * reply, whose key is the same. */
char *
outbound_reply_key(const struct inbound *i)
{
	return memory_format("reply-%llu-%llu", (unsigned long long)i->seq,
		(unsigned long long)i->kept_ms);
}

static void
send_reply(struct inbound *i, json_t *target, json_t *content, const char *key)
{
	struct channel *c = i->channel;
	struct channel_reply *reply = memory_alloc(sizeof(*reply));

	reply->channel = c;
	reply->send.done = replied;
	list_append(&c->replies, &reply->node);
	channels_send(c->all,
		&(struct channel_order){.channel = bytes_of(c->name),
			.target = target,
			.content = content,
			.key = key,
			.deadline_ms = CHANNEL_REPLY_MS,
			.trace = i->span.context,
			.is_reply = true},
		&reply->send);
}

void
outbound_reply(struct inbound *i, json_t *content)
{
	json_t *target = outbound_reply_target(i);
	char *key = outbound_reply_key(i);

	send_reply(i, target, content, key);
	json_decref(target);
	json_decref(content);
	free(key);
}

void
outbound_reply_text(struct inbound *i, const char *text)
{
	struct channel *c = i->channel;
	struct pieces pieces = {.rest = bytes_of(text),
		.limit = channels_text_limit(c->all, c->name)};
	json_t *target = outbound_reply_target(i), *content;
	char *begin = outbound_reply_key(i), *key;

	while ((content = pieces_next(&pieces))) {
		key = pieces_key(&pieces, begin);
		send_reply(i, target, content, key);
		json_decref(content);
		free(key);
	}
	json_decref(target);
	free(begin);
}
