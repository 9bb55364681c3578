/* path: splits request paths. Owns the rules of what is refused; never
 * allocates, never knows a route. */
#include "supervisor/route/path.h"

#include <string.h>

#include "proto/util/utf8.h"
#include "proto/util/text.h"

/* Classes of bytes in a raw path. */
enum { BYTE_REFUSED = 1, BYTE_ESCAPE = 2, BYTE_WIDE = 4 };

static inline unsigned
byte_class(unsigned char c)
{
	if (c <= ' ' || c == 0x7f || c == '#' || c == '?')
		return BYTE_REFUSED;
	return c == '%' ? BYTE_ESCAPE : c >= 0x80 ? BYTE_WIDE : 0;
}

/* Decodes the escape at `at`; -1: refused. */
static int
escape_decode(const char *at, size_t left, struct error *err)
{
	int high, low, byte;

	if (left < 3 || (high = text_hex_digit(at[1])) < 0 ||
		(low = text_hex_digit(at[2])) < 0)
		return error_set(err, "the path has a malformed %% escape");
	byte = high << 4 | low;
	if (byte == '/')
		return error_set(err, "the path has an escaped slash (%%2F)");
	if (byte < ' ' || byte == 0x7f)
		return error_set(err, "the path has an escaped control byte");
	return byte;
}

/* Decodes one segment to `to`, which has room for all of raw. */
static int
segment_decode(char *to, struct bytes raw, struct bytes *out, struct error *err)
{
	size_t length = 0;
	int byte;

	for (size_t i = 0; i < raw.length; i++) {
		if (raw.at[i] != '%') {
			to[length++] = raw.at[i];
			continue;
		}
		byte = escape_decode(raw.at + i, raw.length - i, err);
		if (byte < 0)
			return -1;
		to[length++] = (char)byte;
		i += 2;
	}
	*out = (struct bytes){to, length};
	return 0;
}

/* 1 for ".", 2 for "..", else 0 */
static inline int
dots(struct bytes segment)
{
	if (!segment.length || segment.length > 2 || segment.at[0] != '.')
		return 0;
	if (segment.length == 1)
		return 1;
	return segment.at[1] == '.' ? 2 : 0;
}

/* Takes the segment after the slash at *at and moves *at to the next slash or
 * the end. False: it is empty and not the last. */
static inline bool
segment_next(const char **at, const char *end, struct bytes *out)
{
	const char *start = *at + 1;
	const char *slash = memchr(start, '/', (size_t)(end - start));

	*at = slash ? slash : end;
	*out = (struct bytes){start, (size_t)(*at - start)};
	return out->length || !slash;
}

/* Splits in place. 1: done; 0: a dot segment needs split_decoded(). */
static int
split_in_place(struct path *p, struct bytes raw, struct error *err)
{
	const char *at = raw.at, *end = raw.at + raw.length;

	for (p->count = 0; at < end; p->count++) {
		if (p->count == PATH_MAX_SEGMENTS)
			return error_set(err,
				"the path has more than %d segments",
				PATH_MAX_SEGMENTS);
		if (!segment_next(&at, end, &p->segments[p->count]))
			return error_set(err, "the path has an empty segment");
		if (dots(p->segments[p->count]))
			return 0;
	}
	p->text = raw;
	return 1;
}

/* Decodes into memory and resolves dot segments as in RFC 3986 5.2.4, where a
 * final one leaves an empty segment. */
static int
split_decoded(struct path *p, struct bytes raw, struct error *err)
{
	const char *at = raw.at, *end = raw.at + raw.length;
	char *to = p->memory;
	struct bytes segment;
	int dot;

	p->count = 0;
	while (at < end) {
		if (p->count == PATH_MAX_SEGMENTS)
			return error_set(err,
				"the path has more than %d segments",
				PATH_MAX_SEGMENTS);
		if (!segment_next(&at, end, &segment))
			return error_set(err, "the path has an empty segment");
		*to = '/';
		if (segment_decode(to + 1, segment, &segment, err) == -1)
			return -1;
		dot = dots(segment);
		if (dot == 2 && !p->count)
			return error_set(err, "the path leads above the root");
		if (dot == 2)
			to = p->memory +
			     (p->segments[--p->count].at - 1 - p->memory);
		if (dot && at < end)
			continue;
		if (dot) {
			*to = '/';
			segment = (struct bytes){to + 1, 0};
		}
		p->segments[p->count++] = segment;
		to += 1 + segment.length;
	}
	p->text = (struct bytes){p->memory, (size_t)(to - p->memory)};
	return 0;
}

int
path_split(struct path *p, struct bytes raw, struct error *err)
{
	unsigned classes = 0;
	int done = 0;

	if (!raw.length || raw.at[0] != '/')
		return error_set(err, "the path does not begin with a slash");
	if (raw.length > PATH_MAX_BYTES)
		return error_set(err, "the path is longer than %d bytes",
			PATH_MAX_BYTES);
	for (size_t i = 0; i < raw.length; i++)
		classes |= byte_class((unsigned char)raw.at[i]);
	if (classes & BYTE_REFUSED)
		return error_set(
			err, "the path has a control byte, a space, ? or #");
	if (!(classes & BYTE_ESCAPE)) {
		done = split_in_place(p, raw, err);
		if (done == -1)
			return -1;
	}
	if (!done && split_decoded(p, raw, err) == -1)
		return -1;
	if (classes && !utf8_is_valid(p->text.at, p->text.length))
		return error_set(err, "the path is not UTF-8");
	return 0;
}
