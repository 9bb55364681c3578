#include "bot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>

#include "advance.h"
#include "heard.h"
#include "line.h"
#include "outbox.h"
#include "rotation.h"
#include "session.h"
#include "settings.h"
#include "steady.h"
#include "word.h"

#define PAUSE_FIRST_MS 1000
#define PAUSE_LAST_MS 60000
#define STEADY_MS 30000	 /* up so long, the next loss is the first one again */
#define STOP_SENDS_S 2.0 /* for what is half sent */

static struct ev_loop *
loop_of(const struct bot *b)
{
	return sup_loop(b->plugin);
}

static const char *
name_of(const struct bot *b)
{
	return b->settings->name;
}

/* ---- the session ---- */

static void
say_up(struct bot *b)
{
	const char *why, *refused = session_refused(b->session, &why);

	sup_channel_status(b->plugin, name_of(b), SUP_CHANNEL_UP,
		"%s as %s%s%s", b->settings->host, session_nick(b->session),
		refused ? "; " : "", refused ? why : "");
	advance_note(b, session_nick(b->session));
}

void
bot_connect(struct bot *b)
{
	ev_timer_stop(loop_of(b), &b->again);
	session_destroy(b->session);
	b->session =
		session_create(b->plugin, b->settings, &bot_session_ops, b);
	sup_channel_status(b->plugin, name_of(b), SUP_CHANNEL_CONNECTING,
		"to %s", b->settings->host);
	if (!b->session)
		bot_lost(b, "no memory");
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int events)
{
	bot_connect(w->data);
}

/* The pause doubles; of it, a random part between three quarters and all. */
static uint64_t
next_pause(struct bot *b)
{
	uint64_t pause;

	if (b->up_since_ms && steady_ms() - b->up_since_ms > STEADY_MS)
		b->pause_ms = 0;
	b->up_since_ms = 0;
	pause = b->pause_ms ? b->pause_ms : PAUSE_FIRST_MS;
	b->pause_ms = pause * 2 < PAUSE_LAST_MS ? pause * 2 : PAUSE_LAST_MS;
	return pause - arc4random_uniform((uint32_t)pause / 4);
}

static void
connect_later(struct bot *b, const char *why)
{
	uint64_t pause_ms = next_pause(b);

	b->again.repeat = (double)pause_ms / 1000;
	ev_timer_again(loop_of(b), &b->again);
	sup_log(b->plugin, SUP_WARN,
		"channel %s: %s; the next try is in %.1f s", name_of(b), why,
		b->again.repeat);
	sup_channel_status(
		b->plugin, name_of(b), SUP_CHANNEL_WAITING, "%s", why);
}

static void
fail_start(struct bot *b, const char *why)
{
	struct sup_req *req = b->start;

	b->start = NULL;
	b->state = BOT_STOPPED;
	heard_end(b->heard);
	heard_save(b->heard);
	sup_on_cancel(req, NULL, NULL);
	sup_fail(req, SUP_FAILED, "%s: %s", b->settings->host, why);
}

static void
finish_stop(struct bot *b)
{
	struct sup_req *req = b->stop;

	heard_save(b->heard);
	b->state = BOT_STOPPED;
	b->stop = NULL;
	sup_ok(req);
}

void
bot_lost(struct bot *b, const char *why)
{
	outbox_attach(b->outbox, NULL);
	session_destroy(b->session);
	b->session = NULL;
	advance_note(b, NULL);
	if (b->state == BOT_STARTING) {
		fail_start(b, why);
	} else if (b->state == BOT_STOPPING) {
		ev_timer_stop(loop_of(b), &b->stop_limit);
		finish_stop(b);
	} else if (b->state == BOT_RUNNING && !rotation_replaces(b)) {
		outbox_give_back(b->outbox, 1000);
		connect_later(b, why);
	}
}

void
bot_use(struct bot *b, struct session *s)
{
	session_set_owner(s, &bot_session_ops, b);
	b->session = s;
	b->up_since_ms = steady_ms();
	outbox_attach(b->outbox, s);
	say_up(b);
}

void
bot_use_first(struct bot *b, struct session *s)
{
	struct sup_req *req = b->start;

	b->start = NULL;
	if (b->state == BOT_STARTING)
		b->state = BOT_RUNNING;
	if (req) {
		sup_on_cancel(req, NULL, NULL);
		sup_ok(req);
	}
	bot_use(b, s);
}

static void
on_ready(struct session *s, void *owner)
{
	bot_use_first(owner, s);
}

static void
on_over(struct session *s, const char *why, void *owner)
{
	bot_lost(owner, why);
}

/* ---- what the server says ---- */

/* Answers are few, so that nobody makes the bot flood somebody. */
static void
answer_ctcp(struct bot *b, struct session *s, const struct line *line)
{
	const char *said = line_param(line, 1) + 1;
	char nick[WORD_NICK_MAX + 1];

	line_nick(line, nick, sizeof(nick));
	if (!word_is_target(nick) || !session_is_self(s, line_param(line, 0)) ||
		(strncmp(said, "VERSION", 7) != 0 &&
			strncmp(said, "PING ", 5) != 0) ||
		bucket_take(&b->ctcp, steady_ms()))
		return;
	if (*said == 'V')
		session_say(s, "NOTICE %s :\1VERSION supd irc 1.0.0\1", nick);
	else
		session_say(s, "NOTICE %s :\1%.*s\1", nick,
			(int)strcspn(said, "\1") < 100
				? (int)strcspn(said, "\1")
				: 100,
			said);
}

void
bot_take_line(struct bot *b, struct session *s, const struct line *line)
{
	char nick[WORD_NICK_MAX + 1];

	if (!line_is(line, "PRIVMSG"))
		return;
	line_nick(line, nick, sizeof(nick));
	if (session_is_self(s, nick))
		return;
	if (line_param(line, 1)[0] == '\1' &&
		strncmp(line_param(line, 1), "\1ACTION ", 8) != 0)
		answer_ctcp(b, s, line);
	else
		heard_take(b->heard, s, line);
}

/* What the status says may have changed. */
static bool
is_own_change(const struct session *s, const struct line *line)
{
	char nick[WORD_NICK_MAX + 1];

	line_nick(line, nick, sizeof(nick));
	return (line_is(line, "KICK") &&
		       session_is_self(s, line_param(line, 1))) ||
	       (line_is(line, "NICK") &&
		       session_is_self(s, line_param(line, 0))) ||
	       (line_is(line, "JOIN") && session_is_self(s, nick));
}

static void
on_line(struct session *s, const struct line *line, void *owner)
{
	struct bot *b = owner;

	if (s != b->session)
		return;
	bot_take_line(b, s, line);
	if (s != b->session)
		return;
	outbox_take_line(b->outbox, line);
	if (s != b->session || !session_is_ready(s))
		return;
	if (is_own_change(s, line))
		say_up(b);
	rotation_take_old_line(b, line);
}

const struct session_ops bot_session_ops = {
	.on_ready = on_ready, .on_line = on_line, .on_over = on_over};

/* ---- supd takes no more, and takes more ---- */

static void
on_full(void *owner)
{
	struct bot *b = owner;

	if (!b->session)
		return;
	session_hold(b->session, SESSION_FULL);
	outbox_go_on_blindly(b->outbox);
}

static void
room(struct sup *p, const char *channel, void *user)
{
	struct bot *b = user;

	if (heard_has_room(b->heard) && b->session)
		session_release(b->session, SESSION_FULL);
}

/* ---- starts, stops and sends ---- */

static void
on_start_cancelled(struct sup_req *req, void *user)
{
	struct bot *b = user;

	advance_abandon(b);
	session_destroy(b->session);
	b->session = NULL;
	fail_start(b, "cancelled");
}

static void
start(struct sup_req *req, void *user)
{
	struct bot *b = user;

	b->state = BOT_STARTING;
	b->start = req;
	b->pause_ms = 0;
	sup_on_cancel(req, on_start_cancelled, b);
	outbox_resume(b->outbox);
	heard_begin(b->heard, sup_req_epoch(req));
	if (!advance_take(b))
		bot_connect(b);
}

static void
quit(struct bot *b)
{
	ev_timer_stop(loop_of(b), &b->stop_limit);
	if (b->session)
		session_quit(b->session, "until soon");
}

static void
on_stop_limit(struct ev_loop *loop, ev_timer *w, int events)
{
	quit(w->data);
}

static void
on_idle(void *owner)
{
	struct bot *b = owner;

	if (b->state == BOT_STOPPING)
		quit(b);
	else
		rotation_look(b);
}

static void
stop(struct sup_req *req, void *user)
{
	struct bot *b = user;
	bool was_up;

	rotation_abandon(b, "the channel is stopped");
	was_up = b->state == BOT_RUNNING && session_is_ready(b->session);
	ev_timer_stop(loop_of(b), &b->again);
	heard_end(b->heard);
	outbox_pause(b->outbox);
	outbox_give_back(b->outbox, 0);
	b->stop = req;
	b->state = BOT_STOPPING;
	if (!was_up) {
		bot_lost(b, "stopped");
		return;
	}
	session_release(b->session, SESSION_FULL);
	if (outbox_is_idle(b->outbox)) {
		quit(b);
		return;
	}
	b->stop_limit.repeat = STOP_SENDS_S;
	ev_timer_again(loop_of(b), &b->stop_limit);
}

static void
send_out(struct sup_req *req, void *user)
{
	struct bot *b = user;

	outbox_take(b->outbox, req);
}

/* ---- life ---- */

void
bot_set_settings(struct bot *b, struct settings *s)
{
	struct settings *before = b->settings;

	advance_abandon(b);
	b->settings = s;
	outbox_set_settings(b->outbox, s);
	heard_set_settings(b->heard, s);
	if (b->session)
		session_set_settings(b->session, s);
	settings_destroy(before);
}

static int
register_channel(struct bot *b)
{
	return sup_channel(
		b->plugin, &(struct sup_channel_offer){.name = name_of(b),
				   .can = "text",
				   .text_limit = 16 * 1024,
				   .start = start,
				   .stop = stop,
				   .send = send_out,
				   .room = room,
				   .user = b});
}

int
bot_create(struct bot *b, struct sup *p, struct settings *s)
{
	static const struct outbox_ops outbox_ops = {.on_idle = on_idle};

	*b = (struct bot){.plugin = p, .ctcp = {3, 2000, 0}};
	b->outbox = outbox_create(p, &outbox_ops, b);
	b->heard = heard_create(p, s, on_full, b);
	if (!b->outbox || !b->heard) {
		fprintf(stderr, "irc: no memory\n");
		return -1;
	}
	ev_init(&b->again, on_again);
	ev_init(&b->stop_limit, on_stop_limit);
	b->again.data = b->stop_limit.data = b;
	bot_set_settings(b, s);
	return register_channel(b);
}
