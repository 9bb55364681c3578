/* compare: which key paths a change of the config names, and at what cost. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "supervisor/config/compare.h"
#include "tests/unit/files.h"

static struct config *
load(const char *yaml)
{
	struct problems problems = {0};
	struct config *config =
		config_load_text("/t.yaml", yaml, strlen(yaml), &problems);
	char *text = problems_as_text(&problems);
	cr_assert(config, "%s", text);
	free(text);
	problems_finish(&problems);
	return config;
}

/* "kind path class [plugin] [inherited]" a line. */
static void
compare_texts(const char *old_yaml, const char *new_yaml, struct buffer *out)
{
	struct config *old = load(old_yaml), *new = load(new_yaml);
	struct config_changes changes;
	config_compare(old, new, NULL, &changes);
	for (uint32_t i = 0; i < changes.count; i++) {
		const struct config_change *c = &changes.items[i];
		buffer_format(out, "%s %s %s%s%s%s\n",
			config_change_kind_name(c->kind), c->path,
			config_class_name(c->class), c->plugin ? " " : "",
			c->plugin ? c->plugin : "",
			c->inherited ? " inherited" : "");
	}
	buffer_append(out, "", 1);
	config_changes_finish(&changes);
	config_unref(old);
	config_unref(new);
}

static const struct {
	const char *old, *new, *changes;
} cases[] = {
	{"", "", ""},
	{"log: {level: info}\n", "", ""},
	{"limits: {body: 1MiB}\n", "limits: {body: 1024KiB}\n", ""},
	{"log: {level: info, format: text}\n",
		"log: {level: warn, format: json}",
		"changed log.level live\nchanged log.format live\n"},
	{"state_dir: /a\n", "", "changed state_dir restart\n"},
	{"plugin_dirs: [a]\n", "plugin_dirs: [a, b]\n",
		"changed plugin_dirs reload\n"},
	{"limits: {headers: 5}\n", "limits: {body: 1MiB}\n",
		"changed limits.headers live\nchanged limits.body live\n"},
	{"listen: [{http: \"127.0.0.1:1\"}, {http: \"unix:/a\"}]\n",
		"listen: [{http: \"unix:/a\"}, {http: \"[::1]:1\"}]\n",
		"removed listen[127.0.0.1:1] rebind\n"
		"added listen[[::1]:1] rebind\n"},
	{"admin: {peers: []}\n", "admin: {peers: [{uid: 5, role: viewer}]}\n",
		"changed admin.peers live\n"},
	{"admin: {peers: [{uid: 5, role: admin}]}\n",
		"admin: {peers: [{uid: 5, role: viewer}]}\n",
		"changed admin.peers live\n"},
	{"plugins: {a: {}, b: {}}\n", "plugins: {b: {}, c: {}}\n",
		"removed plugins.a reload a\nadded plugins.c reload c\n"},
	{"plugins: {a: {}}\n", "plugins: {a: {enabled: false}}\n",
		"changed plugins.a.enabled live a\n"},
	{"plugins: {a: {}}\n", "plugins: {a: {use: b}}\n",
		"changed plugins.a.use reload a\n"},
	{"plugins: {a: {mount: /a}}\n", "plugins: {a: {namespace: a}}\n",
		"changed plugins.a.mount reload a\n"
		"changed plugins.a.namespace reload a\n"},
	{"plugins: {a: {env: {A: 1, B: 2, C: 3}}}\n",
		"plugins: {a: {env: {D: 4, C: 3, B: 5}}}\n",
		"removed plugins.a.env.A reload a\n"
		"changed plugins.a.env.B reload a\n"
		"added plugins.a.env.D reload a\n"},
	{"plugins: {a: {settings: {x: {y: 1, z: 2}, l: [1]}}}\n",
		"plugins: {a: {settings: {x: {y: 3, z: 2, w: 1}, l: [2]}}}\n",
		"changed plugins.a.settings.x.y reload a\n"
		"added plugins.a.settings.x.w reload a\n"
		"changed plugins.a.settings.l reload a\n"},
	{"plugins: {a: {settings: {x: 1}}}\n",
		"plugins: {a: {settings: {x: {y: 1}}}}\n",
		"changed plugins.a.settings.x reload a\n"},
	{"plugins: {a: {settings: {x: 1, y: 2}}}\n",
		"plugins: {a: {settings: {y: 2, x: 1}}}\n", ""},
	{"plugins: {a: {}, b: {drain_timeout: 1s}}\n",
		"plugins: {a: {}, b: {drain_timeout: 2s}}\n",
		"changed plugins.b.drain_timeout live b\n"},
	{"plugins: {a: {}, b: {hold_max: 7}}\n",
		"defaults: {hold_max: 8}\nplugins: {a: {}, b: {hold_max: 7}}\n",
		"changed defaults.hold_max live\n"
		"changed plugins.a.hold_max live a inherited\n"},
	{"plugins: {a: {}}\n",
		"defaults: {link: native, crash: {within: 1m}}\n"
		"plugins: {a: {}}\n",
		"changed defaults.crash.within live\n"
		"changed defaults.link reload\n"
		"changed plugins.a.crash.within live a inherited\n"
		"changed plugins.a.link reload a inherited\n"},
};

Test(compare, names_paths_and_costs)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer text = {0};
		compare_texts(cases[i].old, cases[i].new, &text);
		cr_expect_str_eq((const char *)buffer_bytes(&text),
			cases[i].changes, "%s->\n%s:\n%s", cases[i].old,
			cases[i].new, (const char *)buffer_bytes(&text));
		buffer_finish(&text);
	}
}

Test(compare, names_tokens_never_their_hashes)
{
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"
	struct buffer text = {0};
	compare_texts("admin: {tokens: [{name: a, role: admin, sha256: " HASH
		      "00}, {name: b, role: admin, sha256: " HASH "00}]}\n",
		"admin: {tokens: [{name: b, role: admin, sha256: " HASH
		"01}, {name: c, role: admin, sha256: " HASH "00}]}\n",
		&text);
	cr_expect_str_eq((const char *)buffer_bytes(&text),
		"removed admin.tokens[a] live\n"
		"changed admin.tokens[b] live\n"
		"added admin.tokens[c] live\n");
	buffer_finish(&text);
}

Test(compare, answers_for_a_path)
{
	struct config *old =
		load("plugins: {a: {hold_max: 1}, b: {}, c: {}}\n");
	struct config *new =
		load("log: {level: warn}\nlisten: [{http: \"unix:/a\"}]\n"
		     "plugins: {a: {hold_max: 2, mount: /x}, b: {hold_max: 3}, "
		     "c: {}, d: {}}\n");
	struct config_changes changes;
	config_compare(old, new, NULL, &changes);
	cr_expect(config_changes_touch(&changes, "log"));
	cr_expect(config_changes_touch(&changes, "log.level"));
	cr_expect(config_changes_touch(&changes, "listen"));
	cr_expect(config_changes_touch(&changes, "plugins.a"));
	cr_expect_not(config_changes_touch(&changes, "lo"));
	cr_expect_not(config_changes_touch(&changes, "plugins.c"));
	cr_expect_not(config_changes_touch(&changes, "limits"));
	config_changes_finish(&changes);
	config_unref(old);
	config_unref(new);
}

static bool
is_a(void *user, const char *plugin_id)
{
	return !strcmp(plugin_id, user);
}

/* The settings of a plugin that takes new ones as it runs cost less; nothing
 * else of it does. */
Test(compare, settings_cost_what_the_running_manifest_says)
{
	struct config *old = load("plugins: {a: {}, b: {}}\n");
	struct config *new = load("plugins: {a: {settings: {x: {y: 1}}},"
				  " b: {settings: {x: 1}}}\n");
	char id[] = "a";
	struct config_running running = {is_a, id};
	struct config_changes changes;
	enum config_class class;

	config_compare(old, new, &running, &changes);
	cr_assert_eq(changes.count, 2);
	cr_expect_eq(changes.items[0].class, CLASS_CONFIGURE);
	cr_expect_eq(changes.items[1].class, CLASS_RELOAD);
	config_changes_finish(&changes);
	cr_expect(config_plugin_differs(
		old->plugins[0], new->plugins[0], true, &class));
	cr_expect_eq(class, CLASS_CONFIGURE);
	cr_expect(config_plugin_differs(
		old->plugins[0], new->plugins[0], false, &class));
	cr_expect_eq(class, CLASS_RELOAD);
	config_unref(new);
	new = load("plugins: {a: {settings: {x: 1}, env: {A: 1}}, b: {}}\n");
	cr_expect(config_plugin_differs(
		old->plugins[0], new->plugins[0], true, &class));
	cr_expect_eq(class, CLASS_RELOAD);
	cr_expect_not(config_plugin_differs(
		old->plugins[1], new->plugins[1], true, &class));
	config_unref(old);
	config_unref(new);
}

Test(compare, shows_changes_as_json_without_the_inherited)
{
	struct config *old = load("plugins: {a: {}}\n");
	struct config *new = load("defaults: {hold_max: 8}\n"
				  "plugins: {a: {settings: {token: hush}}}\n");
	struct config_changes changes;

	config_compare(old, new, NULL, &changes);
	json_t *view = config_changes_view(&changes);
	char *text = json_dumps(view, JSON_COMPACT);
	cr_expect_str_eq(text,
		"[{\"path\":\"defaults.hold_max\",\"kind\":\"changed\","
		"\"class\":\"live\",\"pluginId\":null,"
		"\"file\":\"/t.yaml\",\"line\":1},"
		"{\"path\":\"plugins.a.settings.token\",\"kind\":\"added\","
		"\"class\":\"reload\",\"pluginId\":\"a\","
		"\"file\":\"/t.yaml\",\"line\":2}]");
	free(text);
	json_decref(view);
	config_changes_finish(&changes);
	config_unref(old);
	config_unref(new);
}

Test(compare, the_keys_that_differ_are_reasons_once_each)
{
	struct config *old = load("plugins: {a: {settings: {x: 1, y: 2}}}\n");
	struct config *new = load("plugins: {a: {settings: {x: 2, y: 3}, "
				  "hold_max: 3, env: {A: b}}}\n");
	json_t *reasons = config_plugin_reasons(
		config_plugin(old, "a"), config_plugin(new, "a"));
	char *text = json_dumps(reasons, JSON_COMPACT);
	cr_expect_str_eq(text, "[\"env\",\"settings\",\"hold_max\"]");
	free(text);
	json_decref(reasons);
	reasons = config_plugin_reasons(
		config_plugin(new, "a"), config_plugin(new, "a"));
	cr_expect_eq(json_array_size(reasons), 0);
	json_decref(reasons);
	config_unref(old);
	config_unref(new);
}

Test(compare, what_only_a_restart_changes_is_kept_and_told_again)
{
	struct config *old = load("state_dir: /a\n");
	struct config *new = load("runtime_dir: /r\nstate_dir: /b\n"
				  "log: {level: warn}\n");
	struct config_changes changes;
	config_keep_unchangeable(new, old);
	cr_expect_str_eq(new->state_dir, "/a");
	cr_expect_null(new->runtime_dir);
	config_compare(old, new, NULL, &changes);
	cr_expect_eq(changes.count, 1);
	cr_expect_str_eq(changes.items[0].path, "log.level");
	config_changes_finish(&changes);
	config_unref(old);
	config_unref(new);
}

/* The line of the key, or else of what is around it; what is gone has none. */
Test(compare, names_where_the_new_config_has_it)
{
	static const struct {
		const char *path;
		uint32_t line;
	} places[] = {
		{"log.level", 3},
		{"listen[unix:/a]", 0},
		{"listen[unix:/b]", 1},
		{"plugins.a.settings.x", 7},
		{"plugins.a.settings.l", 8},
		{"plugins.z", 0},
		{"plugins.b", 10},
	};
	struct config *old = load("listen: [{http: \"unix:/a\"}]\n"
				  "plugins: {a: {}, z: {}}\n");
	struct config *new = load("listen: [{http: \"unix:/b\"}]\n"
				  "log:\n  level: warn\n"
				  "plugins:\n  a:\n    settings:\n"
				  "      x: {y: 1}\n      l:\n        [1]\n"
				  "  b: {}\n");
	struct config_changes changes;

	config_compare(old, new, NULL, &changes);
	cr_assert_eq(changes.count, sizeof(places) / sizeof(*places));
	for (uint32_t i = 0; i < changes.count; i++) {
		const struct config_change *c = &changes.items[i];

		cr_expect_str_eq(c->path, places[i].path);
		cr_expect_eq(
			c->line, places[i].line, "%s: %u", c->path, c->line);
		cr_expect_eq(
			c->file != NULL, places[i].line != 0, "%s", c->path);
	}
	config_changes_finish(&changes);
	config_unref(old);
	config_unref(new);
}
