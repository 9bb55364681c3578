/* One state per kind of byte: whatever is not exactly expected is malformed. */
#include "supervisor/http/chunked.h"

#include "supervisor/http/text.h"

enum {
	SIZE,	   /* hexadecimal digits */
	EXTENSION, /* up to the CR of the size line */
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER, /* start of a trailer line, or the last CR LF */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	LAST_LF,
	OVER,
};

#define EXTENSIONS_MAX 16384 /* of all chunks of one body */

static int
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
is_text(char c)
{
	unsigned char u = (unsigned char)c;

	return u == '\t' || (u >= 0x20 && u != 0x7f);
}

/* One byte of a size line; false: malformed. */
static bool
step_size(struct chunked *c, char byte)
{
	int digit;

	switch (c->state) {
	case SIZE:
		digit = digit_of(byte);
		if (digit >= 0) {
			c->left = c->left * 16 + (uint64_t)digit;
			return ++c->digits <= 15;
		}
		if (!c->digits || (byte != ';' && byte != '\r'))
			return false;
		c->state = byte == ';' ? EXTENSION : SIZE_LF;
		return true;
	case EXTENSION:
		if (byte == '\r')
			c->state = SIZE_LF;
		else if (!is_text(byte) || ++c->line > CHUNKED_LINE_MAX ||
			 ++c->extra > EXTENSIONS_MAX)
			return false;
		return true;
	default: /* SIZE_LF */
		c->state = c->left ? DATA : TRAILER;
		c->digits = 0;
		c->line = 0;
		if (c->state == TRAILER)
			c->extra = 0;
		return byte == '\n';
	}
}

/* One byte after the last chunk; false: malformed. */
static bool
step_trailer(struct chunked *c, char byte)
{
	if (++c->extra > CHUNKED_TRAILER_MAX)
		return false;
	switch (c->state) {
	case TRAILER:
		c->state = byte == '\r' ? LAST_LF : TRAILER_NAME;
		return byte == '\r' || text_is_token_byte(byte);
	case TRAILER_NAME:
		if (byte == ':')
			c->state = TRAILER_VALUE;
		return byte == ':' || text_is_token_byte(byte);
	case TRAILER_VALUE:
		if (byte == '\r')
			c->state = TRAILER_LF;
		return byte == '\r' || is_text(byte);
	case TRAILER_LF:
		c->state = TRAILER;
		return byte == '\n';
	default: /* LAST_LF */
		c->state = OVER;
		return byte == '\n';
	}
}

static bool
step(struct chunked *c, char byte)
{
	switch (c->state) {
	case DATA_CR:
		c->state = DATA_LF;
		return byte == '\r';
	case DATA_LF:
		c->state = SIZE;
		return byte == '\n';
	case SIZE:
	case EXTENSION:
	case SIZE_LF:
		return step_size(c, byte);
	default:
		return step_trailer(c, byte);
	}
}

enum chunked_result
chunked_read(struct chunked *c, const char *bytes, size_t size,
	size_t *used_out, struct bytes *piece_out)
{
	size_t used = 0;

	while (used < size && c->state != OVER) {
		if (c->state == DATA) {
			size_t left = size - used;
			size_t take = c->left < left ? (size_t)c->left : left;

			*piece_out = (struct bytes){bytes + used, take};
			*used_out = used + take;
			c->left -= take;
			if (!c->left)
				c->state = DATA_CR;
			return CHUNKED_PIECE;
		}
		if (!step(c, bytes[used++]))
			return CHUNKED_BAD;
	}
	*used_out = used;
	return c->state == OVER ? CHUNKED_END : CHUNKED_MORE;
}
