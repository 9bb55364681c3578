/* rpc_fanout: one event after the other goes to all sessions that subscribed, a
 * bounded number of them per turn. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/http/rpc_session.h"
#include "supervisor/http/server.h"

/* ---- frames ---- */

struct websocket_frame *
rpc_event_frame(const char *event, size_t length)
{
	struct websocket_frame *f;
	struct buffer text = {0};

	rpc_write_notification(&text, "event", (struct bytes){event, length});
	f = websocket_frame_create(
		WEBSOCKET_TEXT, (struct bytes){(char *)buffer_bytes(&text),
					buffer_length(&text)});
	buffer_finish(&text);
	return f;
}

struct websocket_frame *
rpc_missed_frame(uint64_t count)
{
	char *text = memory_format("{\"event\":\"gateway.missed\","
				   "\"data\":{\"missed\":%llu}}",
		(unsigned long long)count);
	struct websocket_frame *f = rpc_event_frame(text, strlen(text));

	free(text);
	return f;
}

static void
send_event(struct rpc_session *s, struct websocket_frame *f)
{
	if (websocket_queued(s->socket) > RPC_QUEUE_MAX)
		rpc_end_unread(s);
	else
		websocket_send_frame(s->socket, f);
}

void
rpc_count_missed(struct rpc_session *s, uint64_t count)
{
	rpc_gateway(s)->edge.events_missed += count;
}

/* ---- the fan-out ---- */

static struct rpc_fanout *
fanout_of(const struct rpc_session *s)
{
	return &s->server->sessions.fanout;
}

static struct journal *
journal_of(struct rpc_fanout *f)
{
	struct rpc_house *h = container_of(f, struct rpc_house, fanout);

	return h->server->gateway->journal;
}

/* Takes the next event of the journal; false: there is none. */
static bool
take_kept(struct rpc_fanout *f)
{
	struct journal_text event;

	if (!journal_next(journal_of(f), f->seq, &event))
		return false;
	f->is_transient = false;
	f->frame = rpc_event_frame(event.text.at, event.text.length);
	f->frame_seq = event.seq;
	f->missed_count = event.missed;
	f->missed = event.missed ? rpc_missed_frame(event.missed) : NULL;
	memcpy(f->name, event.name.at, event.name.length);
	f->name[event.name.length] = '\0';
	return true;
}

/* Takes the next event; false: there is none. */
static bool
begin_event(struct rpc_fanout *f)
{
	if (!take_kept(f) && !rpc_take_transient(f))
		return false;
	list_take_all(&f->due, &f->subscribers);
	return true;
}

static void
end_event(struct rpc_fanout *f)
{
	if (!f->is_transient)
		f->seq = f->frame_seq;
	websocket_frame_unref(f->frame);
	if (f->missed)
		websocket_frame_unref(f->missed);
	f->frame = f->missed = NULL;
}

/* Whether the event is for the session, which reads the journal's past by
 * itself. Calls, with their arguments and results, are for those who may make
 * them. */
static bool
concerns(const struct rpc_fanout *f, struct rpc_session *s)
{
	if (f->is_transient)
		return rpc_wants(s, bytes_of(f->name), UINT64_MAX) &&
		       rpc_role_now(s) >= ROLE_OPERATOR;
	if (s->catches_up || s->sent >= f->frame_seq)
		return false;
	s->sent = f->frame_seq;
	return true;
}

/* Returns how many bytes it sent. */
static size_t
visit(struct rpc_fanout *f, struct rpc_session *s)
{
	if (!concerns(f, s))
		return 0;
	if (f->missed) {
		rpc_count_missed(s, f->missed_count);
		send_event(s, f->missed);
	}
	if (!s->socket || !rpc_wants(s, bytes_of(f->name),
				  f->is_transient ? UINT64_MAX : f->frame_seq))
		return 0;
	send_event(s, f->frame);
	return websocket_frame_bytes(f->frame);
}

static bool
fan_out(struct slice *slice)
{
	struct rpc_fanout *f = container_of(slice, struct rpc_fanout, slice);
	size_t sent = 0;

	for (int i = 0; i < RPC_FANOUT_VISITS && sent < RPC_FANOUT_BYTES; i++) {
		struct list *node;

		if (!f->frame && !begin_event(f))
			return false;
		node = f->due.next;
		if (!list_is_empty(&f->due)) {
			list_remove(node);
			list_append(&f->subscribers, node);
			sent += visit(f, container_of(node, struct rpc_session,
						 subscriber));
		}
		if (list_is_empty(&f->due))
			end_event(f);
	}
	return true;
}

void
rpc_fan_out(struct rpc_fanout *f)
{
	struct rpc_house *h = container_of(f, struct rpc_house, fanout);

	slice_take(h->server->gateway->slices, &f->slice);
}

static void
on_event(struct journal_reader *reader, json_t *event)
{
	(void)event;
	rpc_fan_out(container_of(reader, struct rpc_fanout, reader));
}

void
rpc_fanout_init(struct rpc_fanout *f)
{
	f->reader.on_event = on_event;
	list_init(&f->reader.node);
	slice_init(&f->slice, fan_out);
	list_init(&f->subscribers);
	list_init(&f->due);
	rpc_transients_init(&f->transients);
}

void
rpc_fanout_finish(struct rpc_fanout *f)
{
	journal_leave(&f->reader);
	slice_leave(&f->slice);
	if (f->frame)
		end_event(f);
	rpc_transients_finish(f);
}

/* ---- who takes part ---- */

void
rpc_fanout_join(struct rpc_session *s)
{
	struct rpc_fanout *f = fanout_of(s);
	struct journal *j = rpc_gateway(s)->journal;

	if (!list_is_empty(&s->subscriber))
		return;
	s->sent = journal_seq(j);
	if (list_is_empty(&f->subscribers) && list_is_empty(&f->due)) {
		f->seq = journal_seq(j);
		journal_follow(j, &f->reader);
	}
	list_append(&f->subscribers, &s->subscriber);
}

void
rpc_fanout_leave(struct rpc_session *s)
{
	struct rpc_fanout *f = fanout_of(s);

	if (list_is_empty(&s->subscriber))
		return;
	list_remove(&s->subscriber);
	if (list_is_empty(&f->subscribers) && list_is_empty(&f->due)) {
		journal_leave(&f->reader);
		if (f->frame && !f->is_transient)
			f->seq = f->frame_seq;
	}
}
