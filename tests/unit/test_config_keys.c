/* config_keys: each key that supd.yaml and plugin.yaml are promised to have
 * changes what is read, or is refused as not supported yet; none is ignored.
 * A row that a table gains and this file does not is a failure. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "supervisor/config/manifest.h"
#include "supervisor/config/tables.h"
#include "tests/unit/files.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* A value that is not the default; `later`: refused so far. */
struct key {
	const char *path, *value;
	bool later;
};

static const struct key file_keys[] = {
	{"runtime_dir", "/r", false},
	{"state_dir", "/s", false},
	{"log.level", "debug", false},
	{"log.format", "json", false},
	{"listen", "[{http: \"127.0.0.1:1\"}]", false},
	{"listen.http", NULL, false}, /* by the one before */
	{"listen.tls", "[{http: \"127.0.0.1:1\", tls: {cert: a, key: b}}]",
		true},
	{"plugin_dirs", "[/p]", false},
	{"log.access", "json", false},
	{"log.access_file", "a.log", false},
	{"limits.head", "2KiB", false},
	{"limits.headers", "7", false},
	{"limits.body", "7B", false},
	{"limits.connections", "7", false},
	{"limits.head_timeout", "7s", false},
	{"limits.body_timeout", "7s", false},
	{"limits.idle_timeout", "7s", false},
	{"limits.write_timeout", "7s", false},
	{"admin.tokens", "[{name: a, role: viewer, sha256: \"" HASH "\"}]",
		false},
	{"admin.tokens.name", NULL, false},
	{"admin.tokens.role", NULL, false},
	{"admin.tokens.sha256", NULL, false},
	{"admin.peers", "[{uid: 7, role: viewer}, {gid: 7, role: admin}]",
		false},
	{"admin.peers.uid", NULL, false},
	{"admin.peers.gid", NULL, false},
	{"admin.peers.role", NULL, false},
	{"admin.chat", "[{channel: irc, from: \"a!*\", role: operator}]",
		false},
	{"admin.chat.channel", NULL, false},
	{"admin.chat.from", NULL, false},
	{"admin.chat.role", NULL, false},
	{"admin.notify", "[{channel: irc, chat: \"#ops\", what: all}]", false},
	{"admin.notify.channel", NULL, false},
	{"admin.notify.chat", NULL, false},
	{"admin.notify.what", NULL, false},
	{"admin.http", "false", false},
	{"admin.metrics", "token", false},
	{"admin.origins", "[\"https://a.example\"]", false},
	{"trusted_proxies", "[127.0.0.1/32]", false},
	{"reload.on_sighup", "advise", false},
	{"messages.keep", "7h", false},
	{"messages.max", "7GiB", false},
	{"messages.sync", "normal", false},
	{"telemetry.endpoint", "http://127.0.0.1:4318", false},
	{"telemetry.headers", "{a: \"${env:PATH}\"}", false},
	{"telemetry.sampling", "0.5", false},
	{"telemetry.follow", "all", false},
	{"telemetry.resource", "{service.name: a}", false},
	{"telemetry.traces", "false", false},
	{"telemetry.metrics", "true", false},
	{"telemetry.interval", "7s", false},
	{"telemetry.logs", "true", false},
	{"telemetry.timeout", "7s", false},
	{"reload.watch", "true", false},
	{"reload.debounce", "7s", false},
};

static const struct key plugin_keys[] = {
	{"use", "b", false},
	{"enabled", "false", false},
	{"required", "true", false},
	{"watch", "true", false},
	{"requires", "[other]", false},
	{"reload_with_required", "true", false},
	{"resend_unknown", "true", false},
	{"mount", "/m", false},
	{"namespace", "n", false},
	{"env", "{A: b}", false},
	{"settings", "{a: 1}", false},
	{"sandbox", "{}", true},
};

/* In `defaults`, and of each plugin for itself. */
static const struct key limit_keys[] = {
	{"start_timeout", "7s", false},
	{"health_timeout", "7s", false},
	{"drain_timeout", "7s", false},
	{"stream_drain", "7s", false},
	{"stop_timeout", "7s", false},
	{"hold_timeout", "7s", false},
	{"hold_max", "7", false},
	{"hold_bytes", "7B", false},
	{"max_in_flight", "7", false},
	{"max_websockets", "7", false},
	{"request_timeout", "7s", false},
	{"ping_timeout", "7s", false},
	{"probation", "7s", false},
	{"max_retiring", "7", false},
	{"crash.early_max", "7", false},
	{"crash.within", "7s", false},
	{"link", "native", false},
};

/* Those without a value: test_manifest reads them. */
static const struct key manifest_keys[] = {
	{"name", NULL, false},
	{"version", NULL, false},
	{"run", NULL, false},
	{"exec", NULL, false},
	{"health.call", NULL, false},
	{"health.probes", NULL, false},
	{"health.probes.http", NULL, false},
	{"health.probes.expect", NULL, false},
	{"state.export", NULL, false},
	{"state.version", NULL, false},
	{"state.optional", NULL, false},
	{"configure", NULL, false},
	{"keep", NULL, false},
	{"requires", NULL, false},
	{"share", NULL, false},
	{"link", NULL, false},
	{"settings", NULL, false},
	{"reload", "exclusive", false},
	{"watch.include", NULL, false},
	{"watch.ignore", NULL, false},
	{"watch.also", NULL, false},
	{"watch.settings", NULL, false},
	{"watch.run", NULL, false},
	{"watch.run_timeout", NULL, false},
	{"sandbox", "{}", true},
};

/* `around` with `inner` in place of its '%'. */
static char *
put_in(const char *around, const char *inner)
{
	const char *at = strchr(around, '%');

	return memory_format(
		"%.*s%s%s", (int)(at - around), around, inner, at + 1);
}

/* "a.b" and "c" as "a: {b: c}" within `around`. */
static char *
yaml_of(const char *around, const struct key *key)
{
	const char *dot = strchr(key->path, '.');
	bool of_list = *key->value == '[';
	struct buffer inner = {0};
	char *text;

	if (dot && of_list && !strncmp(key->path, "listen", 6))
		buffer_format(&inner, "listen: %s", key->value);
	else if (dot)
		buffer_format(&inner, "%.*s: {%s: %s}", (int)(dot - key->path),
			key->path, dot + 1, key->value);
	else
		buffer_format(&inner, "%s: %s", key->path, key->value);
	buffer_append(&inner, "", 1);
	text = put_in(around, (const char *)buffer_bytes(&inner));
	buffer_finish(&inner);
	return text;
}

static struct config *
load(const char *yaml, char **problems_out)
{
	struct problems problems = {0};
	struct config *config =
		config_load_text("/t.yaml", yaml, strlen(yaml), &problems);

	*problems_out = problems_as_text(&problems);
	problems_finish(&problems);
	return config;
}

/* What is shown of a config is the same config, but for masked hashes. */
static void
check_view(const struct config *config, const char *yaml)
{
	json_t *view = config_view(config, NULL);
	char *json = json_dumps(view, JSON_INDENT(1)), *told;
	struct config *again = load(json, &told);
	struct config_changes changes;

	cr_assert(again, "%s: %s", json, told);
	config_compare(config, again, NULL, &changes);
	for (uint32_t i = 0; i < changes.count; i++)
		cr_expect(!strncmp(changes.items[i].path, "admin.tokens[", 13),
			"%s shows another %s", yaml, changes.items[i].path);
	config_changes_finish(&changes);
	cr_expect_not(strstr(json, HASH));
	free(told);
	free(json);
	json_decref(view);
	config_unref(again);
}

static void
check_key(const char *around, const char *prefix, const struct key *key)
{
	char *yaml, *empty, *told, *path;
	struct config *before, *after;
	struct config_changes changes;

	if (!key->value)
		return;
	yaml = yaml_of(around, key);
	empty = put_in(around, "");
	path = memory_format("%s%s", prefix, key->path);
	before = load(empty, &told);
	cr_assert(before, "%s: %s", empty, told);
	free(told);
	after = load(yaml, &told);
	if (key->later) {
		cr_expect(!after && strstr(told, "not supported yet"), "%s: %s",
			yaml, told);
	} else {
		cr_assert(after, "%s: %s", yaml, told);
		config_compare(before, after, NULL, &changes);
		cr_expect(config_changes_touch(&changes, path),
			"%s changes nothing at %s", yaml, path);
		config_changes_finish(&changes);
		check_view(after, yaml);
	}
	free(told);
	free(yaml);
	free(empty);
	free(path);
	config_unref(before);
	config_unref(after);
}

#define EACH(keys, key)                                                        \
	(const struct key *key = keys;                                         \
		key < keys + sizeof(keys) / sizeof(*keys); key++)

Test(config_keys, of_the_file_have_an_effect_or_are_refused)
{
	for
		EACH(file_keys, key)
	check_key("%\n", "", key);
}

Test(config_keys, of_defaults_and_plugins_have_an_effect_or_are_refused)
{
	for
		EACH(limit_keys, key)
		{
			check_key("defaults: {%}\n", "defaults.", key);
			check_key("plugins: {a: {%}}\n", "plugins.a.", key);
			/* `defaults` reach a plugin that says nothing else. */
			check_key("plugins: {a: {}}\ndefaults: {%}\n",
				"plugins.a.", key);
		}
	for
		EACH(plugin_keys, key)
	check_key("plugins: {a: {%}, other: {}}\n", "plugins.a.", key);
}

static void
check_later(const struct key *key)
{
	char *yaml = yaml_of("name: a\nversion: 1\nexec: [sh]\n%\n", key);
	struct problems problems = {0};
	struct manifest *manifest =
		manifest_load_text("/p/a", yaml, strlen(yaml), &problems);
	char *told = problems_as_text(&problems);

	cr_expect(!manifest && strstr(told, "not supported yet"), "%s: %s",
		yaml, told);
	free(told);
	free(yaml);
	problems_finish(&problems);
}

Test(config_keys, of_manifests_that_come_later_are_refused)
{
	for
		EACH(manifest_keys, key)
	if (key->later)
		check_later(key);
}

/* ---- nothing is forgotten here ---- */

static bool
is_listed(const struct key *keys, size_t count, const char *path)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(keys[i].path, path))
			return true;
	return false;
}

static void
check_rows(const struct schema_table *table, const char *prefix,
	const struct key *keys, size_t count)
{
	for (const struct schema_row *row = table->rows; row->type; row++) {
		char *path;

		if (row->type == SCHEMA_INLINE ||
			row->table == &plugin_limits_table ||
			row->table == &plugin_table)
			continue;
		path = memory_format("%s%s", prefix, row->name);
		if (row->type != SCHEMA_SECTION)
			cr_expect(is_listed(keys, count, path),
				"no row here for %s", path);
		if (row->table) {
			char *inner = memory_format("%s.", path);

			check_rows(row->table, inner, keys, count);
			free(inner);
		}
		free(path);
	}
}

#define CHECK_ROWS(table, keys)                                                \
	check_rows(&table, "", keys, sizeof(keys) / sizeof(*keys))

Test(config_keys, of_the_tables_are_all_tried)
{
	CHECK_ROWS(config_table, file_keys);
	CHECK_ROWS(plugin_table, plugin_keys);
	CHECK_ROWS(plugin_limits_table, limit_keys);
	CHECK_ROWS(manifest_table, manifest_keys);
}

/* ---- chats ---- */

static void
expect_problem(const char *yaml, const char *problem)
{
	char *told;
	struct config *config = load(yaml, &told);

	cr_expect(strstr(told, problem), "%s: %s", yaml, told);
	config_unref(config);
	free(told);
}

Test(config_keys, of_chats_are_checked)
{
	static const struct {
		const char *yaml, *problem;
	} rows[] = {
		{"admin:\n  chat:\n  - {channel: irc, from: a, role: king}\n",
			"/t.yaml:3:35: 'role' must be one of viewer, operator, "
			"admin"},
		{"admin:\n  chat:\n  - {channel: irc, role: viewer}\n",
			"/t.yaml:3:5: 'from' is missing"},
		{"admin:\n  chat:\n  - {channel: a b, from: a, role: viewer}\n",
			"/t.yaml:3:15: 'channel' must be the full name of a "
			"channel"},
		{"admin:\n  chat:\n  - {channel: a, from: \"\", role: "
		 "viewer}\n",
			"/t.yaml:3:24: 'from' must not be empty"},
		{"admin:\n  chat:\n  - {channel: a, from: \"**\", role: "
		 "viewer}\n",
			"/t.yaml:3:24: warning: 'from': '**' gives the role to "
			"every verified sender of the channel"},
		{"admin:\n  chat: alice\n",
			"/t.yaml:2:9: 'chat' must be a list"},
		{"admin:\n  notify:\n  - {channel: irc, chat: c, what: some}\n",
			"/t.yaml:3:35: 'what' must be one of failures, all"},
		{"admin:\n  notify:\n  - {channel: irc}\n",
			"/t.yaml:3:5: 'chat' is missing"},
		{"admin:\n  notify:\n  - {channel: irc, chat: c, who: me}\n",
			"/t.yaml:3:29: unknown key 'who'"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		expect_problem(rows[i].yaml, rows[i].problem);
}

Test(config_keys, chats_to_be_told_have_a_limit)
{
	struct buffer yaml = {0};

	buffer_append_text(&yaml, "admin:\n  notify:\n");
	for (unsigned i = 0; i < 65; i++)
		buffer_format(&yaml, "  - {channel: irc, chat: c%u}\n", i);
	buffer_append(&yaml, "", 1);
	expect_problem((const char *)buffer_bytes(&yaml),
		"/t.yaml:3:3: 'notify' must not have more than 64 elements");
	buffer_finish(&yaml);
}
