/* Packed events and the queues of observers. */
#include <criterion/criterion.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/event/event.h"

static struct event *
event_of_bytes(uint64_t id, size_t bytes)
{
	char *text = memory_alloc(bytes + 1);
	json_t *data;
	struct event *e;

	memset(text, 'x', bytes);
	data = json_string(text);
	e = event_create(&(const struct event_source){
		.id = id, .at = "now", .name = "a.b", .data = data});
	json_decref(data);
	free(text);
	return e;
}

Test(event, is_packed_once_with_its_context)
{
	json_t *data = json_pack("{s:i}", "n", 1), *got;
	struct event *e = event_create(&(const struct event_source){.id = 7,
		.at = "now",
		.name = "a.b",
		.plugin_id = "bot",
		.data = data});
	struct codec *codec = codec_create();
	const msgpack_object *o;
	struct error err;
	char *text;

	o = codec_decode_value(
		codec, (const uint8_t *)e->context.at, e->context.length, &err);
	got = value_from(o, &err);
	text = json_dumps(got, JSON_SORT_KEYS | JSON_COMPACT);
	cr_expect_str_eq(text, "{\"at\":\"now\",\"chain\":[],\"id\":7,"
			       "\"plugin\":\"bot\"}");
	free(text);
	json_decref(got);
	o = codec_decode_value(
		codec, (const uint8_t *)e->data.at, e->data.length, &err);
	got = value_from(o, &err);
	cr_expect(json_equal(got, data));
	json_decref(got);
	json_decref(data);
	codec_destroy(codec);
	event_unref(e);
}

Test(event_queue, keeps_references_in_order_over_wraps)
{
	struct event_queue q = {0};
	uint64_t put = 0, took = 0;

	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 7; i++) {
			struct event *e = event_of_bytes(put++, 10);

			cr_assert(event_queue_push(&q, e));
			cr_expect_eq(e->refs, 2);
			event_unref(e);
		}
		for (int i = 0; i < 5; i++) {
			struct event *e = event_queue_pop(&q);

			cr_assert_eq(e->id, took++);
			event_unref(e);
		}
	}
	cr_expect_eq(q.count, put - took);
	event_queue_clear(&q);
	cr_expect_eq(q.count, 0);
	cr_expect_eq(q.bytes, 0);
	cr_expect_null(event_queue_pop(&q));
}

Test(event_queue, what_is_returned_comes_first)
{
	struct event_queue q = {0};
	struct event *first, *e;

	for (uint64_t i = 0; i < 9; i++) {
		e = event_of_bytes(i, 10);
		cr_assert(event_queue_push(&q, e));
		event_unref(e);
	}
	first = event_queue_pop(&q);
	event_queue_return(&q, first);
	for (uint64_t i = 0; i < 9; i++) {
		e = event_queue_pop(&q);
		cr_expect_eq(e->id, i);
		event_unref(e);
	}
	event_queue_clear(&q);
}

Test(event_queue, has_a_limit_of_events)
{
	struct event_queue q = {0};
	struct event *e = event_of_bytes(1, 10);

	for (int i = 0; i < EVENT_QUEUE_EVENTS_MAX; i++)
		cr_assert(event_queue_push(&q, e));
	cr_expect_not(event_queue_push(&q, e));
	cr_expect_eq(e->refs, EVENT_QUEUE_EVENTS_MAX + 1);
	event_queue_clear(&q);
	cr_expect_eq(e->refs, 1);
	event_unref(e);
}

Test(event_queue, has_a_limit_of_bytes)
{
	struct event_queue q = {0};
	struct event *e = event_of_bytes(1, 1 << 20);
	int taken = 0;

	while (event_queue_push(&q, e))
		taken++;
	cr_expect_eq(
		taken, 15, "%d", taken); /* each is a bit more than 1 MiB */
	cr_expect_leq(q.bytes, EVENT_QUEUE_BYTES_MAX);
	event_queue_clear(&q);
	event_unref(e);
}
