/* manifest: what plugin.yaml may say, where a package is found, and what
 * --check tells of both. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "supervisor/config/manifest.h"
#include "tests/unit/files.h"

static const char start[] = "name: a\nversion: 1\n";

static const struct {
	const char *yaml, *problems;
} wrong[] = {
	{"", "p/plugin.yaml:1:1: 'name' is missing\n"
	     "p/plugin.yaml:1:1: 'version' is missing\n"
	     "p/plugin.yaml:1:1: 'run' (a C plugin) or 'exec' (a program) is "
	     "missing\n"},
	{"name: A\nversion: 1\nexec: [x]\n",
		"p/plugin.yaml:1:7: 'A' is not an id: lower-case letters, "
		"digits, - and _, at most 64, first a letter or digit\n"},
	{"+run: a.so\nexec: [x]\n",
		"p/plugin.yaml:3:6: 'run': no file 'a.so' in the "
		"package\n"
		"p/plugin.yaml:4:7: a package has either 'run' or 'exec'\n"},
	{"+run: ../a.so\n",
		"p/plugin.yaml:3:6: 'run' must name a file within the "
		"package\n"},
	{"+run: /a.so\n",
		"p/plugin.yaml:3:6: 'run' must name a file within the "
		"package\n"},
	{"+exec: []\n", "p/plugin.yaml:3:7: 'exec' must name a program\n"},
	{"+exec: x\n", "p/plugin.yaml:3:7: 'exec' must be a list, not a single "
		       "value\n"},
	{"+exec: [\"\"]\n", "p/plugin.yaml:3:8: 'exec' must name a program\n"},
	{"+exec: [./none, x]\n",
		"p/plugin.yaml:3:8: 'exec': no executable './none' "
		"in the package\n"},
	{"+exec: [x]\nreload: both\n",
		"p/plugin.yaml:4:9: 'reload' must be one of overlap, "
		"exclusive\n"},
	{"+exec: [x]\nstate: {export: 1, version: 0, opt: true}\n"
	 "configure: yes\n",
		"p/plugin.yaml:4:32: unknown key 'opt'; did you mean "
		"'optional'?\n"
		"p/plugin.yaml:4:17: 'export' must be true or false\n"
		"p/plugin.yaml:4:29: 'version' must be from 1 to 2147483647\n"
		"p/plugin.yaml:5:12: 'configure' must be true or false\n"},
	{"+exec: [x]\nwatch: {inclde: [a], run_timeout: 1}\nsandbox: {}\n",
		"p/plugin.yaml:4:9: unknown key 'inclde'; did you mean "
		"'include'?\n"
		"p/plugin.yaml:4:35: 'run_timeout' must be a time such as "
		"500ms, 10s, 5m or 1h\n"
		"p/plugin.yaml:5:10: 'sandbox' is not supported yet\n"},
	{"+exec: [x]\nhealth: {prob: []}\n",
		"p/plugin.yaml:4:10: unknown key 'prob'; did you mean "
		"'probes'?\n"},
	{"+exec: [x]\nhealth: {probes: [{http: hello}]}\n",
		"p/plugin.yaml:4:26: 'http' must be METHOD /path such as GET "
		"/hello\n"},
	{"+exec: [x]\nhealth: {probes: [{http: GET  /a}]}\n",
		"p/plugin.yaml:4:26: 'http' must be METHOD /path such as GET "
		"/hello\n"},
	{"+exec: [x]\nhealth: {probes: [{http: GET /a, expect: 99}]}\n",
		"p/plugin.yaml:4:42: 'expect' must be from 100 to 599\n"},
	{"+exec: [x]\nkeep: [hello]\n",
		"p/plugin.yaml:4:8: 'keep' must be KIND:NAME such as "
		"\"http:GET /hello\" or \"tool:hello\"\n"},
	{"+exec: [x]\nkeep: [\"page:x\"]\n",
		"p/plugin.yaml:4:8: 'keep' must be KIND:NAME such as "
		"\"http:GET /hello\" or \"tool:hello\"\n"},
	{"+exec: [x]\nshare: [../x]\n",
		"p/plugin.yaml:4:9: 'share' must name files within the "
		"package\n"},
	{"+exec: [x]\nlink: native\n",
		"p/plugin.yaml:4:7: 'link: native' is for C plugins; a "
		"program brings its own\n"},
	{"+exec: [x]\nsettings: {k: \"${env:X}\"}\n",
		"p/plugin.yaml:4:15: 'k': ${env:}, ${file:} and ${credential:} "
		"stand only in "
		"supd.yaml; a package's settings are the same everywhere\n"},
	{"+exec: [x]\nrequires: [B]\n",
		"p/plugin.yaml:4:12: 'B' is not an id: lower-case letters, "
		"digits, - and _, at most 64, first a letter or digit\n"},
};

Test(manifest, tells_what_is_wrong_and_where)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		bool begun = wrong[i].yaml[0] == '+';
		char yaml[1000];
		snprintf(yaml, sizeof(yaml), "%s%s", begun ? start : "",
			wrong[i].yaml + begun);
		struct problems problems = {0};
		cr_expect_null(
			manifest_load_text("p", yaml, strlen(yaml), &problems));
		char *text = problems_as_text(&problems);
		cr_expect_str_eq(text, wrong[i].problems, "%s\n%s", yaml, text);
		free(text);
		problems_finish(&problems);
	}
}

static const char full[] =
	"name: hello\n"
	"version: 1.0\n"
	"run: hello.so\n"
	"reload: overlap\n"
	"health: {call: true, probes: [{http: GET /hello, expect: 204},\n"
	"  {http: POST /x}]}\n"
	"keep: [\"http:GET /hello\", \"tool:hello\"]\n"
	"requires: [kv]\n"
	"share: [node_modules, .venv]\n"
	"link: native\n"
	"state: {export: true, version: 3, optional: true}\n"
	"configure: true\n"
	"settings: {a: {b: 1, c: 2}, l: [1]}\n";

Test(manifest, reads_every_key)
{
	struct folder f = folder_make();
	folder_write(&f, "plugin.yaml", full);
	folder_write(&f, "hello.so", "");
	struct problems problems = {0};
	struct manifest *m = manifest_load(f.path, &problems);
	cr_assert(m);
	cr_expect_str_eq(m->name, "hello");
	cr_expect_str_eq(m->version, "1.0");
	cr_expect_str_eq(m->run, "hello.so");
	cr_expect_eq(m->exec.count, 0);
	cr_expect_eq(m->reload, RELOAD_OVERLAP);
	cr_expect(m->health.call);
	cr_assert_eq(m->health.probes.count, 2);
	cr_expect_str_eq(m->health.probes.items[0].method, "GET");
	cr_expect_str_eq(m->health.probes.items[0].path, "/hello");
	cr_expect_eq(m->health.probes.items[0].expect, 204);
	cr_expect_eq(m->health.probes.items[1].expect, 200);
	cr_expect_str_eq(m->keep.items[1], "tool:hello");
	cr_expect_str_eq(m->requires.items[0], "kv");
	cr_expect_str_eq(m->share.items[1], ".venv");
	cr_expect(m->link_is_set);
	cr_expect_eq(m->link, LINK_NATIVE);
	cr_expect(m->state.export);
	cr_expect_eq(m->state.version, 3);
	cr_expect(m->state.optional);
	cr_expect(m->configure);
	cr_expect_eq(json_object_size(m->settings), 2);
	manifest_unref(manifest_ref(m));
	manifest_unref(m);
	folder_remove(&f);
}

Test(manifest, asks_for_no_health_call_unless_declared)
{
	static const char yaml[] = "name: a\nversion: 1\nexec: [x, \"\"]\n";
	struct problems problems = {0};
	struct manifest *m =
		manifest_load_text("p", yaml, strlen(yaml), &problems);
	cr_assert(m);
	cr_expect_not(m->health.call);
	cr_expect_eq(m->health.probes.count, 0);
	cr_expect_eq(m->exec.count, 2);
	cr_expect_not(m->link_is_set);
	cr_expect_not(m->state.export);
	cr_expect_eq(m->state.version, 1);
	cr_expect_not(m->state.optional);
	cr_expect_not(m->configure);
	cr_expect_eq(json_object_size(m->settings), 0);
	manifest_destroy(m);
}

/* ---- settings and link ---- */

static const struct {
	const char *under, *over, *merged;
} merges[] = {
	{"{}", "{}", "{}"},
	{"{\"a\": 1}", "{}", "{\"a\": 1}"},
	{"{}", "{\"a\": 1}", "{\"a\": 1}"},
	{"{\"a\": 1}", "{\"a\": null}", "{\"a\": null}"},
	{"{\"a\": {\"b\": 1, \"c\": 2}}", "{\"a\": {\"c\": 3, \"d\": 4}}",
		"{\"a\": {\"b\": 1, \"c\": 3, \"d\": 4}}"},
	{"{\"a\": {\"b\": 1}}", "{\"a\": 2}", "{\"a\": 2}"},
	{"{\"a\": 2}", "{\"a\": {\"b\": 1}}", "{\"a\": {\"b\": 1}}"},
	{"{\"a\": [1, 2]}", "{\"a\": [3]}", "{\"a\": [3]}"},
};

Test(settings, lay_one_object_over_another)
{
	for (size_t i = 0; i < sizeof(merges) / sizeof(merges[0]); i++) {
		json_t *under = json_loads(merges[i].under, 0, NULL);
		json_t *over = json_loads(merges[i].over, 0, NULL);
		json_t *expected = json_loads(merges[i].merged, 0, NULL);
		json_t *merged = settings_merge(under, over);
		cr_expect(json_equal(merged, expected), "%zu", i);
		json_decref(merged);
		json_decref(expected);
		json_decref(over);
		json_decref(under);
	}
	json_t *nothing = settings_merge(NULL, NULL);
	cr_expect(json_is_object(nothing));
	json_decref(nothing);
}

Test(manifest, link_is_the_plugins_then_the_manifests_then_the_default)
{
	struct plugin_config plugin = {.limits.link = LINK_NATIVE};
	struct manifest manifest = {.link_is_set = true, .link = LINK_NNG};
	cr_expect_eq(plugin_link(&plugin, NULL), LINK_NATIVE);
	cr_expect_eq(plugin_link(&plugin, &manifest), LINK_NNG);
	plugin.link_is_set = true;
	cr_expect_eq(plugin_link(&plugin, &manifest), LINK_NATIVE);
	manifest.exec.count = 1;
	cr_expect_eq(plugin_link(&plugin, &manifest), LINK_NNG);
}

/* ---- packages and --check ---- */

static void
write_package(const struct folder *f, const char *folder, const char *more)
{
	char name[200], yaml[500];
	const char *slash = strrchr(folder, '/');
	snprintf(name, sizeof(name), "%s/plugin.yaml", folder);
	snprintf(yaml, sizeof(yaml), "name: %s\nversion: 1\nexec: [x]\n%s",
		slash ? slash + 1 : folder, more);
	folder_write(f, name, yaml);
}

static void
expect_check(struct folder *f, const char *config, const char *expected)
{
	folder_write(f, "supd.yaml", config);
	char *text = folder_check(f);
	cr_expect_str_eq(text, expected, "%s", text);
	free(text);
	folder_remove(f);
}

Test(check, is_content_with_a_good_config)
{
	struct folder f = folder_make();
	write_package(&f, "p/hello", "");
	expect_check(&f,
		"plugin_dirs: [p]\nplugins:\n  hello: {}\n"
		"  off: {enabled: false}\n  two: {use: hello}\n",
		"");
}

Test(check, names_the_folders_searched_and_the_nearest_package)
{
	struct folder f = folder_make();
	write_package(&f, "q/hello", "");
	folder_write(&f, "p/helo/other", "");
	expect_check(&f, "plugin_dirs: [p, q]\nplugins:\n  helo: {}\n",
		"D/supd.yaml:3:3: 'helo': package 'helo' not found in D/p, "
		"D/q; did you mean 'hello'?\n");
}

Test(check, warns_of_a_hidden_package_and_of_a_false_name)
{
	struct folder f = folder_make();
	write_package(&f, "p/hello", "");
	write_package(&f, "q/hello", "");
	folder_write(&f, "p/other/plugin.yaml",
		"name: hello\nversion: 1\nexec: [x]\n");
	expect_check(&f,
		"plugin_dirs: [p, q, p]\nplugins:\n  hello: {}\n  other: {}\n",
		"D/supd.yaml:3:3: warning: the package D/q/hello is hidden by "
		"D/p/hello\n"
		"D/p/other/plugin.yaml:1:1: warning: the package calls itself "
		"'hello', but its folder is 'other', and that is its name\n");
}

Test(check, tells_the_problems_of_all_manifests)
{
	struct folder f = folder_make();
	write_package(&f, "p/a", "bad: 1\n");
	write_package(&f, "p/b", "keep: [x]\n");
	expect_check(&f,
		"plugin_dirs: [p]\nplugins:\n  a: {}\n  b: {}\n  c: {use: a}\n",
		"D/p/a/plugin.yaml:4:1: unknown key 'bad'\n"
		"D/p/b/plugin.yaml:4:8: 'keep' must be KIND:NAME such as "
		"\"http:GET /hello\" or \"tool:hello\"\n");
}

Test(check, finds_a_circle_that_only_the_manifests_close)
{
	struct folder f = folder_make();
	write_package(&f, "p/a", "requires: [b]\n");
	write_package(&f, "p/b", "");
	expect_check(&f,
		"plugin_dirs: [p]\nplugins:\n  a: {}\n  b: {requires: [a]}\n",
		"D/p/a/plugin.yaml:4:12: plugins require each other in a "
		"circle: 'a' requires 'b' (D/p/a/plugin.yaml:4), 'b' requires "
		"'a' (D/supd.yaml:4)\n");
}

Test(check, refuses_a_native_link_for_a_program)
{
	struct folder f = folder_make();
	write_package(&f, "p/a", "");
	expect_check(&f, "plugin_dirs: [p]\nplugins:\n  a: {link: native}\n",
		"D/supd.yaml:3:3: 'a': 'link: native' is for C plugins; the "
		"package 'a' is a program and brings its own\n");
}

Test(check, finds_what_only_a_manifest_requires)
{
	struct folder f = folder_make();
	write_package(&f, "p/a", "requires: [a, bb]\n");
	expect_check(&f,
		"plugin_dirs: [p]\nplugins:\n  a: {}\n  bbb: {use: a}\n",
		"D/p/a/plugin.yaml:4:12: 'a' requires itself\n"
		"D/p/a/plugin.yaml:4:15: 'a' requires 'bb', which is not among "
		"the plugins; did you mean 'bbb'?\n"
		"D/p/a/plugin.yaml:4:15: 'bbb' requires 'bb', which is not "
		"among the plugins\n");
}

/* What is wrong in the config hides nothing of what is wrong elsewhere. */
Test(check, tells_the_problems_of_config_packages_and_requirements_at_once)
{
	struct folder f = folder_make();
	write_package(&f, "p/a", "bad: 1\n");
	expect_check(&f,
		"plugin_dirs: [p]\nlisen: []\nplugins:\n"
		"  a: {requires: [c]}\n  b: {}\n",
		"D/supd.yaml:2:1: unknown key 'lisen'; did you mean 'listen'?\n"
		"D/supd.yaml:4:18: 'a' requires 'c', which is not among the "
		"plugins; did you mean 'b'?\n"
		"D/supd.yaml:5:3: 'b': package 'b' not found in D/p; did you "
		"mean 'a'?\n"
		"D/p/a/plugin.yaml:4:1: unknown key 'bad'\n");
}

Test(check, does_not_guess_where_a_file_or_folder_is_unknown)
{
	struct folder f = folder_make();
	folder_write(&f, "conf.d/1.yaml", "plugins: [\n");
	folder_write(&f, "supd.yaml", "plugins: {a: {requires: [c]}}\n");
	char *text = folder_check(&f);
	cr_expect_str_eq(text,
		"D/conf.d/1.yaml:2:1: not YAML: did not find expected node "
		"content while parsing a flow node\n",
		"%s", text);
	free(text);
	folder_remove(&f);
	f = folder_make();
	expect_check(&f, "plugin_dirs: [[p]]\nplugins: {a: {}}\n",
		"D/supd.yaml:1:15: 'plugin_dirs' must be a string, not a "
		"list\n");
}

Test(check, warns_of_what_starts_and_is_not_meant)
{
	struct folder f = folder_make();
	write_package(&f, "p/a", "state: {version: 2, optional: true}\n");
	write_package(&f, "p/b", "state: {export: true, version: 2}\n");
	expect_check(&f,
		"plugin_dirs: [p, q]\nplugins:\n  a: {requires: [b, b]}\n"
		"  b: {enabled: false}\n",
		"D/supd.yaml:1:18: warning: folder D/q does not exist\n"
		"D/supd.yaml:3:18: warning: 'a' requires 'b', which is "
		"disabled\n"
		"D/supd.yaml:3:21: warning: 'b' is required twice\n"
		"D/supd.yaml:3:21: warning: 'a' requires 'b', which is "
		"disabled\n"
		"D/p/a/plugin.yaml:4:18: warning: 'version' means nothing "
		"without 'export: true'\n"
		"D/p/a/plugin.yaml:4:31: warning: 'optional' means nothing "
		"without 'export: true'\n");
}
