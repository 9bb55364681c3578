/* session: reads calls of one client, runs them and writes progress and
 * answers. Decides nothing about plugins. A client that sends garbage or goes
 * away loses its own session and nothing else. */
#include "supervisor/control/session.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/control/commands.h"

/* A document longer than this goes in pieces of text before the answer. */
#define PIECE_BYTES (256 * 1024)

struct session_call {
	struct command_call call;
	struct session *session;
	struct list node;
	uint32_t id;
};

static void
call_destroy(struct session_call *c)
{
	list_remove(&c->node);
	c->session->call_count--;
	free(c);
}

static msgpack_packer *
progress_begin(struct session *s, uint32_t id)
{
	msgpack_packer *p = peer_begin(&s->peer);

	codec_notification(p, MESSAGE_PROGRESS, 2);
	msgpack_pack_uint32(p, id);
	return p;
}

/* The client has read up: tell it what it missed, once. */
static void
tell_dropped(struct session *s, uint32_t id)
{
	msgpack_packer *p = progress_begin(s, id);

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
		tell_dropped(s, c->id);
	value_pack(progress_begin(s, c->id), event);
	if (peer_end(&s->peer))
		s->dropped++;
}

static void
pack_outcome(msgpack_packer *p, enum outcome outcome, uint32_t fields)
{
	msgpack_pack_map(p, fields);
	codec_text(p, "outcome");
	codec_text(p, outcome_rows[outcome].text);
	codec_text(p, "exitCode");
	msgpack_pack_int(p, outcome_rows[outcome].exit_code);
}

/* Document too long for one message: its JSON text as {"piece": text}, then an
 * answer that says how many bytes there were. */
static void
answer_in_pieces(struct session *s, uint32_t id, enum outcome outcome,
	const json_t *result)
{
	char *text = json_dumps(result, JSON_COMPACT | JSON_ENSURE_ASCII);
	size_t length = strlen(text);
	msgpack_packer *p;

	for (size_t at = 0; at < length; at += PIECE_BYTES) {
		size_t size = length - at;

		p = progress_begin(s, id);
		msgpack_pack_map(p, 1);
		codec_text(p, "piece");
		codec_str(p, (struct bytes){text + at,
				     size < PIECE_BYTES ? size : PIECE_BYTES});
		peer_end(&s->peer);
	}
	p = peer_begin(&s->peer);
	codec_result(p, id);
	pack_outcome(p, outcome, 3);
	codec_text(p, "pieces");
	msgpack_pack_uint64(p, length);
	peer_end(&s->peer);
	free(text);
}

static void
answer_error(
	struct session *s, uint32_t id, enum wire_error code, const char *text)
{
	codec_error(peer_begin(&s->peer), id, code, text);
	peer_end(&s->peer);
}

static void
call_done(struct command_call *call, enum outcome outcome, json_t *result)
{
	struct session_call *c = container_of(call, struct session_call, call);
	struct session *s = c->session;
	const char *text = json_string_value(json_object_get(result, "error"));
	msgpack_packer *p;

	if (outcome == OUTCOME_DENIED || outcome == OUTCOME_BAD_CALL) {
		answer_error(s, c->id,
			outcome == OUTCOME_DENIED ? WIRE_DENIED
						  : WIRE_BAD_MESSAGE,
			text);
	} else {
		p = peer_begin(&s->peer);
		codec_result(p, c->id);
		pack_outcome(p, outcome, 3);
		codec_text(p, "data");
		value_pack(p, result);
		if (peer_end(&s->peer))
			answer_in_pieces(s, c->id, outcome, result);
	}
	call_destroy(c);
}

static void
call_shutdown(struct command_call *call)
{
	struct session_call *c = container_of(call, struct session_call, call);

	log_info("shutdown asked for by uid %u (pid %d)",
		(unsigned)c->session->who.uid, (int)c->session->who.pid);
	c->session->house->shutdown(c->session->house->user);
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
	c->call.on_progress = call_progress;
	c->call.on_done = call_done;
	c->call.on_shutdown = call_shutdown;
	c->call.nobody =
		!role_of(&s->house->config->admin, &s->who, &c->call.role);
	if (c->call.nobody && !s->denied) {
		s->denied = true; /* once: anybody may knock */
		log_info("control: uid %u (pid %d) was denied '%s'",
			(unsigned)s->who.uid, (int)s->who.pid, verb);
	}
	command_run(&c->call, verb, args);
}

static void
on_call(struct session *s, const struct message *m)
{
	struct bytes name = codec_bytes(&m->params[0]);
	struct error err = {{0}};
	char verb[64];
	json_t *args;

	if (s->call_count >= SESSION_CALLS_MAX) {
		answer_error(s, m->id, WIRE_BUSY, "too many calls at a time");
		return;
	}
	args = value_from(&m->params[1], &err);
	if (!args) {
		answer_error(s, m->id, WIRE_BAD_MESSAGE, err.text);
		return;
	}
	if (name.length >= sizeof(verb) || memchr(name.at, 0, name.length))
		name = (struct bytes){"?", 1};
	memcpy(verb, name.at, name.length);
	verb[name.length] = 0;
	for (char *at = verb; *at; at++) /* it is written to the log */
		if (*at < ' ' || *at > '~')
			*at = '?';
	run_call(s, m, verb, args);
	json_decref(args);
}

static void
on_message(struct peer *peer, const struct message *m)
{
	struct session *s = peer->owner;

	if (m->kind != MESSAGE_REQUEST)
		return; /* unknown notifications are ignored */
	if (m->name != MESSAGE_CONTROL)
		answer_error(s, m->id, WIRE_BAD_MESSAGE,
			"this socket answers 'control' only");
	else
		on_call(s, m);
	if (!s->paused && peer_backlog(peer) > SESSION_BACKLOG_MAX) {
		s->paused = true;
		peer_pause(peer, true);
	}
}

static void
on_close(struct peer *peer, const char *reason)
{
	struct session *s = peer->owner;

	/* Anybody may connect and send garbage: that is not news. */
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
		tell_dropped(s,
			container_of(s->calls.next, struct session_call, node)
				->id);
	if (s->paused) {
		s->paused = false;
		peer_pause(peer, false);
	}
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
	list_init(&s->calls);
	list_append(&house->sessions, &s->node);
	house->count++;
	peer_init(&s->peer, &house->gateway->peers, fd, &session_ops, s);
	return s;
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
	house->count--;
	free(s);
	if (house->on_gone)
		house->on_gone(house);
}
