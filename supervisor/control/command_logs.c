/* command_logs: the last output lines of one plugin's workers or of all.
 * Plugins own the rings of lines; this only reads them. */
#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "supervisor/control/job.h"
#include "supervisor/control/log_source.h"
#include "supervisor/control/rows.h"

#define LINES_DEFAULT 50
#define LINES_MAX (OUTPUT_LINES + OUTPUT_KEPT)

/* Steps go backwards first, a line each, to find where the answer begins, so
 * that a search runs in slices, too: `at` is the next line to look at, and
 * `count` the number of lines still to find. Then they go forward to `end`. */
struct lines {
	struct log_source source;
	bool is_forward;
};

static json_t *
lines_begin(struct rows *r)
{
	const struct lines *l = r->user;

	return json_pack("{s:s?}", "pluginId", l->source.id);
}

static void
go_back(struct rows *r, struct lines *l)
{
	const char *id;
	const struct output_line *line =
		log_source_line(&l->source, &r->at, true, &id);

	if (!line || line->wall_ms < l->source.since_ms) {
		l->is_forward = true;
		r->at++;
	} else if (log_source_takes(&l->source, line) && !--r->count) {
		l->is_forward = true;
	} else {
		r->at--;
	}
}

static bool
lines_next(struct rows *r, struct buffer *text)
{
	struct lines *l = r->user;
	const struct output_line *line;
	const char *id;
	json_t *row;

	if (!l->is_forward) {
		go_back(r, l);
		return true;
	}
	line = log_source_line(&l->source, &r->at, false, &id);
	if (!line || r->at > r->end)
		return false;
	r->at++;
	if (!log_source_takes(&l->source, line))
		return true;
	row = log_source_json(&l->source, line, id);
	json_text_append(text, row, JSON_TEXT_COMPACT);
	json_decref(row);
	return true;
}

static void
lines_free(struct rows *r)
{
	struct lines *l = r->user;

	log_source_finish(&l->source);
	free(l);
}

/* Takes ownership of the source. */
static void
finish_lines(
	struct command_call *call, struct log_source *source, uint64_t count)
{
	struct rows *r = rows_create(call->gateway, "lines", source->id);
	struct lines *l = memory_alloc(sizeof(*l));
	char *key = memory_format("logs %llu %llu %s",
		(unsigned long long)count, (unsigned long long)source->since_ms,
		source->grep ? source->grep : "");

	l->source = *source;
	l->is_forward = !count;
	r->user = l;
	r->begin = lines_begin;
	r->next = lines_next;
	r->free = lines_free;
	r->count = count;
	r->at = r->end = log_source_newest(source);
	r->at += !count;
	rows_finish(call, r, key, count <= ROWS_AT_ONCE_MAX && !source->grep);
	free(key);
}

static bool
is_wrong(struct command_call *call, const json_t *args)
{
	const char *grep = command_text(args, "grep");

	if (grep && strlen(grep) > LOG_GREP_MAX)
		command_fail(call, OUTCOME_BAD_CALL,
			"logs: 'grep' is longer than %d bytes", LOG_GREP_MAX);
	else if (command_flag(args, "follow") && !call->on_progress)
		command_fail(call, OUTCOME_BAD_CALL,
			"logs: 'follow' works on the control socket only");
	else
		return false;
	return true;
}

void
command_logs(struct command_call *call, const json_t *args)
{
	const char *id = command_text(args, "id");
	const char *grep = command_text(args, "grep");
	uint64_t since_ms = command_number(args, "since", 0);
	/* A search covers all kept lines. */
	uint64_t count = command_number(
		args, "lines", grep || since_ms ? LINES_MAX : LINES_DEFAULT);
	struct log_source source;
	struct error err;

	if (is_wrong(call, args))
		return;
	if (id) {
		const struct plugin *p =
			command_find_plugin(call->gateway, id, &err);

		if (!p) {
			command_fail(call, OUTCOME_NOT_FOUND, "%s", err.text);
			return;
		}
		id = p->id;
	}
	if (count > LINES_MAX)
		count = LINES_MAX;
	log_source_init(&source, call->gateway, id, grep);
	source.since_ms = since_ms;
	if (command_flag(args, "follow"))
		command_follow_logs(call, &source, count);
	else
		finish_lines(call, &source, count);
}
