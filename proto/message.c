/* message: the rows of the message table and look-ups in it. */
#include "proto/message.h"

#include <stdint.h>
#include <string.h>

const struct message_row message_rows[MESSAGE_COUNT] = {
#define X(symbol, text, type, way, shape, about)                               \
	[MESSAGE_##symbol] = {                                                 \
		.name = text,                                                  \
		.kind = MESSAGE_##type,                                        \
		.direction = MESSAGE_##way,                                    \
		.params = shape,                                               \
		.meaning = about,                                              \
	},
	MESSAGES(X)
#undef X
};

/* Lengths side by side: most names are ruled out without touching them. */
static const uint8_t message_name_lengths[MESSAGE_COUNT] = {
#define X(symbol, text, ...) [MESSAGE_##symbol] = sizeof(text) - 1,
	MESSAGES(X)
#undef X
};

static const char *const wire_error_texts[WIRE_ERROR_COUNT] = {
#define X(symbol, text, status) [WIRE_##symbol] = text,
	WIRE_ERRORS(X)
#undef X
};

static const int wire_error_statuses[WIRE_ERROR_COUNT] = {
#define X(symbol, text, status) [WIRE_##symbol] = status,
	WIRE_ERRORS(X)
#undef X
};

enum message_name
message_by_name(const char *name, size_t length)
{
	for (unsigned i = 0; i < MESSAGE_COUNT; i++)
		if (message_name_lengths[i] == length &&
			message_rows[i].name[0] == name[0] &&
			!memcmp(message_rows[i].name, name, length))
			return (enum message_name)i;
	return MESSAGE_UNKNOWN;
}

const char *
wire_error_text(enum wire_error code)
{
	return (unsigned)code < WIRE_ERROR_COUNT ? wire_error_texts[code]
						 : "failed";
}

int
wire_error_status(enum wire_error code)
{
	return wire_error_statuses[code];
}

enum wire_error
wire_error_by_text(const char *text, size_t length)
{
	for (unsigned i = 0; i < WIRE_ERROR_COUNT; i++)
		if (strlen(wire_error_texts[i]) == length &&
			!memcmp(wire_error_texts[i], text, length))
			return (enum wire_error)i;
	return WIRE_FAILED;
}
