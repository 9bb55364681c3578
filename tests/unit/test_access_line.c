/* access_line: the lines of the access log: their form, and that nothing a
 * client sends can forge one. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "supervisor/http/access.h"
#include "tests/unit/http_door.h"

#define WALL_MS 1795156144123ull /* 2026-11-20T06:29:04.123Z */

static struct head_field fields[3];
static struct head head;

/* NULL: absent. */
static void
set_head(const char *path, const char *query, const char *referer,
	const char *agent)
{
	memset(&head, 0, sizeof(head));
	head.method = BYTES("GET");
	head.path = bytes_of(path);
	head.query = bytes_of(query);
	head.fields = fields;
	if (referer)
		fields[head.field_count++] = (struct head_field){
			BYTES("referer"), bytes_of(referer), false};
	if (agent)
		fields[head.field_count++] = (struct head_field){
			BYTES("user-agent"), bytes_of(agent), false};
}

/* The line; until the next call. */
static const char *
line_of(int format, const char *client, const char *plugin, uint32_t generation)
{
	static struct buffer line;
	struct access_log log = {.format = format};
	struct access_end end = {bytes_of(client), BYTES("id-1"), 200, 128};
	struct access_note *note = access_begin(&log, &head);

	snprintf(note->plugin, sizeof(note->plugin), "%s", plugin);
	note->generation = generation;
	buffer_clear(&line);
	access_line(&line, format, WALL_MS, 1234, note, &end);
	buffer_append_byte(&line, 0);
	free(note);
	return (char *)buffer_bytes(&line);
}

Test(access_line, a_text_line_is_in_the_combined_format_with_more_at_its_end)
{
	set_head("/a", "b=c", "http://r/", "curl/8");
	cr_expect_str_eq(line_of(ACCESS_TEXT, "192.0.2.1:42", "hello", 4),
		"192.0.2.1 - - [20/Nov/2026:06:29:04 +0000] \"GET /a?b=c "
		"HTTP/1.1\" 200 128 \"http://r/\" \"curl/8\" 1.234 hello/4 "
		"id-1");
	set_head("/", "", NULL, NULL);
	head.http_1_0 = true;
	cr_expect_str_eq(line_of(ACCESS_TEXT, "[2001:db8::1]:42", "", 0),
		"2001:db8::1 - - [20/Nov/2026:06:29:04 +0000] \"GET / "
		"HTTP/1.0\" 200 128 \"-\" \"-\" 1.234 -/0 id-1");
	memset(&head, 0, sizeof(head));
	cr_expect_str_eq(line_of(ACCESS_TEXT, "unix", "", 0),
		"unix - - [20/Nov/2026:06:29:04 +0000] \"-\" 200 128 \"-\" "
		"\"-\" 1.234 -/0 id-1");
}

Test(access_line, a_json_line_has_every_key)
{
	static const char *const keys[] = {"time", "type", "peer", "method",
		"path", "query", "protocol", "status", "bytes", "durationMs",
		"plugin", "generation", "requestId", "referer", "userAgent"};
	json_t *json;

	set_head("/a", "", NULL, "curl/8");
	json = json_loads(
		line_of(ACCESS_JSON, "192.0.2.1:42", "hello", 4), 0, NULL);
	cr_assert(json);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		cr_expect(json_object_get(json, keys[i]), "%s", keys[i]);
	cr_expect_eq(json_object_size(json), sizeof(keys) / sizeof(*keys));
	cr_expect_str_eq(json_string_value(json_object_get(json, "time")),
		"2026-11-20T06:29:04.123Z");
	cr_expect_str_eq(json_string_value(json_object_get(json, "peer")),
		"192.0.2.1:42");
	cr_expect(json_is_null(json_object_get(json, "query")));
	cr_expect(json_is_null(json_object_get(json, "referer")));
	cr_expect_eq(
		json_integer_value(json_object_get(json, "generation")), 4);
	json_decref(json);
}

Test(access_line, no_client_can_forge_a_line)
{
	static const char evil[] = "a\" 200 0 \"x\\\r\n\x01\x7f\xc3\xa4\xff\t";
	const char *text;
	json_t *json;

	set_head("/\"\\", "", evil, evil);
	text = line_of(ACCESS_TEXT, "unix", "", 0);
	cr_expect(strstr(text, "\"GET /\\x22\\x5c HTTP/1.1\""), "%s", text);
	cr_expect(strstr(text, " \"a\\x22 200 0 \\x22x\\x5c\\x0d\\x0a\\x01\\x7f"
			       "\\xc3\\xa4\\xff\\x09\" "),
		"%s", text);
	for (const char *c = text; *c; c++)
		cr_expect(*c >= 0x20 && *c < 0x7f);
	text = line_of(ACCESS_JSON, "unix", "", 0);
	cr_expect_null(strchr(text, '\n'));
	json = json_loads(text, 0, NULL);
	cr_assert(json, "%s", text);
	cr_expect_str_eq(
		json_string_value(json_object_get(json, "path")), "/\"\\");
	json_decref(json);
}

Test(access_line, what_is_too_long_is_cut)
{
	static char path[2 * ACCESS_PART_MAX];

	memset(path, 'p', sizeof(path) - 1);
	set_head(path, path, path, path);
	cr_expect_eq(strlen(line_of(ACCESS_TEXT, "unix", "", 0)) -
			     4 * ACCESS_PART_MAX,
		strlen("unix - - [20/Nov/2026:06:29:04 +0000] \"GET ? "
		       "HTTP/1.1\" 200 128 \"\" \"\" 1.234 -/0 id-1"));
}
