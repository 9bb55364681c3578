/* memory: out of memory, the process ends here and nowhere else. */
#include "proto/util/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void __attribute__((noreturn)) memory_is_out(void)
{
	static const char text[] = "out of memory\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		abort();
	abort();
}

void *
memory_alloc(size_t bytes)
{
	void *memory = calloc(1, bytes ? bytes : 1);

	if (!memory)
		memory_is_out();
	return memory;
}

void *
memory_resize(void *old, size_t bytes)
{
	void *memory = realloc(old, bytes ? bytes : 1);

	if (!memory)
		memory_is_out();
	return memory;
}

char *
memory_copy_text(const char *text)
{
	return text ? memory_copy_bytes(text, strlen(text)) : NULL;
}

char *
memory_copy_bytes(const void *bytes, size_t size)
{
	char *copy;

	if (size == SIZE_MAX)
		memory_is_out();
	copy = malloc(size + 1);
	if (!copy)
		memory_is_out();
	if (size)
		memcpy(copy, bytes, size);
	copy[size] = '\0';
	return copy;
}

char *
memory_format(const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		memory_is_out();
	va_end(args);
	return text;
}
