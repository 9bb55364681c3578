/* view: values of a plugin's row as cells and texts, for the tables. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "tools/supctl/table.h"

long long number_of(const json_t *row, const char *key);
bool is_true(const json_t *row, const char *key);
/* A colour's name, or NULL. */
const char *state_color(const char *state);
/* "12s", "5m 2s", "3h 4m", "2d 5h" into text; NULL if there is none. */
const char *age_text(
	char *text, size_t size, const json_t *row, const char *key);
void number_or_none(struct table *t, const json_t *row, const char *key);
/* The reasons of those that failed, a line each. */
void print_failures(const json_t *rows);
