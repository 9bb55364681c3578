/* serve: the loop, the database's life, and the ends of groups. What comes in
 * one turn of the loop is one group: requests are carried out as they are read,
 * and committed before the loop waits again. */
#include "supervisor/channel/store/serve.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "proto/util/clock.h"
#include "supervisor/channel/store/serve_parts.h"

#define PEER_QUEUED_MAX ((size_t)8 * 1024 * 1024)
/* For the store of a supd that has just died. */
#define LOCK_WAIT_S 0.05
#define LOCK_WAITS_MAX 40

/* ---- trouble ---- */

static void
send_news(struct serve *s, const char *name, const char *text)
{
	if (!peer_is_open(&s->peer))
		return;
	store_pack_news(peer_begin(&s->peer), name, bytes_of(text), true);
	peer_end(&s->peer);
}

void
serve_set_trouble(struct serve *s, const char *text)
{
	if (!strcmp(s->trouble.text, text))
		return;
	error_set(&s->trouble, "%s", text);
	send_news(s, STORE_NEWS_TROUBLE, s->trouble.text);
}

/* The first news of a process is that it works, or why it does not. */
static void
set_first_trouble(struct serve *s, const char *text)
{
	error_set(&s->trouble, "%s", text);
	send_news(s, STORE_NEWS_TROUBLE, s->trouble.text);
}

void
serve_give_up(struct serve *s, const char *why)
{
	fprintf(stderr, "%s\n", why);
	s->status = 1;
	peer_flush(&s->peer);
	ev_break(s->loop, EVBREAK_ALL);
}

/* ---- opening ---- */

static void
report_aside(struct serve *s)
{
	if (s->db.aside)
		send_news(s, STORE_NEWS_DAMAGED, s->db.aside);
}

/* Its requests wait for the lock. */
static bool
waits_for_lock(struct serve *s)
{
	bool waits =
		s->db.failure == DB_LOCKED && s->lock_waits++ < LOCK_WAITS_MAX;

	peer_pause(&s->peer, waits);
	return waits;
}

static void
open_database(struct serve *s)
{
	bool waits;

	if (db_open(&s->db) < 0 || db_set_sync(&s->db, s->full_sync) < 0) {
		db_close(&s->db);
		waits = waits_for_lock(s);
		if (!waits)
			set_first_trouble(s, s->db.reason.text);
		ev_timer_set(
			&s->reopen, waits ? LOCK_WAIT_S : SERVE_REOPEN_S, 0.);
		ev_timer_start(s->loop, &s->reopen);
		return;
	}
	waits_for_lock(s);
	report_aside(s);
	set_first_trouble(s, "");
	serve_prune_start(s);
}

static void
on_reopen(struct ev_loop *loop, ev_timer *w, int events)
{
	struct serve *s = container_of(w, struct serve, reopen);

	open_database(s);
}

void
serve_settings(struct serve *s, const struct message *m)
{
	bool full_sync = m->params[0].via.boolean;

	s->keep_ms = m->params[1].via.u64;
	s->max_bytes = m->params[2].via.u64;
	if (!s->is_configured) {
		s->is_configured = true;
		s->full_sync = full_sync;
		open_database(s);
		return;
	}
	serve_end_group(s);
	if (full_sync != s->full_sync && s->db.handle)
		db_set_sync(&s->db, full_sync);
	s->full_sync = full_sync;
}

/* ---- groups ---- */

void
serve_fail(struct serve *s)
{
	s->group_failed = true;
}

/* The requests of a group that failed are BUSY if the disk is full. In all
 * other cases nobody knows what is on it: they are not answered. */
static void
lose_group(struct serve *s)
{
	enum db_failure failure = s->db.failure;
	struct error reason = s->db.reason;

	s->group_failed = false;
	if (failure == DB_DAMAGED) {
		checkpoint_finish(&s->checkpoint);
		db_put_aside(&s->db);
		report_aside(s);
		db_open(&s->db); /* the new one gets the cursors of the old */
		serve_give_up(s, reason.text);
		return;
	}
	if (failure != DB_FULL || db_cancel(&s->db) < 0) {
		serve_give_up(s, reason.text);
		return;
	}
	s->refuses_changes = true;
	group_send(&s->group, &s->peer, false);
	serve_set_trouble(s, reason.text);
	db_checkpoint(&s->db); /* the log can then be used from its start */
}

void
serve_end_group(struct serve *s)
{
	bool wrote;

	if (!s->db.in_group && !s->group_failed && !s->group.count)
		return;
	if (s->group_failed || db_commit(&s->db) < 0) {
		lose_group(s);
		return;
	}
	s->committed_us = clock_us();
	wrote = db_has_written(&s->db);
	if (wrote && !db_is_in_place(&s->db)) {
		serve_give_up(s, "the database was removed; beginning another");
		return;
	}
	group_send(&s->group, &s->peer, true);
	if (!wrote)
		return;
	if (!s->is_over)
		serve_set_trouble(s, "");
	serve_prune_look(s);
}

/* Its end alone wakes the loop, and so ends the group. */
static void
on_pause(struct ev_loop *loop, ev_timer *w, int events)
{
}

static bool
may_pause(struct serve *s)
{
	uint64_t past_us = clock_us() - s->committed_us;

	if (!s->group.count || s->group_failed ||
		s->group.count == GROUP_REQUESTS_MAX ||
		past_us >= GROUP_PAUSE_US)
		return false;
	if (!ev_is_active(&s->pause)) {
		ev_timer_set(&s->pause,
			(double)(GROUP_PAUSE_US - past_us) / 1e6, 0.);
		ev_timer_start(s->loop, &s->pause);
	}
	return true;
}

static void
on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
	struct serve *s = container_of(w, struct serve, commit);

	if (may_pause(s))
		return;
	serve_end_group(s);
	if (!s->db.handle || s->status)
		return;
	peer_flush(&s->peer);
	if (checkpoint_look(&s->checkpoint) < 0 && s->db.failure != DB_FULL)
		serve_give_up(s, s->db.reason.text);
}

/* ---- the socket ---- */

static void
on_message(struct peer *p, const struct message *m)
{
	struct serve *s = p->owner;

	if (!s->status)
		serve_request(s, m);
}

static void
on_close(struct peer *p, const char *reason)
{
	struct serve *s = p->owner;

	serve_end_group(s);
	if (reason)
		serve_give_up(s, reason);
	ev_break(s->loop, EVBREAK_ALL);
}

static const struct peer_ops peer_ops = {
	.on_message = on_message,
	.on_close = on_close,
};

static void
on_term(struct ev_loop *loop, ev_signal *w, int events)
{
	struct serve *s = container_of(w, struct serve, term);

	peer_read_rest(&s->peer);
	serve_end_group(s);
	peer_flush(&s->peer);
	ev_break(s->loop, EVBREAK_ALL);
}

int
serve_run(int socket, const char *path)
{
	static struct serve s; /* a group is large */

	s.loop = ev_default_loop(EVFLAG_AUTO);
	db_init(&s.db, path);
	checkpoint_init(&s.checkpoint, s.loop, &s.db);
	peer_group_init(&s.peers, s.loop);
	peer_init(&s.peer, &s.peers, socket, &peer_ops, &s);
	s.peer.bounds = (struct peer_bounds){.objects = GROUP_REQUESTS_MAX,
		.turn_us = GROUP_US_MAX,
		.queued = PEER_QUEUED_MAX};
	ev_prepare_init(&s.commit, on_prepare); /* before the peers' own */
	ev_prepare_start(s.loop, &s.commit);
	ev_signal_init(&s.term, on_term, SIGTERM);
	ev_signal_start(s.loop, &s.term);
	ev_timer_init(&s.pause, on_pause, 0., 0.);
	ev_timer_init(&s.reopen, on_reopen, SERVE_REOPEN_S, 0.);
	ev_run(s.loop, 0);
	ev_timer_stop(s.loop, &s.reopen);
	ev_timer_stop(s.loop, &s.pause);
	serve_prune_stop(&s);
	checkpoint_finish(&s.checkpoint);
	db_finish(&s.db);
	peer_finish(&s.peer); /* to supd, the end of the process */
	peer_group_finish(&s.peers);
	group_finish(&s.group);
	buffer_finish(&s.parts);
	return s.status;
}
