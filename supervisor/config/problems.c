/* problems: keeps the first PROBLEMS_MAX of them and counts the rest. What a
 * file put into a text is made printable here, so that no file can write to
 * the terminal of who reads the problems. */
#include "supervisor/config/problems.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

#define TEXT_BYTES_MAX 600

void
problems_init(struct problems *p)
{
	*p = (struct problems){0};
}

void
problems_finish(struct problems *p)
{
	for (uint32_t i = 0; i < p->count; i++) {
		free(p->items[i].file);
		free(p->items[i].text);
	}
	free(p->items);
	problems_init(p);
}

static void
make_printable(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
}

/* A text cut in the middle of a character loses that character. */
static void
end_at_character(char *text, size_t length)
{
	while (length && ((unsigned char)text[length - 1] & 0xc0) == 0x80)
		length--;
	if (length && (unsigned char)text[length - 1] >= 0xc0)
		length--;
	text[length] = '\0';
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
	char text[TEXT_BYTES_MAX];
	int length = vsnprintf(text, sizeof(text), format, arguments);
	if (length < 0)
		text[0] = '\0';
	else if ((size_t)length >= sizeof(text))
		end_at_character(text, sizeof(text) - 1);
	make_printable(text);
	p->items = memory_resize(p->items, (p->count + 1) * sizeof(*p->items));
	p->items[p->count++] = (struct problem){
		.file = memory_copy_text(file ? file : ""),
		.line = line,
		.column = column,
		.warning = warning,
		.text = memory_copy_text(text),
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

/* The place of the first problem in the same file. */
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

char *
problem_text(const struct problem *p)
{
	const char *mark = p->warning ? "warning: " : "";
	if (!p->line)
		return memory_format("%s: %s%s", p->file, mark, p->text);
	return memory_format(
		"%s:%u:%u: %s%s", p->file, p->line, p->column, mark, p->text);
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
