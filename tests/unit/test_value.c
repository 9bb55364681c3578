/* value: JSON there and back, and what has no place in JSON. */
#include <criterion/criterion.h>

#include "proto/value.h"

static json_t *
from_bytes(const void *bytes, size_t size, struct error *err)
{
	struct codec *c = codec_create();
	const msgpack_object *o = codec_decode_value(c, bytes, size, err);
	json_t *value = o ? value_from(o, err) : NULL;

	codec_destroy(c);
	return value;
}

Test(value, documents_survive_the_trip)
{
	static const char *const documents[] = {
		"null",
		"true",
		"false",
		"0",
		"-1",
		"127",
		"128",
		"-129",
		"9223372036854775807",
		"-9223372036854775808",
		"1.5",
		"-2e300",
		"\"\"",
		"\"h\\u00e9llo \\u20ac \\ud83d\\ude00\"",
		"\"a\\u0000b\"",
		"[]",
		"{}",
		"[1,[2,[3]],{}]",
		"{\"a\":1,\"b\":{\"c\":[null,true,\"x\"]},\"\":2}",
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
		json_t *in = json_loads(documents[i],
			       JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL),
		       *out;
		struct buffer b = {0};
		msgpack_packer p;
		struct error err = {0};

		cr_assert(in, "%s", documents[i]);
		codec_packer(&p, &b);
		value_pack(&p, in);
		out = from_bytes(buffer_bytes(&b), buffer_length(&b), &err);
		cr_assert(out, "%s: %s", documents[i], err.text);
		cr_expect(json_equal(in, out), "%s", documents[i]);
		json_decref(in);
		json_decref(out);
		buffer_finish(&b);
	}
}

Test(value, no_value_is_nil)
{
	struct buffer b = {0};
	msgpack_packer p;

	codec_packer(&p, &b);
	value_pack(&p, NULL);
	cr_expect_eq(buffer_length(&b), 1);
	cr_expect_eq(*buffer_bytes(&b), 0xc0);
	buffer_finish(&b);
}

Test(value, refuses_what_json_cannot_say)
{
	static const struct {
		const char *name;
		struct bytes bytes;
	} rows[] = {
		{"str that is not UTF-8", BYTES_INIT("\xa2\xff\xfe")},
		{"bin that is not UTF-8", BYTES_INIT("\xc4\x02\xc3\x28")},
		{"NaN", BYTES_INIT("\xcb\x7f\xf8\0\0\0\0\0\0")},
		{"infinity", BYTES_INIT("\xca\x7f\x80\0\0")},
		{"a key twice", BYTES_INIT("\x82\xa1k\x01\xa1k\x01")},
		{"NUL in a key", BYTES_INIT("\x81\xa2k\0\x01")},
		{"too large",
			BYTES_INIT("\xcf\xff\xff\xff\xff\xff\xff\xff\xff")},
		{"number as key", BYTES_INIT("\x81\x01\x02")},
		{"key that is not UTF-8", BYTES_INIT("\x81\xa1\xff\x02")},
		{"extension", BYTES_INIT("\xd4\x01\x02")},
		{"deep inside", BYTES_INIT("\x91\x81\xa1k\x91\xd4\x01\x02")},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct error err = {0};

		cr_expect_null(from_bytes(rows[i].bytes.at,
				       rows[i].bytes.length, &err),
			"%s", rows[i].name);
		cr_expect_neq(err.text[0], '\0', "%s", rows[i].name);
	}
}

Test(value, says_where_it_is_that_json_cannot_say)
{
	static const struct {
		struct bytes bytes;
		const char *text;
	} rows[] = {
		{BYTES_INIT("\xca\x7f\x80\0\0"),
			"$: NaN and Infinity are not JSON"},
		{BYTES_INIT("\x81\xa1"
			    "a\x93\x01\x02\xd4\x01\x02"),
			"$.a[2]: an extension type is not JSON"},
		{BYTES_INIT("\x81\xa3"
			    "a b\x91\xa1\xff"),
			"$['a b'][0]: a string must be UTF-8"},
		{BYTES_INIT("\x82\xa1k\x01\xa1k\x01"), "$.k: duplicate key"},
		{BYTES_INIT("\x91\x81\x01\x02"),
			"$[0]: a key of a map must be a string"},
		{BYTES_INIT("\x81\xa3\x1b[m\x81\x01\x02"),
			"$['?[m']: a key of a map must be a string"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct error err = {0};

		cr_expect_null(from_bytes(
			rows[i].bytes.at, rows[i].bytes.length, &err));
		cr_expect_str_eq(err.text, rows[i].text);
	}
}

Test(value, bin_that_is_text_becomes_a_string)
{
	json_t *value = from_bytes("\xc4\x02hi", 4, NULL);

	cr_assert(value);
	cr_expect_str_eq(json_string_value(value), "hi");
	json_decref(value);
}

Test(value, what_is_too_long_for_json_is_known_before_it_is_made)
{
	struct buffer b = {0};
	struct codec *c = codec_create();
	const msgpack_object *o;
	msgpack_packer p;

	codec_packer(&p, &b);
	msgpack_pack_map(&p, 1);
	codec_text(&p, "key");
	msgpack_pack_array(&p, 3);
	msgpack_pack_nil(&p);
	msgpack_pack_int(&p, 1);
	codec_text(&p, "0123456789");
	o = codec_decode_value(c, buffer_bytes(&b), buffer_length(&b), NULL);
	cr_assert(o);
	/* {"key":[null,1,"0123456789"]} */
	cr_expect(!value_is_longer(o, 29));
	cr_expect(value_is_longer(o, 17));
	codec_destroy(c);
	buffer_finish(&b);
}

Test(value, has_the_memory_of_all_its_parts)
{
	json_t *small = json_pack("{s:[i,n]}", "a", 1);
	json_t *large = json_pack("{s:[i,n],s:s}", "a", 1, "text",
		"a text that is longer than nothing");

	cr_expect_eq(value_memory(json_null()), 0);
	cr_expect_geq(value_memory(small), 200);
	cr_expect_geq(value_memory(large), value_memory(small) + 34 + 4);
	json_decref(small);
	json_decref(large);
}
