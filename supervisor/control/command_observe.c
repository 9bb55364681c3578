/* command_observe: events, emit and history. They change nothing, except that
 * emit adds an event. */
#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/control/job.h"
#include "supervisor/control/rows.h"
#include "supervisor/ops/history.h"
#include "supervisor/ops/journal.h"

#define LINES_DEFAULT 50

/* ---- events ---- */

/* at, end: the seq of the last event written and of the last to write; count:
 * the events that are no longer kept. */
static bool
events_next(struct rows *r, struct buffer *text)
{
	struct journal_text event;

	if (!journal_next(r->gateway->journal, r->at, &event) ||
		event.seq > r->end) {
		r->count += r->end - r->at;
		return false;
	}
	r->count += event.missed;
	r->at = event.seq;
	if (journal_is_of(&event, r->id))
		buffer_append(text, event.text.at, event.text.length);
	return true;
}

static json_t *
events_end(struct rows *r)
{
	return json_pack("{s:I}", "missed", (json_int_t)r->count);
}

static bool
events_are_few(const struct journal *j, uint64_t cursor)
{
	struct journal_text event;
	size_t bytes = 0;

	for (unsigned i = 0; i <= ROWS_AT_ONCE_MAX; i++) {
		if (!journal_next(j, cursor, &event))
			return true;
		bytes += event.text.length;
		if (bytes > ROWS_AT_ONCE_BYTES)
			break;
		cursor = event.seq;
	}
	return false;
}

static void
finish_events(struct command_call *call, uint64_t cursor, uint64_t missed,
	const char *plugin_id)
{
	const struct journal *j = call->gateway->journal;
	struct rows *r = rows_create(call->gateway, "events", plugin_id);
	char *key;

	r->next = events_next;
	r->finish = events_end;
	r->at = journal_cursor_fit(j, cursor, &missed);
	r->end = journal_seq(j);
	r->count = missed;
	key = memory_format("events %llu", (unsigned long long)missed);
	rows_finish(call, r, key, events_are_few(j, r->at));
	free(key);
}

/* The id of a plugin, which may have been removed but still have events. NULL:
 * the call has ended. */
static const char *
find_id(struct command_call *call, const char *id)
{
	const struct journal *j = call->gateway->journal;
	const struct plugin *p;
	struct error err;

	if (config_id_is_valid(id) &&
		journal_cursor_last(j, 1, id) != journal_seq(j))
		return id;
	p = command_find_plugin(call->gateway, id, &err);
	if (!p)
		command_fail(call, OUTCOME_NOT_FOUND, "%s", err.text);
	return p ? p->id : NULL;
}

void
command_events(struct command_call *call, const json_t *args)
{
	const struct journal *j = call->gateway->journal;
	const char *id = command_text(args, "plugin");
	uint64_t missed = 0, cursor;

	if (id && !(id = find_id(call, id)))
		return;
	if (json_is_integer(json_object_get(args, "after")))
		cursor = journal_cursor_since(
			j, command_number(args, "after", 0), &missed);
	else
		cursor = journal_cursor_last(
			j, command_number(args, "lines", LINES_DEFAULT), id);
	if (command_flag(args, "follow"))
		command_follow_events(call, cursor, missed, id);
	else
		finish_events(call, cursor, missed, id);
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

static bool
history_next_row(struct rows *r, struct buffer *text)
{
	struct bytes receipt;

	if (!history_next(r->gateway->history, r->id, &r->at, r->end, &receipt))
		return false;
	buffer_append(text, receipt.at, receipt.length);
	return true;
}

static bool
history_is_short(const struct history *h, const char *id, uint64_t cursor)
{
	struct bytes receipt;
	size_t bytes = 0;

	for (unsigned i = 0; i <= ROWS_AT_ONCE_MAX; i++) {
		if (!history_next(h, id, &cursor, UINT64_MAX, &receipt))
			return true;
		bytes += receipt.length;
		if (bytes > ROWS_AT_ONCE_BYTES)
			break;
	}
	return false;
}

/* A removed plugin keeps its history. */
static bool
history_has(const struct history *h, const char *id)
{
	uint64_t cursor = 0;

	return history_next(h, id, &cursor, UINT64_MAX, &(struct bytes){0});
}

void
command_history(struct command_call *call, const json_t *args)
{
	const struct history *h = call->gateway->history;
	const char *id = command_text(args, "id");
	uint64_t count = command_number(args, "lines", LINES_DEFAULT);
	struct rows *r;
	struct error err;

	if (id && !config_id_is_valid(id)) {
		command_fail(call, OUTCOME_NOT_FOUND,
			"no such plugin: not a plugin id");
		return;
	}
	if (id && count && !(h && history_has(h, id))) {
		const struct plugin *p =
			command_find_plugin(call->gateway, id, &err);

		if (!p) {
			command_fail(call, OUTCOME_NOT_FOUND, "%s", err.text);
			return;
		}
		id = p->id;
	}
	if (!h) {
		command_finish(
			call, OUTCOME_DONE, json_pack("{s:[]}", "receipts"));
		return;
	}
	r = rows_create(call->gateway, "receipts", id);
	r->next = history_next_row;
	r->at = history_first(h, id, count);
	r->end = history_end(h);
	rows_finish(call, r, "history", history_is_short(h, id, r->at));
}
