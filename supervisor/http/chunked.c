/* chunked: one state per kind of byte; every byte that is not expected is
 * malformed. */
#include "supervisor/http/chunked.h"

#include "supervisor/http/text.h"

enum {
	SIZE,	   /* hexadecimal digits */
	EXTENSION, /* after a ';': its name, spaces around it are skipped */
	EXTENSION_NAME,
	EXTENSION_NAMED,
	EXTENSION_EQUALS,
	EXTENSION_TOKEN,
	EXTENSION_QUOTED,
	EXTENSION_ESCAPE,
	EXTENSION_OVER,
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

#define EXTENSIONS_MAX 16384 /* bytes, of all chunks of one body */

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

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* Reads a byte after a name or a value. */
static bool
end_extension(struct chunked *c, char byte)
{
	c->state = byte == ';' ? EXTENSION : SIZE_LF;
	return byte == ';' || byte == '\r';
}

static bool
step_value(struct chunked *c, char byte)
{
	switch (c->state) {
	case EXTENSION_EQUALS:
		if (is_space(byte))
			return true;
		c->state = byte == '"' ? EXTENSION_QUOTED : EXTENSION_TOKEN;
		return byte == '"' || text_is_token_byte(byte);
	case EXTENSION_TOKEN:
		if (text_is_token_byte(byte))
			return true;
		break;
	case EXTENSION_QUOTED:
		if (byte == '"')
			c->state = EXTENSION_OVER;
		else if (byte == '\\')
			c->state = EXTENSION_ESCAPE;
		return is_text(byte);
	case EXTENSION_ESCAPE:
		c->state = EXTENSION_QUOTED;
		return is_text(byte);
	default: /* EXTENSION_OVER */
		break;
	}
	if (!is_space(byte))
		return end_extension(c, byte);
	c->state = EXTENSION_OVER;
	return true;
}

/* Reads a byte of the extensions of a size line. They are discarded but must be
 * well-formed: with garbage, sender and supd may disagree about the end of the
 * line. */
static bool
step_extension(struct chunked *c, char byte)
{
	if (byte != '\r' &&
		(++c->line > CHUNKED_LINE_MAX || ++c->extra > EXTENSIONS_MAX))
		return false;
	switch (c->state) {
	case EXTENSION:
		if (is_space(byte))
			return true;
		c->state = EXTENSION_NAME;
		return text_is_token_byte(byte);
	case EXTENSION_NAME:
		if (text_is_token_byte(byte))
			return true;
		/* fallthrough */
	case EXTENSION_NAMED:
		if (is_space(byte))
			c->state = EXTENSION_NAMED;
		else if (byte == '=')
			c->state = EXTENSION_EQUALS;
		else
			return end_extension(c, byte);
		return true;
	default:
		return step_value(c, byte);
	}
}

/* Reads a byte of a size line; false: malformed. */
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
	default: /* SIZE_LF */
		c->state = c->left ? DATA : TRAILER;
		c->digits = 0;
		c->line = 0;
		if (c->state == TRAILER)
			c->extra = 0;
		return byte == '\n';
	}
}

/* Reads a byte after the last chunk; false: malformed. */
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
	case SIZE_LF:
		return step_size(c, byte);
	case TRAILER:
	case TRAILER_NAME:
	case TRAILER_VALUE:
	case TRAILER_LF:
	case LAST_LF:
		return step_trailer(c, byte);
	default:
		return step_extension(c, byte);
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
