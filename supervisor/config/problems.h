/* problems: all errors and warnings about the files that were read, each with
 * its position. Texts name keys and files, never values of settings. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PROBLEMS_MAX 200       /* later ones are only counted */
#define PROBLEM_TEXT_BYTES 600 /* longer ones are cut in the middle */

struct problem {
	char *file;
	uint32_t line, column; /* from 1; 0: unknown */
	bool warning;	       /* reported, but not an error */
	bool is_unknown_key;   /* often the cause of other problems */
	char *text;	       /* one sentence without a final full stop */
};

struct problems {
	struct problem *items;
	uint32_t count;
	uint32_t errors, warnings; /* also those beyond PROBLEMS_MAX */
	/* Files of references that could not be read, at most PROBLEMS_MAX;
	 * each is also an error. */
	char **unread;
	uint32_t unread_count;
};

void problems_finish(struct problems *p);
void problems_add(struct problems *p, const char *file, uint32_t line,
	uint32_t column, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void problems_warn(struct problems *p, const char *file, uint32_t line,
	uint32_t column, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

void problems_note_unread(struct problems *p, const char *path);
/* Sorts by file, in the order of their first problems, then by position. */
void problems_sort(struct problems *p);
/* Marks the last problem as that of an unknown key. */
void problems_mark_unknown(struct problems *p);
/* Moves problems of unknown keys before all others. */
void problems_unknown_first(struct problems *p);
/* "file:line:column: message", a warning as "…: warning: message". The caller
 * frees. */
char *problem_text(const struct problem *p);
/* Prints a line per problem, then the number of further ones. */
void problems_print(const struct problems *p, FILE *out);
