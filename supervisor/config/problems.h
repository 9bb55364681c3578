/* problems: what is wrong with the files that were read, all of it at once,
 * each with its place. Texts name keys and files, never setting values. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PROBLEMS_MAX 200 /* later ones are only counted */

struct problem {
	char *file;
	uint32_t line, column; /* from 1; 0 where there is no such place */
	bool warning;	       /* told, but fails nothing */
	char *text;	       /* one sentence without a final full stop */
};

struct problems {
	struct problem *items;
	uint32_t count;
	uint32_t errors, warnings; /* also those beyond PROBLEMS_MAX */
};

void problems_init(struct problems *p); /* all zero bytes are valid too */
void problems_finish(struct problems *p);
void problems_add(struct problems *p, const char *file, uint32_t line,
	uint32_t column, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void problems_warn(struct problems *p, const char *file, uint32_t line,
	uint32_t column, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* By file, in the order in which the files first had one, then by place. */
void problems_sort(struct problems *p);
/* "file:line:column: message", a warning as "…: warning: message". The caller
 * frees. */
char *problem_text(const struct problem *p);
/* Every problem on a line of its own, then how many more there were. */
void problems_print(const struct problems *p, FILE *out);
