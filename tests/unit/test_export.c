/* export: records become requests of OTLP; what is no record becomes nothing.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/telemetry/export/encode.h"
#include "supervisor/trace/tracer.h"

static struct record_queue queue = {.count_max = 100, .bytes_max = 1 << 20};

static void
take_all(struct tracer *t)
{
	const uint8_t *at = buffer_bytes(&t->records.waiting);
	size_t left = buffer_length(&t->records.waiting), length;
	struct record r;

	while ((length = record_begin(&r, at, left))) {
		cr_assert(record_queue_push(&queue, 0, at, length));
		at += length;
		left -= length;
	}
	cr_assert_eq(left, 0);
}

static json_t *
encode(uint32_t expected)
{
	struct encode_source source = {
		BYTES("{\"key\":\"service.name\",\"value\":{\"stringValue\":"
		      "\"t\"}}"),
		"1"};
	struct buffer body = {0};
	json_error_t error;
	json_t *request;

	cr_assert_eq(
		encode_batch(&queue, RECORD_SPANS, &source, &body), expected);
	request = json_loadb((const char *)buffer_bytes(&body),
		buffer_length(&body), JSON_REJECT_DUPLICATES, &error);
	cr_assert(request, "%s: %.*s", error.text, (int)buffer_length(&body),
		(const char *)buffer_bytes(&body));
	buffer_finish(&body);
	return request;
}

static json_t *
span_at(json_t *request, size_t i)
{
	json_t *part =
		json_array_get(json_object_get(request, "resourceSpans"), 0);
	json_t *scope = json_array_get(json_object_get(part, "scopeSpans"), 0);

	return json_array_get(json_object_get(scope, "spans"), i);
}

static const char *
text_of(json_t *span, const char *key)
{
	return json_string_value(json_object_get(span, key));
}

Test(export, a_span_has_its_ids_in_hex_and_its_times_as_text)
{
	struct trace_span span = {.context = {0x1, 0x2, 0x3, TRACE_SAMPLED},
		.parent = 0xabc,
		.began_us = 1700000000000000};
	struct tracer t = {.is_on = true};
	json_t *request, *found;

	tracer_end_step(&t, &(const struct tracer_step){.span = &span,
				    .ended_us = 1700000000000007,
				    .kind = SPAN_CONSUMER,
				    .name = "a \"name\"\n\xff",
				    .error = "word",
				    .text = "a sentence"});
	take_all(&t);
	request = encode(1);
	found = span_at(request, 0);
	cr_expect_str_eq(
		text_of(found, "traceId"), "00000000000000010000000000000002");
	cr_expect_str_eq(text_of(found, "spanId"), "0000000000000003");
	cr_expect_str_eq(text_of(found, "parentSpanId"), "0000000000000abc");
	cr_expect_str_eq(text_of(found, "name"), "a \"name\"\n\xef\xbf\xbd");
	cr_expect_str_eq(
		text_of(found, "startTimeUnixNano"), "1700000000000000000");
	cr_expect_str_eq(
		text_of(found, "endTimeUnixNano"), "1700000000000007000");
	cr_expect_eq(json_integer_value(json_object_get(found, "kind")), 5);
	cr_expect_eq(json_integer_value(json_object_get(
			     json_object_get(found, "status"), "code")),
		2);
	json_decref(request);
	tracer_finish(&t);
}

Test(export, a_method_that_nobody_knows_is_no_name)
{
	struct trace_span span = {
		.context = {1, 2, 3, TRACE_SAMPLED}, .began_us = 1};
	struct tracer t = {.is_on = true};
	json_t *request;

	tracer_end_server(&t, &(const struct tracer_server){.span = &span,
				      .method = BYTES("BREW"),
				      .path = BYTES("/pot"),
				      .route = "/{x}",
				      .client = BYTES("[::1]:80"),
				      .status = 503,
				      .error = "503"});
	take_all(&t);
	request = encode(1);
	cr_expect_str_eq(text_of(span_at(request, 0), "name"), "HTTP /{x}");
	json_decref(request);
	tracer_finish(&t);
}

Test(export, what_is_no_record_is_not_read)
{
	static const uint8_t whole[] = {0x9e, RECORD_STEP, 1, 2, 3, 0, 4, 5, 1,
		0xa1, 'n', 0xc0, 0, 0xc0, 0xc0, 0xc0};
	struct record r;

	cr_expect_eq(record_begin(&r, whole, sizeof(whole)), sizeof(whole));
	for (size_t n = 0; n < sizeof(whole); n++)
		cr_expect_eq(record_begin(&r, whole, n), 0, "%zu", n);
	for (size_t i = 0; i < 200000; i++) {
		uint8_t broken[sizeof(whole)];

		memcpy(broken, whole, sizeof(whole));
		for (int k = 0; k < 3; k++)
			broken[(size_t)rand() % sizeof(whole)] =
				(uint8_t)rand();
		cr_assert_leq(record_begin(&r, broken, sizeof(broken)),
			sizeof(broken));
	}
}

Test(export, a_queue_takes_no_more_than_its_limits)
{
	struct record_queue q = {.count_max = 2, .bytes_max = 100};
	const uint8_t bytes[200] = {0};

	cr_expect(!record_queue_push(&q, 0, bytes, sizeof(bytes)));
	cr_expect(record_queue_push(&q, 0, bytes, 1));
	cr_expect(record_queue_push(&q, 0, bytes, 1));
	cr_expect(!record_queue_push(&q, 0, bytes, 1));
	record_queue_drop(&q);
	cr_expect(record_queue_push(&q, 0, bytes, 1));
	record_queue_finish(&q);
}
