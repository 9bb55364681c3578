#define PCRE2_CODE_UNIT_WIDTH 8
#include "pattern.h"

#include <pcre2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NESTING_MAX 100

struct pattern {
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *limits;
};

void
pattern_destroy(struct pattern *p)
{
	if (!p)
		return;
	pcre2_code_free(p->code);
	pcre2_match_data_free(p->match);
	pcre2_match_context_free(p->limits);
	free(p);
}

/* \G would be true at the beginning of each piece. */
static bool
has_start_anchor(const char *text, size_t bytes)
{
	for (size_t i = 0; i + 1 < bytes; i++)
		if (text[i] == '\\' && text[++i] == 'G')
			return true;
	return false;
}

static pcre2_code *
compile(const char *text, size_t bytes, char *why, size_t why_bytes)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	pcre2_code *code;
	PCRE2_SIZE offset = 0;
	PCRE2_UCHAR message[160];
	int error = 0;

	if (!context) {
		snprintf(why, why_bytes, "no memory");
		return NULL;
	}
	pcre2_set_max_pattern_length(context, PATTERN_BYTES_MAX);
	pcre2_set_parens_nest_limit(context, NESTING_MAX);
	code = pcre2_compile((PCRE2_SPTR)text, bytes,
		PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT,
		&error, &offset, context);
	pcre2_compile_context_free(context);
	if (code)
		return code;
	pcre2_get_error_message(error, message, sizeof(message));
	snprintf(why, why_bytes, "bad regex at byte %zu: %s", (size_t)offset,
		(const char *)message);
	return NULL;
}

struct pattern *
pattern_compile(const char *text, size_t bytes, char *why, size_t why_bytes)
{
	struct pattern *p;

	if (has_start_anchor(text, bytes)) {
		snprintf(why, why_bytes, "bad regex: \\G is not supported");
		return NULL;
	}
	p = calloc(1, sizeof(*p));
	if (!p) {
		snprintf(why, why_bytes, "no memory");
		return NULL;
	}
	p->code = compile(text, bytes, why, why_bytes);
	if (!p->code) {
		free(p);
		return NULL;
	}
	p->match = pcre2_match_data_create(1, NULL);
	p->limits = pcre2_match_context_create(NULL);
	if (!p->match || !p->limits) {
		snprintf(why, why_bytes, "no memory");
		pattern_destroy(p);
		return NULL;
	}
	pcre2_set_match_limit(p->limits, PATTERN_STEPS_MAX);
	pcre2_set_heap_limit(p->limits, PATTERN_MEMORY_KIB);
	return p;
}

/* ---- searching ---- */

static bool
is_inside_character(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

/* Beginning at `from` to `last`, both at characters. */
static int
search(struct pattern *p, const char *text, size_t bytes, size_t from,
	size_t last, struct span *span_out)
{
	PCRE2_SIZE *place;
	int result;

	pcre2_set_offset_limit(p->limits, last);
	result = pcre2_match(p->code, (PCRE2_SPTR)text, bytes, from,
		PCRE2_NO_UTF_CHECK, p->match, p->limits);
	if (result < 0)
		return result == PCRE2_ERROR_NOMATCH ? 0 : -1;
	place = pcre2_get_ovector_pointer(p->match);
	*span_out = (struct span){place[0], place[1]};
	return 1;
}

int
pattern_find(struct pattern *p, const char *text, size_t bytes, size_t from,
	struct span *span_out, struct work *work)
{
	while (from <= bytes) {
		size_t last = from + PATTERN_PIECE_BYTES;
		int result;

		if (work_is_late(work))
			return -1;
		if (last > bytes)
			last = bytes;
		while (last < bytes && is_inside_character(text[last]))
			last++;
		result = search(p, text, bytes, from, last, span_out);
		if (result < 0)
			work->why = "a regex takes too many steps";
		if (result)
			return result;
		for (from = last + 1;
			from < bytes && is_inside_character(text[from]);)
			from++;
	}
	return 0;
}
