/* answer: what a worker's answer may hold, and what reading and writing it
 * costs. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

#include "proto/codec.h"
#include "supervisor/http/answer.h"

/* An answer as a worker packs it, and what became of it. */
static struct pass {
	struct buffer packed, out;
	struct codec *codec;
	struct error err;
} pass;

static void
setup(void)
{
	pass.codec = codec_create();
}

static void
teardown(void)
{
	codec_destroy(pass.codec);
	buffer_finish(&pass.packed);
	buffer_finish(&pass.out);
}

TestSuite(answer, .init = setup, .fini = teardown);

static void
pack_field(msgpack_packer *p, const char *name, struct bytes value)
{
	msgpack_pack_array(p, 2);
	codec_text(p, name);
	codec_bin(p, value);
}

/* 200 with `count` fields x-N and one Connection. */
static void
pack(unsigned count, struct bytes value, struct bytes connection)
{
	msgpack_packer p;
	char name[24];

	buffer_clear(&pass.packed);
	codec_packer(&p, &pass.packed);
	msgpack_pack_array(&p, 4);
	msgpack_pack_int(&p, 200);
	msgpack_pack_array(&p, count + 1);
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "x-%u", i);
		pack_field(&p, name, value);
	}
	pack_field(&p, "connection", connection);
	codec_bin(&p, BYTES("body"));
	msgpack_pack_false(&p);
}

/* -1: refused, pass.err says why; else pass.out holds the written answer. */
static int
read_and_write(void)
{
	struct answer_frame frame = {.keep_alive = true,
		.date = "Sat, 21 Nov 2026 03:30:00 GMT",
		.request_id = BYTES("id")};
	const msgpack_object *result =
		codec_decode_value(pass.codec, buffer_bytes(&pass.packed),
			buffer_length(&pass.packed), &pass.err);
	struct answer a;

	cr_assert(result, "%s", pass.err.text);
	buffer_clear(&pass.out);
	if (answer_read(&a, result, &pass.err))
		return -1;
	answer_write(&pass.out, &a, &frame);
	buffer_append_byte(&pass.out, 0);
	return 0;
}

static bool
wrote(const char *text)
{
	return strstr((const char *)buffer_bytes(&pass.out), text) != NULL;
}

Test(answer, fields_that_connection_lists_end_at_supd)
{
	pack(5, BYTES("v"), BYTES("close, X-1 ,, x-3"));
	cr_assert_eq(read_and_write(), 0, "%s", pass.err.text);
	cr_expect(wrote("x-0: v\r\n") && wrote("x-2: v\r\n"));
	cr_expect_not(wrote("x-1:") || wrote("x-3:") || wrote("onnection:"));
}

Test(answer, more_fields_than_the_limit_are_refused)
{
	pack(ANSWER_FIELDS_MAX - 1, BYTES(""), BYTES("close"));
	cr_expect_eq(read_and_write(), 0, "%s", pass.err.text);
	pack(ANSWER_FIELDS_MAX, BYTES(""), BYTES("close"));
	cr_expect_eq(read_and_write(), -1);
	cr_expect_str_eq(pass.err.text, "it has 1001 fields, more than 1000");
}

Test(answer, fields_of_more_bytes_than_the_limit_are_refused)
{
	char *value = malloc(ANSWER_HEAD_MAX);

	memset(value, 'v', ANSWER_HEAD_MAX);
	pack(1, (struct bytes){value, ANSWER_HEAD_MAX - 100}, BYTES("close"));
	cr_expect_eq(read_and_write(), 0, "%s", pass.err.text);
	pack(1, (struct bytes){value, ANSWER_HEAD_MAX}, BYTES("close"));
	cr_expect_eq(read_and_write(), -1);
	free(value);
}

Test(answer, a_connection_that_lists_more_names_than_the_limit_is_refused)
{
	struct buffer names = {0};

	for (int i = 0; i < TEXT_ITEMS_MAX; i++)
		buffer_format(&names, "x-%d,", i);
	pack(20, BYTES("v"),
		(struct bytes){(const char *)buffer_bytes(&names),
			buffer_length(&names)});
	cr_expect_eq(read_and_write(), 0, "%s", pass.err.text);
	buffer_append_text(&names, "x-99");
	pack(20, BYTES("v"),
		(struct bytes){(const char *)buffer_bytes(&names),
			buffer_length(&names)});
	cr_expect_eq(read_and_write(), -1);
	buffer_finish(&names);
}

/* CPU time of a thousand passes, so that a busy machine does not matter. */
static double
cost_of(unsigned count)
{
	struct timespec from, to;

	pack(count, BYTES("v"), BYTES("a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p"));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(read_and_write(), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	return (double)(to.tv_sec - from.tv_sec) +
	       (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

Test(answer, cost_grows_with_the_fields_and_not_with_their_square)
{
	double few = cost_of(ANSWER_FIELDS_MAX / 10 - 1);
	double many = cost_of(ANSWER_FIELDS_MAX - 1);

	cr_expect_lt(many, 30 * few, "%.6f s and %.6f s", few, many);
}
