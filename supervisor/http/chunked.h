/* chunked: the chunked coding of a request body, strictly: CR LF line ends
 * only, hexadecimal sizes without signs or spaces, extensions and trailers
 * bounded and thrown away. Pure and incremental. (llhttp does heads only: its
 * decoder leaves extensions unbounded and is freer about line ends.) */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/util/bytes.h"

#define CHUNKED_LINE_MAX 1024	 /* a size line with its extensions */
#define CHUNKED_TRAILER_MAX 8192 /* all trailer lines together */

enum chunked_result {
	CHUNKED_MORE,  /* all bytes used, the body goes on */
	CHUNKED_PIECE, /* piece_out has bytes of the body; call again */
	CHUNKED_END,   /* the body and its trailers are over */
	CHUNKED_BAD,
};

struct chunked {
	uint8_t state; /* all zero bytes are the start */
	uint8_t digits;
	uint64_t left;	/* of the current chunk */
	uint32_t line;	/* bytes of the current line */
	uint32_t extra; /* bytes of all extensions, then of the trailers */
};

/* Uses bytes from the front; *used_out says how many. */
enum chunked_result chunked_read(struct chunked *c, const char *bytes,
	size_t size, size_t *used_out, struct bytes *piece_out);
