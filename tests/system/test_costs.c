/* Every key that is not live costs what the reference says: plan has its class
 * and its place, and apply does that and no more. A key without a row here
 * fails the test. Live keys are in test_live. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/config/tables.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"

TestSuite(costs, .fini = run_fini, .timeout = 300);

/* A value in conf.d whose key supd.yaml does not have. "plugins.KEY" is a key
 * of the plugin `other`. */
struct cost {
	const char *path, *value;
	bool reloads; /* `other` */
};

#define OTHER_LINK "*" /* than that of TEST_LINK */

static const struct cost costs[] = {
	{"runtime_dir", "/nowhere/r", false},
	{"state_dir", "/nowhere/s", false},
	{"listen", NULL, false},       /* below */
	{"listen.http", NULL, false},  /* likewise */
	{"plugin_dirs", NULL, false},  /* test_packages */
	{"defaults.link", NULL, true}, /* below */
	{"plugins.use", "twin", true},
	{"plugins.mount", "/new", true},
	{"plugins.namespace", "new", true},
	{"plugins.env", "{NEW: x}", true},
	{"plugins.settings", "{new: x}", true},
	{"plugins.link", OTHER_LINK, true},
};

static const struct cost *
find(const char *path)
{
	for (size_t i = 0; i < SCHEMA_COUNT_OF(costs); i++)
		if (!strcmp(costs[i].path, path))
			return &costs[i];
	return NULL;
}

static const struct schema_row *
row_of(const struct schema_table *table, const char *name)
{
	for (const struct schema_row *r = table->rows; r->type; r++)
		if (r->name && !strcmp(r->name, name))
			return r;
	return NULL;
}

/* ---- all rows are here ---- */

static void
expect_listed(const struct schema_table *table, const char *prefix)
{
	for (const struct schema_row *r = table->rows; r->type; r++) {
		char path[128];

		snprintf(path, sizeof(path), "%s%s", prefix,
			r->name ? r->name : "");
		if (r->type == SCHEMA_SECTION) {
			strcat(path, ".");
			expect_listed(r->table, path);
		} else if (r->name && r->class != CLASS_LIVE && !r->later &&
			   r->type != SCHEMA_OWN) {
			cr_expect(find(path), "%s is %s and not tried", path,
				config_class_name(r->class));
		}
	}
}

Test(costs, every_key_that_is_not_live_is_tested)
{
	expect_listed(&config_table, "");
	expect_listed(row_of(&config_table, "listen")->table, "listen.");
	expect_listed(&plugin_table, "plugins.");
}

/* ---- each costs that ---- */

static enum config_class
class_of(const char *path)
{
	const struct schema_row *r =
		!strncmp(path, "plugins.", 8) ? row_of(&plugin_table, path + 8)
		: !strncmp(path, "defaults.", 9)
			? row_of(&plugin_limits_table, path + 9)
			: row_of(&config_table, path);

	if (!r) /* the limits of a plugin are those of `defaults` */
		r = row_of(&plugin_limits_table, path + 8);
	cr_assert(r, "%s", path);
	return r->class;
}

static const char *
other_link(void)
{
	const char *link = getenv("TEST_LINK");

	return link && !strcmp(link, "native") ? "nng" : "native";
}

static const char *
value_of(const struct cost *cost)
{
	return strcmp(cost->value, OTHER_LINK) ? cost->value : other_link();
}

/* The entry of `other`, with that key if there is one. */
static char *
entry_of(const struct cost *cost)
{
	static const char *const own[][2] = {
		{"use", "fault"}, {"mount", "/other"}, {"namespace", "other"}};
	const char *key = cost && !strncmp(cost->path, "plugins.", 8)
				  ? cost->path + 8
				  : "";
	char *text = *key ? memory_format("%s: %s", key, value_of(cost))
			  : memory_copy_text("enabled: true");

	for (size_t i = 0; i < SCHEMA_COUNT_OF(own); i++) {
		char *all;

		if (!strcmp(key, own[i][0]))
			continue;
		all = memory_format("%s, %s: %s", text, own[i][0], own[i][1]);
		free(text);
		text = all;
	}
	return text;
}

static void
put(struct gateway_run *g, const struct cost *cost)
{
	const char *path = cost ? cost->path : "plugins.";
	char *entry = entry_of(cost);
	char *text = memory_format("plugins:\n  other: {%s}\n", entry);
	char *more = !strncmp(path, "plugins.", 8)
			     ? memory_copy_text("{}\n")
			     : memory_format("%s: %s\n", path, cost->value);

	plan_put_in(g, "other.yaml", text);
	plan_put_in(g, "more.yaml", more);
	free(entry);
	free(text);
	free(more);
}

static void
try_key(struct gateway_run *g, const struct cost *cost)
{
	enum config_class class = class_of(cost->path);
	long fault = ctl_status_number(g, "fault", "pid");
	long other = ctl_status_number(g, "other", "pid");
	const char *key = strchr(cost->path, '.');
	bool is_found = false;
	struct ctl *c;
	json_t *row;
	size_t i;

	key = key ? key + 1 : cost->path;
	put(g, cost);
	c = ctl_expect(g, 0, "plan", NULL);
	json_array_foreach(ctl_at(c, "changes"), i, row)
	{
		const char *path = plan_text(row, "path");

		if (!strstr(path, key))
			continue;
		is_found = true;
		cr_expect_str_eq(plan_text(row, "class"),
			config_class_name(class), "%s: %s", path, c->out);
		cr_expect(json_is_string(json_object_get(row, "file")));
		cr_expect_gt(
			json_integer_value(json_object_get(row, "line")), 0);
	}
	cr_expect(is_found, "%s is no change: %s", cost->path, c->out);
	ctl_destroy(c);
	c = ctl_run(g, "apply", NULL);
	cr_expect_eq(c->exit_code == 0, class != CLASS_RESTART, "%s: %d %s",
		cost->path, c->exit_code, c->out);
	ctl_destroy(c);
	cr_expect_eq(
		ctl_status_number(g, "fault", "pid"), fault, "%s", cost->path);
	cr_expect_eq(ctl_status_number(g, "other", "pid") != other,
		cost->reloads, "%s", cost->path);
	put(g, NULL);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
}

Test(costs, each_is_planned_and_applied_as_its_class_says)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_package(g, "fault", "twin");
	run_fault(g, "twin", "", "");
	run_defaults(g, "");
	put(g, NULL);
	run_start(g);
	g->may_grow = true;
	for (size_t i = 0; i < SCHEMA_COUNT_OF(costs); i++)
		if (costs[i].value)
			try_key(g, &costs[i]);
	run_end(g);
}

Test(costs, another_default_link_reloads_every_plugin)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	long pid;

	run_add_fault(g);
	run_start(g);
	pid = ctl_status_number(g, "fault", "pid");
	setenv("TEST_LINK", other_link(), 1); /* of this test's process */
	run_write_config(g);
	c = ctl_expect(g, 0, "plan", NULL);
	plan_expect_change(c, "defaults.link", "changed", "reload");
	plan_expect_step(c, "fault", "reload", NULL);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_neq(ctl_status_number(g, "fault", "pid"), pid);
	run_end(g);
}

Test(costs, a_listener_is_rebound_and_no_worker_is_replaced)
{
	struct gateway_run *g = run_create();
	char before[sizeof(g->http)];
	struct client client;
	struct ctl *c;
	long pid;

	run_add_fault(g);
	run_start(g);
	pid = ctl_status_number(g, "fault", "pid");
	memcpy(before, g->http, sizeof(before));
	snprintf(g->http, sizeof(g->http), "%s/new.sock", g->dir);
	run_write_config(g);
	c = ctl_expect(g, 0, "plan", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "changes")), 2, "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "changes.0.class"), "rebind");
	cr_expect_str_eq(ctl_text(c, "changes.1.class"), "rebind");
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(http_pid(g->http, "/fault"), pid);
	cr_expect_not(client_open(&client, before));
	run_end(g);
}
