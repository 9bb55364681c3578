/* json_pack: converts JSON text that supd wrote itself to MessagePack, a part
 * at a time, without making values of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"
#include "proto/util/buffer.h"
#include "proto/util/bytes.h"

/* All zero bytes: at the start. */
struct json_pack {
	size_t at; /* read so far */
	unsigned depth;
	struct {
		size_t head;	/* its offset in the output */
		uint32_t count; /* of what is in it, keys included */
		bool is_map;
	} open[WIRE_DEPTH_MAX];
};

/* Reads about `most` bytes more of the text, a string always whole, and appends
 * them to `out`, which nobody else changes meanwhile. 1: the document is
 * complete; 0: call again; -1: it is not such a document, or nested deeper than
 * WIRE_DEPTH_MAX. */
int json_pack_step(struct json_pack *p, struct bytes text, size_t most,
	struct buffer *out);
