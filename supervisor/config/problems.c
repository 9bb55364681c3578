/* problems: keeps the first PROBLEMS_MAX problems and counts the rest. Quoted
 * text is made printable, so that no file can send control sequences to a
 * reader's terminal. */
#include "supervisor/config/problems.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clean.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"

void
problems_finish(struct problems *p)
{
	for (uint32_t i = 0; i < p->count; i++) {
		free(p->items[i].file);
		free(p->items[i].text);
	}
	free(p->items);
	for (uint32_t i = 0; i < p->unread_count; i++)
		free(p->unread[i]);
	free(p->unread);
	*p = (struct problems){0};
}

void
problems_note_unread(struct problems *p, const char *path)
{
	if (p->unread_count == PROBLEMS_MAX)
		return;
	p->unread = memory_resize(
		p->unread, (p->unread_count + 1) * sizeof(*p->unread));
	p->unread[p->unread_count++] = memory_copy_text(path);
}

/* Formats a printable text of bounded length, which the caller frees. */
static char *__attribute__((format(printf, 1, 0)))
format_text(const char *format, va_list arguments)
{
	char *text;

	if (vasprintf(&text, format, arguments) < 0)
		return memory_copy_text(strerror(ENOMEM));
	clean_text(text, "");
	text_shorten(text, PROBLEM_TEXT_BYTES);
	return text;
}

static void __attribute__((format(printf, 6, 0)))
add(struct problems *p, const char *file, uint32_t line, uint32_t column,
	bool warning, const char *format, va_list arguments)
{
	if (warning)
		p->warnings++;
	else
		p->errors++;
	if (p->count == PROBLEMS_MAX)
		return;
	p->items = memory_resize(p->items, (p->count + 1) * sizeof(*p->items));
	p->items[p->count++] = (struct problem){
		.file = memory_copy_text(file ? file : ""),
		.line = line,
		.column = column,
		.warning = warning,
		.text = format_text(format, arguments),
	};
}

void
problems_add(struct problems *p, const char *file, uint32_t line,
	uint32_t column, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	add(p, file, line, column, false, format, arguments);
	va_end(arguments);
}

void
problems_warn(struct problems *p, const char *file, uint32_t line,
	uint32_t column, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	add(p, file, line, column, true, format, arguments);
	va_end(arguments);
}

/* The index of the first problem in the same file. */
static uint32_t
file_rank(const struct problems *p, uint32_t i)
{
	uint32_t rank = 0;
	while (strcmp(p->items[rank].file, p->items[i].file) != 0)
		rank++;
	return rank;
}

static bool
is_before(const struct problem *a, const struct problem *b)
{
	return a->line != b->line ? a->line < b->line : a->column < b->column;
}

void
problems_sort(struct problems *p)
{
	for (uint32_t i = 1; i < p->count; i++) {
		uint32_t rank = file_rank(p, i), to = i;
		struct problem moving = p->items[i];
		while (to > rank &&
			(file_rank(p, to - 1) > rank ||
				is_before(&moving, &p->items[to - 1])))
			to--;
		memmove(&p->items[to + 1], &p->items[to],
			(i - to) * sizeof(moving));
		p->items[to] = moving;
	}
}

void
problems_mark_unknown(struct problems *p)
{
	if (p->count == p->errors + p->warnings)
		p->items[p->count - 1].is_unknown_key = true;
}

void
problems_unknown_first(struct problems *p)
{
	uint32_t to = 0;

	for (uint32_t i = 0; i < p->count; i++) {
		struct problem moving = p->items[i];

		if (!moving.is_unknown_key)
			continue;
		memmove(&p->items[to + 1], &p->items[to],
			(i - to) * sizeof(moving));
		p->items[to++] = moving;
	}
}

char *
problem_text(const struct problem *p)
{
	const char *mark = p->warning ? "warning: " : "";
	char *text;

	if (!p->line)
		text = memory_format("%s: %s%s", p->file, mark, p->text);
	else
		text = memory_format("%s:%u:%u: %s%s", p->file, p->line,
			p->column, mark, p->text);
	return clean_text(text, "");
}

void
problems_print(const struct problems *p, FILE *out)
{
	for (uint32_t i = 0; i < p->count; i++) {
		char *text = problem_text(&p->items[i]);
		fprintf(out, "%s\n", text);
		free(text);
	}
	uint32_t more = p->errors + p->warnings - p->count;
	if (more)
		fprintf(out, "and %u more problems\n", more);
}
