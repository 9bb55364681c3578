/* lines: makes records of the lines of supd's log, including those of plugins.
 * Lines about telemetry itself are left out: a collector that is down must not
 * cause more lines for it. */
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/log_tap.h"
#include "supervisor/reload/transaction.h"
#include "supervisor/telemetry/parts.h"
#include "supervisor/trace/put.h"

#define RECORD_LINE_MAX 8192 /* longer ones are cut */
#define NUMBERS 7
#define TEXTS 2 /* of RECORD_TEXT_MAX */
#define LINE_BYTES                                                             \
	(PUT_BEGIN_BYTES + NUMBERS * PUT_NUMBER_BYTES +                        \
		TEXTS * (RECORD_TEXT_MAX + PACK_HEAD_BYTES) + PACK_HEAD_BYTES)

const struct log_subject telemetry_subject = {0};

/* The trace of the transaction that the line is about; NULL: none. */
static const struct trace_context *
trace_of(const struct gateway *g, const struct log_subject *subject)
{
	const struct plugin *p = subject->reload && subject->plugin
					 ? gateway_plugin(g, subject->plugin)
					 : NULL;

	if (!p || !p->reload || strcmp(p->reload->id, subject->reload) != 0 ||
		!trace_is_sampled(&p->reload->span))
		return NULL;
	return &p->reload->span.context;
}

static uint8_t *
put_trace(uint8_t *at, const struct trace_context *c)
{
	at = put_number(at, c ? c->high : 0);
	at = put_number(at, c ? c->low : 0);
	return put_number(at, c ? c->span : 0);
}

static void
on_line(void *user, enum log_level level, const struct log_subject *subject,
	struct bytes text)
{
	static const struct log_subject none = {0};
	struct telemetry *t = user;
	struct records *r = &t->gateway->workers.tracer.records;
	uint8_t *at;

	if (subject == &telemetry_subject)
		return;
	if (text.length > RECORD_LINE_MAX)
		text.length = text_fit(text.at, text.length, RECORD_LINE_MAX);
	at = records_begin(r, RECORD_LOGS, LINE_BYTES + text.length);
	if (!at)
		return;
	subject = subject ? subject : &none;
	at = put_begin(at, RECORD_LINE);
	at = put_trace(at, trace_of(t->gateway, subject));
	at = put_number(at, clock_us());
	at = put_number(at, level);
	at = put_text(at, subject->plugin);
	at = put_number(at, subject->generation);
	at = put_number(at, (uint64_t)subject->pid);
	at = put_text(at, subject->stream);
	at = pack_str(at, text);
	records_end(r, RECORD_LOGS, at);
}

void
lines_configure(struct telemetry *t, bool is_on)
{
	log_set_tap(is_on ? on_line : NULL, t);
}
