/* tracer: samples, and packs records into the queue. */
#include "supervisor/trace/tracer.h"

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "supervisor/trace/put.h"

#define NUMBERS_MAX 12
#define TEXTS_MAX 6
#define RECORD_BYTES_MAX                                                       \
	(3 + NUMBERS_MAX * PUT_NUMBER_BYTES +                                  \
		TEXTS_MAX * (RECORD_TEXT_MAX + PACK_HEAD_BYTES))

/* ---- random numbers: xoshiro256** ---- */

static uint64_t
rotate(uint64_t n, int by)
{
	return n << by | n >> (64 - by);
}

static uint64_t
next_random(struct tracer *t)
{
	uint64_t *s = t->random;
	uint64_t result = rotate(s[1] * 5, 7) * 9, shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotate(s[3], 45);
	return result;
}

static uint64_t
next_id(struct tracer *t)
{
	uint64_t id;

	do
		id = next_random(t);
	while (!id);
	return id;
}

static void
seed(struct tracer *t)
{
	if (t->random[0] | t->random[1] | t->random[2] | t->random[3])
		return;
	if (getrandom(t->random, sizeof(t->random), GRND_NONBLOCK) !=
		(ssize_t)sizeof(t->random)) {
		t->random[0] = clock_us();
		t->random[1] = clock_wall_ms();
		t->random[2] = (uint64_t)getpid();
	}
	t->random[3] |= 1;
}

/* ---- sampling ---- */

static enum trace_sampling
roll(struct tracer *t)
{
	/* 53 bits are a double from 0 to less than 1 */
	double at = (double)(next_random(t) >> 11) * 0x1p-53;

	return at < t->sampling ? TRACE_SAMPLED : TRACE_UNSAMPLED;
}

void
tracer_configure(struct tracer *t, bool is_on, double sampling,
	enum tracer_follow follow)
{
	if (is_on)
		seed(t);
	t->is_on = is_on;
	t->sampling = sampling;
	t->follow = follow;
}

void
tracer_finish(struct tracer *t)
{
	t->is_on = false;
	records_finish(&t->records);
}

/* The first span of a trace. */
static void
begin_first(
	struct tracer *t, enum trace_sampling sampling, struct trace_span *out)
{
	*out = (struct trace_span){.context.sampling = sampling};
	if (sampling != TRACE_SAMPLED)
		return;
	out->context.high = next_id(t);
	out->context.low = next_id(t);
	out->context.span = next_id(t);
	out->began_us = clock_us();
}

void
tracer_begin(struct tracer *t, const struct trace_context *parent,
	struct trace_span *out)
{
	struct trace_context before = *parent;

	if (!t->is_on) {
		*out = (struct trace_span){0};
		return;
	}
	if (before.sampling == TRACE_UNDECIDED) {
		begin_first(t, roll(t), out);
		return;
	}
	*out = (struct trace_span){.context = before, .parent = before.span};
	if (before.sampling != TRACE_SAMPLED)
		return;
	out->context.span = next_id(t);
	out->began_us = clock_us();
}

void
tracer_begin_always(struct tracer *t, const struct trace_context *parent,
	struct trace_span *out)
{
	struct trace_context before = *parent;

	if (t->is_on && !(before.high | before.low)) {
		begin_first(t, TRACE_SAMPLED, out);
		return;
	}
	if (before.sampling == TRACE_UNSAMPLED)
		before.sampling = TRACE_SAMPLED;
	tracer_begin(t, &before, out);
}

void
tracer_begin_remote(struct tracer *t, const struct trace_context *remote,
	bool is_trusted, struct trace_span *out)
{
	struct trace_context parent = *remote;
	bool follows = t->follow == TRACER_FOLLOW_ALL ||
		       (t->follow == TRACER_FOLLOW_TRUSTED && is_trusted);

	if (t->is_on && !follows && parent.sampling != TRACE_UNDECIDED)
		parent.sampling = roll(t);
	tracer_begin(t, &parent, out);
}

/* ---- records ---- */

/* The first seven values of every span. */
static uint8_t *
put_span(uint8_t *at, enum record_type type, const struct trace_span *span,
	uint64_t began_us, uint64_t ended_us)
{
	at = put_begin(at, type);
	at = put_number(at, span->context.high);
	at = put_number(at, span->context.low);
	at = put_number(at, span->context.span);
	at = put_number(at, span->parent);
	at = put_number(at, began_us);
	return put_number(at, ended_us);
}

void
tracer_end_request(struct tracer *t, const struct tracer_request *r)
{
	uint8_t *at =
		records_begin(&t->records, RECORD_SPANS, RECORD_BYTES_MAX);

	if (!at)
		return;
	at = put_span(
		at, RECORD_REQUEST, r->span, r->span->began_us, clock_us());
	at = put_number(at, (uint64_t)(r->kind + 1));
	at = put_text(at, r->name);
	at = put_text(at, r->plugin_id);
	at = put_number(at, r->generation);
	at = put_number(at, r->sends);
	at = put_text(at, r->error);
	at = put_text(at, r->text);
	records_end(&t->records, RECORD_SPANS, at);
}

void
tracer_end_server(struct tracer *t, const struct tracer_server *s)
{
	uint8_t *at =
		records_begin(&t->records, RECORD_SPANS, RECORD_BYTES_MAX);

	if (!at)
		return;
	at = put_span(
		at, RECORD_SERVER, s->span, s->span->began_us, clock_us());
	at = put_bytes(at, s->method);
	at = put_bytes(at, s->path);
	at = put_text(at, s->route);
	at = put_number(at, (uint64_t)s->status);
	at = put_text(at, s->plugin_id);
	at = put_number(at, s->generation);
	at = put_bytes(at, s->client);
	at = put_number(at, s->is_https);
	at = put_text(at, s->error);
	records_end(&t->records, RECORD_SPANS, at);
}

void
tracer_end_step(struct tracer *t, const struct tracer_step *s)
{
	uint8_t *at =
		records_begin(&t->records, RECORD_SPANS, RECORD_BYTES_MAX);

	if (!at)
		return;
	at = put_span(at, RECORD_STEP, s->span,
		s->began_us ? s->began_us : s->span->began_us,
		s->ended_us ? s->ended_us : clock_us());
	at = put_number(at, (uint64_t)s->kind);
	at = put_text(at, s->name);
	at = put_text(at, s->plugin_id);
	at = put_number(at, s->generation);
	at = put_text(at, s->id);
	at = put_text(at, s->error);
	at = put_text(at, s->text);
	records_end(&t->records, RECORD_SPANS, at);
}
