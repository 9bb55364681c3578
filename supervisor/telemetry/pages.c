/* pages: exports the page of /metrics once an interval. It is written in steps
 * with pauses between them, and handed over in parts, each of which can be read
 * alone; supd-export makes OTLP of them. A page that is due while another is
 * being written is left out. */
#include "proto/util/clock.h"
#include "proto/util/list.h"
#include "supervisor/telemetry/parts.h"
#include "supervisor/trace/put.h"

#define STEP_SAMPLES 200
#define PART_BYTES ((size_t)32 << 10) /* at least; then a step ends it */
#define PAUSE_FACTOR 9		      /* pages take a tenth of the time */
#define PAUSE_MIN_S 0.001
#define HEAD_BYTES (PUT_BEGIN_BYTES + 2 * PUT_NUMBER_BYTES + PACK_HEAD_BYTES)

static void
hand_over(struct telemetry *t)
{
	struct telemetry_pages *pages = &t->pages;
	struct records *r = &t->gateway->workers.tracer.records;
	struct buffer *text = &pages->writer.text;
	size_t length = buffer_length(text);
	uint8_t *at = NULL;

	if (pages->writer.samples_written > pages->samples_handed)
		at = records_begin(r, RECORD_METRICS, HEAD_BYTES + length);
	if (at) {
		at = put_begin(at, RECORD_PAGE);
		at = put_number(at, pages->at_us);
		at = put_number(at, t->gateway->started_ms * 1000);
		at = pack_bin(
			at, (struct bytes){
				    (const char *)buffer_bytes(text), length});
		records_end(r, RECORD_METRICS, at);
	}
	pages->samples_handed = pages->writer.samples_written;
	buffer_clear(text);
}

static void
finish(struct telemetry *t)
{
	if (t->pages.is_busy)
		metrics_writer_finish(&t->pages.writer);
	t->pages.is_busy = false;
	ev_timer_stop(t->gateway->loop, &t->pages.turn);
}

static void
on_turn(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct telemetry *t = container_of(timer, struct telemetry, pages.turn);
	struct telemetry_pages *pages = &t->pages;
	uint64_t from_us = clock_us();
	bool is_done = metrics_view_step(&pages->pass, STEP_SAMPLES);
	double pause_s;

	if (is_done || buffer_length(&pages->writer.text) >= PART_BYTES)
		hand_over(t);
	if (is_done) {
		finish(t);
		return;
	}
	if (!buffer_length(&pages->writer.text))
		metrics_view_repeat(&pages->pass);
	pause_s = (double)((clock_us() - from_us) * PAUSE_FACTOR) / 1e6;
	ev_timer_set(timer, pause_s > PAUSE_MIN_S ? pause_s : PAUSE_MIN_S, 0);
	ev_timer_start(loop, timer);
}

static void
on_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct telemetry *t = container_of(timer, struct telemetry, pages.due);
	struct telemetry_pages *pages = &t->pages;

	if (pages->is_busy)
		return;
	pages->is_busy = true;
	pages->samples_handed = 0;
	pages->at_us = clock_us();
	metrics_writer_init(&pages->writer, false);
	metrics_view_begin(&pages->pass, &pages->writer, t->gateway);
	ev_timer_init(&pages->turn, on_turn, 0, 0);
	ev_timer_start(loop, &pages->turn);
}

void
pages_configure(struct telemetry *t, uint32_t interval_ms)
{
	struct telemetry_pages *pages = &t->pages;

	if (interval_ms == pages->interval_ms)
		return;
	if (pages->interval_ms)
		ev_timer_stop(t->gateway->loop, &pages->due);
	pages->interval_ms = interval_ms;
	if (!interval_ms) {
		finish(t);
		return;
	}
	ev_timer_init(
		&pages->due, on_due, interval_ms / 1e3, interval_ms / 1e3);
	ev_timer_start(t->gateway->loop, &pages->due);
}
