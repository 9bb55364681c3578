/* chat: takes built-in commands, finds out what their senders may do, and
 * answers them. */
#include "supervisor/chat/parts.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/chat/role.h"
#include "supervisor/chat/text.h"
#include "supervisor/chat/words.h"

#define REPORT_MS 1000	   /* between two log lines about denied commands */
#define CALLER_BYTES 200   /* of a sender's id */
#define ARGUMENTS_MAX 16   /* read of a message */
#define ARGUMENT_BYTES 256 /* of a longer one */

/* ---- calls ---- */

static void
destroy(struct chat_call *c)
{
	list_remove(&c->node);
	answers_to_finish(&c->to);
	free(c->caller);
	free(c);
}

void
chat_answer(struct chat_call *c, const char *text)
{
	answers_send(&c->chat->answers, &c->to, text);
	destroy(c);
}

static void
report_denial(struct chat_call *c)
{
	struct chat *chat = c->chat;
	uint64_t now = clock_ms();

	if (chat->denied_told_ms && now - chat->denied_told_ms < REPORT_MS) {
		chat->denied_untold++;
		return;
	}
	log_info("%s was denied /%s (%u more since the last line)", c->caller,
		c->word->name, chat->denied_untold);
	chat->denied_told_ms = now;
	chat->denied_untold = 0;
}

static void
done(struct command_call *call, enum outcome outcome, json_t *result)
{
	struct chat_call *c = container_of(call, struct chat_call, call);
	const char *error = json_string_value(json_object_get(result, "error"));
	bool has_answer = call->has_receipts || outcome == OUTCOME_DONE;
	struct buffer out = {0};
	char *text;

	c->chat->gateway->chat.commands[outcome]++;
	if (outcome == OUTCOME_DENIED)
		report_denial(c);
	if (call->nobody)
		text_line(&out, "permission denied");
	else if (has_answer)
		c->word->answer(c, &out, result);
	else
		text_line(&out, "%s", error ? error : "failed");
	text = text_take(&out);
	chat_answer(c, text);
	free(text);
}

static struct chat_sender
sender_of(const struct channel_said *said)
{
	const json_t *from = json_object_get(said->message, "from");
	const json_t *id = json_object_get(from, "id");

	return (struct chat_sender){.channel = bytes_of(said->channel),
		.id = {json_string_value(id), json_string_length(id)},
		.verified = json_is_true(json_object_get(from, "verified"))};
}

static struct chat_call *
create(struct chat *chat, const struct channel_said *said)
{
	struct chat_call *c = memory_alloc(sizeof(*c));
	struct chat_sender sender = sender_of(said);
	enum role role = ROLE_VIEWER;

	c->chat = chat;
	c->word = word_by_name(said->word);
	answers_to_init(&c->to, said);
	c->to.has_role = chat_role(&chat->config->admin, &sender, &role);
	c->caller = memory_format("%.*s on %s",
		(int)text_fit(sender.id.at, sender.id.length, CALLER_BYTES),
		sender.id.at, said->channel);
	c->call = (struct command_call){.gateway = chat->gateway,
		.role = role,
		.nobody = !c->to.has_role,
		.caller = c->caller,
		.door = "chat",
		.on_done = done};
	list_append(&chat->calls, &c->node);
	return c;
}

/* ---- the door ---- */

/* The words of "a  b c"; more than that many are not read. */
static json_t *
arguments_of(const char *rest)
{
	json_t *args = json_array();
	size_t length, kept;

	while (*rest && json_array_size(args) < ARGUMENTS_MAX) {
		length = strcspn(rest, " \t\r\n");
		kept = text_fit(rest, length, ARGUMENT_BYTES);
		json_array_append_new(args, json_stringn(rest, kept));
		rest += length;
		rest += strspn(rest, " \t\r\n");
	}
	return args;
}

static void
run(struct chat_call *c, const char *rest)
{
	const struct word *w = c->word;
	json_t *args = arguments_of(rest);
	size_t count = json_array_size(args);
	char usage[128];

	if (c->call.nobody && !word_is_for_all(w)) {
		command_run(&c->call, verb_rows[w->verb].name, NULL);
	} else if (count < w->least || count > w->most) {
		c->chat->gateway->chat.commands[OUTCOME_BAD_CALL]++;
		text_format(usage, sizeof(usage), "usage: /%s%s%s", w->name,
			*w->usage ? " " : "", w->usage);
		chat_answer(c, usage);
	} else {
		w->run(c, args);
	}
	json_decref(args);
}

static bool
door_knows(const struct channel_door *d, const char *word)
{
	(void)d;
	return word_by_name(word);
}

static bool
door_run(struct channel_door *d, const struct channel_said *said)
{
	struct chat *chat = container_of(d, struct chat, door);
	struct chat_call *c = create(chat, said);
	bool ends = c->word->ends_at_once;

	run(c, said->rest);
	return ends;
}

/* ---- begin and end ---- */

struct chat *
chat_create(struct gateway *g, struct config *config)
{
	struct chat *chat = memory_alloc(sizeof(*chat));

	chat->gateway = g;
	chat->config = config_ref(config);
	chat->door.knows = door_knows;
	chat->door.run = door_run;
	list_init(&chat->calls);
	answers_init(&chat->answers, g);
	notices_init(&chat->notices, g);
	notices_configure(&chat->notices, &config->admin);
	channels_set_door(g->channels, &chat->door);
	return chat;
}

void
chat_configure(struct chat *chat, struct config *config)
{
	config_unref(chat->config);
	chat->config = config_ref(config);
	notices_configure(&chat->notices, &config->admin);
}

void
chat_destroy(struct chat *chat)
{
	if (!chat)
		return;
	channels_set_door(chat->gateway->channels, NULL);
	list_for_each_safe (node, &chat->calls) {
		struct chat_call *c =
			container_of(node, struct chat_call, node);

		command_abandon(&c->call);
		destroy(c);
	}
	notices_finish(&chat->notices);
	answers_finish(&chat->answers);
	help_finish(&chat->help);
	config_unref(chat->config);
	free(chat);
}
