/* Receipts as sentences. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tools/supctl/receipt_view.h"

#define DONE                                                                   \
	"\"pluginId\":\"hello\",\"success\":true,\"state\":\"done\","          \
	"\"phases\":{\"spawning\":1.4}"

static const struct {
	enum verb verb;
	const char *receipt, *sentence;
} rows[] = {
	{VERB_RELOAD,
		"{" DONE ",\"generation\":4,\"previousGeneration\":3,"
		"\"pid\":4242,\"previousPid\":4101,\"durationMs\":3.14,"
		"\"removed\":{\"tools\":[\"a\"],\"httpRoutes\":1},"
		"\"registered\":{\"tools\":[\"a\",\"b\"],\"httpRoutes\":1}}",
		"hello: reloaded 3 -> 4 in 3.1 ms (pid 4101 -> 4242), +1 "
		"tool"},
	{VERB_RELOAD,
		"{" DONE ",\"generation\":4,\"previousGeneration\":3,"
		"\"pid\":2,\"previousPid\":1,\"durationMs\":240,"
		"\"removed\":{\"tools\":[\"a\"],\"httpRoutes\":3},"
		"\"registered\":{\"tools\":[\"b\"],\"httpRoutes\":1},"
		"\"held\":12}",
		"hello: reloaded 3 -> 4 in 240 ms (pid 1 -> 2), +1 tool, -1 "
		"tool, -2 routes, 12 held"},
	{VERB_RELOAD,
		"{" DONE ",\"generation\":4,\"previousGeneration\":3,"
		"\"pid\":2,\"previousPid\":1,\"durationMs\":24,"
		"\"takeMs\":7.24,\"held\":2}",
		"hello: reloaded 3 -> 4 in 24 ms (pid 1 -> 2), taken over in "
		"7.2 ms, 2 held"},
	{VERB_RELOAD,
		"{" DONE ",\"generation\":4,\"previousGeneration\":3,"
		"\"pid\":2,\"previousPid\":1,\"durationMs\":24,"
		"\"take\":{\"state\":\"waiting\",\"text\":\"no port\"},"
		"\"services\":[{\"name\":\"one\",\"state\":\"failed\","
		"\"text\":\"no net\"},{\"name\":\"two\","
		"\"state\":\"waiting\",\"text\":\"later\"}]}",
		"hello: reloaded 3 -> 4 in 24 ms (pid 1 -> 2); take waits: no "
		"port; service one failed: no net; service two waits: later"},
	{VERB_START,
		"{" DONE ",\"generation\":1,\"pid\":7,\"durationMs\":10,"
		"\"take\":{\"state\":\"waiting\",\"text\":null},"
		"\"services\":[{\"name\":\"one\",\"state\":\"waiting\","
		"\"text\":null}]}",
		"hello: started generation 1 in 10 ms (pid 7); 2 of its "
		"services are being started"},
	{VERB_RELOAD,
		"{\"pluginId\":\"hello\",\"success\":false,\"state\":"
		"\"failed\",\"error\":\"taking: no; giving back failed\"}",
		"hello: reload failed: taking: no; giving back failed; nothing "
		"serves"},
	{VERB_START,
		"{" DONE ",\"generation\":1,\"pid\":7,\"durationMs\":1500}",
		"hello: started generation 1 in 1.5 s (pid 7)"},
	{VERB_RESTART,
		"{" DONE ",\"generation\":2,\"pid\":7,\"durationMs\":9.96}",
		"hello: restarted: generation 2 in 10.0 ms (pid 7)"},
	{VERB_START,
		"{\"pluginId\":\"hello\",\"success\":true,\"state\":\"done\","
		"\"generation\":4,\"pid\":7,\"phases\":{\"spawning\":null}}",
		"hello: generation 4 serves already (pid 7)"},
	{VERB_APPLY,
		"{" DONE ",\"mode\":\"configure\",\"generation\":4,"
		"\"pid\":7,\"durationMs\":1.5}",
		"hello: generation 4 has new settings in 1.5 ms (pid 7)"},
	{VERB_STOP,
		"{" DONE ",\"generation\":null,\"previousPid\":9,"
		"\"durationMs\":2}",
		"hello: stopped in 2.0 ms (pid 9 is gone)"},
	{VERB_RELOAD,
		"{\"pluginId\":\"hello\",\"success\":true,\"state\":"
		"\"settled\",\"generation\":4,\"pid\":7,\"drained\":3,"
		"\"aborted\":1}",
		"hello: settled, generation 4 serves (pid 7), 3 drained, 1 "
		"aborted"},
	{VERB_RELOAD,
		"{\"pluginId\":\"hello\",\"success\":false,\"state\":"
		"\"rolled_back\",\"error\":\"checking: exit status 3\","
		"\"generation\":3,\"pid\":4101}",
		"hello: reload failed: checking: exit status 3; generation 3 "
		"(pid 4101) still serves"},
	{VERB_START,
		"{\"pluginId\":\"hello\",\"success\":false,\"state\":"
		"\"rolled_back\",\"error\":\"staging: no\"}",
		"hello: start failed: staging: no; nothing serves"},
	{VERB_RELOAD,
		"{\"pluginId\":\"hello\",\"success\":true,\"state\":"
		"\"reverted\",\"error\":\"it crashed\",\"generation\":3,"
		"\"pid\":5}",
		"hello: reload reverted: it crashed; generation 3 (pid 5) "
		"still serves"},
	{VERB_RELOAD,
		"{\"pluginId\":\"hello\",\"success\":false,\"state\":"
		"\"refused\",\"error\":\"reload already in progress\"}",
		"hello: refused: reload already in progress"},
	{VERB_RELOAD, "{}",
		"?: reload failed: no reason given; nothing serves"},
	{VERB_RELOAD, "{\"pluginId\":[],\"generation\":\"x\"}",
		"?: reload failed: no reason given; nothing serves"},
};

Test(receipt_view, says_what_happened)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_t *receipt = json_loads(rows[i].receipt, 0, NULL);
		char *text;

		cr_assert(receipt, "row %zu", i);
		text = receipt_sentence(receipt, rows[i].verb);
		cr_expect_str_eq(text, rows[i].sentence, "%s", text);
		free(text);
		json_decref(receipt);
	}
}
