/* registration: what a worker may declare, and what it is told otherwise. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>

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
		"{\"kind\":\"command\",\"name\":\"c\",\"help\":\"h\",\"new\":1}"
		","
		"{\"kind\":\"method\",\"name\":\"m\",\"idempotent\":true}]");
	const struct registration *r = set.items;
	char *label = registration_label(r);

	cr_assert_eq(set.count, 4);
	cr_expect_str_eq(r->name, "GET /a/{id}/*");
	cr_expect_str_eq(r->method, "GET");
	cr_expect_str_eq(r->path, "/a/{id}/*");
	cr_expect_eq(r->idempotent, 0);
	cr_expect_eq(r->body_limit, 77);
	cr_expect(r->streams_body);
	cr_expect_str_eq(label, "http:GET /a/{id}/*");
	free(label);
	r = registration_find(&set, REGISTRATION_TOOL, "t.one");
	cr_assert_eq(r, &set.items[1]);
	cr_expect_str_eq(r->description, "d");
	cr_expect_str_eq(r->schema_json, "{\"type\":\"object\"}");
	cr_expect_eq(r->idempotent, -1);
	cr_expect_eq(r->body_limit, -1);
	cr_expect(!r->streams_body);
	cr_expect_str_eq(set.items[2].help, "h");
	cr_expect_eq(set.items[3].idempotent, 1);
	cr_expect_null(registration_find(&set, REGISTRATION_TOOL, "c"));
	registration_set_finish(&set);
	cr_expect_eq(set.count, 0);
}

Test(registration, refusals_name_index_and_field)
{
	static const struct {
		const char *json, *says;
	} rows[] = {
		{"{}", "not an array"},
		{"[3]", "registration 0: it is not a map"},
		{"[{\"kind\":\"tool\",\"name\":\"a\"},{\"kind\":\"tol\"}]",
			"registration 1: there is no kind \"tol\""},
		{"[{\"name\":\"a\"}]", "there is no kind \"\""},
		{"[{\"kind\":\"channel\",\"name\":\"a\"}]",
			"kind \"channel\" is not supported yet"},
		{"[{\"kind\":\"tool\"}]", "name is missing"},
		{"[{\"kind\":\"tool\",\"name\":3}]", "name is not text"},
		{"[{\"kind\":\"tool\",\"name\":\"\"}]", "a name has 1 to 128"},
		{"[{\"kind\":\"tool\",\"name\":\"a b\"}]", "a name has"},
		{"[{\"kind\":\"tool\",\"name\":\"a\\u0000b\"}]",
			"name is not text"},
		{"[{\"kind\":\"tool\",\"name\":\"a\",\"schema\":[]}]",
			"schema is not an object"},
		{"[{\"kind\":\"http\",\"path\":\"/\"}]", "method must be"},
		{"[{\"kind\":\"http\",\"method\":\"get\",\"path\":\"/\"}]",
			"method must be"},
		{"[{\"kind\":\"http\",\"method\":\"GET\"}]", "path is missing"},
		{"[{\"kind\":\"http\",\"method\":\"GET\",\"path\":\"/\","
		 "\"idempotent\":\"no\"}]",
			"idempotent is not a boolean"},
		{"[{\"kind\":\"http\",\"method\":\"GET\",\"path\":\"/\","
		 "\"body_limit\":-1}]",
			"body_limit is not"},
		{"[{\"kind\":\"http\",\"method\":\"POST\",\"path\":\"/\","
		 "\"streams_body\":1}]",
			"streams_body is not a boolean"},
		{"[{\"kind\":\"tool\",\"name\":\"a\"},"
		 "{\"kind\":\"tool\",\"name\":\"a\"}]",
			"registration 1: tool:a is registered twice"},
		{"[{\"kind\":\"http\",\"method\":\"GET\",\"path\":\"/{a}\"},"
		 "{\"kind\":\"http\",\"method\":\"GET\",\"path\":\"/{b}\"}]",
			"http:GET /{} is registered twice"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct registration_set set;
		struct error err = {0};

		cr_expect_eq(read_json(&set, rows[i].json, &err), -1, "%s",
			rows[i].json);
		cr_expect(strstr(err.text, rows[i].says), "%s: %s",
			rows[i].json, err.text);
		cr_expect_null(set.items);
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

Test(registration, sets_are_equal_in_any_order)
{
	struct registration_set a = set_of(
					"[{\"kind\":\"tool\",\"name\":\"x\"},"
					"{\"kind\":\"http\",\"method\":\"GET\","
					"\"path\":\"/\"}]"),
				b = set_of("[{\"kind\":\"http\",\"method\":"
					   "\"GET\",\"path\":\"/\"},"
					   "{\"kind\":\"tool\",\"name\":\"x\","
					   "\"description\":\"new\"}]"),
				other = set_of(
					"[{\"kind\":\"http\",\"method\":"
					"\"PUT\",\"path\":\"/\"},"
					"{\"kind\":\"tool\",\"name\":\"x\"}]"),
				less = set_of(
					"[{\"kind\":\"tool\",\"name\":\"x\"}]"),
				none = set_of("[]");

	cr_expect(registration_set_equal(&a, &b));
	cr_expect_not(registration_set_equal(&a, &other));
	cr_expect_not(registration_set_equal(&a, &less));
	cr_expect_not(registration_set_equal(&less, &none));
	cr_expect(registration_set_equal(&none, &none));
	registration_set_finish(&a);
	registration_set_finish(&b);
	registration_set_finish(&other);
	registration_set_finish(&less);
	registration_set_finish(&none);
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
