#include "split.h"

#include <string.h>

/* Where to cut, if `most` bytes are too few for the line. */
static size_t
place_to_cut(const char *at, size_t most)
{
	size_t cut = most;

	for (size_t i = most; i > most / 2; i--)
		if (at[i] == ' ')
			return i;
	while (cut > 1 && ((unsigned char)at[cut] & 0xc0) == 0x80)
		cut--;
	return cut > 1 ? cut : most; /* it is not UTF-8 */
}

static void
skip_blanks(struct split *s)
{
	while (s->left && (*s->at == '\n' || *s->at == ' ')) {
		s->at++;
		s->left--;
	}
}

bool
split_next(struct split *s, const char **piece_out, size_t *size_out)
{
	const char *end;
	size_t size;

	/* the blanks that begin a line stay, unless the line has no more */
	while (s->left) {
		end = memchr(s->at, '\n', s->left);
		size = end ? (size_t)(end - s->at) : s->left;
		if (size && strspn(s->at, " ") < size)
			break;
		s->at += size + (end != NULL);
		s->left -= size + (end != NULL);
	}
	if (!s->left)
		return false;
	*piece_out = s->at;
	if (size > s->most) {
		size = place_to_cut(s->at, s->most);
		s->at += size;
		s->left -= size;
		skip_blanks(s);
	} else {
		s->at += size;
		s->left -= size;
	}
	*size_out = size;
	return true;
}

size_t
split_count(struct split s)
{
	const char *piece;
	size_t size, count = 0;

	while (split_next(&s, &piece, &size))
		count++;
	return count;
}

void
split_clean(char *text, size_t *size)
{
	size_t used = 0;

	for (size_t i = 0; i < *size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\r' && i + 1 < *size && text[i + 1] == '\n')
			continue;
		if (c == '\r')
			c = '\n';
		else if ((c < ' ' && c != '\n') || c == 0x7f)
			c = ' ';
		text[used++] = (char)c;
	}
	text[used] = '\0';
	*size = used;
}
