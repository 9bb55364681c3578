/* supctl_yaml: what supctl prints as YAML is read back by supd as the same. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/config/config.h"
#include "tests/unit/files.h"
#include "tools/supctl/yaml.h"

static char *
print(const json_t *document)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	yaml_print(out, document);
	fclose(out);
	return text;
}

static const char *const documents[] = {
	"{}",
	"{\"a\": {}, \"l\": [], \"n\": null, \"t\": true, \"f\": false}",
	"{\"l\": [1, [2, [3]], {\"a\": [{}], \"b\": 2}, [], {}]}",
	"{\"i\": -9007199254740993, \"r\": [0.1, 1.0, -2.5e-7, 1e300,"
	" 3.141592653589793, 0.30000000000000004]}",
	/* texts that something else could be read in */
	"{\"a\": [\"true\", \"No\", \"~\", \"null\", \"\", \" \", \"1\","
	" \"1e3\", \"0x1f\", \"-\", \"- a\", \"a: b\", \"a #b\", \"#\", \"*a\","
	" \"&a\", \"!a\", \"|\", \">\", \"%\", \"@\", \"`\", \"{\", \"[a]\","
	" \"10s\", \"64KiB\", \"/path\", \"a.b-c_d\", \"***\", \"key:\"]}",
	"{\"a\": \"q\\\"uo\\\\te\\n\\ttab\\r\\u0001\\u001b[31m\"}",
	"{\"a\": \"\\u007f\\u0085\\u009f\\u00a0\\u00e9\\u2028\\ufeff\\uffff"
	"\\ud83d\\ude00\\u202e\\u2066\"}",
	"{\"true\": 1, \"\": 2, \"a b\": 3, \"\\n\": 4, \"#\": 5, \"\\u0085\": "
	"6}",
};

Test(supctl_yaml, drives_no_terminal)
{
	json_t *whole = json_pack("{s:s}", "a", "\u202e\u2066\u2028");
	char *yaml = print(whole);

	cr_expect_str_eq(yaml, "a: \"\\u202e\\u2066\\u2028\"\n", "%s", yaml);
	free(yaml);
	json_decref(whole);
}

Test(supctl_yaml, is_read_back_as_the_same)
{
	for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
		json_t *settings = json_loads(documents[i], 0, NULL);
		cr_assert(settings, "%s", documents[i]);
		json_t *whole = json_pack(
			"{s:{s:{s:O}}}", "plugins", "a", "settings", settings);
		char *yaml = print(whole);
		struct problems problems = {0};
		struct config *config = config_load_text(
			"/t.yaml", yaml, strlen(yaml), &problems);
		char *told = problems_as_text(&problems);

		cr_assert(config, "%s%s", yaml, told);
		cr_expect(json_equal(config->plugins[0]->settings, settings),
			"%s", yaml);
		for (const char *c = yaml; *c; c++)
			cr_expect(*c == '\n' || ((unsigned char)*c >= ' ' &&
							*c != 0x7f),
				"%s", yaml);
		free(told);
		free(yaml);
		config_unref(config);
		json_decref(whole);
		json_decref(settings);
		problems_finish(&problems);
	}
}
