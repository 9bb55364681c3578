/* channel_offer: registers a channel, and sends through those of others. */
#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "worker/channel.h"

static bool
has_word(const char *words, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += length)
		if ((at == words || strchr(", ", at[-1])) &&
			(!at[length] || strchr(", ", at[length])))
			return true;
	return false;
}

static bool
can_act(const char *can)
{
	return has_word(can, "edit") || has_word(can, "delete") ||
	       has_word(can, "react") || has_word(can, "typing");
}

static int
check(const struct sup *p, const struct sup_channel_offer *said)
{
	const char *can = said->can ? said->can : "text";
	const char *name = said->name ? said->name : "";

	if (p->state != HOST_INITIALISING)
		host_say("cannot register once the plugin is ready");
	else if (!said->name)
		host_say("a channel needs a name");
	else if (!said->start || !said->stop || !said->send)
		host_say("channel %s: start, stop and send must not be NULL",
			name);
	else if (has_word(can, "find") != (said->find != NULL))
		host_say("channel %s: find and its handler belong together",
			name);
	else if (can_act(can) != (said->act != NULL))
		host_say("channel %s: edit, delete, react and typing, and the "
			 "handler of act, belong together",
			name);
	else if (p->offer_count == REGISTRATIONS_MAX)
		host_say("more than %d registrations", REGISTRATIONS_MAX);
	else
		return 0;
	return -1;
}

int
sup_channel(struct sup *p, const struct sup_channel_offer *said)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(said, "offer");

	struct offer *offer;
	struct registration *r;

	if (check(p, said))
		return -1;
	offer = offer_add(p);
	offer->channel = channel_hold(p, said->name);
	offer->channel_said = *said;
	r = &offer->declared;
	registration_init(r, REGISTRATION_CHANNEL);
	r->name = memory_copy_text(said->name);
	r->channel.can = offer_words(said->can ? said->can : "text");
	if (said->ack_handled)
		r->channel.ack = memory_copy_text("handled");
	r->channel.overlap = said->overlap;
	r->channel.announce = said->announce;
	if (said->text_limit > 0)
		r->channel.text_limit = said->text_limit;
	return 0;
}

/* ---- sending ---- */

/* ,"key":"text", or nothing */
static void
append_member(struct buffer *b, const char *key, const char *text)
{
	if (!text)
		return;
	if (buffer_bytes(b)[buffer_length(b) - 1] != '{')
		buffer_append_text(b, ",");
	json_text_append_string(b, bytes_of(key));
	buffer_append_text(b, ":");
	json_text_append_string(b, bytes_of(text));
}

int
sup_send(struct sup *p, const char *channel, const struct sup_outgoing *message,
	uint32_t timeout_ms, sup_result *done, void *user)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(channel, "channel");
	HOST_NEEDS(message, "message");
	HOST_NEEDS(message->chat, "chat");
	HOST_NEEDS(done, "done");

	struct buffer args = {0};
	int result;

	buffer_append_text(&args, "{\"target\":{");
	append_member(&args, "chat", message->chat);
	append_member(&args, "thread", message->thread);
	append_member(&args, "reply_to", message->reply_to);
	buffer_append_text(&args, "},\"content\":{");
	append_member(
		&args, "format", message->markdown ? "markdown" : "plain");
	append_member(&args, "text", message->text);
	if (message->media_json) {
		buffer_append_text(&args, ",\"media\":");
		buffer_append_text(&args, message->media_json);
	}
	buffer_append_text(&args, "}");
	append_member(&args, "key", message->key);
	buffer_append(&args, "}", 2);
	result = sup_call(p, "channel", channel,
		(const char *)buffer_bytes(&args), timeout_ms, done, user);
	buffer_finish(&args);
	return result;
}

int
sup_act(struct sup *p, const char *channel, const struct sup_action *action,
	uint32_t timeout_ms, sup_result *done, void *user)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(channel, "channel");
	HOST_NEEDS(action, "action");
	HOST_NEEDS(action->action, "action");
	HOST_NEEDS(action->chat, "chat");
	HOST_NEEDS(done, "done");

	bool edits = !strcmp(action->action, "edit");
	struct buffer args = {0};
	int result;

	buffer_append_text(&args, "{");
	append_member(&args, "action", action->action);
	buffer_append_text(&args, ",\"target\":{");
	append_member(&args, "chat", action->chat);
	append_member(&args, "thread", action->thread);
	append_member(&args, "id", action->id);
	buffer_append_text(&args, "},\"args\":{");
	if (edits)
		append_member(&args, "format",
			action->markdown ? "markdown" : "plain");
	append_member(&args, edits ? "text" : "emoji", action->text);
	buffer_append(&args, "}}", 3);
	result = sup_call(p, "channel", channel,
		(const char *)buffer_bytes(&args), timeout_ms, done, user);
	buffer_finish(&args);
	return result;
}
