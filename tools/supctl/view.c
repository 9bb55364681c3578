/* view: see view.h. */
#include "tools/supctl/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tools/supctl/supctl.h"

long long
number_of(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

bool
is_true(const json_t *row, const char *key)
{
	return json_is_true(json_object_get(row, key));
}

const char *
state_color(const char *state)
{
	static const struct {
		const char *state, *color;
	} colors[] = {{"serving", "green"}, {"failed", "red"},
		{"holding", "yellow"}, {"reloading", "cyan"},
		{"starting", "cyan"}};

	for (size_t i = 0; i < sizeof(colors) / sizeof(*colors); i++)
		if (!strcmp(colors[i].state, state))
			return colors[i].color;
	return NULL;
}

/* "12s", "5m 2s", "3h 4m", "2d 5h" */
const char *
age_text(char *text, size_t size, const json_t *row, const char *key)
{
	long long s = number_of(row, key);

	if (!json_is_integer(json_object_get(row, key)))
		return NULL;
	if (s < 60)
		snprintf(text, size, "%llds", s);
	else if (s < 3600)
		snprintf(text, size, "%lldm %llds", s / 60, s % 60);
	else if (s < 86400)
		snprintf(text, size, "%lldh %lldm", s / 3600, s / 60 % 60);
	else
		snprintf(text, size, "%lldd %lldh", s / 86400, s / 3600 % 24);
	return text;
}

void
number_or_none(struct table *t, const json_t *row, const char *key)
{
	if (json_is_integer(json_object_get(row, key)))
		table_number(t, number_of(row, key));
	else
		table_text(t, NULL);
}

void
print_failures(const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *failure = supctl_text(row, "failure");

		if (*failure) {
			char *text = supctl_clean(memory_copy_text(failure));

			printf("%s failed: %s\n", supctl_text(row, "id"), text);
			free(text);
		}
	}
}
