/* cause: why a transaction was begun, as its receipt and the history show it:
 * {"text": one sentence, "file"?, "changes"?: as in a plan}. Who asked is in
 * the receipt's `trigger` and `by`. */
#pragma once

#include <jansson.h>

struct plugin;

/* A new {"text": …}; text of at most CAUSE_TEXT_MAX bytes. */
#define CAUSE_TEXT_MAX 512
json_t *cause_create(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
/* Notes it for the plugin's transaction in progress, if there is one that has
 * none yet; takes the reference. */
void cause_note(struct plugin *p, json_t *cause);
