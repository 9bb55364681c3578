/* test_changes: what a commit would change, before it does. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/route/changes.h"

static struct route_table *table;
static struct error err;

static void
setup(void)
{
	table = route_table_create();
}

static void
teardown(void)
{
	route_table_destroy(table);
}

TestSuite(changes, .init = setup, .fini = teardown);

enum { TOOLS_MAX = 64 };

static char names[TOOLS_MAX][400];
static struct registration items[TOOLS_MAX];
static struct registration_set set = {.items = items};

/* A tool, for the next prepare(). */
static void
tool(const char *name, const char *description)
{
	char *copy = names[set.count];

	snprintf(copy, sizeof(names[0]), "%s", name);
	registration_init(&items[set.count], REGISTRATION_TOOL);
	items[set.count].name = copy;
	items[set.count].description = (char *)(uintptr_t)description;
	set.count++;
}

static struct route_edit *
prepare(void)
{
	struct route_edit *e = route_edit_prepare(
		table, 1, &set, NULL, "space", NULL, NULL, &err);

	cr_assert(e, "%s", err.text);
	set.count = 0;
	return e;
}

static void
expect(const struct route_changes *c, enum route_change what,
	const char *expected)
{
	char found[400] = "";

	for (uint32_t i = 0; i < c->of[what].named; i++) {
		strcat(found, i ? " " : "");
		strcat(found, c->of[what].names[i]);
	}
	cr_expect_str_eq(
		found, expected, "%s: %s", route_change_texts[what], found);
}

Test(changes, are_what_comes_goes_and_is_declared_in_another_way)
{
	struct route_changes c;
	struct route_edit *e;

	tool("a", "one");
	tool("b", "two");
	tool("c", "three");
	e = prepare();
	route_changes_of_edit(&c, e);
	expect(&c, ROUTE_ADDED, "tool:space.a tool:space.b tool:space.c");
	cr_expect(route_changes_any(&c));
	route_changes_finish(&c);
	route_edit_commit(e, 10);
	tool("c", "three");
	tool("b", "changed");
	tool("d", "four");
	e = prepare();
	route_changes_of_edit(&c, e);
	expect(&c, ROUTE_ADDED, "tool:space.d");
	expect(&c, ROUTE_REMOVED, "tool:space.a");
	expect(&c, ROUTE_CHANGED, "tool:space.b");
	route_changes_finish(&c);
	route_edit_commit(e, 11);
}

Test(changes, are_none_where_all_stays)
{
	struct route_changes c;
	struct route_edit *e;

	tool("a", "one");
	tool("b", "two");
	route_edit_commit(prepare(), 10);
	tool("a", "one");
	tool("b", "two");
	e = prepare();
	route_changes_of_edit(&c, e);
	cr_expect_not(route_changes_any(&c));
	route_edit_discard(e);
	tool("b", "two"); /* in another order */
	tool("a", "one");
	e = prepare();
	route_changes_of_edit(&c, e);
	cr_expect_not(route_changes_any(&c));
	route_edit_discard(e);
	route_changes_of_removal(&c, table, 2);
	cr_expect_not(route_changes_any(&c));
}

Test(changes, of_a_removal_are_all_rows_of_the_plugin)
{
	struct route_changes c;

	tool("a", "one");
	tool("b", "two");
	route_edit_commit(prepare(), 10);
	route_changes_of_removal(&c, table, 1);
	expect(&c, ROUTE_REMOVED, "tool:space.a tool:space.b");
	route_changes_finish(&c);
}

Test(changes, are_all_counted_and_some_named)
{
	struct route_changes c;
	char name[300];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	tool(name, "too long for a list");
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "tool-%d", i);
		tool(name, "one of many");
	}
	route_edit_commit(prepare(), 10);
	route_changes_of_removal(&c, table, 1);
	cr_expect_eq(c.of[ROUTE_REMOVED].count, 31);
	cr_expect_eq(c.of[ROUTE_REMOVED].named, ROUTE_CHANGE_NAMES_MAX);
	cr_expect_str_eq(c.of[ROUTE_REMOVED].names[0], "tool:space.tool-0");
	route_changes_finish(&c);
}
