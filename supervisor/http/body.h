/* body: where a request's body comes from: by length or chunked, piece by
 * piece as bytes arrive, never beyond its limit. Who uses the pieces decides
 * whether they are kept, passed on or thrown away. Pure. */
#pragma once

#include "supervisor/http/chunked.h"
#include "supervisor/http/head.h"

enum body_result {
	BODY_MORE,  /* all bytes used, the body goes on */
	BODY_PIECE, /* call again: what is left may be the end */
	BODY_END,
	BODY_BAD,	/* the coding is malformed */
	BODY_TOO_LARGE, /* beyond the limit */
};

struct body {
	bool chunked;
	uint64_t left;	      /* by length: bytes to come */
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
