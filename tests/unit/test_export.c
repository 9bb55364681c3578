/* export: records become requests of OTLP; what is no record becomes nothing.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/telemetry/export/encode.h"
#include "supervisor/trace/put.h"
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
		buffer_length(&body), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
		&error);
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
	struct tracer t = {.is_on = true, .records.is_on = true};
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

Test(export, an_unknown_method_is_not_in_the_name_of_a_span)
{
	struct trace_span span = {
		.context = {1, 2, 3, TRACE_SAMPLED}, .began_us = 1};
	struct tracer t = {.is_on = true, .records.is_on = true};
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

/* ---- metrics ---- */

static const char page[] =
	"# HELP a_total A \"counter\".\n# TYPE a_total counter\n"
	"a_total{plugin=\"x\\\\\\\"y\\n\",k=\"v\"} 7\na_total 1.5e-05\n"
	"a_total nan\na_total{broken 3\n"
	"# HELP nothing No sample.\n# TYPE nothing gauge\n"
	"# HELP g A gauge.\n# TYPE g gauge\ng -2\n"
	"# HELP h A histogram.\n# TYPE h histogram\n"
	"h_bucket{le=\"0.1\"} 2\nh_bucket{le=\"1\"} 2\n"
	"h_bucket{le=\"+Inf\"} 5\nh_sum 9.5\nh_count 5\n";

static json_t *
encode_text(struct bytes text)
{
	uint8_t memory[sizeof(page) + 64], *at = memory;
	struct encode_source source = {BYTES(""), "1"};
	struct buffer body = {0};
	json_error_t error;
	json_t *request;

	at = put_begin(at, RECORD_PAGE);
	at = put_number(at, 1700000000000007);
	at = put_number(at, 1700000000000000);
	at = pack_bin(at, text);
	cr_assert(record_queue_push(&queue, 0, memory, (size_t)(at - memory)));
	cr_assert_eq(encode_batch(&queue, RECORD_METRICS, &source, &body), 1);
	request = json_loadb((const char *)buffer_bytes(&body),
		buffer_length(&body), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
		&error);
	cr_assert(request, "%s: %.*s", error.text, (int)buffer_length(&body),
		(const char *)buffer_bytes(&body));
	buffer_finish(&body);
	return request;
}

static json_t *
metrics_of(json_t *request)
{
	json_t *part =
		json_array_get(json_object_get(request, "resourceMetrics"), 0);
	json_t *scope =
		json_array_get(json_object_get(part, "scopeMetrics"), 0);

	return json_object_get(scope, "metrics");
}

static json_t *
points_of(json_t *metric, const char *kind)
{
	return json_object_get(json_object_get(metric, kind), "dataPoints");
}

Test(export, a_page_becomes_sums_gauges_and_histograms)
{
	json_t *request = encode_text(bytes_of(page));
	json_t *metrics = metrics_of(request), *points, *value;
	char *text;

	cr_assert_eq(json_array_size(metrics), 3);
	points = points_of(json_array_get(metrics, 0), "sum");
	cr_assert_eq(json_array_size(points), 2);
	value = json_object_get(
		json_array_get(json_object_get(
				       json_array_get(points, 0), "attributes"),
			0),
		"value");
	cr_expect_str_eq(text_of(value, "stringValue"), "x\\\"y\n");
	cr_expect_str_eq(
		text_of(json_array_get(points, 0), "startTimeUnixNano"),
		"1700000000000000000");
	cr_expect_str_eq(text_of(json_array_get(points, 0), "timeUnixNano"),
		"1700000000000007000");
	points = points_of(json_array_get(metrics, 1), "gauge");
	cr_expect_eq(json_number_value(json_object_get(
			     json_array_get(points, 0), "asDouble")),
		-2);
	points = points_of(json_array_get(metrics, 2), "histogram");
	text = json_dumps(json_array_get(points, 0),
		JSON_COMPACT | JSON_REAL_PRECISION(6));
	cr_expect(strstr(text, "\"count\":\"5\",\"sum\":9.5,"
			       "\"bucketCounts\":[\"2\",\"0\",\"3\"],"
			       "\"explicitBounds\":[0.1,1]"),
		"%s", text);
	free(text);
	json_decref(request);
}

Test(export, a_damaged_page_becomes_json_nevertheless)
{
	char damaged[sizeof(page)];

	for (size_t n = 0; n < sizeof(page); n++)
		json_decref(encode_text((struct bytes){page, n}));
	for (size_t i = 0; i < 20000; i++) {
		memcpy(damaged, page, sizeof(page));
		for (int k = 0; k < 3; k++)
			damaged[(size_t)rand() % sizeof(page)] =
				"\"{}\\=,# \n\0\xff_1e"[rand() % 14];
		json_decref(encode_text(
			(struct bytes){damaged, sizeof(damaged) - 1}));
	}
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
