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

static void
print_sentence(const json_t *row, const char *key, const char *verb)
{
	const char *said = supctl_text(row, key);
	char *text;

	if (!*said)
		return;
	text = supctl_clean(memory_copy_text(said));
	printf("%s %s: %s\n", supctl_text(row, "id"), verb, text);
	free(text);
}

/* Why it was restarted, as far as the last time goes. */
static void
print_restart(const json_t *row)
{
	const json_t *exit = json_object_get(row, "lastExit");
	char *why;

	if (!number_of(row, "restarts") || !json_is_object(exit))
		return;
	why = supctl_clean(memory_copy_text(supctl_text(exit, "reason")));
	printf("%s was restarted: worker %lld of generation %lld: %s\n",
		supctl_text(row, "id"), number_of(exit, "pid"),
		number_of(exit, "generation"), why);
	free(why);
}

static void
print_idle(const json_t *row, const json_t *idle, const char *what)
{
	const char *state = supctl_text(idle, "state");
	char *why;

	if (!json_is_object(idle) || !strcmp(state, "running") ||
		!strcmp(state, "up"))
		return;
	why = supctl_clean(memory_copy_text(supctl_text(idle, "text")));
	printf("%s: %s%s %s%s%s\n", supctl_text(row, "id"), what,
		supctl_text(idle, "name"),
		strcmp(state, "failed") ? "waits" : "failed", *why ? ": " : "",
		why);
	free(why);
}

static void
print_each_idle(const json_t *row, const char *key, const char *what)
{
	const json_t *list = json_object_get(row, key);

	for (size_t i = 0; i < json_array_size(list); i++)
		print_idle(row, json_array_get(list, i), what);
}

/* Services and channels that do not run. */
static void
print_services(const json_t *row)
{
	if (strcmp(supctl_text(row, "state"), "serving") != 0)
		return;
	print_idle(row, json_object_get(row, "take"), "take");
	print_each_idle(row, "services", "service ");
	print_each_idle(row, "channels", "channel ");
}

void
print_failures(const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);

		print_sentence(row, "failure",
			!strcmp(supctl_text(row, "state"), "failed")
				? "failed"
				: "cannot start now");
		print_restart(row);
		print_services(row);
		print_sentence(row, "stateLost", "lost its stored state");
		print_sentence(row, "runsOlder", "runs an older version");
	}
}
