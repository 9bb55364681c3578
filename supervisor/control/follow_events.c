/* follow_events: `events -f`: recent events, then new ones, read from the
 * journal in the caller's turn. */
#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/control/job.h"
#include "supervisor/control/slices.h"
#include "supervisor/ops/journal.h"

struct follow {
	struct command_job job;
	struct command_call *call;
	struct journal_reader reader;
	struct slice slice;
	char *plugin_id; /* NULL: all plugins */
	uint64_t sent;	 /* seq of the last event sent */
};

static void
follow_leave(struct command_job *job)
{
	struct follow *f = container_of(job, struct follow, job);

	slice_leave(&f->slice);
	journal_leave(&f->reader);
	free(f->plugin_id);
	free(f);
}

static void
follow_end(struct command_job *job)
{
	struct command_call *call = container_of(job, struct follow, job)->call;

	follow_leave(job);
	command_finish(call, OUTCOME_DONE, json_pack("{s:b}", "ended", 1));
}

static void
report_dropped(struct follow *f, uint64_t count)
{
	if (count)
		command_report(f->call,
			json_pack("{s:I}", "dropped", (json_int_t)count));
}

static void
report_event(struct follow *f, const struct journal_text *event)
{
	json_t *value = json_loadb(
		event->text.at, event->text.length, JSON_ALLOW_NUL, NULL);

	report_dropped(f, event->missed);
	f->sent = event->seq;
	command_report(f->call, json_pack("{s:o}", "event", value));
}

static void
skip_event(struct follow *f, const struct journal_text *event)
{
	report_dropped(f, event->missed);
	f->sent = event->seq;
}

static bool
report_some(struct slice *slice)
{
	struct follow *f = container_of(slice, struct follow, slice);
	const struct journal *j = f->call->gateway->journal;
	struct journal_text event;
	size_t bytes = 0;

	for (int i = 0; i < SLICE_ROWS && bytes < SLICE_BYTES; i++) {
		if (!journal_next(j, f->sent, &event))
			return false;
		bytes += event.text.length;
		if (journal_is_of(&event, f->plugin_id))
			report_event(f, &event);
		else
			skip_event(f, &event);
	}
	return true;
}

static void
on_event(struct journal_reader *reader, json_t *event)
{
	struct follow *f = container_of(reader, struct follow, reader);

	(void)event;
	slice_take(f->call->gateway->slices, &f->slice);
}

/* The caller reads the journal itself and only needs the notice. */
static void
on_news(struct journal_reader *reader, json_t *event)
{
	struct follow *f = container_of(reader, struct follow, reader);

	command_report(f->call, json_pack("{s:O}", "event", event));
}

static void
begin_report(struct follow *f, uint64_t cursor, uint64_t missed)
{
	struct gateway *g = f->call->gateway;

	f->sent = journal_cursor_fit(g->journal, cursor, &missed);
	report_dropped(f, missed);
	slice_take(g->slices, &f->slice);
}

void
command_follow_events(struct command_call *call, uint64_t cursor,
	uint64_t missed, const char *plugin_id)
{
	struct follow *f = memory_alloc(sizeof(*f));

	f->plugin_id = plugin_id ? memory_copy_text(plugin_id) : NULL;
	f->job.leave = follow_leave;
	f->job.end = follow_end;
	f->call = call;
	f->reader.on_event = call->reads_journal ? on_news : on_event;
	list_init(&f->reader.node);
	slice_init(&f->slice, report_some);
	call->job = &f->job;
	journal_follow(call->gateway->journal, &f->reader);
	if (call->reads_journal)
		command_report(call,
			json_pack("{s:I,s:I}", "after", (json_int_t)cursor,
				"dropped", (json_int_t)missed));
	else
		begin_report(f, cursor, missed);
}
