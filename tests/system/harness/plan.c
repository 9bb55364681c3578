/* plan: reads documents of plan and apply; a row that is missing fails the
 * test. */
#include "tests/system/harness/plan.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/memory.h"
#include "tests/system/harness/files.h"

/* More lines of supd.yaml; the caller's text is copied. */
void
plan_extra(struct gateway_run *g, const char *text)
{
	free(g->extra);
	g->extra = memory_copy_text(text);
}

void
plan_put_in(struct gateway_run *g, const char *name, const char *text)
{
	char *folder = memory_format("%s/conf.d", g->dir);
	char *path = memory_format("%s/%s", folder, name);

	mkdir(folder, 0700);
	files_write(path, "%s", text);
	free(path);
	free(folder);
}

/* The row of a list whose key has that value; NULL: none. */
json_t *
plan_row(const struct ctl *c, const char *list, const char *key,
	const char *value)
{
	json_t *row;
	size_t i;

	json_array_foreach(ctl_at(c, list), i, row)
	{
		const char *text = json_string_value(json_object_get(row, key));

		if (text && !strcmp(text, value))
			return row;
	}
	return NULL;
}

const char *
plan_text(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

void
plan_expect_step(const struct ctl *c, const char *id, const char *action,
	const char *reason)
{
	json_t *row = plan_row(c, "plugins", "pluginId", id), *word;
	bool found = !reason;
	size_t i;

	cr_assert(row, "nothing is planned for %s: %s", id, c->out);
	cr_expect_str_eq(plan_text(row, "action"), action);
	json_array_foreach(json_object_get(row, "reasons"), i, word) found =
		found || !strcmp(json_string_value(word), reason);
	cr_expect(found, "%s is not for '%s': %s", id, reason, c->out);
}

void
plan_expect_change(const struct ctl *c, const char *path, const char *kind,
	const char *class)
{
	json_t *row = plan_row(c, "changes", "path", path);

	cr_assert(row, "%s is no change: %s", path, c->out);
	cr_expect_str_eq(plan_text(row, "kind"), kind);
	cr_expect_str_eq(plan_text(row, "class"), class);
}

long
plan_table_generation(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "routes", NULL);
	long number = ctl_number(c, "tableGeneration");

	ctl_destroy(c);
	return number;
}
