/* telemetry_keys: what cannot work is refused where it stands, and no secret is
 * shown. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "supervisor/config/config.h"
#include "tests/unit/files.h"

static struct config *
load(const char *inner, char **problems_out)
{
	char *yaml = memory_format("telemetry:\n  %s\n", inner);
	struct problems problems = {0};
	struct config *config =
		config_load_text("/t.yaml", yaml, strlen(yaml), &problems);

	*problems_out = problems_as_text(&problems);
	problems_finish(&problems);
	free(yaml);
	return config;
}

static void
expect_refused(const char *inner, const char *where, const char *why)
{
	char *text;
	struct config *config = load(inner, &text);

	cr_expect(!config, "%s is accepted", inner);
	cr_expect(strstr(text, where), "%s: %s", inner, text);
	cr_expect(strstr(text, why), "%s: %s", inner, text);
	config_unref(config);
	free(text);
}

Test(telemetry_keys, an_endpoint_that_is_no_url_is_refused_where_it_stands)
{
	static const struct {
		const char *value, *why;
	} wrong[] = {
		{"127.0.0.1:4318", "must begin with http:// or https://"},
		{"ftp://a", "must begin with http:// or https://"},
		{"http://", "has no valid host"},
		{"http://:4318", "has no valid host"},
		{"http://a b", "has no valid host"},
		{"http://[::1", "has no valid host"},
		{"http://[]", "has no valid host"},
		{"http://a:", "has no valid port"},
		{"http://a:0", "has no valid port"},
		{"http://a:65536", "has no valid port"},
		{"http://a:99999999999999999999", "has no valid port"},
		{"http://a:8x", "has no valid host"},
		{"http://user:pw@a", "must not contain a user"},
		{"http://a/?q", "must not have a query"},
		{"http://a/#f", "must not have a query"},
		{"http://a/<x>", "a character that a URL must encode"},
		{"http://a/\\x07", "must not contain control characters"},
		{"", "must not be empty"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		char *inner = memory_format("endpoint: \"%s\"", wrong[i].value);

		expect_refused(inner, "/t.yaml:2:13", wrong[i].why);
		free(inner);
	}
}

Test(telemetry_keys, an_endpoint_that_is_a_url_is_taken)
{
	static const char *const good[] = {"http://127.0.0.1:4318",
		"https://otel.example.com", "http://[::1]:4318/base/",
		"http://collector:4318/a%20b", "http://a_b.c-d:1"};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		char *inner = memory_format("endpoint: \"%s\"", good[i]);
		char *text;
		struct config *config = load(inner, &text);

		cr_assert(config, "%s: %s", good[i], text);
		cr_expect_neq(
			config->telemetry
				.endpoint[strlen(config->telemetry.endpoint) -
					  1],
			'/');
		config_unref(config);
		free(text);
		free(inner);
	}
}

Test(telemetry_keys, headers_and_attributes_that_cannot_be_sent_are_refused)
{
	expect_refused("headers: {\"a b\": c}", "/t.yaml:2:20",
		"cannot be the name of a header");
	expect_refused("headers: {\"a:b\": c}", "/t.yaml:2:20",
		"cannot be the name of a header");
	expect_refused("headers: {a: \"b\\r\\nc: d\"}", "/t.yaml:2:16",
		"must not contain control characters");
	expect_refused("headers: {a: 7}", "/t.yaml:2:16", "must be a string");
	expect_refused(
		"headers: {a: \"\"}", "/t.yaml:2:16", "must not be empty");
	expect_refused("headers: {Content-Type: a}", "/t.yaml:2:27",
		"supd sets itself");
	expect_refused("headers: [a]", "/t.yaml:2:12", "must be a map");
	expect_refused(
		"resource: {a: {b: c}}", "/t.yaml:2:17", "must be a string");
	expect_refused("resource: {a: \"\\0\"}", "/t.yaml:2:17",
		"must not contain control characters");
	expect_refused("sampling: 1.1", "/t.yaml:2:13", "from 0 to 1");
	expect_refused("sampling: -1", "/t.yaml:2:13", "from 0 to 1");
	expect_refused("sampling: nan", "/t.yaml:2:13", "from 0 to 1");
	expect_refused("sampling: \"1\"", "/t.yaml:2:13", "from 0 to 1");
	expect_refused("timeout: 10ms", "/t.yaml:2:12", "from 100ms");
}

Test(telemetry_keys, too_many_are_refused)
{
	struct buffer map = {0};

	buffer_append_text(&map, "headers: {");
	for (int i = 0; i < 65; i++)
		buffer_format(&map, "h%d: a, ", i);
	buffer_append_text(&map, "}");
	buffer_append(&map, "", 1);
	expect_refused((const char *)buffer_bytes(&map), "/t.yaml:2:12",
		"more than 64 entries");
	buffer_finish(&map);
}

Test(telemetry_keys, no_value_of_a_header_is_shown)
{
	char *text, *json;
	struct config *config = load("headers: {x-team: hunter2, "
				     "b: \"Bearer hunter2\", "
				     "c: \"${env:PATH}\"}",
		&text);
	json_t *view;

	cr_assert(config, "%s", text);
	view = config_view(config, NULL);
	json = json_dumps(json_object_get(view, "telemetry"), 0);
	cr_expect(!strstr(json, "hunter2"), "%s", json);
	cr_expect(strstr(json, "${env:PATH}"), "%s", json);
	cr_expect_str_eq(json_string_value(json_object_get(
				 config->telemetry.headers, "x-team")),
		"hunter2");
	free(json);
	json_decref(view);
	config_unref(config);
	free(text);
}
