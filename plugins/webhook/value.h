/* value: settings that are strings and lists, with errors that name them. */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* Writes the reason; -1. */
int value_fail(char why[256], const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The string at `key`, without controls; the caller frees. An absent one
 * leaves *text_out as it is. */
int value_text(
	const json_t *map, const char *key, char **text_out, char why[256]);
/* Strings as those above; the caller frees them, even if this failed. */
int value_list(const json_t *map, const char *key, char **items, size_t max,
	size_t *count_out, char why[256]);
/* It must be a map with no other keys than these; NULL ends the list. */
int value_check_keys(
	const json_t *map, const char *const *known, char why[256]);
