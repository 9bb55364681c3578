/* cause: why a transaction was begun, as its receipt and the history show it:
 * {"text": a sentence, "file"?, "changes"?: as in a plan}. `trigger` and `by`
 * of the receipt say by whom. */
#pragma once

#include <jansson.h>

struct plugin;

/* A new {"text": …}; text of at most CAUSE_TEXT_MAX bytes. */
#define CAUSE_TEXT_MAX 512
json_t *cause_create(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
/* Notes the cause of the plugin's transaction in progress, unless that has one;
 * takes the reference. */
void cause_note(struct plugin *p, json_t *cause);
