/* body: decodes a request's body, by length or chunked, piece by piece as bytes
 * arrive, never past its limit. The user of the pieces keeps them, passes them
 * on or discards them. Pure. */
#pragma once

#include "supervisor/http/chunked.h"
#include "supervisor/http/head.h"

enum body_result {
	BODY_MORE,  /* all bytes used, more must come */
	BODY_PIECE, /* a piece; call again, the end may be next */
	BODY_END,
	BODY_BAD,	/* malformed chunked coding */
	BODY_TOO_LARGE, /* larger than the limit */
};

struct body {
	bool chunked;
	uint64_t left;	      /* by length: bytes still to come */
	uint64_t read, limit; /* bytes of pieces */
	struct chunked decoder;
};

static inline bool
head_has_body(const struct head *h)
{
	return h->chunked || h->content_length;
}

void body_start(struct body *b, const struct head *h, uint64_t limit);
enum body_result body_read(struct body *b, const char *bytes, size_t size,
	size_t *used_out, struct bytes *piece_out);
