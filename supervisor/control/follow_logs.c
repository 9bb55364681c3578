/* follow_logs: `logs -f`: recent lines of a plugin's workers or of all
 * plugins', then new ones, read from the rings in the caller's turn. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/control/job.h"
#include "supervisor/control/log_source.h"
#include "supervisor/control/slices.h"
#include "supervisor/ops/journal.h"

#define DROPS_MS 1000 /* between reports of dropped lines */

struct follow {
	struct command_job job;
	struct command_call *call;
	struct output_follower follower;
	struct slice slice;
	uint64_t next; /* the number of the next line to send */
	uint64_t dropped;
	struct wheel_timer drops_due;
	/* The plugin may be removed and come back, so it is looked up each
	 * time. */
	struct log_source source;
	bool is_gone;
	struct journal_reader reader;
};

static void
follow_leave(struct command_job *job)
{
	struct follow *f = container_of(job, struct follow, job);

	slice_leave(&f->slice);
	output_unfollow(&f->follower);
	journal_leave(&f->reader);
	wheel_clear(&f->call->gateway->wheel, &f->drops_due);
	log_source_finish(&f->source);
	free(f);
}

static void
follow_end(struct command_job *job)
{
	struct follow *f = container_of(job, struct follow, job);
	struct command_call *call = f->call;

	follow_leave(job);
	command_finish(call, OUTCOME_DONE, json_pack("{s:b}", "ended", 1));
}

static void
report_drops(struct wheel_timer *timer)
{
	struct follow *f = container_of(timer, struct follow, drops_due);
	uint64_t dropped = f->dropped;

	f->dropped = 0;
	command_report(
		f->call, json_pack("{s:I}", "dropped", (json_int_t)dropped));
}

/* Counts lines that the rings dropped before they were sent. */
static void
note_drops(struct follow *f, uint64_t count)
{
	f->dropped += count;
	if (f->dropped && !wheel_timer_is_set(&f->drops_due))
		wheel_set(&f->call->gateway->wheel, &f->drops_due,
			clock_ms() + DROPS_MS);
}

static bool
report_some(struct slice *slice)
{
	struct follow *f = container_of(slice, struct follow, slice);
	size_t bytes = 0;

	for (int i = 0; i < SLICE_ROWS && bytes < SLICE_BYTES; i++) {
		uint64_t number = f->next;
		const char *id;
		const struct output_line *line =
			f->is_gone ? NULL
				   : log_source_line(
					     &f->source, &number, false, &id);

		if (!line)
			return false;
		bytes += strlen(line->text);
		note_drops(f, number - f->next);
		f->next = number + 1;
		if (log_source_takes(&f->source, line))
			command_report(f->call,
				json_pack("{s:o}", "line",
					log_source_json(&f->source, line, id)));
	}
	return true;
}

static void
on_line(struct output_follower *follower, const struct output_line *line)
{
	struct follow *f = container_of(follower, struct follow, follower);

	(void)line;
	slice_take(f->call->gateway->slices, &f->slice);
}

static void
on_gone(struct output_follower *follower)
{
	container_of(follower, struct follow, follower)->is_gone = true;
}

static void
attach(struct follow *f)
{
	const struct gateway *g = f->call->gateway;

	if (f->source.id)
		output_follow(
			gateway_plugin(g, f->source.id)->output, &f->follower);
	else
		output_hub_follow(g->lines, &f->follower);
}

/* The plugin came back: sends all lines since then, and new ones. */
static void
on_event(struct journal_reader *reader, json_t *event)
{
	struct follow *f = container_of(reader, struct follow, reader);
	struct gateway *g = f->call->gateway;
	struct plugin *p;

	(void)event;
	if (!f->is_gone)
		return;
	p = gateway_plugin(g, f->source.id);
	if (!p || p->removed)
		return;
	f->is_gone = false;
	f->next = 1;
	attach(f);
	slice_take(g->slices, &f->slice);
}

/* The number of the count-th line from the end. */
static uint64_t
number_of_last(const struct log_source *s, uint64_t count)
{
	uint64_t number = log_source_newest(s), next = number + 1;
	const char *id;

	while (count-- && log_source_line(s, &number, true, &id))
		next = number--;
	return next;
}

void
command_follow_logs(
	struct command_call *call, struct log_source *source, uint64_t count)
{
	struct follow *f = memory_alloc(sizeof(*f));

	f->job.leave = follow_leave;
	f->job.end = follow_end;
	f->call = call;
	f->follower.on_line = on_line;
	f->follower.on_gone = on_gone;
	f->source = *source;
	f->reader.on_event = on_event;
	f->next = number_of_last(source, count);
	wheel_timer_init(&f->drops_due, report_drops);
	list_init(&f->reader.node);
	slice_init(&f->slice, report_some);
	journal_follow(call->gateway->journal, &f->reader);
	call->job = &f->job;
	attach(f);
	slice_take(call->gateway->slices, &f->slice);
}
