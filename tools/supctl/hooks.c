/* hooks: who is called for which event. Rows are sorted here: by event, filters
 * in the order in which they are asked, then observers. */
#include "tools/supctl/hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/supctl/supctl.h"
#include "tools/supctl/view.h"

static const json_t *
hook_of(const json_t *row)
{
	return json_object_get(row, "hook");
}

static int
compare(const void *a, const void *b)
{
	const json_t *first = *(const json_t *const *)a;
	const json_t *second = *(const json_t *const *)b;
	const json_t *p = hook_of(first), *q = hook_of(second);
	int difference =
		strcmp(supctl_text(p, "event"), supctl_text(q, "event"));

	if (difference)
		return difference;
	if (is_true(p, "filter") != is_true(q, "filter"))
		return is_true(p, "filter") ? -1 : 1;
	if (is_true(p, "filter"))
		return number_of(p, "order") < number_of(q, "order") ? -1 : 1;
	difference = strcmp(supctl_text(first, "pluginId"),
		supctl_text(second, "pluginId"));
	return difference ? difference
			  : strcmp(supctl_text(first, "name"),
				    supctl_text(second, "name"));
}

static long long
sum_of(const json_t *counts, const char *except)
{
	const char *key;
	json_t *value;
	long long sum = 0;

	json_object_foreach((json_t *)(uintptr_t)counts, key, value)
	{
		if (!except || strcmp(key, except) != 0)
			sum += json_integer_value(value);
	}
	return sum;
}

static void
put_latency(struct table *t, const json_t *hook)
{
	const json_t *latency = json_object_get(hook, "latencyMs");
	char text[64] = "";

	if (json_is_object(latency))
		snprintf(text, sizeof(text), "%.1f/%.1f ms",
			json_number_value(json_object_get(latency, "mean")),
			json_number_value(json_object_get(latency, "max")));
	table_text(t, text);
}

static void
put_row(struct table *t, const json_t *row)
{
	const json_t *hook = hook_of(row);
	const json_t *calls = json_object_get(hook, "calls");
	bool filter = is_true(hook, "filter");
	char role[48] = "observer";

	if (filter)
		snprintf(role, sizeof(role), "filter %lld, priority %lld",
			number_of(hook, "order"), number_of(hook, "priority"));
	table_row(t);
	table_text(t, supctl_text(hook, "event"));
	table_text(t, role);
	table_text(t, supctl_text(row, "pluginId"));
	table_text(t, supctl_text(row, "name"));
	table_number(t, number_of(calls, "done"));
	table_number(t, sum_of(calls, "done"));
	table_number(t, filter ? 0 : number_of(hook, "queued"));
	table_number(t, sum_of(json_object_get(hook, "lost"), NULL));
	put_latency(t, hook);
	table_text(t, filter ? supctl_text(hook, "onError") : NULL);
}

void
hooks_print(const json_t *rows)
{
	static const struct table_column columns[] = {{"EVENT", 0, 0, 0},
		{"ROLE", 0, 0, 0}, {"PLUGIN", 0, 0, 0}, {"HOOK", 0, 1, 0},
		{"DONE", 1, 0, 0}, {"FAILED", 1, 0, 0}, {"QUEUED", 1, 0, 3},
		{"LOST", 1, 0, 2}, {"MEAN/MAX", 1, 0, 4},
		{"ON ERROR", 0, 0, 1}};
	size_t size = json_array_size(rows), count = 0;
	const json_t **sorted = calloc(size + 1, sizeof(*sorted));
	struct table *t = table_create(columns, 10, false);

	for (size_t i = 0; sorted && i < size; i++)
		if (hook_of(json_array_get(rows, i)))
			sorted[count++] = json_array_get(rows, i);
	if (sorted)
		qsort(sorted, count, sizeof(*sorted), compare);
	for (size_t i = 0; i < count; i++)
		put_row(t, sorted[i]);
	table_finish(t);
	free(sorted);
}

int
verb_hooks(const struct options *o)
{
	json_t *args = json_object(), *document;
	int exit_code;

	if (o->words[0])
		json_object_set_new(args, "event", json_string(o->words[0]));
	exit_code = supctl_ask(o, args, &document);
	if (document)
		hooks_print(json_object_get(document, "hooks"));
	json_decref(document);
	return exit_code;
}
