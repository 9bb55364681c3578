/* session: reads the calls of one client, runs them and writes progress and
 * answers. Decides nothing about plugins. A client that sends garbage or
 * disconnects loses only its own session. */
#include "supervisor/control/session.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/control/commands.h"
#include "supervisor/control/page.h"
#include "supervisor/control/reply.h"
#include "supervisor/control/session_call.h"

static void
call_destroy(struct session_call *c)
{
	list_remove(&c->node);
	c->session->call_count--;
	c->session->active_ms = clock_ms();
	page_unref(c->page);
	free(c);
}

/* The client has caught up: reports once how much progress it missed. */
static void
report_dropped(struct session *s, uint32_t id)
{
	msgpack_packer *p = reply_progress(&s->peer, id);

	msgpack_pack_map(p, 1);
	codec_text(p, "dropped");
	msgpack_pack_uint64(p, s->dropped);
	peer_end(&s->peer);
	s->dropped = 0;
}

static void
call_progress(struct command_call *call, json_t *event)
{
	struct session_call *c = container_of(call, struct session_call, call);
	struct session *s = c->session;

	if (peer_backlog(&s->peer) > SESSION_BACKLOG_MAX) {
		s->dropped++;
		return;
	}
	if (s->dropped)
		report_dropped(s, c->id);
	value_pack(reply_progress(&s->peer, c->id), event);
	if (peer_end(&s->peer))
		s->dropped++;
}

static void
call_done(struct command_call *call, enum outcome outcome, json_t *result)
{
	struct session_call *c = container_of(call, struct session_call, call);
	struct session *s = c->session;
	const char *text = json_string_value(json_object_get(result, "error"));

	if (outcome == OUTCOME_DENIED || outcome == OUTCOME_BAD_CALL) {
		reply_error(&s->peer, c->id,
			outcome == OUTCOME_DENIED ? WIRE_DENIED
						  : WIRE_BAD_MESSAGE,
			text);
	} else if (peer_backlog(&s->peer) > SESSION_QUEUED_MAX) {
		reply_error(&s->peer, c->id, WIRE_TOO_LARGE,
			"too many answers of this session are unread");
	} else {
		reply_document(&s->peer, c->id, outcome, result);
	}
	call_destroy(c);
}

/* ---- pages ---- */

/* Sends the next piece. */
static void
send_page_piece(struct session *s, struct session_call *c)
{
	const struct buffer *text = &c->page->text;

	c->sent += reply_piece(&s->peer, c->id,
		(struct bytes){(const char *)buffer_bytes(text) + c->sent,
			buffer_length(text) - c->sent});
	s->page_ms = clock_ms();
}

static struct session_call *
first_page(struct session *s)
{
	list_for_each (node, &s->calls) {
		struct session_call *c =
			container_of(node, struct session_call, node);

		if (c->page)
			return c;
	}
	return NULL;
}

/* Sends the page as one answer; false: it is too long. */
static bool
send_page_whole(struct session *s, const struct session_call *c)
{
	const struct buffer *packed = &c->page->packed;

	if (c->sent || !buffer_length(packed) ||
		reply_packed(&s->peer, c->id, c->outcome,
			(struct bytes){(const char *)buffer_bytes(packed),
				buffer_length(packed)}))
		return false;
	s->page_ms = clock_ms();
	return true;
}

/* Sends pages one after the other as fast as the client reads: at most one
 * piece, or one page that fits into a message, is queued. */
static void
send_pages(struct session *s)
{
	struct session_call *c;

	while ((c = first_page(s)) && peer_flush(&s->peer)) {
		size_t length = buffer_length(&c->page->text);

		if (send_page_whole(s, c)) {
			call_destroy(c);
		} else if (c->sent < length) {
			send_page_piece(s, c);
		} else {
			reply_end_pieces(&s->peer, c->id, c->outcome, length);
			call_destroy(c);
		}
	}
	if (!c)
		s->page_ms = 0;
}

static void
call_page(struct command_call *call, enum outcome outcome, struct page *page)
{
	struct session_call *c = container_of(call, struct session_call, call);
	struct session *s = c->session;

	c->page = page_ref(page);
	c->outcome = outcome;
	if (!s->page_ms)
		s->page_ms = clock_ms();
	send_pages(s);
}

static void
call_shutdown(struct command_call *call)
{
	struct session_call *c = container_of(call, struct session_call, call);

	log_info("shutdown requested by uid %u (pid %d)",
		(unsigned)c->session->who.uid, (int)c->session->who.pid);
	c->session->house->shutdown(c->session->house->user);
}

static void
note_denied(struct session *s, const char *verb)
{
	unsigned hidden;

	if (s->denied++ || !log_gate_opens(&s->house->denied, &hidden))
		return; /* not logged: anybody may connect */
	log_info("control: uid %u (pid %d) was denied '%s' (%u more not "
		 "logged)",
		(unsigned)s->who.uid, (int)s->who.pid, verb, hidden);
}

static void
run_call(struct session *s, const struct message *m, const char *verb,
	const json_t *args)
{
	struct session_call *c = memory_alloc(sizeof(*c));

	c->session = s;
	c->id = m->id;
	list_append(&s->calls, &c->node);
	s->call_count++;
	c->call.gateway = s->house->gateway;
	c->call.door = "supctl";
	c->call.caller = s->name;
	c->call.on_progress = call_progress;
	c->call.on_done = call_done;
	c->call.on_page = call_page;
	c->call.wants_packed = true;
	c->call.on_shutdown = call_shutdown;
	session_allow_streams(c);
	c->call.nobody = s->rank == RANK_NOBODY;
	if (c->call.nobody)
		note_denied(s, verb);
	else
		c->call.role = (enum role)s->rank;
	command_run(&c->call, verb, args);
}

static void
on_call(struct session *s, const struct message *m)
{
	struct bytes name = codec_bytes(&m->params[0]);
	struct error err = {.text = ""};
	char verb[64];
	json_t *args;

	if (s->call_count >= SESSION_CALLS_MAX) {
		reply_error(&s->peer, m->id, WIRE_BUSY,
			"too many calls in progress");
		return;
	}
	args = value_from(&m->params[1], &err);
	if (!args) {
		reply_error(&s->peer, m->id, WIRE_BAD_MESSAGE, err.text);
		return;
	}
	if (name.length >= sizeof(verb) || memchr(name.at, 0, name.length))
		name = (struct bytes){"?", 1};
	memcpy(verb, name.at, name.length);
	verb[name.length] = 0;
	for (char *at = verb; *at;
		at++) /* keep the verb printable for the log */
		if (*at < ' ' || *at > '~')
			*at = '?';
	run_call(s, m, verb, args);
	json_decref(args);
}

static void
on_message(struct peer *peer, const struct message *m)
{
	struct session *s = peer->owner;

	/* The client is gone, so its remaining calls are dropped. Its first
	 * call still runs: some clients send a call and do not wait. */
	if (s->called && peer_is_deaf(peer)) {
		session_destroy(s);
		return;
	}
	s->called = true;
	s->active_ms = clock_ms();
	if (m->kind != MESSAGE_REQUEST) {
		session_take_stream(s, m);
		return;
	}
	if (m->name != MESSAGE_CONTROL)
		reply_error(&s->peer, m->id, WIRE_BAD_MESSAGE,
			"this socket answers 'control' only");
	else
		on_call(s, m);
	if (s->denied >= SESSION_DENIED_MAX && s->rank == RANK_NOBODY)
		house_cut(s, GATEWAY_CONTROL_DENIED);
}

static void
on_close(struct peer *peer, const char *reason)
{
	struct session *s = peer->owner;

	/* Debug only, because anybody may connect and send garbage. */
	if (reason)
		log_debug("control: session of uid %u (pid %d) ended: %s",
			(unsigned)s->who.uid, (int)s->who.pid, reason);
	session_destroy(s);
}

static void
on_flushed(struct peer *peer)
{
	struct session *s = peer->owner;

	if (s->dropped && !list_is_empty(&s->calls))
		report_dropped(s,
			container_of(s->calls.next, struct session_call, node)
				->id);
	send_pages(s);
}

static const struct peer_ops session_ops = {
	.on_message = on_message,
	.on_close = on_close,
	.on_flushed = on_flushed,
};

struct session *
session_create(struct session_house *house, int fd, struct credentials *who)
{
	struct session *s = memory_alloc(sizeof(*s));

	s->house = house;
	s->who = *who;
	snprintf(s->name, sizeof(s->name), "uid %u", (unsigned)who->uid);
	list_init(&s->calls);
	s->active_ms = clock_ms();
	list_append(&house->sessions, &s->node);
	house->gateway->control.sessions = ++house->count;
	peer_init(&s->peer, &house->peers, fd, &session_ops, s);
	session_rank(s);
	if (!ev_is_active(&house->sweep))
		ev_timer_again(house->gateway->loop, &house->sweep);
	return s;
}

void
session_rank(struct session *s)
{
	s->rank = house_rank(s->house, &s->who);
	s->peer.bounds = house_bounds(s->rank);
}

void
session_end_calls(struct session *s)
{
	list_for_each_safe (node, &s->calls)
		command_end(
			&container_of(node, struct session_call, node)->call);
	peer_flush(&s->peer);
}

void
session_destroy(struct session *s)
{
	struct session_house *house = s->house;

	while (!list_is_empty(&s->calls)) {
		struct session_call *c =
			container_of(s->calls.next, struct session_call, node);

		command_abandon(&c->call);
		call_destroy(c);
	}
	peer_finish(&s->peer);
	credentials_finish(&s->who);
	list_remove(&s->node);
	house->gateway->control.sessions = --house->count;
	free(s);
}
