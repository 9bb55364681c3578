/* incoming: a message of `channel.message`, read and checked. Pure. */
#pragma once

#include <jansson.h>
#include <msgpack.h>

#include "proto/util/bytes.h"
#include "proto/util/error.h"

#define INCOMING_ID_MAX 512 /* bytes of an id, a lane, a name */

struct incoming {
	struct bytes id, lane; /* borrowed from the message */
	struct bytes cursor;   /* likewise; at NULL: none */
};

enum incoming_verdict {
	INCOMING_FINE,
	/* The plugin is wrong: a field is missing, or of the wrong type. */
	INCOMING_WRONG,
	/* Who wrote it is to blame: it cannot be passed on. */
	INCOMING_REFUSED,
};

/* err says what is wrong. What is in the message besides the fields of the
 * contract is kept. */
enum incoming_verdict incoming_read(
	struct incoming *in, const msgpack_object *message, struct error *err);
/* The message as the data of an event: without cursor, with the channel's name.
 * A new reference; NULL with err: it is not JSON. */
json_t *incoming_data(
	const msgpack_object *message, const char *channel, struct error *err);
