/* json_pack: JSON text as MessagePack, a part at a time. */
#include <criterion/criterion.h>
#include <string.h>

#include "proto/json_pack.h"
#include "proto/util/memory.h"
#include "proto/value.h"

/* The value of what was packed in steps of `most` bytes; NULL: refused. */
static json_t *
pack(const char *text, size_t most)
{
	struct json_pack p = {0};
	struct buffer out = {0};
	struct codec *codec = codec_create();
	struct error err = {.text = ""};
	json_t *value = NULL;
	int done;

	do
		done = json_pack_step(&p, bytes_of(text), most, &out);
	while (!done);
	if (done > 0) {
		const msgpack_object *o = codec_decode_value(
			codec, buffer_bytes(&out), buffer_length(&out), &err);

		cr_assert(o, "%s: %s", text, err.text);
		value = value_from(o, &err);
		cr_assert(value, "%s: %s", text, err.text);
	}
	codec_destroy(codec);
	buffer_finish(&out);
	return value;
}

Test(json_pack, says_the_same_whatever_the_size_of_its_steps)
{
	static const char *const documents[] = {
		"null",
		"{}\n",
		"[ true, false , null ]",
		"[0,-1,9223372036854775807,-9223372036854775808]",
		"[0.1,-1e22,5e-324,1.0]",
		"\"\"",
		"\"a\\u0000b\"",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u001b\"",
		"\"za\305\274\303\263\305\202\304\207 \360\237\230\200\"",
		"\"\\u00e9\\u20ac\\uD83D\\ude00\"",
		"{\"a\":{\"b\":[1,[2,{}],\"]}\\\"\"]},\"\":[]}",
		"[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]",
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
		json_t *there = json_loads(
			documents[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		json_t *whole = pack(documents[i], SIZE_MAX);
		json_t *dripped = pack(documents[i], 1);

		cr_expect(json_equal(there, whole), "%s", documents[i]);
		cr_expect(json_equal(there, dripped), "%s", documents[i]);
		json_decref(there);
		json_decref(whole);
		json_decref(dripped);
	}
}

Test(json_pack, refuses_what_is_no_document)
{
	static const char *const documents[] = {"", " ", "[", "{\"a\":1", "]",
		"[}", "{1:2}", "{\"a\"}", "\"a", "\"\\x\"", "\"\\u12g4\"",
		"\"\\ud83d\"", "\"\\udc00\"", "nul", "1x", "1e999", "--1"};
	char deep[WIRE_DEPTH_MAX + 2];

	for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++)
		cr_expect_null(pack(documents[i], 1), "%s", documents[i]);
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = 0;
	cr_expect_null(pack(deep, SIZE_MAX));
}

Test(json_pack, reads_no_more_than_a_step_at_a_time)
{
	struct buffer text = {0}, out = {0};
	struct json_pack p = {0};
	size_t before, longest = 0;
	int done;

	buffer_append_text(&text, "[0");
	for (int i = 1; i < 10000; i++)
		buffer_format(&text, ",\"%d\"", i);
	buffer_append_text(&text, "]");
	do {
		before = p.at;
		done = json_pack_step(&p,
			(struct bytes){(const char *)buffer_bytes(&text),
				buffer_length(&text)},
			1000, &out);
		if (p.at - before > longest)
			longest = p.at - before;
	} while (!done);
	cr_expect_eq(done, 1);
	cr_expect_leq(longest, 1000 + 10);
	buffer_finish(&text);
	buffer_finish(&out);
}
