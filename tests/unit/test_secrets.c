/* secrets: what stands for them in supd.yaml, and that they are shown nowhere.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/config/compare.h"
#include "supervisor/config/interpolate.h"
#include "supervisor/config/manifest.h"
#include "supervisor/config/secret.h"
#include "tests/unit/files.h"

/* The folder's supd.yaml, or NULL with what was wrong in *told_out. */
static struct config *
load(const struct folder *f, const char *yaml, char **told_out)
{
	struct problems problems = {0};
	char *path = folder_path(f, "supd.yaml");
	struct config *config;

	folder_write(f, "supd.yaml", yaml);
	config = config_load(path, &problems);
	*told_out = folder_mask(f, problems_as_text(&problems));
	problems_finish(&problems);
	free(path);
	return config;
}

/* Settings, settings as shown and variables of plugin `a`, a line each. */
static char *
texts_of(const struct config *config)
{
	const struct plugin_config *a = config->plugins[0];
	char *real = json_dumps(a->settings, JSON_COMPACT);
	char *shown = json_dumps(a->settings_shown, JSON_COMPACT);
	char *text = memory_format("%s\n%s\n%s\n%s\n", real, shown,
		a->env.count ? a->env.items[0] : "",
		a->env.count ? a->env_shown.items[0] : "");

	free(real);
	free(shown);
	return text;
}

static const struct {
	const char *plugin; /* the entry of plugin a */
	const char *texts;
} good[] = {
	{"settings: {a: \"${env:S_NAME}\"}",
		"{\"a\":\"v alue\"}\n{\"a\":\"${env:S_NAME}\"}\n\n\n"},
	{"settings: {a: \"<${env:S_NAME}|${file:/F/s}>\"}",
		"{\"a\":\"<v alue|line 1\\nline 2>\"}\n"
		"{\"a\":\"<${env:S_NAME}|${file:D/s}>\"}\n\n\n"},
	/* beside the file; one newline goes, a second stays */
	{"settings: {a: \"${file:s}\", b: \"${file:./two}\"}",
		"{\"a\":\"line 1\\nline 2\",\"b\":\"x\\n\"}\n"
		"{\"a\":\"${file:D/s}\",\"b\":\"${file:D/two}\"}\n\n\n"},
	{"settings: {a: [1, {b: [\"${env:S_EMPTY}\"]}]}",
		"{\"a\":[1,{\"b\":[\"\"]}]}\n"
		"{\"a\":[1,{\"b\":[\"${env:S_EMPTY}\"]}]}\n\n\n"},
	/* text, also where it looks like a number */
	{"settings: {a: \"${env:S_PORT}\"}",
		"{\"a\":\"8080\"}\n{\"a\":\"${env:S_PORT}\"}\n\n\n"},
	/* escapes; what a reference brings is not looked at again */
	{"settings: {a: \"$${env:S_NAME}\", b: \"$5 $ $$x\", c: "
	 "\"${env:S_REF}\"}",
		"{\"a\":\"${env:S_NAME}\",\"b\":\"$5 $ $$x\","
		"\"c\":\"${env:S_NAME}\"}\n"
		"{\"a\":\"$${env:S_NAME}\",\"b\":\"$5 $ $$x\","
		"\"c\":\"${env:S_REF}\"}\n\n\n"},
	{"env: {TZ: \"x${env:S_NAME}\"}",
		"{}\n{}\nTZ=xv alue\nTZ=x${env:S_NAME}\n"},
	{"env: {TZ: 5}", "{}\n{}\nTZ=5\nTZ=5\n"},
	/* by the name of the key */
	{"settings: {password: hush, pin: 1, user: u}",
		"{\"password\":\"hush\",\"pin\":1,\"user\":\"u\"}\n"
		"{\"password\":\"***\",\"pin\":1,\"user\":\"u\"}\n\n\n"},
	{"settings: {credentials: {user: u, n: 12, on: true, none: ~, l: [a]}}",
		"{\"credentials\":{\"user\":\"u\",\"n\":12,\"on\":true,"
		"\"none\":null,\"l\":[\"a\"]}}\n"
		"{\"credentials\":{\"user\":\"***\",\"n\":\"***\",\"on\":true,"
		"\"none\":null,\"l\":[\"***\"]}}\n\n\n"},
	/* a reference may be seen, a text beside it may not */
	{"settings: {token: \"${env:S_NAME}\", key: \"abc${env:S_NAME}\","
	 " secret: \"$${x\"}",
		"{\"token\":\"v alue\",\"key\":\"abcv alue\","
		"\"secret\":\"${x\"}\n"
		"{\"token\":\"${env:S_NAME}\",\"key\":\"***\","
		"\"secret\":\"***\"}\n\n\n"},
	{"settings: {db: \"postgres://u:hush@host/x\","
	 " web: \"http://h:80/a@b:c\"}",
		"{\"db\":\"postgres://u:hush@host/x\","
		"\"web\":\"http://h:80/a@b:c\"}\n"
		"{\"db\":\"***\",\"web\":\"http://h:80/a@b:c\"}\n\n\n"},
	{"env: {API_KEY: hush}", "{}\n{}\nAPI_KEY=hush\nAPI_KEY=***\n"},
	{"env: {API_KEY: \"${file:two}\"}",
		"{}\n{}\nAPI_KEY=x\n\nAPI_KEY=${file:D/two}\n"},
	/* a default, for one that is not set or is empty; it counts as text */
	{"settings: {a: \"${env:S_NONE:-off}\", b: \"${env:S_EMPTY:-a:-b}\","
	 " c: \"${env:S_NAME:-off}\", d: \"${env:S_NONE:-}\"}",
		"{\"a\":\"off\",\"b\":\"a:-b\",\"c\":\"v alue\",\"d\":\"\"}\n"
		"{\"a\":\"${env:S_NONE:-off}\",\"b\":\"${env:S_EMPTY:-a:-b}\","
		"\"c\":\"${env:S_NAME:-off}\",\"d\":\"${env:S_NONE:-}\"}"
		"\n\n\n"},
	{"settings: {token: \"${env:S_NAME:-hush}\"}",
		"{\"token\":\"v alue\"}\n{\"token\":\"***\"}\n\n\n"},
	/* what systemd passes */
	{"settings: {token: \"${credential:two}\"}",
		"{\"token\":\"x\\n\"}\n"
		"{\"token\":\"${credential:two}\"}\n\n\n"},
};

static void
set_variables(void)
{
	setenv("S_NAME", "v alue", 1);
	setenv("S_EMPTY", "", 1);
	setenv("S_PORT", "8080", 1);
	setenv("S_REF", "${env:S_NAME}", 1);
	setenv("S_BYTES", "\xff", 1);
	unsetenv("S_NONE");
}

/* "/F/" in a text as the folder's path. */
static char *
in_folder(const struct folder *f, const char *text)
{
	const char *at = strstr(text, "/F/");

	return at ? memory_format(
			    "%.*s%s%s", (int)(at - text), text, f->path, at + 2)
		  : memory_copy_text(text);
}

Test(secrets, are_read_from_variables_and_files)
{
	struct folder f = folder_make();

	set_variables();
	folder_write(&f, "s", "line 1\nline 2\n");
	folder_write(&f, "two", "x\n\n");
	setenv("CREDENTIALS_DIRECTORY", f.path, 1);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char *entry = in_folder(&f, good[i].plugin), *told;
		char *yaml = memory_format("plugins: {a: {%s}}\n", entry);
		struct config *config = load(&f, yaml, &told);

		cr_assert(config, "%s: %s", yaml, told);
		char *texts = folder_mask(&f, texts_of(config));
		cr_expect_str_eq(texts, good[i].texts, "%s\n%s", yaml, texts);
		free(texts);
		free(told);
		free(yaml);
		free(entry);
		config_unref(config);
	}
	folder_remove(&f);
}

static const struct {
	const char *plugin, *problem;
} bad[] = {
	{"settings: {a: \"${env:S_NONE}\"}",
		"15: 'a': environment variable 'S_NONE' is not set"},
	{"settings: {l: [{k: \"x${file:none}\"}]}",
		"20: 'k': 'D/none' cannot be opened: No such file or "
		"directory"},
	{"env: {A: \"${env:S_NONE}\"}",
		"10: 'A': environment variable 'S_NONE' is not set"},
	{"settings: {a: \"${file:folder}\"}",
		"15: 'a': 'D/folder' is not a regular file"},
	{"settings: {a: \"${file:huge}\"}",
		"15: 'a': 'D/huge' larger than 64 KiB"},
	{"settings: {a: \"${file:nul}\"}",
		"15: 'a': 'D/nul' has a NUL byte in it"},
	{"settings: {a: \"${file:latin}\"}", "15: 'a': 'D/latin' is not UTF-8"},
	{"settings: {a: \"${env:S_BYTES}\"}",
		"15: 'a': the variable 'S_BYTES' is not UTF-8"},
	{"settings: {a: \"${env:}\"}",
		"15: 'a': ${env:} must have the name of a variable: letters, "
		"digits and _, no digit first"},
	{"settings: {a: \"${env:hush hush}\"}",
		"15: 'a': ${env:} must have the name of a variable: letters, "
		"digits and _, no digit first"},
	{"settings: {a: \"${env:S NONE:-off}\"}",
		"15: 'a': ${env:} must have the name of a variable: letters, "
		"digits and _, no digit first"},
	{"settings: {a: \"${env:S_NONE-off}\"}",
		"15: 'a': ${env:} must have the name of a variable: letters, "
		"digits and _, no digit first"},
	{"settings: {a: \"${file:}\"}", "15: 'a': ${file:} must have a path"},
	{"settings: {a: \"${env:S_NAME\"}",
		"15: 'a': a ${ begins ${env:NAME}, ${file:PATH} or "
		"${credential:NAME}; the text "
		"itself is written $${"},
	{"settings: {a: \"${S_NAME}\"}",
		"15: 'a': a ${ begins ${env:NAME}, ${file:PATH} or "
		"${credential:NAME}; the text "
		"itself is written $${"},
	{"settings: {a: \"${credential:two}\"}",
		"15: 'a': supd was started without credentials; "
		"LoadCredential= in its unit passes 'two'"},
	{"settings: {a: \"${credential:../two}\"}",
		"15: 'a': ${credential:} must have the name of a credential"},
	{"settings: {a: \"${credential:}\"}",
		"15: 'a': ${credential:} must have the name of a credential"},
	{"settings: {\"${env:S_NAME}\": 1}",
		"12: 'settings': ${env:}, ${file:} and ${credential:} stand "
		"only in values, "
		"not in keys"},
	{"use: \"${env:S_NAME}\"",
		"6: 'use': ${env:}, ${file:} and ${credential:} stand only in "
		"'settings' and "
		"'env' of plugins"},
};

Test(secrets, that_cannot_be_read_are_told_with_their_place)
{
	struct folder f = folder_make();
	char *huge = memory_alloc(REFERENCE_FILE_BYTES_MAX + 2);

	set_variables();
	unsetenv("CREDENTIALS_DIRECTORY");
	memset(huge, 'x', REFERENCE_FILE_BYTES_MAX + 1);
	folder_write(&f, "huge", huge);
	free(huge);
	folder_write(&f, "folder/x", "");
	folder_write(&f, "latin", "caf\xe9");
	char *path = folder_path(&f, "nul");
	FILE *out = fopen(path, "w");
	cr_assert(out);
	fwrite("a\0b", 1, 3, out);
	fclose(out);
	free(path);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *yaml =
			memory_format("plugins:\n a:\n  {%s}\n", bad[i].plugin);
		char *told;

		/* the column counts from the entry's brace */
		char *moved = memory_format("D/supd.yaml:3:%lu%s\n",
			strtoul(bad[i].problem, NULL, 10) + 3,
			strchr(bad[i].problem, ':'));
		cr_expect_null(load(&f, yaml, &told));
		cr_expect_str_eq(told, moved, "%s\n%s", yaml, told);
		free(moved);
		free(told);
		free(yaml);
	}
	folder_remove(&f);
}

Test(secrets, take_64_KiB_and_no_more_than_a_message)
{
	struct folder f = folder_make();
	char *full = memory_alloc(REFERENCE_FILE_BYTES_MAX + 1), *told;
	struct config *config;

	memset(full, 'x', REFERENCE_FILE_BYTES_MAX);
	folder_write(&f, "full", full);
	config = load(
		&f, "plugins: {a: {settings: {k: \"${file:full}\"}}}\n", &told);
	cr_assert(config, "%s", told);
	cr_expect_eq(json_string_length(json_object_get(
			     config->plugins[0]->settings, "k")),
		REFERENCE_FILE_BYTES_MAX);
	free(told);
	config_unref(config);

	char yaml[1000] = "plugins: {a: {settings: {k: \"";
	for (int i = 0; i < 17; i++)
		strcat(yaml, "${file:full}");
	strcat(yaml, "\"}}}\n");
	cr_expect_null(load(&f, yaml, &told));
	cr_expect_str_eq(told, "D/supd.yaml:1:29: 'k': longer than 1 MiB with "
			       "what its references stand for\n");
	free(told);
	free(full);
	folder_remove(&f);
}

Test(secrets, that_changed_are_a_change_of_their_path)
{
	static const char yaml[] = "plugins: {a: {settings: {k: \"${file:s}\"},"
				   " env: {E: \"${env:S_NAME}\"}}}\n";
	struct folder f = folder_make();
	struct config_changes changes;
	struct config *old, *same, *new;
	char *told;

	set_variables();
	folder_write(&f, "s", "one");
	old = load(&f, yaml, &told);
	cr_assert(old, "%s", told);
	free(told);
	same = load(&f, yaml, &told);
	free(told);
	config_compare(old, same, NULL, &changes);
	cr_expect_eq(changes.count, 0);
	config_changes_finish(&changes);
	folder_write(&f, "s", "two");
	setenv("S_NAME", "other", 1);
	new = load(&f, yaml, &told);
	free(told);
	config_compare(old, new, NULL, &changes);
	cr_assert_eq(changes.count, 2);
	cr_expect_str_eq(changes.items[0].path, "plugins.a.env.E");
	cr_expect_str_eq(changes.items[1].path, "plugins.a.settings.k");
	config_changes_finish(&changes);
	config_unref(old);
	config_unref(same);
	config_unref(new);
	folder_remove(&f);
}

Test(secrets, are_known_by_their_keys)
{
	static const char *const secret[] = {"password", "PASSWORD",
		"db_password", "dbPasswd", "token", "bot-token", "authToken",
		"client_secret", "api_key", "apiKey", "APIKey", "key", "keys",
		"private.key", "credential", "Credentials", "authorization",
		"Proxy-Authorization", "passphrase", "pwd", "pass"};
	static const char *const open[] = {"", "user", "keyboard", "monkey",
		"keepalive", "compass", "passive", "server", "k", "path"};

	for (size_t i = 0; i < sizeof(secret) / sizeof(*secret); i++)
		cr_expect(secret_is_key(secret[i]), "%s", secret[i]);
	for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++)
		cr_expect_not(secret_is_key(open[i]), "%s", open[i]);
}

/* ---- what is shown of the whole ---- */

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static json_t *
at(json_t *value, const char *path)
{
	char *copy = memory_copy_text(path), *rest = copy, *key;

	while (value && (key = strsep(&rest, "/")))
		value = json_is_array(value)
				? json_array_get(value, strtoul(key, NULL, 10))
				: json_object_get(value, key);
	free(copy);
	return value;
}

static void
expect_text(json_t *view, const char *path, const char *text)
{
	const char *found = json_string_value(at(view, path));

	cr_expect(found && !strcmp(found, text), "%s: %s", path,
		found ? found : "no text");
}

Test(secrets, stand_in_nothing_that_is_shown)
{
	static const char yaml[] =
		"admin: {tokens: [{name: a, role: viewer, sha256: " HASH "}]}\n"
		"plugins:\n"
		"  a:\n"
		"    env: {DB_TOKEN: hush1, X: \"${env:HUSH}\"}\n"
		"    settings:\n"
		"      password: hush2\n"
		"      server: {url: \"amqp://u:hush3@h/\", key: 1234567}\n"
		"      other: \"${file:hush}\"\n";
	struct folder f = folder_make();
	char *told;

	setenv("HUSH", "hush4", 1);
	folder_write(&f, "hush", "hush5\n");
	struct config *config = load(&f, yaml, &told);
	cr_assert(config, "%s", told);
	json_t *view = config_view(config, NULL);
	char *text = json_dumps(view, 0);
	for (char number[] = "hush1"; number[4] <= '5'; number[4]++)
		cr_expect_not(strstr(text, number), "%s: %s", number, text);
	cr_expect_not(strstr(text, "1234567"));
	cr_expect_not(strstr(text, HASH));
	expect_text(view, "admin/tokens/0/sha256", ZEROS);
	expect_text(view, "plugins/a/settings/password", "***");
	expect_text(view, "plugins/a/settings/server/key", "***");
	expect_text(view, "plugins/a/env/X", "${env:HUSH}");
	free(text);
	free(told);
	json_decref(view);
	config_unref(config);
	folder_remove(&f);
}

Test(view, has_every_default_in_the_units_of_the_file)
{
	static char runtime_dir[] = "/run/x", state_dir[] = "/var/x";
	struct config_in_force in_force = {
		runtime_dir, state_dir, LOG_DEBUG, LOG_JSON};
	struct folder f = folder_make();
	char *told;
	struct config *config = load(&f,
		"plugin_dirs: [p]\nlisten: [{http: \"localhost:80\"}]\n"
		"limits: {head: 16384B}\ndefaults: {stream_drain: 60m}\n"
		"plugins: {a: {}, b: {link: native, hold_timeout: 0}}\n",
		&told);

	cr_assert(config, "%s", told);
	json_t *view = config_view(config, &in_force);
	expect_text(view, "runtime_dir", "/run/x");
	expect_text(view, "state_dir", "/var/x");
	expect_text(view, "log/level", "debug");
	expect_text(view, "log/format", "json");
	expect_text(view, "listen/0/http", "127.0.0.1:80");
	expect_text(view, "limits/head", "16KiB");
	expect_text(view, "limits/idle_timeout", "75s");
	expect_text(view, "defaults/stream_drain", "1h");
	expect_text(view, "defaults/link", "nng");
	expect_text(view, "plugins/a/use", "a");
	expect_text(view, "plugins/a/stream_drain", "1h");
	expect_text(view, "plugins/b/hold_timeout", "0");
	expect_text(view, "plugins/b/link", "native");
	cr_expect(at(view, "plugins/a/settings"));
	/* its package may say, and what is shown must not overrule that */
	cr_expect_null(at(view, "plugins/a/link"));
	cr_expect_eq(json_integer_value(at(view, "limits/headers")), 100);
	char *dir = folder_path(&f, "p");
	expect_text(view, "plugin_dirs/0", dir);
	free(dir);
	free(told);
	json_decref(view);
	config_unref(config);
	folder_remove(&f);
}
