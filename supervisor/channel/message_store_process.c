/* message_store_process: starts supd-store when it is first needed, and again
 * whenever it ends, after pauses that grow until it answers. */
#include <stdio.h>

#include "proto/util/log.h"
#include "supervisor/channel/message_store_private.h"
#include "supervisor/plugin/helper.h"

#define PROGRAM_NAME "supd-store"
#define REAP_MS 1000

char *
message_store_program(const char *worker_program)
{
	return helper_program(
		worker_program, PROGRAM_NAME, "supervisor/channel/store");
}

/* ---- down ---- */

static void
on_respawn(struct ev_loop *loop, ev_timer *w, int events)
{
	message_store_start(container_of(w, struct message_store, respawn));
}

/* The process has ended, or could not be started. */
static void
go_down(struct message_store *s, const char *how)
{
	struct ev_loop *loop = s->owner.group->loop;

	if (peer_is_open(&s->peer))
		peer_read_rest(&s->peer);
	peer_finish(&s->peer);
	s->peer.fd = -1;
	message_store_collect(s);
	s->state = STORE_DOWN;
	message_store_look_if_stopped(s);
	if (s->state == STORE_STOPPED)
		return;
	if (s->has_answered)
		s->pause_ms = STORE_PAUSE_MIN_MS;
	log_warn("message store: %s; restarting it in %u ms", how, s->pause_ms);
	ev_timer_init(&s->respawn, on_respawn, s->pause_ms / 1000., 0.);
	ev_timer_start(loop, &s->respawn);
	s->pause_ms = s->pause_ms * 2 > STORE_PAUSE_MAX_MS ? STORE_PAUSE_MAX_MS
							   : s->pause_ms * 2;
	if (s->is_impatient)
		message_store_lose_patience(s);
	message_store_await_answer(s);
}

static void
on_end(struct child *c)
{
	struct message_store *s = container_of(c, struct message_store, child);
	char how[80] = "", text[120];
	int code;

	child_has_ended(c, how, sizeof(how), &code);
	child_read_rest(c);
	child_reap(c);
	snprintf(text, sizeof(text), "its process ended (%s)", how);
	if (!s->last_words[0])
		snprintf(s->last_words, sizeof(s->last_words), "%s", text);
	go_down(s, text);
}

/* Its output goes to the log; the last of it says why it ended. */
static void
on_output(struct child *c, enum child_stream stream, struct bytes bytes)
{
	struct message_store *s = container_of(c, struct message_store, child);

	log_warn("message store: %s",
		helper_line(s->last_words, sizeof(s->last_words), bytes));
}

static const struct child_ops child_ops = {
	.on_output = on_output,
	.on_end = on_end,
};

void
message_store_kill(struct message_store *s)
{
	if (s->child.pid)
		child_kill_group(&s->child);
}

void
message_store_reap(struct message_store *s)
{
	peer_finish(&s->peer);
	s->peer.fd = -1;
	if (s->child.pid && !child_reap_within(&s->child, REAP_MS))
		log_warn("message store: its process does not end, as it waits "
			 "for the disk");
}

/* ---- the socket ---- */

/* The process ends, and on_end comes; it is killed if that takes long. */
static void
on_close(struct peer *p, const char *reason)
{
	struct message_store *s = p->owner;

	s->state = STORE_DOWN;
	message_store_await_answer(s);
	if (!reason)
		return;
	log_error("message store: %s", reason);
	message_store_kill(s);
}

static void
on_flushed(struct peer *p)
{
	message_store_pump(p->owner);
}

static const struct peer_ops peer_ops = {
	.on_message = message_store_on_message,
	.on_close = on_close,
	.on_flushed = on_flushed,
};

/* ---- starting ---- */

static void
send_settings(struct message_store *s)
{
	msgpack_packer *p = peer_begin(&s->peer);

	store_pack_call(p, 0, STORE_OP_SETTINGS, 3);
	if (s->settings.full_sync)
		msgpack_pack_true(p);
	else
		msgpack_pack_false(p);
	msgpack_pack_uint64(p, s->settings.keep_ms);
	msgpack_pack_uint64(p, s->settings.max_bytes);
	peer_end(&s->peer);
}

void
message_store_configure(
	struct message_store *s, const struct message_store_settings *settings)
{
	s->settings = *settings;
	if (peer_is_open(&s->peer))
		send_settings(s);
}

static int
spawn_store(struct message_store *s, struct error *err)
{
	const char *const argv[] = {PROGRAM_NAME, s->database, NULL};
	static const char *const env[] = {NULL};
	struct child_start start = {
		.program = s->program, .argv = argv, .env = env};
	int fd = helper_start(
		&s->child, s->owner.children, &start, &child_ops, err);

	if (fd < 0)
		return -1;
	peer_init(&s->peer, s->owner.group, fd, &peer_ops, s);
	s->peer.bounds = (struct peer_bounds){.turn_us = STORE_TURN_US};
	return 0;
}

void
message_store_start(struct message_store *s)
{
	struct error err;

	s->restarts += s->state != STORE_IDLE;
	s->has_answered = false;
	s->last_words[0] = '\0';
	if (spawn_store(s, &err) < 0) {
		snprintf(s->last_words, sizeof(s->last_words), "%s", err.text);
		go_down(s, err.text);
		return;
	}
	s->state = STORE_STARTING;
	send_settings(s);
	message_store_pump(s);
	message_store_await_answer(s);
}
