/* body: by length or chunked, behind one interface. */
#include "supervisor/http/body.h"

void
body_start(struct body *b, const struct head *h, uint64_t limit)
{
	*b = (struct body){
		.chunked = h->chunked,
		.left = h->content_length,
		.limit = limit,
	};
}

/* Whether the size of the current chunk exceeds the limit. A size counts only
 * once its line is complete, because it may still turn out malformed. */
static bool
is_too_large(const struct body *b)
{
	return !b->decoder.digits && b->read + b->decoder.left > b->limit;
}

static enum body_result
read_chunked(struct body *b, const char *bytes, size_t size, size_t *used_out,
	struct bytes *piece_out)
{
	switch (chunked_read(&b->decoder, bytes, size, used_out, piece_out)) {
	case CHUNKED_PIECE:
		b->read += piece_out->length;
		return is_too_large(b) ? BODY_TOO_LARGE : BODY_PIECE;
	case CHUNKED_END:
		return BODY_END;
	case CHUNKED_MORE:
		return is_too_large(b) ? BODY_TOO_LARGE : BODY_MORE;
	case CHUNKED_BAD:
		break;
	}
	return BODY_BAD;
}

enum body_result
body_read(struct body *b, const char *bytes, size_t size, size_t *used_out,
	struct bytes *piece_out)
{
	*used_out = 0;
	if (b->chunked)
		return read_chunked(b, bytes, size, used_out, piece_out);
	if (!b->left)
		return BODY_END;
	if (b->read + b->left > b->limit)
		return BODY_TOO_LARGE;
	if (!size)
		return BODY_MORE;
	if (size > b->left)
		size = (size_t)b->left;
	b->left -= size;
	b->read += size;
	*used_out = size;
	*piece_out = (struct bytes){bytes, size};
	return BODY_PIECE;
}
