/* codec: what goes in comes out, and any other bytes are an error at a cost
 * bounded by their number. */
#include <criterion/criterion.h>

#include "proto/codec.h"

static struct codec *codec;
static struct buffer out;
static msgpack_packer packer, *p = &packer;

static void
start(void)
{
	codec = codec_create();
	codec_packer(p, &out);
}

static void
finish(void)
{
	codec_destroy(codec);
	buffer_finish(&out);
}

TestSuite(codec, .init = start, .fini = finish);

/* Decodes the one message in `out`. */
static struct message
decode_one(void)
{
	struct message m = {0};
	struct error err = {0};
	size_t offset = 0;

	cr_assert_eq(codec_decode(codec, buffer_bytes(&out),
			     buffer_length(&out), &offset, &m, &err),
		1, "%s", err.text);
	cr_assert_eq(offset, buffer_length(&out));
	return m;
}

static int
decode_bytes(struct bytes bytes, struct error *err)
{
	struct message m;
	size_t offset = 0;

	return codec_decode(codec, (const uint8_t *)bytes.at, bytes.length,
		&offset, &m, err);
}

Test(codec, a_request_comes_back)
{
	static const uint32_t ids[] = {
		0, 1, 127, 128, 65535, 65536, UINT32_MAX};

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		struct message m;

		buffer_clear(&out);
		codec_request(p, ids[i], MESSAGE_HELLO, 3);
		msgpack_pack_uint32(p, PROTOCOL_VERSION);
		codec_text(p, "nonce");
		codec_str(p, BYTES("a sdk with a name of 32 or more bytes"));
		m = decode_one();
		cr_expect_eq(m.kind, MESSAGE_REQUEST);
		cr_expect_eq(m.id, ids[i]);
		cr_expect_eq(m.name, MESSAGE_HELLO);
		cr_expect(bytes_equal(m.method, BYTES("hello")));
		cr_expect_eq(m.param_count, 3);
		cr_expect_eq(m.params[0].via.u64, 1);
		cr_expect(
			bytes_equal(codec_bytes(&m.params[1]), BYTES("nonce")));
		cr_expect_eq(codec_bytes(&m.params[2]).length, 37);
		cr_expect_null(m.error);
	}
}

Test(codec, a_notification_comes_back)
{
	struct message m;

	codec_notification(p, MESSAGE_CHUNK, 3);
	msgpack_pack_uint32(p, 77);
	codec_bin(p, BYTES("\0\1\2"));
	msgpack_pack_true(p);
	m = decode_one();
	cr_expect_eq(m.kind, MESSAGE_NOTIFICATION);
	cr_expect_eq(m.name, MESSAGE_CHUNK);
	cr_expect(bytes_equal(codec_bytes(&m.params[1]), BYTES("\0\1\2")));
}

Test(codec, results_and_errors_come_back)
{
	struct message m;
	char text[64];

	codec_result(p, 70000);
	codec_text(p, NULL);
	m = decode_one();
	cr_expect_eq(m.kind, MESSAGE_RESPONSE);
	cr_expect_eq(m.id, 70000);
	cr_expect_null(m.error);
	cr_assert_not_null(m.result);
	cr_expect_eq(m.result->type, MSGPACK_OBJECT_NIL);

	buffer_clear(&out);
	codec_error(p, 9, WIRE_BUSY, "no\r\nroom");
	m = decode_one();
	cr_expect_eq(codec_read_error(m.error, text, sizeof(text)), WIRE_BUSY);
	cr_expect_str_eq(text, "no  room");
	cr_expect_eq(codec_read_error(m.error, text, 4), WIRE_BUSY);
	cr_expect_str_eq(text, "no ");
}

Test(codec, error_values_of_any_shape_are_read)
{
	static const struct {
		struct bytes bytes;
		enum wire_error code;
		const char *text;
	} rows[] = {
		{BYTES_INIT("\xa4"
			    "oops"),
			WIRE_FAILED, "oops"},
		{BYTES_INIT("\x90"), WIRE_FAILED, "failed"},
		{BYTES_INIT("\x07"), WIRE_FAILED, "failed"},
		{BYTES_INIT("\x91\xa4"
			    "busy"),
			WIRE_BUSY, "busy"},
		{BYTES_INIT("\x92\x01\xa1x"), WIRE_FAILED, "x"},
		{BYTES_INIT("\x92\xa4"
			    "busy\xc0"),
			WIRE_BUSY, "busy"},
	};
	char text[32];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const msgpack_object *o = codec_decode_value(codec,
			(const uint8_t *)rows[i].bytes.at, rows[i].bytes.length,
			NULL);

		cr_assert_not_null(o);
		cr_expect_eq(
			codec_read_error(o, text, sizeof(text)), rows[i].code);
		cr_expect_str_eq(text, rows[i].text);
	}
	cr_expect_eq(codec_read_error(NULL, text, sizeof(text)), WIRE_FAILED);
}

Test(codec, many_objects_back_to_back_are_read_in_order)
{
	struct message m;
	size_t offset = 0;

	for (uint32_t i = 0; i < 500; i++) {
		codec_result(p, i);
		msgpack_pack_uint32(p, i * 3);
	}
	for (uint32_t i = 0; i < 500; i++) {
		cr_assert_eq(codec_decode(codec, buffer_bytes(&out),
				     buffer_length(&out), &offset, &m, NULL),
			1);
		cr_expect_eq(m.id, i);
		cr_expect_eq(m.result->via.u64, i * 3);
	}
	cr_expect_eq(codec_decode(codec, buffer_bytes(&out),
			     buffer_length(&out), &offset, &m, NULL),
		0);
}

Test(codec, params_are_held_to_the_table)
{
	static const struct {
		const char *name;
		struct bytes bytes;
		int result;
	} rows[] = {
		{"cancel",
			BYTES_INIT("\x93\x02\xa6"
				   "cancel\x91\x05"),
			1},
		{"cancel of nothing",
			BYTES_INIT("\x93\x02\xa6"
				   "cancel\x90"),
			-1},
		{"cancel of a text",
			BYTES_INIT("\x93\x02\xa6"
				   "cancel\x91\xa1"
				   "5"),
			-1},
		{"cancel of -1",
			BYTES_INIT("\x93\x02\xa6"
				   "cancel\x91\xff"),
			-1},
		{"a param more is a newer peer's",
			BYTES_INIT("\x93\x02\xa6"
				   "cancel\x92\x05\x06"),
			1},
		{"cancel as request",
			BYTES_INIT("\x94\x00\x01\xa6"
				   "cancel\x91\x05"),
			-1},
		{"ping as notification",
			BYTES_INIT("\x93\x02\xa4"
				   "ping\x90"),
			-1},
		{"unknown request",
			BYTES_INIT("\x94\x00\x01\xa3"
				   "new\x90"),
			1},
		{"unknown notification",
			BYTES_INIT("\x93\x02\xa3"
				   "new\x90"),
			1},
		{"chunk of str",
			BYTES_INIT("\x93\x02\xa5"
				   "chunk\x93\x01\xa1"
				   "x\xc3"),
			-1},
		{"chunk of bin",
			BYTES_INIT("\x93\x02\xa5"
				   "chunk\x93\x01\xc4\x01x\xc3"),
			1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct error err = {0};

		cr_expect_eq(decode_bytes(rows[i].bytes, &err), rows[i].result,
			"%s: %s", rows[i].name, err.text);
		cr_expect_eq(err.text[0] == '\0', rows[i].result == 1);
	}
}

Test(codec, what_is_not_rpc_is_malformed)
{
	static const struct bytes rows[] = {
		BYTES_INIT("\xc1"),
		BYTES_INIT("\xc0"),
		BYTES_INIT("\x90"),
		BYTES_INIT("\x91\x00"),
		BYTES_INIT("\x94\x03\x01\xc0\xc0"),
		BYTES_INIT("\x94\xff\x01\xc0\xc0"),
		BYTES_INIT("\x93\x00\x01\xa1x"),
		BYTES_INIT("\x94\x02\xa1x\x90\xc0"),
		BYTES_INIT("\x94\x00\xcf\0\0\0\1\0\0\0\0\xa1x\x90"),
		BYTES_INIT("\x94\x00\x01\xa0\x90"),
		BYTES_INIT("\x94\x00\x01\xa1x\x80"),
		BYTES_INIT("\x94\x00\x01\xc4\x01x\x90"),
		BYTES_INIT("\xa3GET"),
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct error err = {0};

		cr_expect_eq(decode_bytes(rows[i], &err), -1, "row %zu", i);
		cr_expect(strstr(err.text, "at byte 0"), "%s", err.text);
	}
}

Test(codec, counts_beyond_the_bytes_left_are_refused)
{
	static const struct bytes rows[] = {
		BYTES_INIT("\xdd\xff\xff\xff\xff\xc0"),
		BYTES_INIT("\xdf\xff\xff\xff\xff\xc0\xc0"),
		BYTES_INIT("\xdf\x80\x00\x00\x00\xc0\xc0"),
		BYTES_INIT("\xdc\x00\x03\xc0\xc0"),
		BYTES_INIT("\xde\x00\x02\xc0\xc0\xc0"),
		BYTES_INIT("\x9f\xc0"),
		BYTES_INIT("\x81\xc0"),
		BYTES_INIT("\xc6\xff\xff\xff\xff"
			   "abc"),
		BYTES_INIT("\xdb\x00\x00\x00\x04"
			   "abc"),
		BYTES_INIT("\xc9\xff\xff\xff\xff\x01"
			   "abc"),
		BYTES_INIT("\xd8\x01"
			   "abc"),
		BYTES_INIT("\xdd\x00\x00\x00"),
		BYTES_INIT("\xa5"
			   "abcd"),
		BYTES_INIT(""),
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_eq(codec_value_size((const uint8_t *)rows[i].at,
				     rows[i].length),
			0, "row %zu", i);
}

/* 0x91 ... nested `depth` deep around nil or an empty array. */
static size_t
size_of_nest(unsigned depth, uint8_t inner, uint8_t outer)
{
	uint8_t bytes[200];
	size_t size = 0;

	for (unsigned i = 0; i < depth; i++) {
		if (outer == 0x81)
			bytes[size++] = 0x81;
		bytes[size++] = outer == 0x81 ? 0xc0 : 0x91;
	}
	bytes[size++] = inner;
	if (!codec_value_size(bytes, size))
		return 0;
	cr_assert_eq(codec_value_size(bytes, size), size);
	cr_assert_not_null(
		codec_decode_value(codec, bytes, size, NULL), "%u", depth);
	return size;
}

Test(codec, depth_ends_at_the_limit_and_before_msgpack_does)
{
	cr_expect_eq(size_of_nest(WIRE_DEPTH_MAX, 0xc0, 0x91), 33);
	cr_expect_eq(size_of_nest(WIRE_DEPTH_MAX - 1, 0x90, 0x91), 32);
	cr_expect_eq(size_of_nest(WIRE_DEPTH_MAX, 0x90, 0x91), 0);
	cr_expect_eq(size_of_nest(WIRE_DEPTH_MAX + 1, 0xc0, 0x91), 0);
	cr_expect_eq(size_of_nest(WIRE_DEPTH_MAX, 0xc0, 0x81), 65);
	cr_expect_eq(size_of_nest(WIRE_DEPTH_MAX + 1, 0xc0, 0x81), 0);
}

/* One of each type, some empty. */
static void
pack_one_of_each(void)
{
	static const uint64_t numbers[] = {0, 127, 128, 255, 256, 65535, 65536,
		UINT32_MAX, (uint64_t)UINT32_MAX + 1, INT64_MAX};
	static const size_t sizes[] = {0, 31, 32, 255, 256, 65535, 65536};
	static char text[65536];

	msgpack_pack_array(p, 10 * 2 + 7 * 3 + 7);
	for (size_t i = 0; i < 10; i++) {
		msgpack_pack_uint64(p, numbers[i]);
		msgpack_pack_int64(p, -(int64_t)numbers[i]);
	}
	for (size_t i = 0; i < 7; i++) {
		codec_str(p, (struct bytes){text, sizes[i]});
		codec_bin(p, (struct bytes){text, sizes[i]});
		msgpack_pack_ext_with_body(p, text, sizes[i], 5);
	}
	msgpack_pack_float(p, 1.5f);
	msgpack_pack_double(p, 2.5);
	msgpack_pack_array(p, 0);
	msgpack_pack_map(p, 0);
	msgpack_pack_ext_with_body(p, text, 1, 1);
	msgpack_pack_ext_with_body(p, text, 16, 1);
	msgpack_pack_array(p, 20);
	for (int i = 0; i < 20; i++) {
		msgpack_pack_map(p, 1);
		msgpack_pack_true(p);
		msgpack_pack_nil(p);
	}
}

Test(codec, every_type_has_the_size_it_was_packed_with)
{
	size_t size;

	pack_one_of_each();
	size = buffer_length(&out);
	buffer_append(&out, "more", 4);
	cr_expect_eq(codec_value_size(buffer_bytes(&out), size + 4), size);
	cr_expect_not_null(
		codec_decode_value(codec, buffer_bytes(&out), size, NULL));
	cr_expect_null(
		codec_decode_value(codec, buffer_bytes(&out), size + 4, NULL));
	for (size_t cut = 0; cut < size; cut += cut < 2000 ? 1 : 997)
		cr_assert_eq(codec_value_size(buffer_bytes(&out), cut), 0);
}

Test(codec, mutated_messages_never_crash)
{
	uint32_t seed = 42;
	uint8_t *bytes;
	size_t size;

	codec_request(p, 5, MESSAGE_TOOL, 4);
	codec_text(p, "name");
	msgpack_pack_map(p, 2);
	codec_text(p, "a");
	msgpack_pack_double(p, 3);
	codec_text(p, "b");
	msgpack_pack_array(p, 1);
	codec_bin(p, BYTES("0123456789012345678901234567890123456789"));
	msgpack_pack_uint64(p, 1u << 31);
	msgpack_pack_nil(p);
	size = buffer_length(&out);
	for (int turn = 0; turn < 50000; turn++) {
		struct message m;
		size_t offset = 0;

		bytes = malloc(size); /* exact, so that a checker sees */
		memcpy(bytes, buffer_bytes(&out), size);
		for (int i = 0; i < 3; i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[(seed >> 16) % size] = (uint8_t)(seed >> 8);
		}
		codec_decode(codec, bytes, size, &offset, &m, NULL);
		free(bytes);
	}
}

Test(codec, fields_are_found_by_key)
{
	const msgpack_object *o;

	msgpack_pack_map(p, 3);
	msgpack_pack_uint8(p, 1);
	codec_text(p, "number");
	codec_text(p, "kind");
	codec_text(p, "http");
	codec_bin(p, BYTES("name"));
	codec_text(p, "bin is no key");
	o = codec_decode_value(
		codec, buffer_bytes(&out), buffer_length(&out), NULL);
	cr_assert_not_null(o);
	cr_expect(bytes_equal(
		codec_bytes(codec_field(o, "kind")), BYTES("http")));
	cr_expect_null(codec_field(o, "kin"));
	cr_expect_null(codec_field(o, "name"));
	cr_expect_null(codec_field(&o->via.map.ptr->key, "kind"));
	cr_expect_null(codec_field(NULL, "kind"));
}

/* ---- a bound on values ---- */

static void
pack_nils(uint32_t count)
{
	msgpack_pack_array(p, count);
	for (uint32_t i = 0; i < count; i++)
		msgpack_pack_nil(p);
}

static struct message
decode_bounded(uint32_t most)
{
	codec_bound_values(codec, most);
	return decode_one();
}

Test(codec, an_object_of_too_many_values_is_not_read)
{
	struct message m;
	char text[80];

	codec_result(p, 70000);
	pack_nils(95); /* and itself, and the four around it */
	cr_expect_not(decode_bounded(0).oversized);
	cr_expect_not(decode_bounded(100).oversized);
	m = decode_bounded(99);
	cr_expect(m.oversized);
	cr_expect_eq(m.kind, MESSAGE_RESPONSE);
	cr_expect_eq(m.id, 70000);
	cr_expect_eq(
		codec_read_error(m.error, text, sizeof(text)), WIRE_FAILED);
	cr_expect_str_eq(text, "the answer has more than 99 values");

	buffer_clear(&out);
	codec_request(p, 8, MESSAGE_CALL, 1);
	pack_nils(100);
	m = decode_bounded(99);
	cr_expect(m.oversized && m.kind == MESSAGE_REQUEST && m.id == 8);
	cr_expect_eq(m.name, MESSAGE_UNKNOWN);
	cr_expect(bytes_equal(m.method, BYTES("call")));

	buffer_clear(&out);
	codec_notification(p, MESSAGE_EMIT, 1);
	pack_nils(100);
	m = decode_bounded(99);
	cr_expect(m.oversized && m.kind == MESSAGE_NOTIFICATION);
	cr_expect(bytes_equal(m.method, BYTES("emit")));
}
