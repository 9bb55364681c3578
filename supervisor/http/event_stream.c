/* event_stream: writes events, keep-alive comments and the number of missed
 * events. Control follows the journal for it. */
#include "supervisor/http/event_stream.h"

#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/server.h"
#include "supervisor/http/text.h"
#include "supervisor/ops/journal.h"

static struct http_server *
server_of(const struct event_stream *s)
{
	return s->exchange->connection->server;
}

static void
write_text(struct event_stream *s, char *text)
{
	exchange_stream_write(s->exchange, bytes_of(text));
	free(text);
}

static void
tell_missed(struct event_stream *s)
{
	write_text(s,
		memory_format("event: gateway.missed\ndata: {\"missed\":%llu}"
			      "\n\n",
			(unsigned long long)s->missed));
	s->missed = 0;
}

static void
note_missed(struct event_stream *s, uint64_t count)
{
	s->missed += count;
	server_of(s)->gateway->edge.events_missed += count;
}

static void
write_event(struct event_stream *s, const struct journal_text *event)
{
	write_text(s, memory_format("id: %llu\nevent: %.*s\ndata: %.*s\n\n",
			      (unsigned long long)event->seq,
			      (int)event->name.length, event->name.at,
			      (int)event->text.length, event->text.at));
	s->sent = event->seq;
}

/* Writes until the client's queue is full. */
static bool
write_some(struct slice *slice)
{
	struct event_stream *s =
		container_of(slice, struct event_stream, slice);
	struct gateway *g = server_of(s)->gateway;
	struct journal_text event;

	while (exchange_stream_backlog(s->exchange) <= EVENT_BACKLOG_MAX &&
		journal_next(g->journal, s->sent, &event)) {
		note_missed(s, event.missed);
		if (!journal_is_of(&event, s->plugin_id)) {
			s->sent = event.seq;
			continue;
		}
		if (s->missed)
			tell_missed(s);
		write_event(s, &event);
	}
	return false;
}

void
event_stream_go_on(struct event_stream *s)
{
	struct gateway *g = server_of(s)->gateway;

	if (!s->sent)
		s->sent = journal_seq(g->journal);
	slice_take(g->slices, &s->slice);
}

static void
set_keep_alive(struct event_stream *s)
{
	wheel_set(&server_of(s)->gateway->wheel, &s->keep_alive,
		clock_ms() + EVENT_KEEP_ALIVE_MS);
}

static void
keep_alive_due(struct wheel_timer *timer)
{
	struct event_stream *s =
		container_of(timer, struct event_stream, keep_alive);

	if (!exchange_stream_backlog(s->exchange))
		write_text(s, memory_copy_text(": keep-alive\n\n"));
	set_keep_alive(s);
}

static void
write_head(struct exchange *x)
{
	exchange_stream_begin(x, 200, "text/event-stream",
		ANSWER_STREAM_FIELDS "X-Content-Type-Options: nosniff\r\n");
}

void
event_stream_answer_head(struct exchange *x)
{
	write_head(x);
	exchange_stream_end(x);
}

struct event_stream *
event_stream_open(struct exchange *x, void *call, const char *plugin_id)
{
	struct event_stream *s = memory_alloc(sizeof(*s));

	s->exchange = x;
	s->call = call;
	s->plugin_id = plugin_id;
	list_append(&server_of(s)->streams, &s->node);
	server_of(s)->gateway->edge.streams++;
	wheel_timer_init(&s->keep_alive, keep_alive_due);
	slice_init(&s->slice, write_some);
	write_head(x);
	/* shows proxies and the client at once that the stream is open */
	write_text(s, memory_copy_text(": events\n\n"));
	set_keep_alive(s);
	return s;
}

void
event_stream_destroy(struct event_stream *s)
{
	struct http_server *server = server_of(s);

	wheel_clear(&server->gateway->wheel, &s->keep_alive);
	server->gateway->edge.streams--;
	slice_leave(&s->slice);
	list_remove(&s->node);
	free(s);
}

void
event_stream_tell(struct event_stream *s, const json_t *progress)
{
	const json_t *event = json_object_get(progress, "event");
	const json_t *after = json_object_get(progress, "after");

	if (!event)
		note_missed(s, (uint64_t)json_integer_value(
				       json_object_get(progress, "dropped")));
	if (after)
		s->sent = (uint64_t)json_integer_value(after);
	else if (event && !s->sent)
		s->sent = (uint64_t)json_integer_value(
				  json_object_get(event, "seq")) -
			  1;
	if (event)
		event_stream_go_on(s);
}

void
event_stream_end(struct event_stream *s)
{
	exchange_stream_end(s->exchange);
}

int
event_stream_read_id(const char *at, size_t length, uint64_t *seq_out)
{
	return text_read_number((struct bytes){at, length}, seq_out) ? 0 : -1;
}
