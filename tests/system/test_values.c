/* A value is the same in C, Python and Node, from supctl, over HTTP, from one
 * worker to another, in events and in plugins' own bodies; and what is not
 * JSON is refused by each of them, with its path. One table for all. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/raw.h"

TestSuite(values, .fini = run_fini, .timeout = 120);

#define LANGUAGES(X, behaviour)                                                \
	X(c, behaviour)                                                        \
	X(python, behaviour)                                                   \
	X(node, behaviour)

#define AS_TEST(language, behaviour)                                           \
	Test(values, language##_##behaviour)                                   \
	{                                                                      \
		struct gateway_run *g = start("scenario-" #language);          \
                                                                               \
		behaviour(g, #language);                                       \
		run_end(g);                                                    \
	}
#define IN_EVERY_LANGUAGE(behaviour) LANGUAGES(AS_TEST, behaviour)

static struct gateway_run *
start(const char *package)
{
	struct gateway_run *g = run_create();

	run_package(g, package, "scenario");
	run_plugin(g, "it", "use: scenario");
	raw_open_api(g);
	run_start(g);
	return g;
}

/* ---- doors ---- */

/* One request with the operator's token. */
static struct answer
post(struct gateway_run *g, const char *path, const char *body, size_t size)
{
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c,
		"POST %s HTTP/1.1\r\nHost: x\r\n"
		"Authorization: Bearer " RAW_TOKEN
		"\r\nContent-Length: %zu\r\n\r\n",
		path, size));
	cr_assert(client_send(&c, body, size));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	client_close(&c);
	return a;
}

/* The event that came last, as JSON text of its data. */
static char *
last_event(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "events", "-n", "1", NULL);
	json_t *said = json_text_read(bytes_of(c->out), NULL, NULL);
	json_t *event = json_array_get(json_object_get(said, "events"), 0);
	char *text =
		json_text(json_object_get(event, "data"), JSON_TEXT_COMPACT);

	json_decref(said);
	ctl_destroy(c);
	return text;
}

/* ---- what goes through ---- */

static const struct row {
	const char *value;
	const char *node; /* what JavaScript's one type of number makes of it */
} rows[] = {
	{"0", NULL},
	{"-1", NULL},
	{"9007199254740993", NULL}, /* 2^53 + 1 */
	{"-9007199254740993", NULL},
	{"9223372036854775807", NULL},
	{"-9223372036854775808", NULL},
	{"0.1", NULL},
	{"0.30000000000000004", NULL},
	{"1732800000123.456", NULL},
	{"1.5", NULL},
	{"-0.0", NULL},
	{"100.0", "100"},
	{"1e22", NULL},
	{"1.7976931348623157e308", NULL},
	{"5e-324", NULL},
	{"true", NULL},
	{"null", NULL},
	{"\"\"", NULL},
	{"\"a\\u0000b\"", NULL},
	{"\"\\u001b[2J\\u009b31m\\u202e\\u007f\"", NULL},
	{"\"za\305\274\303\263\305\202\304\207 \360\237\230\200\"", NULL},
	{"[]", NULL},
	{"{}", NULL},
	{"[[1,[2.5,{}]],\"x\"]", NULL},
	{"{\"\":1,\"__proto__\":[2],\"a b\":{\"z\":null}}", NULL},
};

static void
expect(const char *door, const char *text, const char *wanted)
{
	size_t length = strcspn(text, "\n");

	cr_expect(length == strlen(wanted) && !strncmp(text, wanted, length),
		"%s: %s is not %s", door, text, wanted);
}

/* A tool's answer as supctl and /api give it. */
static void
expect_tool(struct gateway_run *g, const char *tool, const char *args,
	const char *wanted)
{
	char *path = memory_format("/api/tools/%s", tool), *text;
	struct ctl *c = ctl_expect(g, 0, "call", "tool", tool, args, NULL);
	struct answer a = post(g, path, args, strlen(args));
	json_t *said = json_text_read(bytes_of(c->out), NULL, NULL);

	text = json_text(said, JSON_TEXT_COMPACT);
	expect(tool, text, wanted);
	cr_expect_eq(a.status, 200);
	expect(path, a.body, wanted);
	answer_finish(&a);
	ctl_destroy(c);
	json_decref(said);
	free(text);
	free(path);
}

static void
expect_event(struct gateway_run *g, const char *verb, const char *kind,
	const char *name, const char *args, const char *wanted)
{
	struct ctl *c = ctl_expect(g, 0, verb, kind, name, args, NULL);
	char *text = last_event(g);

	expect("event", text, wanted);
	free(text);
	ctl_destroy(c);
}

/* A plugin's own body is written by its language, which may spell a number in
 * another way. */
static void
expect_body(struct gateway_run *g, const char *args, const char *wanted)
{
	struct answer a = http_post(g->http, "/mirror", args);
	json_t *got = json_text_read(bytes_of(a.body), NULL, NULL);
	char *text = json_text(got, JSON_TEXT_COMPACT);

	cr_expect_eq(a.status, 200, "%s", a.body);
	if (strcmp(args, wanted)) /* written without a fraction */
		expect("/mirror", a.body, wanted);
	else
		expect("/mirror", text, wanted);
	json_decref(got);
	free(text);
	answer_finish(&a);
}

static void
values_go_through_every_door_unchanged(
	struct gateway_run *g, const char *language)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bool other = !strcmp(language, "node") && rows[i].node;
		char *args = memory_format("{\"v\":%s}", rows[i].value);
		char *wanted = memory_format(
			"{\"v\":%s}", other ? rows[i].node : rows[i].value);

		expect_tool(g, "mirror", args, wanted);
		expect_tool(g, "relay", args, wanted);
		expect_event(g, "call", "tool", "tell", args, wanted);
		expect_event(g, "emit", "test.value", args, NULL, args);
		expect_body(g, args, wanted);
		free(args);
		free(wanted);
	}
}
IN_EVERY_LANGUAGE(values_go_through_every_door_unchanged)

/* ---- what is not JSON, as text ---- */

static const struct bytes malformed[] = {
	BYTES_INIT(""),
	BYTES_INIT("{\"a\":1,\n\"a\":2}"),
	BYTES_INIT("[1,\n2,]"),
	BYTES_INIT("{\"a\":NaN}"),
	BYTES_INIT("[-Infinity]"),
	BYTES_INIT("9223372036854775808"),
	BYTES_INIT("[1e400]"),
	BYTES_INIT("\"\\q\""),
	BYTES_INIT("\"\\ud800\""),
	BYTES_INIT("{\"a\\u0000\":1}"),
	BYTES_INIT("\"a\tb\""),
	BYTES_INIT("\"\xff\""),
	BYTES_INIT("[01]"),
	BYTES_INIT("1 2"),
	BYTES_INIT("'a'"),
	BYTES_INIT("\xef\xbb\xbf"
		   "1"),
};

/* In a file: not every byte can stand in an argument. */
static void
refuses_file(struct gateway_run *g, const char *verb, const char *kind,
	const char *name, const char *at_file)
{
	struct ctl *c = ctl_expect(g, 2, verb, kind, name, at_file, NULL);

	cr_expect(strstr(c->err, "malformed JSON at line "), "%s", c->err);
	cr_expect(strstr(c->err, ", column "), "%s", c->err);
	ctl_destroy(c);
}

static void
what_is_not_json_is_refused_at_every_door(
	struct gateway_run *g, const char *language)
{
	static const char *const paths[] = {
		"/api/tools/mirror", "/api/events/test.value", "/mirror"};
	char *file = memory_format("%s/malformed", g->dir);
	char *at_file = memory_format("@%s", file);

	(void)language;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(*malformed); i++) {
		FILE *f = fopen(file, "w");

		cr_assert(f);
		fwrite(malformed[i].at, 1, malformed[i].length, f);
		fclose(f);
		refuses_file(g, "call", "tool", "mirror", at_file);
		refuses_file(g, "emit", "test.value", at_file, NULL);
		for (size_t p = 0; p < 3; p++) {
			struct answer a = post(g, paths[p], malformed[i].at,
				malformed[i].length);

			/* an empty body of /api is none */
			cr_expect_eq(a.status,
				p < 2 && !malformed[i].length ? 200 : 400,
				"%s, %s: %d %s", paths[p], malformed[i].at,
				a.status, a.body);
			answer_finish(&a);
		}
	}
	free(at_file);
	free(file);
}
IN_EVERY_LANGUAGE(what_is_not_json_is_refused_at_every_door)

/* ---- what is not JSON, as a value ---- */

static void
what_json_cannot_hold_is_an_error_with_its_place(
	struct gateway_run *g, const char *language)
{
	static const char *const tools[] = {"bad", "bad-emit", "bad-call"};
	static const char *const whats[] = {"nan", "infinity", "key", "bytes",
		"int", "circle", "surrogate", "set"};
	bool is_c = !strcmp(language, "c"); /* has no more to say it with */
	const char *needle = is_c ? "NaN" : "$.a[1]";
	char *before = last_event(g), *after;

	run_announce(g, "stream=log"); /* what the SDKs say to the author */
	for (size_t i = 0; i < (is_c ? 1 : 8); i++) {
		char *path = memory_format("/bad/%s", whats[i]);
		char *args = memory_format("\"%s\"", whats[i]);
		struct answer a = http_get(g->http, path);

		cr_expect_eq(a.status, 500, "%s: %d", path, a.status);
		cr_expect_str_eq(a.body, "the plugin failed\n");
		answer_finish(&a);
		for (size_t t = 0; t < 3; t++) {
			struct ctl *c = ctl_expect(
				g, 1, "call", "tool", tools[t], args, NULL);

			cr_expect(strstr(c->err, needle) ||
					  strstr(c->err, "column 9"),
				"%s %s: %s", tools[t], whats[i], c->err);
			ctl_destroy(c);
		}
		free(path);
		free(args);
	}
	after = last_event(g);
	cr_expect_str_eq(after, before);
	free(before);
	free(after);
	cr_expect_eq(http_status(g->http, "/text"), 200);
	cr_expect_eq(ctl_status_number(g, "it", "restarts"), 0);
}
IN_EVERY_LANGUAGE(what_json_cannot_hold_is_an_error_with_its_place)
