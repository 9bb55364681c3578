/* command_observe: what happened and how much: events, emit, history and
 * metrics. They change nothing; emit adds an event and no more. */
#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/control/job.h"
#include "supervisor/control/metrics_view.h"
#include "supervisor/ops/history.h"
#include "supervisor/ops/journal.h"

#define LINES_DEFAULT 50

/* ---- events ---- */

struct follow {
	struct command_job job;
	struct command_call *call;
	struct journal_reader reader;
};

static void
follow_leave(struct command_job *job)
{
	struct follow *f = container_of(job, struct follow, job);

	journal_leave(&f->reader);
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
follow_event(struct journal_reader *reader, json_t *event)
{
	struct follow *f = container_of(reader, struct follow, reader);

	command_tell(f->call, json_pack("{s:O}", "event", event));
}

static void
follow_begin(struct command_call *call, json_t *events, uint64_t missed)
{
	struct follow *f = memory_alloc(sizeof(*f));

	f->job.leave = follow_leave;
	f->job.end = follow_end;
	f->call = call;
	f->reader.on_event = follow_event;
	list_init(&f->reader.node);
	call->job = &f->job;
	journal_follow(call->gateway->journal, &f->reader);
	if (missed)
		command_tell(call,
			json_pack("{s:I}", "dropped", (json_int_t)missed));
	for (size_t i = 0; i < json_array_size(events); i++)
		command_tell(call,
			json_pack("{s:O}", "event", json_array_get(events, i)));
	json_decref(events);
}

void
command_events(struct command_call *call, const json_t *args)
{
	const struct journal *j = call->gateway->journal;
	uint64_t count = command_number(args, "lines", LINES_DEFAULT);
	uint64_t missed = 0;
	json_t *events;

	if (json_is_integer(json_object_get(args, "after")))
		events = journal_since(
			j, command_number(args, "after", 0), &missed);
	else
		events = journal_last(j, count);
	if (command_flag(args, "follow"))
		follow_begin(call, events, missed);
	else
		command_finish(call, OUTCOME_DONE,
			json_pack("{s:o,s:I}", "events", events, "missed",
				(json_int_t)missed));
}

void
command_emit(struct command_call *call, const json_t *args)
{
	struct journal *j = call->gateway->journal;
	const char *name = command_text(args, "name");
	json_t *data = json_object_get(args, "data");
	struct error err;

	if (journal_check(name, data, &err)) {
		command_fail(call, OUTCOME_BAD_CALL, "emit: %s", err.text);
		return;
	}
	journal_note(j, name, NULL, json_incref(data));
	command_finish(call, OUTCOME_DONE,
		json_pack("{s:s,s:I}", "event", name, "seq",
			(json_int_t)journal_seq(j)));
}

/* ---- history ---- */

void
command_history(struct command_call *call, const json_t *args)
{
	const struct gateway *g = call->gateway;
	const char *id = command_text(args, "id");
	uint64_t count = command_number(args, "lines", LINES_DEFAULT);
	json_t *receipts;
	struct plugin *p;
	struct error err;

	if (id && !config_id_is_valid(id)) {
		command_fail(call, OUTCOME_NOT_FOUND,
			"no such plugin: that is not a plugin id");
		return;
	}
	receipts =
		g->history ? history_last(g->history, id, count) : json_array();
	/* What is no longer configured still has its past. */
	if (id && !json_array_size(receipts) && count) {
		p = command_find_plugin(g, id, &err);
		json_decref(receipts);
		if (!p) {
			command_fail(call, OUTCOME_NOT_FOUND, "%s", err.text);
			return;
		}
		receipts = g->history ? history_last(g->history, p->id, count)
				      : json_array();
	}
	command_finish(
		call, OUTCOME_DONE, json_pack("{s:o}", "receipts", receipts));
}

/* ---- metrics ---- */

void
command_metrics(struct command_call *call, const json_t *args)
{
	const char *format = command_text(args, "format");
	bool as_text = format && !strcmp(format, "text");
	struct metrics_writer w;
	json_t *result;

	if (format && !as_text && strcmp(format, "json") != 0) {
		command_fail(call, OUTCOME_BAD_CALL,
			"metrics: 'format' must be text or json");
		return;
	}
	metrics_writer_init(&w, !as_text);
	metrics_view_write(&w, call->gateway);
	if (as_text)
		result = json_pack("{s:s%}", "text",
			(const char *)buffer_bytes(&w.text),
			buffer_length(&w.text));
	else
		result = json_pack("{s:O}", "metrics", w.families);
	metrics_writer_finish(&w);
	command_finish(call, OUTCOME_DONE,
		result ? result : json_pack("{s:s}", "error", "not text"));
}
