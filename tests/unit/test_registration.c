/* registration: what a worker may declare, and what it is told otherwise. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/registration.h"
#include "proto/value.h"

/* Reads a set from JSON. */
static int
read_json(struct registration_set *set, const char *text, struct error *err)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct codec *c = codec_create();
	struct buffer b = {0};
	msgpack_packer p;
	int result;

	cr_assert(json, "%s", text);
	codec_packer(&p, &b);
	value_pack(&p, json);
	result = registration_set_read(set,
		codec_decode_value(c, buffer_bytes(&b), buffer_length(&b), err),
		err);
	buffer_finish(&b);
	codec_destroy(c);
	json_decref(json);
	return result;
}

static struct registration_set
set_of(const char *text)
{
	struct registration_set set;
	struct error err = {0};

	cr_assert_eq(read_json(&set, text, &err), 0, "%s", err.text);
	return set;
}

Test(registration, reads_each_kind)
{
	struct registration_set set = set_of(
		"[{\"kind\":\"http\",\"method\":\"GET\",\"path\":\"/a/{id}/*\","
		"\"idempotent\":false,\"body_limit\":77,\"streams_body\":true},"
		"{\"kind\":\"tool\",\"name\":\"t.one\",\"description\":\"d\","
		"\"schema\":{\"type\":\"object\"}},"
		"{\"kind\":\"command\",\"name\":\"c\",\"help\":\"h\"},"
		"{\"kind\":\"method\",\"name\":\"m\",\"idempotent\":true}]");
	const struct registration *r = set.items;
	char *label = registration_label(r);

	cr_assert_eq(set.count, 4);
	cr_expect_str_eq(r->name, "GET /a/{id}/*");
	cr_expect_str_eq(r->http.method, "GET");
	cr_expect_str_eq(r->http.path, "/a/{id}/*");
	cr_expect_eq(r->idempotent, 0);
	cr_expect_eq(r->http.body_limit, 77);
	cr_expect(r->http.streams_body);
	cr_expect_str_eq(label, "http:GET /a/{id}/*");
	free(label);
	r = registration_find(&set, REGISTRATION_TOOL, "t.one");
	cr_assert_eq(r, &set.items[1]);
	cr_expect_str_eq(r->description, "d");
	cr_expect_str_eq(r->call.schema_json, "{\"type\":\"object\"}");
	cr_expect_eq(r->idempotent, -1);
	cr_expect_str_eq(set.items[2].help, "h");
	cr_expect_eq(set.items[3].idempotent, 1);
	cr_expect_null(registration_find(&set, REGISTRATION_TOOL, "c"));
	registration_set_finish(&set);
	cr_expect_eq(set.count, 0);
}

/* Each of them has every field of its kind. */
static const char *const whole[] = {
	"{\"kind\":\"http\",\"description\":\"d\",\"help\":\"h\","
	"\"idempotent\":"
	"true,\"method\":\"PUT\",\"path\":\"/a\",\"body_limit\":0,"
	"\"streams_body\":true}",
	"{\"kind\":\"http\",\"method\":\"GET\",\"path\":\"/w\","
	"\"websocket\":true,\"protocols\":[\"b\",\"a\"],"
	"\"message_limit\":7,\"pinned\":true}",
	"{\"kind\":\"tool\",\"name\":\"t\",\"description\":\"d\\n\",\"help\":"
	"\"h\",\"idempotent\":false,\"schema\":{\"type\":\"object\"},"
	"\"validate\":true}",
	"{\"kind\":\"command\",\"name\":\"c\",\"description\":\"d\",\"help\":"
	"\"h\",\"idempotent\":true,\"schema\":{},\"validate\":false}",
	"{\"kind\":\"method\",\"name\":\"m\",\"description\":\"d\",\"help\":"
	"\"h\",\"idempotent\":true,\"schema\":{},\"validate\":false}",
};

#define WHOLE (sizeof(whole) / sizeof(*whole))

static struct registration_set
set_of_one(const char *item)
{
	char text[400];

	snprintf(text, sizeof(text), "[%s]", item);
	return set_of(text);
}

Test(registration, is_packed_as_it_is_read)
{
	for (size_t i = 0; i < WHOLE; i++) {
		struct registration_set set = set_of_one(whole[i]);
		struct codec *c = codec_create();
		struct registration again;
		struct buffer b = {0};
		struct error err = {.text = ""};
		msgpack_packer p;

		codec_packer(&p, &b);
		registration_pack(set.items, &p);
		cr_assert_eq(registration_read(&again,
				     codec_decode_value(c, buffer_bytes(&b),
					     buffer_length(&b), &err),
				     &err),
			0, "%s", err.text);
		cr_expect(registration_equal(set.items, &again));
		registration_finish(&again);
		registration_set_finish(&set);
		buffer_finish(&b);
		codec_destroy(c);
	}
}

Test(registration, schedules_of_one_zone_share_it)
{
	struct registration_set set = set_of(
		"[{\"kind\":\"schedule\",\"name\":\"a\",\"when\":\"0 3 * * "
		"*\"},"
		"{\"kind\":\"schedule\",\"name\":\"b\",\"when\":\"0 3 * * *\","
		"\"zone\":\"UTC\"},"
		"{\"kind\":\"tool\",\"name\":\"c\"},"
		"{\"kind\":\"schedule\",\"name\":\"d\",\"when\":\"0 4 * * *\"},"
		"{\"kind\":\"schedule\",\"name\":\"e\",\"when\":\"0 4 * * *\","
		"\"zone\":\"UTC\"},"
		"{\"kind\":\"schedule\",\"name\":\"f\",\"when\":\"every "
		"1s\"}]");
	const struct registration *r = set.items;

	cr_expect(r[0].schedule.zone && r[1].schedule.zone);
	cr_expect_eq(r[0].schedule.zone, r[3].schedule.zone);
	cr_expect_eq(r[1].schedule.zone, r[4].schedule.zone);
	cr_expect_neq(r[0].schedule.zone, r[1].schedule.zone);
	cr_expect_null(r[5].schedule.zone);
	registration_set_finish(&set);
}

Test(registration, a_copy_is_equal_until_any_field_differs)
{
	for (size_t i = 0; i < WHOLE; i++) {
		struct registration_set set = set_of_one(whole[i]), copy;
		json_t *item = json_loads(whole[i], 0, NULL), *value;
		const char *key;
		void *next;

		registration_set_copy(&copy, &set);
		cr_expect(registration_equal(set.items, copy.items));
		json_object_foreach_safe(item, next, key, value)
		{
			json_t *less = json_pack("[o]", json_copy(item));
			struct registration_set other = {0};
			struct error err;
			char *text;

			json_object_del(json_array_get(less, 0), key);
			text = json_dumps(less, 0);
			if (!read_json(&other, text, &err))
				cr_expect(!registration_equal(
						  copy.items, other.items),
					"%s", key);
			registration_set_finish(&other);
			free(text);
			json_decref(less);
		}
		registration_set_finish(&set);
		registration_set_finish(&copy);
		json_decref(item);
	}
}

Test(registration, each_of_many_is_found_without_a_walk_over_all)
{
	enum { MANY = REGISTRATIONS_MAX };
	json_t *list = json_array();
	struct registration_set set;
	char name[16], *text;

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "t.%d", i * 7 % MANY);
		json_array_append_new(list,
			json_pack("{s:s, s:s}", "kind",
				i % 2 ? "tool" : "command", "name", name));
	}
	text = json_dumps(list, 0);
	set = set_of(text);
	cr_assert(set.order);
	for (int i = 0; i < MANY; i++)
		cr_expect_eq(registration_find(&set, set.items[i].kind,
				     set.items[i].name),
			&set.items[i]);
	cr_expect_null(registration_find(&set, REGISTRATION_METHOD, "t.1"));
	cr_expect_null(registration_find(&set, REGISTRATION_TOOL, "t.9999"));
	registration_set_finish(&set);
	free(text);
	json_decref(list);
}

/* `count` tools, each with an enum of `choices` in its schema. */
static int
read_tools(unsigned count, unsigned choices, bool validate, struct error *err)
{
	json_t *list = json_array(), *allowed = json_array();
	struct registration_set set;
	char name[16], *text;
	int result;

	for (unsigned i = 0; i < choices; i++)
		json_array_append_new(allowed, json_integer(i));
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:b, s:{s:O}}", "kind",
				      "tool", "name", name, "validate",
				      validate, "schema", "enum", allowed));
	}
	text = json_dumps(list, 0);
	result = read_json(&set, text, err);
	if (!result)
		registration_set_finish(&set);
	free(text);
	json_decref(allowed);
	json_decref(list);
	return result;
}

Test(registration, the_schemas_of_a_worker_have_a_number_of_parts_together)
{
	const unsigned each = 1024, fit = REGISTRATION_PARTS_MAX / each;
	struct error err = {.text = ""};

	/* one more part is the schema itself */
	cr_expect_eq(read_tools(fit, each - 1, true, &err), 0, "%s", err.text);
	cr_expect_eq(read_tools(fit + 1, each - 1, true, &err), -1);
	cr_expect(strstr(err.text, "registration 64: schema: the schemas of "
				   "the registrations have more than 65536 "
				   "parts together"),
		"%s", err.text);
	cr_expect_eq(read_tools(fit + 1, each - 1, false, &err), 0);
}

static const struct {
	const char *json, *says;
} refusals[] = {
	{"{}", "not an array"},
	{"[3]", "registration 0: it is not a map"},
	{"[{\"kind\":\"tool\",\"name\":\"a\"},{\"kind\":\"tol\"}]",
		"registration 1: unknown kind \"tol\""},
	{"[{\"name\":\"a\"}]", "unknown kind \"\""},
	{"[{\"kind\":\"channel\"}]", "name is missing"},
	{"[{\"kind\":\"channel\",\"name\":\"a\",\"can\":[\"text\","
	 "\"fly\"]}]",
		"channel a: can has 'fly'"},
	{"[{\"kind\":\"channel\",\"name\":\"a\",\"ack\":\"soon\"}]",
		"channel a: ack must be stored or handled"},
	{"[{\"kind\":\"channel\",\"name\":\"a\",\"announce\":7}]", "announce"},
	{"[{\"kind\":\"channel\",\"name\":\"a\",\"text_limit\":0}]",
		"channel a: text_limit must be 1 to 1048576 bytes"},
	{"[{\"kind\":\"hook\"}]", "event is missing"},
	{"[{\"kind\":\"hook\",\"event\":\"a.*.b\"}]", "event: must be a name"},
	{"[{\"kind\":\"hook\",\"event\":\"a\",\"name\":\"a b\"}]",
		"a name must have 1 to 128"},
	{"[{\"kind\":\"hook\",\"event\":\"a\",\"match\":7}]",
		"match is not an object"},
	{"[{\"kind\":\"hook\",\"event\":\"a\",\"match\":{\"b\":{}}}]",
		"match: b must be a string"},
	{"[{\"kind\":\"hook\",\"event\":\"a\",\"timeout_ms\":-1}]",
		"timeout_ms must be a number from 1 to "
		"9007199254740992"},
	{"[{\"kind\":\"hook\",\"event\":\"a\",\"timeout_ms\":0}]",
		"timeout_ms must be a number from 1 to "},
	{"[{\"kind\":\"hook\",\"event\":\"a\","
	 "\"timeout_ms\":\"1s\"}]",
		"timeout_ms must be a number from 1 to "},
	{"[{\"kind\":\"hook\",\"event\":\"a\","
	 "\"priority\":-1000000001}]",
		"priority must be a number from -1000000000 to "
		"1000000000"},
	{"[{\"kind\":\"hook\",\"event\":\"a\",\"prority\":1}]",
		"registration 0: unknown key \"prority\"; did you mean "
		"'priority'?"},
	{"[{\"kind\":\"tool\",\"name\":\"a\",\"path\":null}]",
		"registration 0: unknown key \"path\""},
	{"[{\"kind\":\"tool\",\"name\":\"a\",\"\\u0007\":1}]",
		"registration 0: unknown key"},
	{"[{\"kind\":\"schedule\",\"name\":\"a\","
	 "\"when\":\"@daily\",\"timeout_ms\":-1}]",
		"timeout_ms must be a number from 0 to "
		"9007199254740992"},
	{"[{\"kind\":\"hook\",\"event\":\"tool.before\","
	 "\"filter\":true,\"on_error\":\"go\"}]",
		"on_error must be skip or stop"},
	{"[{\"kind\":\"hook\",\"event\":\"a\",\"on_error\":\"skip\"}]",
		"on_error is for filters"},
	{"[{\"kind\":\"hook\",\"event\":\"a\",\"name\":\"x\"},"
	 "{\"kind\":\"hook\",\"event\":\"b\",\"name\":\"x\"}]",
		"registration 1: hook:x is registered twice"},
	{"[{\"kind\":\"tool\"}]", "name is missing"},
	{"[{\"kind\":\"tool\",\"name\":3}]", "name must be UTF-8 text"},
	{"[{\"kind\":\"tool\",\"name\":\"\"}]", "a name must have 1 to 128"},
	{"[{\"kind\":\"tool\",\"name\":\"a b\"}]", "a name must have"},
	{"[{\"kind\":\"tool\",\"name\":\"a\\u0000b\"}]",
		"name must be UTF-8 text"},
	{"[{\"kind\":\"tool\",\"name\":\"a\",\"schema\":[]}]",
		"schema is not an object"},
	{"[{\"kind\":\"http\",\"path\":\"/\"}]", "method must be"},
	{"[{\"kind\":\"http\",\"method\":\"get\",\"path\":\"/\"}]",
		"method must be"},
	{"[{\"kind\":\"http\",\"method\":\"GET\"}]", "path is missing"},
	{"[{\"kind\":\"http\",\"method\":\"GET\",\"path\":\"/\","
	 "\"idempotent\":\"no\"}]",
		"idempotent is not a boolean"},
	{"[{\"kind\":\"tool\",\"name\":\"a\","
	 "\"idempotent\":\"no\"}]",
		"idempotent is not a boolean"},
	{"[{\"kind\":\"http\",\"method\":\"GET\",\"path\":\"/\","
	 "\"body_limit\":-1}]",
		"body_limit must be a number of bytes from 0 to "},
	{"[{\"kind\":\"http\",\"method\":\"POST\",\"path\":\"/\","
	 "\"streams_body\":1}]",
		"streams_body is not a boolean"},
	{"[{\"kind\":\"http\",\"method\":\"POST\",\"path\":\"/\","
	 "\"websocket\":true}]",
		"the method of a websocket must be GET"},
	{"[{\"kind\":\"http\",\"method\":\"GET\",\"path\":\"/\","
	 "\"pinned\":true}]",
		"pinned need websocket"},
	{"[{\"kind\":\"http\",\"method\":\"GET\",\"path\":\"/\","
	 "\"websocket\":true,\"protocols\":\"a\"}]",
		"protocols is not an array"},
	{"[{\"kind\":\"http\",\"method\":\"GET\",\"path\":\"/\","
	 "\"websocket\":true,\"protocols\":[\"a b\"]}]",
		"protocols must be tokens"},
	{"[{\"kind\":\"http\",\"method\":\"GET\",\"path\":\"/\","
	 "\"websocket\":true,\"message_limit\":0}]",
		"message_limit must be from 1"},
	{"[{\"kind\":\"tool\",\"name\":\"a\"},"
	 "{\"kind\":\"tool\",\"name\":\"a\"}]",
		"registration 1: tool:a is registered twice"},
	{"[{\"kind\":\"http\",\"method\":\"GET\",\"path\":\"/{a}\"},"
	 "{\"kind\":\"http\",\"method\":\"GET\",\"path\":\"/{b}\"}]",
		"http:GET /{} is registered twice"},
};

Test(registration, refusals_name_index_and_field)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		struct registration_set set;
		struct error err = {0};

		cr_expect_eq(read_json(&set, refusals[i].json, &err), -1, "%s",
			refusals[i].json);
		cr_expect(strstr(err.text, refusals[i].says), "%s: %s",
			refusals[i].json, err.text);
		cr_expect_null(set.items);
	}
}

/* JSON has no such map, MessagePack does. */
Test(registration, a_field_given_twice_is_refused_by_name)
{
	static const char *const fields[] = {"kind", "name", "idempotent",
		"description", "schema", "validate", "help", "method", "path",
		"body_limit", "streams_body", "websocket", "protocols",
		"message_limit", "pinned"};
	enum { OF_TOOLS = 7 };

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		json_t *item = i < OF_TOOLS ? json_pack("{s:s,s:s}", "kind",
						      "tool", "name", "a")
					    : json_pack("{s:s,s:s,s:s}", "kind",
						      "http", "method", "GET",
						      "path", "/");
		const json_t *first = json_object_get(item, fields[i]);
		struct registration_set set;
		struct codec *c = codec_create();
		struct buffer b = {0};
		struct error err = {.text = ""};
		const char *key;
		msgpack_packer p;
		json_t *value;
		char says[64];

		codec_packer(&p, &b);
		msgpack_pack_array(&p, 1);
		msgpack_pack_map(&p, json_object_size(item) + (first ? 1 : 2));
		json_object_foreach(item, key, value)
		{
			msgpack_pack_str_with_body(&p, key, strlen(key));
			value_pack(&p, value);
		}
		for (int n = first ? 1 : 0; n < 2; n++) {
			msgpack_pack_str_with_body(
				&p, fields[i], strlen(fields[i]));
			if (first)
				value_pack(&p, first);
			else
				msgpack_pack_nil(&p);
		}
		snprintf(says, sizeof(says),
			"registration 0: %s is given twice", fields[i]);
		cr_expect_eq(registration_set_read(&set,
				     codec_decode_value(c, buffer_bytes(&b),
					     buffer_length(&b), &err),
				     &err),
			-1, "%s", fields[i]);
		cr_expect_str_eq(err.text, says);
		registration_set_finish(&set);
		buffer_finish(&b);
		codec_destroy(c);
		json_decref(item);
	}
}

Test(registration, paths_follow_the_pattern_syntax)
{
	static const struct {
		const char *path;
		bool valid;
	} rows[] = {
		{"/", true},
		{"/a", true},
		{"/a/", true},
		{"/a/b.c/d~e", true},
		{"/{x}", true},
		{"/{x}/{y}", true},
		{"/{x}/{xx}", true},
		{"/{_a1}/b", true},
		{"/*", true},
		{"/a/*", true},
		{"/...", true},
		{"/caf\xc3\xa9", true},
		{"", false},
		{"a", false},
		{"//", false},
		{"/a//b", false},
		{"//a", false},
		{"/./a", false},
		{"/a/..", false},
		{"/a/../b", false},
		{"/*/a", false},
		{"/a*", false},
		{"/*/", false},
		{"/{}", false},
		{"/{1a}", false},
		{"/{a-b}", false},
		{"/{a", false},
		{"/a}", false},
		{"/{a}b", false},
		{"/b{a}", false},
		{"/{a}/x/{a}", false},
		{"/a?b", false},
		{"/a#b", false},
		{"/a b", false},
		{"/a%2Fb", false},
		{"/a\tb", false},
		{"/a\\\\b", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct registration_set set;
		struct error err = {0};
		char json[200];

		snprintf(json, sizeof(json),
			"[{\"kind\":\"http\",\"method\":\"GET\",\"path\":"
			"\"%s\"}]",
			strcmp(rows[i].path, "/a\tb") ? rows[i].path
						      : "/a\\tb");
		cr_expect_eq(read_json(&set, json, &err),
			rows[i].valid ? 0 : -1, "%s: %s", rows[i].path,
			err.text);
		registration_set_finish(&set);
	}
}

Test(registration, idempotence_is_its_own_word_else_the_methods)
{
	static const struct {
		enum registration_kind kind;
		int own;
		const char *method;
		bool is;
	} rows[] = {
		{REGISTRATION_HTTP, -1, "GET", true},
		{REGISTRATION_HTTP, -1, "HEAD", true},
		{REGISTRATION_HTTP, -1, "OPTIONS", true},
		{REGISTRATION_HTTP, -1, "PUT", true},
		{REGISTRATION_HTTP, -1, "DELETE", true},
		{REGISTRATION_HTTP, -1, "POST", false},
		{REGISTRATION_HTTP, -1, "PATCH", false},
		{REGISTRATION_HTTP, 0, "GET", false},
		{REGISTRATION_HTTP, 1, "POST", true},
		{REGISTRATION_TOOL, -1, "", false},
		{REGISTRATION_TOOL, 1, "", true},
		{REGISTRATION_METHOD, -1, "GET", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct registration r = {
			.kind = rows[i].kind, .idempotent = rows[i].own};

		cr_expect_eq(registration_is_idempotent(&r, rows[i].method,
				     strlen(rows[i].method)),
			rows[i].is, "row %zu", i);
	}
}
