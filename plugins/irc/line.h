/* line: what a server sends, as lines and their parts, however it is cut and
 * however long it is. A line has 8191 bytes of tags and 510 others; what is
 * beyond that is discarded, as are NUL and CR. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define LINE_TAGS_MAX 8191 /* with the "@" and the space behind them */
#define LINE_BODY_MAX 510  /* without CR LF */
#define LINE_BYTES_MAX (LINE_TAGS_MAX + LINE_BODY_MAX)
#define LINE_PARAMS_MAX 15

/* The strings are in the reader, and valid until its next line. */
struct line {
	const char *tags;   /* as sent, without "@"; "" if there are none */
	const char *source; /* "nick!user@host", or a server, or "" */
	const char *command;
	const char *params[LINE_PARAMS_MAX];
	size_t count; /* of params */
};

/* Empty if all is zero. */
struct line_reader {
	char input[16 * 1024]; /* read, and not yet looked at */
	size_t begin, end;
	char text[LINE_BYTES_MAX + 1]; /* the line that is being read */
	size_t length;
};

/* Where to put bytes, and how many there is room for; 0 while lines are to be
 * taken first. */
char *line_reader_room(struct line_reader *r, size_t *room_out);
void line_reader_add(struct line_reader *r, size_t bytes);
/* False if no line is complete. Lines that are not messages are skipped. */
bool line_reader_next(struct line_reader *r, struct line *line);

/* The parameter of that number, or "". */
const char *line_param(const struct line *line, size_t number);
bool line_is(const struct line *line, const char *command);
/* The value of a tag, unescaped and cut to the size; false if it is absent or
 * empty. */
bool line_tag(
	const struct line *line, const char *key, char *value, size_t size);
/* The nick, or name of the server, that a line comes from, cut to the size. */
void line_nick(const struct line *line, char *nick, size_t size);
