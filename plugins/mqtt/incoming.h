/* incoming: a message of the broker in the terms of supd. */
#pragma once

#include <mosquitto.h>
#include <stdbool.h>
#include <stddef.h>
#include <sup/plugin.h>

#include "session.h"
#include "settings.h"

/* Text that is longer, and other bytes that are more, are put into a file. */
#define TEXT_BYTES_MAX ((size_t)256 * 1024)
#define BASE64_BYTES_MAX ((size_t)48 * 1024)
#define ID_BYTES_MAX 512 /* what supd takes as an id */

struct incoming {
	struct incoming *next; /* the owner's */
	void *owner;
	unsigned link; /* which connection waits for an answer; 0: none */
	char id[ID_BYTES_MAX + 1];
	char *topic, *from, *text, *more_json; /* text may be NULL */
	size_t text_bytes;
};

/* What is the same in a message and its repetition. */
void incoming_digest(const struct mosquitto_message *m,
	unsigned char digest[SESSION_DIGEST_BYTES]);
/* The value of a property of the user, NULL if there is none that supd takes as
 * an id. The caller frees. */
char *incoming_property(const mosquitto_property *properties, const char *name);

/* folder: where files go. NULL with the reason; is_final_out: it can never be
 * passed on. The id is the caller's to fill in. */
struct incoming *incoming_create(const struct settings *settings,
	const char *folder, const struct mosquitto_message *m,
	const mosquitto_property *properties, const char *id,
	bool *is_final_out, char why[256]);
void incoming_destroy(struct incoming *i);
/* As sup_channel_receive() takes it, without the callbacks. */
struct sup_message incoming_said(const struct incoming *i);
