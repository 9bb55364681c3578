/* outbound_check: whether what is to be sent is as it must be. */
#include "supervisor/channel/outbound.h"

#include <string.h>

#include "proto/value.h"
#include "supervisor/gateway/dispatch.h"

#define KEY_MAX 256	   /* bytes of a key */
#define NAME_BYTES_MAX 512 /* of a chat, thread or reply_to */

int
outbound_check_name(
	const json_t *target, const char *key, bool required, struct error *err)
{
	const json_t *value = json_object_get(target, key);
	size_t length = json_string_length(value);

	if ((!value || json_is_null(value)) && !required)
		return 0;
	if (!json_is_string(value) || !length || length > NAME_BYTES_MAX)
		return error_set(err,
			"%s of the target must be a string of 1 to %d bytes",
			key, NAME_BYTES_MAX);
	return 0;
}

const struct registration *
outbound_declared(const struct channel *c)
{
	struct route_match match;

	if (dispatch_find_name(c->all->gateway, REGISTRATION_CHANNEL,
		    bytes_of(c->name), &match) != ROUTE_FOUND)
		return NULL;
	return match.row->declared;
}

size_t
channels_text_limit(const struct channels *all, const char *name)
{
	const struct channel *c = channels_find(all, bytes_of(name));
	const struct registration *r = c ? outbound_declared(c) : NULL;

	return r && r->channel.text_limit > 0 ? (size_t)r->channel.text_limit
					      : 0;
}

int
outbound_check_content(
	const struct channel *c, const json_t *content, struct error *err)
{
	const struct registration *r = outbound_declared(c);
	const json_t *text = json_object_get(content, "text");
	const json_t *media = json_object_get(content, "media");
	const char *format =
		json_string_value(json_object_get(content, "format"));

	if (!json_is_object(content))
		return error_set(err, "the content must be an object");
	if (text && !json_is_string(text))
		return error_set(err, "text of the content must be a string");
	if (media && !json_is_array(media))
		return error_set(err, "media of the content must be a list");
	if (!text && !media)
		return error_set(err, "the content has neither text nor media");
	if (json_object_get(content, "format") &&
		(!format || (strcmp(format, "plain") != 0 &&
				    strcmp(format, "markdown") != 0)))
		return error_set(
			err, "format of the content must be plain or markdown");
	if (media && r && !registration_can(r, "media"))
		return error_set(
			err, "the channel '%s' cannot send media", c->name);
	if (r && r->channel.text_limit > 0 &&
		json_string_length(text) > (size_t)r->channel.text_limit)
		return error_set(err,
			"the text is longer than the %lld bytes that the "
			"channel '%s' allows",
			(long long)r->channel.text_limit, c->name);
	if (value_is_deeper(content, VALUE_DEPTH_MAX - 2))
		return error_set(err, "the content is nested too deeply");
	return 0;
}

int
outbound_check(const struct channel *c, const struct channel_order *order,
	struct error *err)
{
	const char *name;
	json_t *value;

	if (!json_is_object(order->target))
		return error_set(err, "the target must be an object");
	json_object_foreach(order->target, name,
		value) if (strcmp(name, "chat") != 0 &&
			   strcmp(name, "thread") != 0 &&
			   strcmp(name, "reply_to") != 0) return error_set(err,
		"the target may have chat, thread and "
		"reply_to, and nothing else");
	if (outbound_check_name(order->target, "chat", true, err) < 0 ||
		outbound_check_name(order->target, "thread", false, err) < 0 ||
		outbound_check_name(order->target, "reply_to", false, err) < 0)
		return -1;
	if (value_is_deeper(order->target, VALUE_DEPTH_MAX - 2))
		return error_set(err, "the target is nested too deeply");
	if (order->key && (!*order->key || strlen(order->key) > KEY_MAX))
		return error_set(err, "a key must have 1 to %d bytes", KEY_MAX);
	return outbound_check_content(c, order->content, err);
}
