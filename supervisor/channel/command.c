/* command: a message that begins with "/word": one of the commands that the
 * door above has built in, or one that a plugin registered. A built-in command
 * wins. What a channel sent itself is none, and an edit neither: the command
 * has run already, and who mends a typing error does not mean it to run again.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/channel/parts.h"
#include "supervisor/gateway/dispatch.h"

static struct gateway *
gateway_of(const struct inbound *i)
{
	return i->channel->all->gateway;
}

/* ---- its text ---- */

/* "/word rest": the word and where the rest begins; NULL: it is none. */
static char *
command_word(const char *text, const char **rest_out)
{
	size_t length;

	if (!text || *text != '/')
		return NULL;
	length = strspn(text + 1, KIND_LETTERS KIND_DIGITS "_.:-");
	*rest_out = text + 1 + length;
	if (!length || length > REGISTRATION_NAME_BYTES ||
		(**rest_out && !strchr(" \t\r\n", **rest_out)))
		return NULL;
	*rest_out += strspn(*rest_out, " \t\r\n");
	return memory_copy_bytes(text + 1, length);
}

/* ---- one of a plugin ---- */

static void run_command(struct inbound *i, const char *rest);

/* The same keys in every channel. */
static json_t *
context_of(const struct inbound *i)
{
	static const char *const keys[] = {"id", "from", "chat", "thread"};
	json_t *context = json_pack(
		"{s:s,s:s}", "door", "channel", "channel", i->channel->name);

	for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++) {
		json_t *value = json_object_get(i->data, keys[k]);

		json_object_set_new(context, keys[k],
			value ? json_incref(value) : json_null());
	}
	return context;
}

static const char *
rest_of(const struct inbound *i)
{
	const char *text = json_string_value(json_object_get(i->data, "text"));

	text += 1 + strlen(i->command);
	return text + strspn(text, " \t\r\n");
}

/* A worker died with it: once more, or it is a dead letter. */
static void
died(struct inbound *i)
{
	const struct stored_change change = {
		.seq = i->seq, .state = STORED_PENDING, .tries = i->tries};
	char text[256];

	if (i->tries >= INBOUND_TRIES_MAX) {
		text_format(text, sizeof(text),
			"the worker of the command %s died with it %u times",
			i->command, i->tries);
		handle_fail(i, text);
		return;
	}
	message_store_set_state(i->channel->all->store, NULL, &change);
	run_command(i, rest_of(i));
}

static void
reply_error(struct inbound *i, const char *text)
{
	char *reply = memory_format("%s: %s", i->command, text);

	outbound_reply_text(i, reply);
	free(reply);
}

void
command_reply(struct inbound *i, const json_t *value)
{
	const char *text = json_string_value(value);

	if (text && *text)
		outbound_reply_text(i, text);
}

static void
commanded(struct invoke *v, const struct invoke_end *end)
{
	struct inbound *i = container_of(v, struct inbound, invoke);
	json_t *value = json_incref(end->value);
	char *text = memory_copy_text(end->text);
	bool ok = end->ok, is_death = end->is_death;
	unsigned sends = v->request.sends;

	i->is_invoked = false;
	invoke_finish(v);
	if (!ok && gateway_of(i)->stopping) {
		/* the next supd handles it */
	} else if (is_death) {
		i->tries += sends ? sends : 1;
		died(i);
	} else {
		i->was_run = true;
		if (ok)
			command_reply(i, value);
		else
			reply_error(i, text);
		handle_observe(i);
	}
	json_decref(value);
	free(text);
}

static void
run_command(struct inbound *i, const char *rest)
{
	const json_t *whole = json_object_get(i->data, "text");
	size_t before = (size_t)(rest - json_string_value(whole));
	json_t *context = context_of(i);
	json_t *text = json_stringn(rest, json_string_length(whole) - before);
	struct error err;

	i->is_invoked = true;
	invoke_init(&i->invoke, gateway_of(i), commanded);
	if (i->span.context.sampling)
		tracer_begin(&gateway_of(i)->workers.tracer, &i->span.context,
			&i->invoke.request.span);
	invoke_pack_caller_value(&i->invoke, context);
	if (invoke_pack_args(&i->invoke, REGISTRATION_COMMAND, text, &err) <
		0) {
		i->is_invoked = false;
		invoke_finish(&i->invoke);
		reply_error(i, err.text);
		handle_observe(i);
	} else {
		invoke_begin(&i->invoke, REGISTRATION_COMMAND,
			bytes_of(i->command), 0);
	}
	json_decref(text);
	json_decref(context);
}

/* ---- a built-in one ---- */

static void
run_built_in(struct inbound *i, const char *rest)
{
	struct channel_door *door = i->channel->all->door;
	char *key = outbound_reply_key(i);
	json_t *target = outbound_reply_target(i);
	const struct channel_said said = {.channel = i->channel->name,
		.word = i->command,
		.rest = rest,
		.message = i->data,
		.target = target,
		.key = key};

	if (door->run(door, &said))
		handle_end(i);
	else
		handle_observe(i);
	json_decref(target);
	free(key);
}

/* ---- which one ---- */

static bool
is_built_in(const struct inbound *i, const char *word)
{
	const struct channel_door *door = i->channel->all->door;

	return door && door->knows(door, word);
}

static bool
is_registered(const struct inbound *i, const char *word)
{
	struct route_match match;

	return dispatch_find_name(gateway_of(i), REGISTRATION_COMMAND,
		       bytes_of(word), &match) == ROUTE_FOUND;
}

bool
command_begin(struct inbound *i)
{
	const json_t *text = json_object_get(i->data, "text");
	const char *rest;
	char *word;

	if (json_is_true(json_object_get(i->data, "self")) ||
		json_is_string(json_object_get(i->data, "edit_of")))
		return false;
	word = command_word(json_string_value(text), &rest);
	if (!word)
		return false;
	if (!is_built_in(i, word) && !is_registered(i, word)) {
		free(word);
		return false;
	}
	i->command = word;
	if (i->was_run)
		handle_observe(i);
	else if (is_built_in(i, word))
		run_built_in(i, rest);
	else
		run_command(i, rest);
	return true;
}
