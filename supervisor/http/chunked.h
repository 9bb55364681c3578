/* chunked: the chunked coding of a request body, strictly: CR LF line ends
 * only, hexadecimal sizes without signs or spaces, extensions and trailers
 * bounded and discarded. Pure and incremental. (llhttp is used for heads only:
 * its chunked decoder does not bound extensions and accepts more kinds of line
 * ends.) */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/util/bytes.h"

#define CHUNKED_LINE_MAX 1024	 /* a size line with its extensions */
#define CHUNKED_TRAILER_MAX 8192 /* all trailer lines together */

enum chunked_result {
	CHUNKED_MORE,  /* all bytes used, more must come */
	CHUNKED_PIECE, /* piece_out has bytes of the body; call again */
	CHUNKED_END,   /* the body and its trailers are complete */
	CHUNKED_BAD,
};

struct chunked {
	uint8_t state; /* 0 at the start */
	uint8_t digits;
	uint64_t left;	/* of the current chunk */
	uint32_t line;	/* bytes of the current line */
	uint32_t extra; /* bytes of all extensions, then of the trailers */
};

/* Uses bytes from the front; *used_out says how many. */
enum chunked_result chunked_read(struct chunked *c, const char *bytes,
	size_t size, size_t *used_out, struct bytes *piece_out);
