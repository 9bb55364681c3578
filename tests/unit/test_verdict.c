/* What filters answer. */
#include <criterion/criterion.h>
#include <string.h>

#include "proto/value.h"
#include "supervisor/event/verdict.h"

static struct buffer bytes;
static struct codec *codec;

static int
read_json(const char *json, struct verdict *v, struct error *err)
{
	json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
	msgpack_packer p;
	const msgpack_object *o;

	cr_assert(value, "%s", json);
	if (!codec)
		codec = codec_create();
	buffer_clear(&bytes);
	codec_packer(&p, &bytes);
	value_pack(&p, value);
	json_decref(value);
	o = codec_decode_value(
		codec, buffer_bytes(&bytes), buffer_length(&bytes), err);
	cr_assert(o);
	return verdict_read(v, o, err);
}

Test(verdict, is_nil_or_a_map)
{
	static const struct {
		const char *json;
		int kind;
		const char *error;
	} rows[] = {
		{"null", HOOK_VERDICT_PASS, ""},
		{"{\"verdict\":\"pass\"}", HOOK_VERDICT_PASS, ""},
		{"{\"verdict\":\"stop\"}", HOOK_VERDICT_STOP, ""},
		{"{\"verdict\":\"change\",\"data\":1}", HOOK_VERDICT_CHANGE,
			""},
		{"{\"verdict\":\"claim\",\"data\":null}", HOOK_VERDICT_CLAIM,
			""},
		{"{}", -1, "no verdict"},
		{"{\"verdict\":\"maybe\"}", -1, "no verdict"},
		{"{\"verdict\":7}", -1, "no verdict"},
		{"\"pass\"", -1, "no verdict"},
		{"true", -1, "no verdict"},
		{"[1]", -1, "no verdict"},
		{"{\"verdict\":\"change\"}", -1, "has no data"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error err = {.text = ""};
		struct verdict v;
		int result = read_json(rows[i].json, &v, &err);

		cr_expect_eq(
			result, rows[i].kind < 0 ? -1 : 0, "%s", rows[i].json);
		if (result == 0)
			cr_expect_eq((int)v.kind, rows[i].kind);
		cr_expect(strstr(err.text, rows[i].error), "%s: %s",
			rows[i].json, err.text);
		json_decref(v.data);
	}
}

Test(verdict, has_a_reason_or_data)
{
	struct error err;
	struct verdict v;

	cr_assert_eq(
		read_json("{\"verdict\":\"stop\",\"reason\":\"no\"}", &v, &err),
		0);
	cr_expect_str_eq(v.reason, "no");
	cr_expect_null(v.data);
	cr_assert_eq(read_json("{\"verdict\":\"change\",\"data\":{\"a\":[1]}}",
			     &v, &err),
		0);
	cr_expect_eq(json_array_size(json_object_get(v.data, "a")), 1);
	json_decref(v.data);
}

Test(verdict, what_is_nested_too_deeply_is_none)
{
	struct error err;
	struct verdict v;
	char json[128] = "{\"verdict\":\"change\",\"data\":";

	for (int i = 0; i < 26; i++)
		strcat(json, "[");
	for (int i = 0; i < 26; i++)
		strcat(json, "]");
	strcat(json, "}");
	cr_expect_eq(read_json(json, &v, &err), -1);
	cr_expect(strstr(err.text, "nested too deeply"), "%s", err.text);
	cr_expect_null(v.data);
}
