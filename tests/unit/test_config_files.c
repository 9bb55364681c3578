/* config_files: which files make up a config, how they merge, and JSON. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/config/compare.h"
#include "supervisor/config/manifest.h"
#include "tests/unit/files.h"

/* conf.d/N.yaml beside supd.yaml, in this order; "" is no file. */
static const struct {
	const char *name;
	const char *main, *first, *second;
	const char *same_as; /* as one file; NULL: see problems */
	const char *problems;
} merges[] = {
	{"maps at any depth",
		"defaults: {crash: {early_max: 7}, hold_max: 7}\n",
		"defaults: {crash: {within: 7s}}\nlog: {level: warn}\n",
		"defaults: {link: native}\nlog: {format: json}\n",
		"defaults: {crash: {early_max: 7, within: 7s}, hold_max: 7,"
		" link: native}\nlog: {level: warn, format: json}\n",
		""},
	{"plugins of several files", "plugins: {a: {}}\n",
		"plugins: {b: {hold_max: 7}}\n", "plugins: {c: {}}\n",
		"plugins: {a: {}, b: {hold_max: 7}, c: {}}\n", ""},
	{"a map with nothing in it yet", "plugins:\nlog:\n",
		"plugins: {a: {}}\nlog: {level: warn}\n", "plugins:\n",
		"plugins: {a: {}}\nlog: {level: warn}\n", ""},
	{"an empty file", "", "plugins: {a: {}}\n", "# nothing\n",
		"plugins: {a: {}}\n", ""},
	{"JSON in a file of YAML", "log: {level: warn}\n",
		"{\"plugins\": {\"a\": {\"hold_max\": 7}}}\n", "",
		"log: {level: warn}\nplugins: {a: {hold_max: 7}}\n", ""},
	{"a leaf twice", "log: {level: warn}\n", "log: {format: json}\n",
		"log:\n  format: json\n", NULL,
		"D/conf.d/2.yaml:2:3: 'format' is set already in "
		"D/conf.d/1.yaml:1:7\n"},
	{"a deep leaf twice", "defaults: {crash: {within: 7s}}\n",
		"defaults:\n  crash:\n    within: 7s\n", "", NULL,
		"D/conf.d/1.yaml:3:5: 'within' is set already in "
		"D/supd.yaml:1:20\n"},
	{"a plugin twice", "plugins: {a: {}}\n",
		"plugins:\n  a: {hold_max: 7}\n", "plugins: {b: {}, a: {}}\n",
		NULL,
		"D/conf.d/1.yaml:2:3: 'a' is set already in D/supd.yaml:1:11\n"
		"D/conf.d/2.yaml:1:18: 'a' is set already in "
		"D/supd.yaml:1:11\n"},
	{"an empty plugin twice", "plugins: {a: }\n",
		"plugins:\n  a: {hold_max: 7}\n", "", NULL,
		"D/conf.d/1.yaml:2:3: 'a' is set already in "
		"D/supd.yaml:1:11\n"},
	{"a list twice", "plugin_dirs: [p]\nadmin: {peers: []}\n",
		"plugin_dirs: [q]\n", "admin: {peers: []}\n", NULL,
		"D/conf.d/1.yaml:1:1: 'plugin_dirs' is set already in "
		"D/supd.yaml:1:1\n"
		"D/conf.d/2.yaml:1:9: 'peers' is set already in "
		"D/supd.yaml:2:9\n"
		"D/supd.yaml:1:15: warning: folder D/p does not exist\n"},
	{"a map and a value", "log: {level: warn}\n", "log: warn\n", "", NULL,
		"D/conf.d/1.yaml:1:1: 'log' is set already in "
		"D/supd.yaml:1:1\n"},
	{"all problems of all files", "lisen: []\n",
		"plugins:\n  a: {drain_timeuot: 1s}\n", "log: [\n", NULL,
		"D/conf.d/2.yaml:2:1: not YAML: did not find expected node "
		"content while parsing a flow node\n"
		"D/supd.yaml:1:1: unknown key 'lisen'; did you mean "
		"'listen'?\n"
		"D/conf.d/1.yaml:2:7: unknown key 'drain_timeuot'; did you "
		"mean 'drain_timeout'?\n"},
};

static struct config *
load(const struct folder *f, const char *name, char **told_out)
{
	struct problems problems = {0};
	char *path = folder_path(f, name);
	struct config *config = config_load(path, &problems);

	*told_out = folder_mask(f, problems_as_text(&problems));
	problems_finish(&problems);
	free(path);
	return config;
}

static bool
is_same(const struct config *a, const struct config *b)
{
	struct config_changes changes;

	config_compare(a, b, NULL, &changes);
	bool same = !changes.count;
	config_changes_finish(&changes);
	return same && a->plugin_count == b->plugin_count;
}

Test(config_files, merge_as_is_promised)
{
	for (size_t i = 0; i < sizeof(merges) / sizeof(merges[0]); i++) {
		struct folder f = folder_make();
		struct config *config, *whole = NULL;
		char *told;

		folder_write(&f, "supd.yaml", merges[i].main);
		folder_write(&f, "conf.d/1.yaml", merges[i].first);
		folder_write(&f, "conf.d/2.yaml", merges[i].second);
		config = load(&f, "supd.yaml", &told);
		cr_expect_str_eq(told, merges[i].problems, "%s: %s",
			merges[i].name, told);
		free(told);
		cr_expect_eq(!config, !merges[i].same_as);
		if (merges[i].same_as) {
			folder_write(&f, "one/supd.yaml", merges[i].same_as);
			whole = load(&f, "one/supd.yaml", &told);
			cr_assert(whole, "%s", told);
			free(told);
			cr_expect(is_same(config, whole), "%s", merges[i].name);
		}
		config_unref(config);
		config_unref(whole);
		folder_remove(&f);
	}
}

Test(config_files, that_are_passed_over_are_told)
{
	struct folder f = folder_make();
	struct config *config;
	char *told;

	folder_write(&f, "supd.yaml", "");
	folder_write(&f, "conf.d/a.yml", "nonsense\n");
	folder_write(&f, "conf.d/b.json", "nonsense\n");
	folder_write(&f, "conf.d/.c.yaml", "nonsense\n");
	folder_write(&f, "conf.d/d.yaml~", "nonsense\n");
	folder_write(&f, "conf.d/d.yaml.bak", "nonsense\n");
	folder_write(&f, "conf.d/d.yaml.dpkg-old", "nonsense\n");
	folder_write(&f, "conf.d/README", "nonsense\n");
	config = load(&f, "supd.yaml", &told);
	cr_expect(config);
	cr_expect_str_eq(told,
		"D/conf.d/a.yml: warning: is not read: of this folder only "
		"*.yaml is\n"
		"D/conf.d/b.json: warning: is not read: of this folder only "
		"*.yaml is\n",
		"%s", told);
	free(told);
	config_unref(config);
	folder_remove(&f);
}

Test(config_files, that_cannot_be_read_are_told)
{
	struct folder f = folder_make();
	char *told;

	folder_write(&f, "supd.yaml", "");
	folder_write(&f, "conf.d/a.yaml/x", "");
	cr_expect_null(load(&f, "supd.yaml", &told));
	cr_expect_str_eq(told, "D/conf.d/a.yaml: is not a regular file\n");
	free(told);
	folder_write(&f, "other/supd.yaml", "");
	folder_write(&f, "other/conf.d", "");
	cr_expect_null(load(&f, "other/supd.yaml", &told));
	cr_expect_str_eq(
		told, "D/other/conf.d: cannot be listed: Not a directory\n");
	free(told);
	folder_remove(&f);
}

/* As programs write it: without blanks, with tabs, in ASCII. */
static const char *const json[] = {
	"{\"log\":{\"level\":\"warn\"},\"limits\":{\"headers\":7},\"plugins\":"
	"{\"a\":{\"enabled\":false,\"settings\":{\"x\":\"\\ud83d\\ude00\\/\","
	"\"n\":-1.5,\"z\":null,\"l\":[true,[],{}],\"e\":\"\\\\ud83d\\u00e9"
	"\"}}}}",
	"{\n\t\"log\": {\n\t\t\"level\": \"warn\"\n\t},\n\t\"limits\": {\n"
	"\t\t\"headers\": 7\n\t},\n\t\"plugins\": {\"a\": {\"enabled\": false,"
	"\n\t\t\"settings\": {\"x\": \"\xf0\x9f\x98\x80/\", \"n\": -1.5,"
	" \"z\": null, \"l\": [true, [], {}],"
	" \"e\": \"\\\\ud83d\xc3\xa9\"}}}\n}\n",
};

Test(config_files, of_json_are_read_with_conf_d_beside_them)
{
	struct folder f = folder_make();
	struct config *yaml, *config;
	char *told;

	folder_write(&f, "supd.yaml",
		"log: {level: warn}\nlimits: {headers: 7}\n"
		"plugins:\n  a:\n    enabled: false\n    settings:\n"
		"      x: \xf0\x9f\x98\x80/\n      n: -1.5\n      z:\n"
		"      l: [true, [], {}]\n      e: \\ud83d\xc3\xa9\n");
	yaml = load(&f, "supd.yaml", &told);
	cr_assert(yaml, "%s", told);
	free(told);
	for (size_t i = 0; i < sizeof(json) / sizeof(json[0]); i++) {
		folder_write(&f, "x.json", json[i]);
		config = load(&f, "x.json", &told);
		cr_assert(config, "%s", told);
		cr_expect(is_same(yaml, config), "%zu", i);
		free(told);
		config_unref(config);
	}
	folder_write(&f, "conf.d/1.yaml", "log: {format: json}\n");
	config = load(&f, "x.json", &told);
	cr_assert(config, "%s", told);
	cr_expect_eq(config->log.format, LOG_JSON);
	free(told);
	config_unref(config);
	config_unref(yaml);
	folder_remove(&f);
}

Test(config_files, of_json_are_told_of_with_line_and_column)
{
	struct folder f = folder_make();
	char *told;

	folder_write(&f, "x.json",
		"{\n  \"log\": {\"level\": \"loud\"},\n  \"lisen\": []\n}\n");
	cr_expect_null(load(&f, "x.json", &told));
	cr_expect_str_eq(told,
		"D/x.json:2:20: 'level' must be one of error, warn, info, "
		"debug\n"
		"D/x.json:3:3: unknown key 'lisen'; did you mean 'listen'?\n");
	free(told);
	folder_remove(&f);
}
