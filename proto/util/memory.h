/* memory: allocation that ends the process, here only, when there is no
 * memory. Results are never NULL; the caller owns them and calls free(). */
#pragma once

#include <stddef.h>

void *memory_alloc(size_t bytes); /* zeroed */
void *memory_resize(void *old, size_t bytes);
char *memory_copy_text(const char *text);		 /* NULL gives NULL */
char *memory_copy_bytes(const void *bytes, size_t size); /* NUL is added */
char *memory_format(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
