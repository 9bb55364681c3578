/* What the settings of exec-tool mean, and which are refused, by name. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/exec-tool/tool.h"

static bool
has(char *const *list, const char *text)
{
	for (; *list; list++)
		if (!strcmp(*list, text))
			return true;
	return false;
}

Test(exec_settings, each_is_read)
{
	struct tools tools = {0};
	const struct tool *t;
	char why[256] = "";

	setenv("SUPD_NONCE", "secret", 1);
	setenv("SUPD_DATA_DIR", "/data", 1);
	setenv("TZ", "UTC", 1);
	cr_assert_eq(tools_read(&tools,
			     "{\"concurrency\":9,\"tools\":["
			     "{\"name\":\"a\",\"command\":[\"x\",\"\"]},"
			     "{\"name\":\"b\",\"command\":[\"y\"],"
			     "\"description\":\"d\",\"schema\":{\"t\":1},"
			     "\"timeout\":\"2m\",\"output_limit\":\"64KiB\","
			     "\"concurrency\":2,"
			     "\"env\":{\"TZ\":\"CET\"}}]}",
			     why),
		0, "%s", why);
	cr_assert_eq(tools.count, 2);
	cr_expect_eq(tools.concurrency, 9);
	t = &tools.items[0];
	cr_expect_str_eq(t->command[1], "");
	cr_expect_null(t->command[2]);
	cr_expect(t->timeout_ms == 10000 && t->output_bytes == 256 * 1024);
	cr_expect_eq(t->concurrency, 9);
	cr_expect(has(t->environment, "TZ=UTC"));
	cr_expect(has(t->environment, "SUPD_DATA_DIR=/data"));
	cr_expect(!has(t->environment, "SUPD_NONCE=secret"));
	t = &tools.items[1];
	cr_expect_str_eq(t->description, "d");
	cr_expect_str_eq(t->schema, "{\"t\":1}");
	cr_expect(t->timeout_ms == 120000 && t->output_bytes == 65536);
	cr_expect_eq(t->concurrency, 2);
	cr_expect(has(t->environment, "TZ=CET"));
	cr_expect(!has(t->environment, "TZ=UTC"));
	cr_expect(has(t->environment, "SUPD_TOOL=b"));
}

#define TOOL(more)                                                             \
	"{\"tools\":[{\"name\":\"t\",\"command\":[\"cat\"]," more "}]}"

Test(exec_settings, what_makes_no_sense_is_named)
{
	static const struct {
		const char *settings, *says;
	} rows[] = {
		{"{}", "tools has none"},
		{"{\"tools\":[]}", "tools has none"},
		{"{\"tool\":[]}", "unknown setting tool"},
		{"{\"tools\":[1]}", "number 1 (no name): it must be a map"},
		{"{\"tools\":[{\"name\":\"t\"}]}",
			"number 1 (t): command is missing"},
		{"{\"tools\":[{\"command\":[\"cat\"]}]}", "name is missing"},
		{"{\"tools\":[{\"name\":\"t\",\"command\":[\"\"]}]}",
			"command must be a list of strings"},
		{"{\"tools\":[{\"name\":\"t\",\"command\":[1]}]}",
			"command must be a list of strings"},
		{"{\"concurrency\":-1}",
			"concurrency must be a positive amount"},
		{TOOL("\"args\":1"), "unknown setting args"},
		{TOOL("\"timeout\":\"soon\""),
			"timeout must be a positive amount"},
		{TOOL("\"timeout\":0"), "timeout must be a positive amount"},
		{TOOL("\"timeout\":\"1d\""),
			"timeout must be a positive amount"},
		{TOOL("\"output_limit\":\"2MiB\""),
			"output_limit is at most 1000KiB"},
		{TOOL("\"schema\":\"x\""), "schema must be a map"},
		{TOOL("\"description\":1"), "description must be a string"},
		{TOOL("\"env\":[]"), "env must be a map"},
		{TOOL("\"env\":{\"A\":[1]}"), "env.A must be a string"},
		{TOOL("\"env\":{\"A=B\":\"\"}"), "env.A=B must be a string"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tools tools = {0};
		char why[256] = "";

		cr_expect_eq(tools_read(&tools, rows[i].settings, why), -1,
			"%s", rows[i].settings);
		cr_expect(strstr(why, rows[i].says), "%s: %s", rows[i].settings,
			why);
	}
}
