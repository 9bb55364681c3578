/* channel: a connection to a platform where people write. supd starts and stops
 * it like a service, takes what it receives and gives it what is to be sent. */
#include <string.h>

#include "proto/registration.h"

/* The longest text of one message, in bytes. */
#define TEXT_LIMIT_MAX (1024 * 1024)

static const char *const abilities[] = {"text", "media", "reply", "thread",
	"edit", "delete", "react", "typing", "find"};

static const struct field fields[] = {
	{"can", FIELD_WORDS, offsetof(struct registration, channel.can)},
	{"ack", FIELD_TEXT, offsetof(struct registration, channel.ack)},
	{"overlap", FIELD_BOOL, offsetof(struct registration, channel.overlap)},
	{"text_limit", FIELD_COUNT,
		offsetof(struct registration, channel.text_limit)},
	{"announce", FIELD_BOOL,
		offsetof(struct registration, channel.announce)},
};

static bool
is_ability(struct bytes word)
{
	for (size_t i = 0; i < sizeof(abilities) / sizeof(*abilities); i++)
		if (bytes_equal(word, bytes_of(abilities[i])))
			return true;
	return false;
}

/* Cuts the first word off "a, b". */
static struct bytes
next_word(const char **at)
{
	const char *end = strstr(*at, ", ");
	size_t length = end ? (size_t)(end - *at) : strlen(*at);
	struct bytes word = {*at, length};

	*at += end ? length + 2 : length;
	return word;
}

bool
registration_can(const struct registration *r, const char *ability)
{
	for (const char *at = r->channel.can; at && *at;)
		if (bytes_equal(next_word(&at), bytes_of(ability)))
			return true;
	return false;
}

static int
check_can(const struct registration *r, struct error *err)
{
	struct bytes word;

	for (const char *at = r->channel.can; at && *at;) {
		word = next_word(&at);
		if (!is_ability(word))
			return error_set(err,
				"channel %s: can has '%.*s', but knows only "
				"text, media, reply, thread, edit, delete, "
				"react, typing and find",
				r->name,
				(int)(word.length < 40 ? word.length : 40),
				word.at);
	}
	return 0;
}

static int
check(struct registration *r, struct error *err)
{
	const char *ack = r->channel.ack;
	int64_t limit = r->channel.text_limit;

	if (kind_name_check(r, err) < 0 || check_can(r, err) < 0)
		return -1;
	if (ack && strcmp(ack, "stored") != 0 && strcmp(ack, "handled") != 0)
		return error_set(err,
			"channel %s: ack must be stored or handled", r->name);
	if (limit != -1 && (limit < 1 || limit > TEXT_LIMIT_MAX))
		return error_set(err,
			"channel %s: text_limit must be 1 to %d bytes", r->name,
			TEXT_LIMIT_MAX);
	return 0;
}

const struct registration_kind_row kind_channel = {
	.wire = "channel",
	.receipt = "channels",
	.noun = "channel",
	.named = true,
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(*fields),
	.check = check,
	.message = MESSAGE_CHANNEL_START,
};
