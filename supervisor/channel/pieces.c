/* pieces: see the header. */
#include "supervisor/channel/pieces.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"

#define MORE "\xe2\x80\xa6" /* … */

/* Where the last `c` is that a piece may end before; 0: there is none. */
static size_t
last(const struct bytes *text, size_t limit, char c)
{
	const char *at = memrchr(text->at, c, limit + 1);

	return at ? (size_t)(at - text->at) : 0;
}

/* The text is longer than the limit. */
static size_t
cut_at(const struct bytes *text, size_t limit, size_t *skip_out)
{
	size_t at = last(text, limit, '\n');

	if (!at)
		at = last(text, limit, ' ');
	*skip_out = at ? 1 : 0;
	if (at)
		return at;
	at = text_fit(text->at, text->length, limit);
	return at ? at : limit;
}

static json_t *
content_of(struct bytes text, const char *more)
{
	char *copy = memory_alloc(text.length + strlen(more) + 1);
	json_t *content;

	memcpy(copy, text.at, text.length);
	memcpy(copy + text.length, more, strlen(more) + 1);
	content = json_pack(
		"{s:o,s:s}", "text", value_text(copy), "format", "plain");
	free(copy);
	return content;
}

json_t *
pieces_next(struct pieces *p)
{
	struct bytes piece = p->rest;
	size_t skip = 0, room = p->limit;
	const char *more = "";

	if (!piece.length || p->count == PIECES_MAX)
		return NULL;
	p->count++;
	if (room && piece.length > room) {
		if (p->count == PIECES_MAX && room > strlen(MORE)) {
			more = MORE;
			room -= strlen(MORE);
		}
		piece.length = cut_at(&piece, room, &skip);
	}
	p->rest.at += piece.length + skip;
	p->rest.length -= piece.length + skip;
	return content_of(piece, more);
}

char *
pieces_key(const struct pieces *p, const char *begin)
{
	return p->count > 1 ? memory_format("%s-%u", begin, p->count)
			    : memory_copy_text(begin);
}
