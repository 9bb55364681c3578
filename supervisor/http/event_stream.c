/* event_stream: writes events, keep-alive comments and what was missed. The
 * journal's follower behind it is control's. */
#include "supervisor/http/event_stream.h"

#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/server.h"
#include "supervisor/http/text.h"

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

/* Whether the client has read enough to be told more. */
static bool
has_room(const struct event_stream *s)
{
	size_t backlog = exchange_stream_backlog(s->exchange);

	/* Once behind, it must catch up before it is told what it missed. */
	return s->catching_up || backlog <= (s->missed ? EVENT_BACKLOG_MAX / 2
						       : EVENT_BACKLOG_MAX);
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

	if (s->missed && has_room(s))
		tell_missed(s);
	else if (!exchange_stream_backlog(s->exchange))
		write_text(s, memory_copy_text(": keep-alive\n\n"));
	set_keep_alive(s);
}

struct event_stream *
event_stream_open(struct exchange *x, void *call)
{
	struct event_stream *s = memory_alloc(sizeof(*s));

	s->exchange = x;
	s->call = call;
	list_append(&server_of(s)->streams, &s->node);
	server_of(s)->gateway->edge.streams++;
	wheel_timer_init(&s->keep_alive, keep_alive_due);
	exchange_stream_begin(x, "text/event-stream",
		"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff"
		"\r\n");
	/* Lets a proxy and the client know at once that it is open. */
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
	list_remove(&s->node);
	free(s);
}

void
event_stream_tell(struct event_stream *s, const json_t *progress)
{
	const json_t *event = json_object_get(progress, "event");
	char *text;

	if (!event) {
		note_missed(s, (uint64_t)json_integer_value(
				       json_object_get(progress, "dropped")));
	} else if (!has_room(s)) {
		note_missed(s, 1);
		return;
	}
	if (s->missed)
		tell_missed(s);
	if (!event)
		return;
	text = json_dumps(event,
		JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12));
	write_text(
		s, memory_format("id: %lld\nevent: %s\ndata: %s\n\n",
			   (long long)json_integer_value(
				   json_object_get(event, "seq")),
			   json_string_value(json_object_get(event, "event")),
			   text ? text : "null"));
	free(text);
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
