#include "markdown.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct reduction {
	const char *text; /* all of it */
	const char *at;
	char *out;
	size_t used;
	bool is_code; /* between fences */
};

static void
put(struct reduction *r, const char *bytes, size_t size)
{
	memcpy(r->out + r->used, bytes, size);
	r->used += size;
}

/* [text](url), from "[" on; false if it is none. */
static bool
take_link(struct reduction *r)
{
	const char *text = r->at + 1, *middle, *end;
	size_t length = strcspn(text, "[]\n");

	middle = text + length;
	if (strncmp(middle, "](", 2) != 0)
		return false;
	end = middle + 2 + strcspn(middle + 2, ") \n");
	if (*end != ')')
		return false;
	put(r, text, length);
	put(r, " (", 2);
	put(r, middle + 2, (size_t)(end - middle - 2));
	put(r, ")", 1);
	r->at = end + 1;
	return true;
}

/* `code`, from the first "`" on. */
static bool
take_code(struct reduction *r)
{
	const char *end = r->at + 1 + strcspn(r->at + 1, "`\n");

	if (*end != '`')
		return false;
	put(r, r->at + 1, (size_t)(end - r->at - 1));
	r->at = end + 1;
	return true;
}

/* The length of the mark of emphasis that is here: a pair, or a single "*" or
 * "_" at one side of a word. */
static size_t
mark(const struct reduction *r)
{
	char c = *r->at;
	bool is_before = r->at > r->text && isalnum((unsigned char)r->at[-1]);
	size_t length = r->at[1] == c ? 2 : 1;
	bool is_after = isalnum((unsigned char)r->at[length]);

	if (c == '~')
		return length == 2 ? 2 : 0;
	if (c != '*' && c != '_')
		return 0;
	if (c == '_' && is_before && is_after)
		return 0;
	return length == 2 || is_before != is_after ? length : 0;
}

/* What only the beginning of a line can have. False: the line is gone. */
static bool
begin_line(struct reduction *r)
{
	size_t level;

	if (!strncmp(r->at, "```", 3)) {
		r->is_code = !r->is_code;
		r->at += strcspn(r->at, "\n");
		r->at += *r->at == '\n';
		return false;
	}
	level = r->is_code ? 0 : strspn(r->at, "#");
	if (level && level <= 6 && r->at[level] == ' ')
		r->at += level + 1;
	return true;
}

static void
take_one(struct reduction *r)
{
	size_t length;

	if (*r->at == '\\' && ispunct((unsigned char)r->at[1]))
		r->at++;
	else if ((*r->at == '[' && take_link(r)) ||
		 (*r->at == '`' && take_code(r)))
		return;
	else if ((length = mark(r))) {
		r->at += length;
		return;
	}
	put(r, r->at++, 1);
}

char *
markdown_reduce(const char *text)
{
	/* each link is at least "[](" and ")", and becomes " (" and ")" */
	struct reduction r = {
		.text = text, .at = text, .out = malloc(strlen(text) + 1)};

	if (!r.out)
		return NULL;
	while (*r.at) {
		if ((r.at == text || r.at[-1] == '\n') && !begin_line(&r))
			continue;
		if (r.is_code || *r.at == '\n')
			put(&r, r.at++, 1);
		else if (*r.at)
			take_one(&r);
	}
	r.out[r.used] = '\0';
	return r.out;
}
