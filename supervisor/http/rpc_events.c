/* rpc_events: the patterns of a session, and the past. A session that asks for
 * it reads the journal by itself, as far as the client reads, and then takes
 * part in the fan-out (rpc_fanout.c). */
#include <stdlib.h>
#include <string.h>

#include "proto/event_name.h"
#include "proto/util/memory.h"
#include "supervisor/http/rpc_session.h"
#include "supervisor/http/server.h"

/* ---- patterns ---- */

bool
rpc_wants(const struct rpc_session *s, struct bytes name, uint64_t seq)
{
	for (uint32_t i = 0; i < s->pattern_count; i++)
		if (seq > s->patterns[i].from &&
			event_pattern_matches(
				bytes_of(s->patterns[i].text), name))
			return true;
	return false;
}

static void
drop_pattern(struct rpc_session *s, uint32_t i)
{
	rpc_count_pattern(&s->server->sessions.fanout, s->patterns[i].text, -1);
	free(s->patterns[i].text);
	s->pattern_count--;
	memmove(s->patterns + i, s->patterns + i + 1,
		(s->pattern_count - i) * sizeof(*s->patterns));
}

static int
find_pattern(const struct rpc_session *s, const char *text)
{
	for (uint32_t i = 0; i < s->pattern_count; i++)
		if (!strcmp(s->patterns[i].text, text))
			return (int)i;
	return -1;
}

/* ---- catching up ---- */

static void
send_past(struct rpc_session *s, struct websocket_frame *f)
{
	websocket_send_frame(s->socket, f);
	websocket_frame_unref(f);
}

static void
tell_missed(struct rpc_session *s)
{
	if (!s->missed)
		return;
	rpc_count_missed(s, s->missed);
	send_past(s, rpc_missed_frame(s->missed));
	s->missed = 0;
}

static bool
catch_up_some(struct slice *slice)
{
	struct rpc_session *s = container_of(slice, struct rpc_session, slice);
	struct journal *j = rpc_gateway(s)->journal;
	struct journal_text event;

	for (int i = 0; i < SLICE_ROWS; i++) {
		if (!websocket_has_room(s->socket))
			return false; /* goes on when there is */
		if (!journal_next(j, s->sent, &event)) {
			s->catches_up = false;
			tell_missed(s);
			return false;
		}
		s->sent = event.seq;
		s->missed += event.missed;
		tell_missed(s);
		if (rpc_wants(s, event.name, event.seq))
			send_past(s, rpc_event_frame(
					     event.text.at, event.text.length));
	}
	return true;
}

void
rpc_catch_up(struct rpc_session *s)
{
	if (s->socket && s->catches_up)
		slice_take(rpc_gateway(s)->slices, &s->slice);
}

/* ---- subscriptions ---- */

void
rpc_session_init_events(struct rpc_session *s)
{
	list_init(&s->subscriber);
	slice_init(&s->slice, catch_up_some);
}

void
rpc_leave_events(struct rpc_session *s)
{
	rpc_fanout_leave(s);
	slice_leave(&s->slice);
	s->catches_up = false;
	s->missed = 0;
	while (s->pattern_count)
		drop_pattern(s, s->pattern_count - 1);
	free(s->patterns);
	s->patterns = NULL;
}

/* How many of the list the session has not yet. */
static size_t
count_new(const struct rpc_session *s, const json_t *list)
{
	size_t count = 0;

	if (json_array_size(list) > RPC_PATTERNS_MAX)
		return json_array_size(list);
	for (size_t i = 0; i < json_array_size(list); i++)
		count += find_pattern(s, json_string_value(
						 json_array_get(list, i))) < 0;
	return count;
}

static int
check_texts(const json_t *list, struct error *err)
{
	if (!json_is_array(list))
		return error_set(err, "'patterns' must be a list of strings");
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!json_is_string(json_array_get(list, i)))
			return error_set(
				err, "patterns[%zu]: must be a string", i);
	return 0;
}

/* Checks all before any of them counts. */
static int
check_patterns(
	const struct rpc_session *s, const json_t *list, struct error *err)
{
	struct error why;

	if (check_texts(list, err))
		return -1;
	if (!json_array_size(list))
		return error_set(err, "'patterns' must not be empty");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);

		if (event_pattern_check((struct bytes){json_string_value(item),
						json_string_length(item)},
			    &why))
			return error_set(err, "patterns[%zu]: %s", i, why.text);
	}
	if (count_new(s, list) + s->pattern_count > RPC_PATTERNS_MAX)
		return error_set(err, "a session has at most %d patterns",
			RPC_PATTERNS_MAX);
	return 0;
}

/* Reads where to begin; false: `since` is not given. */
static int
read_since(const json_t *args, bool *given_out, struct error *err)
{
	const json_t *since = json_object_get(args, "since");

	*given_out = since && !json_is_null(since);
	if (!*given_out)
		return 0;
	if (!json_is_integer(since) || json_integer_value(since) < 0)
		return error_set(err, "'since' must be the seq of an event");
	return 0;
}

static void
add_pattern(struct rpc_session *s, const char *text)
{
	s->patterns[s->pattern_count++] = (struct rpc_pattern){
		memory_copy_text(text), journal_seq(rpc_gateway(s)->journal)};
	rpc_count_pattern(&s->server->sessions.fanout, text, 1);
}

/* The patterns of the list get what came after `since`, even if the session had
 * it already; the others go on where they are. */
static void
go_back(struct rpc_session *s, const json_t *list, uint64_t since)
{
	uint64_t unknown;
	uint64_t from =
		journal_cursor_since(rpc_gateway(s)->journal, since, &unknown);

	for (uint32_t i = 0; i < s->pattern_count; i++)
		if (s->patterns[i].from < s->sent)
			s->patterns[i].from = s->sent;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		struct rpc_pattern *p = &s->patterns[find_pattern(s, text)];

		if (p->from > from)
			p->from = from;
	}
	s->missed += unknown;
	if (s->sent > from)
		s->sent = from;
	s->catches_up = true;
}

static json_t *
subscriptions(const struct rpc_session *s)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < s->pattern_count; i++)
		json_array_append_new(list, json_string(s->patterns[i].text));
	return json_pack("{s:o,s:I}", "patterns", list, "seq",
		(json_int_t)journal_seq(rpc_gateway(s)->journal));
}

const char *const rpc_subscribe_args[] = {"patterns", "since", NULL};
const char *const rpc_unsubscribe_args[] = {"patterns", NULL};

json_t *
rpc_subscribe(struct rpc_session *s, const json_t *args, struct error *err)
{
	const json_t *list = json_object_get(args, "patterns");
	bool since;

	if (check_patterns(s, list, err) || read_since(args, &since, err))
		return NULL;
	rpc_fanout_join(s);
	s->patterns = memory_resize(
		s->patterns, (s->pattern_count + json_array_size(list)) *
				     sizeof(*s->patterns));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (find_pattern(s, text) < 0)
			add_pattern(s, text);
	}
	if (since)
		go_back(s, list,
			(uint64_t)json_integer_value(
				json_object_get(args, "since")));
	return subscriptions(s);
}

json_t *
rpc_unsubscribe(struct rpc_session *s, const json_t *args, struct error *err)
{
	const json_t *list = json_object_get(args, "patterns");

	if (list && !json_is_null(list) && check_texts(list, err))
		return NULL;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		int at = find_pattern(s, text);

		if (at >= 0)
			drop_pattern(s, (uint32_t)at);
	}
	if (!json_is_array(list) || !s->pattern_count)
		rpc_leave_events(s);
	return subscriptions(s);
}
