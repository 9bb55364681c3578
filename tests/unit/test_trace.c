/* trace: traceparent to the letter, who is sampled, and a queue that is full.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "supervisor/trace/tracer.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static const struct {
	const char *text;
	bool is_valid, is_sampled;
} values[] = {
	{"00-" TRACE "-" SPAN "-01", true, true},
	{"00-" TRACE "-" SPAN "-00", true, false},
	{"00-" TRACE "-" SPAN "-03", true, true},
	{"00-" TRACE "-" SPAN "-02", true, false},
	/* of a later version, what it has in common */
	{"cc-" TRACE "-" SPAN "-01", true, true},
	{"cc-" TRACE "-" SPAN "-01-what-the-future-will-be", true, true},
	{"cc-" TRACE "-" SPAN "-01.what", false, false},
	{"00-" TRACE "-" SPAN "-01-more", false, false},
	{"ff-" TRACE "-" SPAN "-01", false, false},
	{"0g-" TRACE "-" SPAN "-01", false, false},
	{"00-00000000000000000000000000000000-" SPAN "-01", false, false},
	{"00-" TRACE "-0000000000000000-01", false, false},
	{"00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", false, false},
	{"00-" TRACE "-" SPAN "-0", false, false},
	{"00-" TRACE "-" SPAN "-0x", false, false},
	{"00-" TRACE "_" SPAN "-01", false, false},
	{" 00-" TRACE "-" SPAN "-01", false, false},
	{"00-" TRACE "-" SPAN "-01 ", false, false},
	{"00" TRACE SPAN "01", false, false},
	{"", false, false},
};

Test(trace, traceparent_is_read_to_the_letter)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		struct trace_context c;
		bool valid = traceparent_read(bytes_of(values[i].text), &c);

		cr_expect_eq(valid, values[i].is_valid, "%s", values[i].text);
		cr_expect_eq(c.sampling == TRACE_SAMPLED, values[i].is_sampled,
			"%s", values[i].text);
		cr_expect_eq(c.sampling == TRACE_UNDECIDED, !valid);
	}
}

Test(trace, traceparent_is_written_as_it_was_read)
{
	const char *text = "00-" TRACE "-" SPAN "-01";
	char out[TRACEPARENT_BYTES + 1];
	struct trace_context c;

	cr_assert(traceparent_read(bytes_of(text), &c));
	traceparent_write(&c, out);
	cr_expect_str_eq(out, text);
}

/* ---- sampling ---- */

static void
turn_on(struct tracer *t, double sampling, enum tracer_follow follow)
{
	*t = (struct tracer){.records.is_on = true};
	tracer_configure(t, true, sampling, follow);
}

static unsigned
sampled(struct tracer *t, const struct trace_context *parent, bool is_trusted)
{
	struct trace_span span;
	unsigned count = 0;

	for (int i = 0; i < 100000; i++) {
		tracer_begin_remote(t, parent, is_trusted, &span);
		count += trace_is_sampled(&span);
	}
	return count;
}

Test(trace, the_share_that_is_sampled_is_that_of_the_configuration)
{
	static const struct trace_context none;
	struct tracer t;

	turn_on(&t, 0, TRACER_FOLLOW_TRUSTED);
	cr_expect_eq(sampled(&t, &none, true), 0);
	turn_on(&t, 1, TRACER_FOLLOW_TRUSTED);
	cr_expect_eq(sampled(&t, &none, true), 100000);
	turn_on(&t, 0.1, TRACER_FOLLOW_TRUSTED);
	cr_expect_geq(sampled(&t, &none, true), 9000);
	cr_expect_leq(sampled(&t, &none, true), 11000);
	tracer_configure(&t, false, 1, TRACER_FOLLOW_ALL);
	cr_expect_eq(sampled(&t, &none, true), 0);
}

Test(trace, whose_flag_counts_depends_on_who_is_followed)
{
	struct trace_context yes, no;
	struct tracer t;

	traceparent_read(bytes_of("00-" TRACE "-" SPAN "-01"), &yes);
	traceparent_read(bytes_of("00-" TRACE "-" SPAN "-00"), &no);
	turn_on(&t, 0.1, TRACER_FOLLOW_TRUSTED);
	cr_expect_eq(sampled(&t, &yes, true), 100000);
	cr_expect_eq(sampled(&t, &no, true), 0);
	cr_expect_leq(sampled(&t, &yes, false), 11000);
	cr_expect_geq(sampled(&t, &no, false), 9000);
	turn_on(&t, 0.1, TRACER_FOLLOW_ALL);
	cr_expect_eq(sampled(&t, &yes, false), 100000);
	turn_on(&t, 0.1, TRACER_FOLLOW_NEVER);
	cr_expect_leq(sampled(&t, &yes, true), 11000);
}

Test(trace, a_span_within_another_has_its_trace_and_decision)
{
	struct trace_context unsampled = {.sampling = TRACE_UNSAMPLED}, parent;
	struct trace_span span;
	struct tracer t;

	turn_on(&t, 1, TRACER_FOLLOW_TRUSTED);
	traceparent_read(bytes_of("00-" TRACE "-" SPAN "-01"), &parent);
	tracer_begin(&t, &parent, &span);
	cr_expect_eq(span.context.high, parent.high);
	cr_expect_eq(span.context.low, parent.low);
	cr_expect_eq(span.parent, parent.span);
	cr_expect_neq(span.context.span, parent.span);
	tracer_begin(&t, &unsampled, &span);
	cr_expect_eq(span.context.sampling, TRACE_UNSAMPLED);
}

/* ---- the queue ---- */

static void
end_one(struct tracer *t)
{
	static const struct trace_context none;
	struct trace_span span;

	tracer_begin(t, &none, &span);
	tracer_end_request(
		t, &(const struct tracer_request){
			   .span = &span, .kind = -1, .plugin_id = "hello"});
}

Test(trace, a_full_queue_drops_and_counts)
{
	const struct record_counts *c;
	struct tracer t;

	turn_on(&t, 1, TRACER_FOLLOW_TRUSTED);
	c = &t.records.totals[RECORD_SPANS];
	for (int i = 0; i < RECORDS_MAX + 1000; i++)
		end_one(&t);
	cr_expect_eq(c->made, RECORDS_MAX + 1000);
	cr_expect_geq(c->dropped[RECORD_DROP_OVERFLOW], 1000);
	cr_expect_eq(
		t.records.count + c->dropped[RECORD_DROP_OVERFLOW], c->made);
	cr_expect_leq(buffer_length(&t.records.waiting), RECORDS_BYTES_MAX);
	tracer_finish(&t);
}

Test(trace, lines_leave_room_for_spans)
{
	const struct record_counts *c;
	struct tracer t;
	uint8_t *at;

	turn_on(&t, 1, TRACER_FOLLOW_TRUSTED);
	c = &t.records.totals[RECORD_LOGS];
	for (int i = 0; i < RECORDS_MAX; i++)
		if ((at = records_begin(&t.records, RECORD_LOGS, 1))) {
			*at = 0;
			records_end(&t.records, RECORD_LOGS, at + 1);
		}
	cr_expect_eq(c->made, RECORDS_MAX);
	cr_expect_eq(c->dropped[RECORD_DROP_OVERFLOW], RECORDS_MAX / 2);
	for (int i = 0; i < 1000; i++)
		end_one(&t);
	cr_expect_eq(
		t.records.totals[RECORD_SPANS].dropped[RECORD_DROP_OVERFLOW],
		0);
	tracer_finish(&t);
}

static void
expect_no_call(struct records *r)
{
	cr_expect(false, "%u records wait", r->count);
}

Test(trace, a_span_that_ends_after_the_export_was_turned_off_is_not_kept)
{
	static const struct trace_context none;
	struct trace_span span;
	struct tracer t;

	turn_on(&t, 1, TRACER_FOLLOW_TRUSTED);
	t.records.on_first = t.records.on_many = expect_no_call;
	tracer_begin(&t, &none, &span);
	tracer_finish(&t);
	tracer_end_step(&t,
		&(const struct tracer_step){
			.span = &span, .kind = SPAN_INTERNAL, .name = "late"});
	cr_expect_eq(t.records.count, 0);
	cr_expect_null(t.records.waiting.memory);
	cr_expect_eq(t.records.totals[RECORD_SPANS].made, 0);
}

Test(trace, a_long_string_in_a_span_is_cut)
{
	struct trace_span span = {.context = {1, 2, 3, TRACE_SAMPLED}};
	char long_text[4096];
	struct tracer t;

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	turn_on(&t, 1, TRACER_FOLLOW_TRUSTED);
	tracer_end_request(&t, &(const struct tracer_request){.span = &span,
				       .kind = -1,
				       .name = long_text,
				       .plugin_id = long_text,
				       .error = long_text,
				       .text = long_text});
	cr_expect_eq(t.records.count, 1);
	cr_expect_leq(buffer_length(&t.records.waiting),
		4 * (RECORD_TEXT_MAX + 5) + 128);
	tracer_finish(&t);
}
