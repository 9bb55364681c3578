/* Arguments of tools meet the schema that their plugin declared, whatever door
 * they come by and whatever the plugin is written in. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(arguments, .fini = run_fini, .timeout = 120);

#define ADMIN                                                                  \
	"admin: {tokens: [{name: ops, role: operator, sha256: "                \
	"\"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"" \
	"}]}\n"
#define TOKEN "secret"

#define PYTHON                                                                 \
	"import supd\n"                                                        \
	"plugin = supd.Plugin('own', '1.0.0')\n"                               \
	"SCHEMA = {'type': 'object', 'required': ['a'],\n"                     \
	"          'properties': {'a': {'type': 'integer'}},\n"                \
	"          'additionalProperties': False}\n"                           \
	"@plugin.tool('strict', schema=SCHEMA)\n"                              \
	"async def strict(args):\n"                                            \
	"    return args\n"                                                    \
	"@plugin.tool('loose', schema=SCHEMA, validate=False)\n"               \
	"async def loose(args):\n"                                             \
	"    return args\n"                                                    \
	"@plugin.tool('plain', schema={'type': 'object'})\n"                   \
	"async def plain(args):\n"                                             \
	"    return args\n"                                                    \
	"@plugin.tool('other')\n"                                              \
	"async def other(args):\n"                                             \
	"    return await plugin.call('tool', 'strict', args)\n"

static void
write_program(struct gateway_run *g, const char *language, const char *text)
{
	char *folder = memory_format("%s/packages/own", g->dir);
	bool node = !strcmp(language, "node");
	char *file = run_package_file(g, "own", node ? "main.js" : "main.py");
	char *manifest = run_package_file(g, "own", "plugin.yaml");

	mkdir(folder, 0755);
	files_write(manifest, "name: own\nversion: 1.0.0\nexec: [%s, %s]\n",
		language, node ? "main.js" : "main.py");
	files_write(file, "%s", text);
	free(folder);
	free(file);
	free(manifest);
}

static struct gateway_run *
start(const char *language, const char *text)
{
	struct gateway_run *g = run_create();

	write_program(g, language, text);
	run_plugin(g, "own", "use: own");
	free(g->extra);
	g->extra = memory_copy_text(ADMIN);
	run_start(g);
	return g;
}

static void
call(struct gateway_run *g, const char *tool, const char *args, int exit_code,
	const char *says)
{
	struct ctl *c =
		ctl_expect(g, exit_code, "call", "tool", tool, args, NULL);

	cr_expect(strstr(c->out, says) || strstr(c->err, says), "%s %s: %s%s",
		tool, args, c->out, c->err);
	ctl_destroy(c);
}

static void
post(struct gateway_run *g, const char *tool, const char *args, int status,
	const char *says)
{
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c,
		"POST /api/tools/%s HTTP/1.1\r\nHost: x\r\nAuthorization: "
		"Bearer " TOKEN "\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		tool, strlen(args), args));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(
		a.status, status, "%s %s: %d %s", tool, args, a.status, a.body);
	cr_expect(strstr(a.body, says), "%s %s: %s", tool, args, a.body);
	answer_finish(&a);
	client_close(&c);
}

static const char refusal[] =
	"the arguments do not fit the schema of 'strict': $.a: must be an "
	"integer, not a string";

Test(arguments, that_do_not_fit_are_refused_at_each_door)
{
	struct gateway_run *g = start("python3", PYTHON "plugin.run()\n");

	call(g, "strict", "{\"a\": 7}", 0, "7");
	call(g, "strict", "{\"a\": \"7\"}", 2, refusal);
	post(g, "strict", "{\"a\": 7}", 200, "7");
	post(g, "strict", "{\"a\": \"7\"}", 400, refusal);
	post(g, "strict", "{\"a\": 1, \"b\": 2}", 400, "$.b: unknown key");
	post(g, "strict", "[]", 400, "$: must be an object, not an array");
	/* another plugin's call */
	call(g, "other", "{\"a\": 7}", 0, "7");
	call(g, "other", "{\"a\": \"7\"}", 1, refusal);
	run_end(g);
}

Test(arguments, that_are_missing_are_the_same_at_each_door)
{
	struct gateway_run *g = start("python3",
		PYTHON "@plugin.tool('text', schema={'type': 'string'})\n"
		       "async def text(args):\n"
		       "    return args\n"
		       "@plugin.tool('passes')\n"
		       "async def passes(args):\n"
		       "    return await plugin.call('tool', args['to'])\n"
		       "plugin.run()\n");
	static const char refused[] = "$: must be a string, not null";

	call(g, "strict", "null", 2, "$.a: is required");
	call(g, "plain", "null", 0, "{}");
	call(g, "plain", NULL, 0, "{}");
	post(g, "plain", "", 200, "{}");
	call(g, "passes", "{\"to\": \"plain\"}", 0, "{}");
	call(g, "passes", "{\"to\": \"loose\"}", 0, "{}");
	call(g, "text", NULL, 2, refused);
	post(g, "text", "", 400, refused);
	call(g, "passes", "{\"to\": \"text\"}", 1, refused);
	run_end(g);
}

Test(arguments, are_not_checked_if_the_registration_says_so)
{
	struct gateway_run *g = start("python3", PYTHON "plugin.run()\n");

	call(g, "loose", "{\"b\": \"7\"}", 0, "7");
	call(g, "loose", "null", 0, "{}");
	run_end(g);
}

Test(arguments, a_malformed_schema_fails_the_reload_with_its_place)
{
	struct gateway_run *g = start("python3", PYTHON "plugin.run()\n");
	struct ctl *c;

	write_program(g, "python3",
		PYTHON "plugin.tool('bad', schema={'properties': {'a': "
		       "{'type': 'int'}}})(loose)\nplugin.run()\n");
	c = ctl_expect(g, 1, "reload", "own", NULL);
	cr_expect(strstr(ctl_text(c, "error"),
			  "schema: $.properties.a.type: unknown type 'int'"),
		"%s", ctl_text(c, "error"));
	ctl_destroy(c);
	run_end(g);
}

Test(arguments, of_a_node_plugin_are_checked)
{
	struct gateway_run *g = start("node",
		"const {Plugin} = require('supd');\n"
		"const plugin = new Plugin('own', '1.0.0');\n"
		"const schema = {type: 'object', properties: {a: {type: "
		"'integer'}}};\n"
		"plugin.tool('strict', {schema}, (args) => args);\n"
		"plugin.tool('loose', {schema, validate: false}, "
		"(args) => args);\n"
		"plugin.run();\n");

	call(g, "strict", "{\"a\": 7}", 0, "7");
	call(g, "strict", "{\"a\": \"7\"}", 2, refusal);
	call(g, "loose", "{\"a\": \"7\"}", 0, "7");
	run_end(g);
}

Test(arguments, of_a_c_plugin_are_checked)
{
	static const char tool[] =
		"{name: %s, schema: {type: object, properties: {a: {type: "
		"integer}}}, %scommand: [cat]}";
	struct gateway_run *g = run_create();
	char *strict = memory_format(tool, "strict", "");
	char *loose = memory_format(tool, "loose", "validate: false, ");

	run_package(g, "exec-tool", "exec-tool");
	run_plugin(g, "exec-tool",
		"use: exec-tool, settings: {tools: [%s, %s]}", strict, loose);
	run_start(g);
	call(g, "strict", "{\"a\": 7}", 0, "7");
	call(g, "strict", "{\"a\": \"7\"}", 2, refusal);
	call(g, "loose", "{\"a\": \"7\"}", 0, "7");
	free(strict);
	free(loose);
	run_end(g);
}
