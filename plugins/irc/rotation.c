/* rotation: see rotation.h.
 *
 * No message is lost and none is doubled at the change: the old session says
 * QUIT, and takes messages until the server has closed its connection. The new
 * one discards what is said in the channels until it sees that QUIT there, and
 * then waits for the old one's end, so that the order stays. If the two are not
 * in the same channels (another network), the new one waits for that from the
 * moment when it is ready. */
#include "rotation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>

#include "bot.h"
#include "line.h"
#include "outbox.h"
#include "session.h"
#include "settings.h"
#include "word.h"

#define MEETING_S 2.0  /* until the old session has the new one's word */
#define SWAPPING_S 5.0 /* until it has left */
#define NAMING_S 2.0   /* until the new one has the nick */

enum rotation_state {
	ROTATION_CONNECTING,
	ROTATION_SENDING,  /* what is half sent, is sent to its end */
	ROTATION_MEETING,  /* are both on one network? */
	ROTATION_SWAPPING, /* from here on there is no way back */
	ROTATION_NAMING,
};

struct rotation {
	struct bot *bot;
	enum rotation_state state;
	struct settings *settings;
	struct sup_req *req;   /* NULL: it is answered */
	struct session *fresh; /* NULL: lost after all */
	bool is_shared;	       /* both hear the same channels */
	bool has_seen_quit;
	char old_nick[WORD_NICK_MAX + 1];
	char word[40]; /* from the new session to the old one */
	ev_timer limit;
};

static void
set_limit(struct rotation *r, double seconds)
{
	r->limit.repeat = seconds;
	ev_timer_again(sup_loop(r->bot->plugin), &r->limit);
}

/* ---- the end ---- */

static struct sup_req *
take_request(struct rotation *r)
{
	struct sup_req *req = r->req;

	r->req = NULL;
	if (req)
		sup_on_cancel(req, NULL, NULL);
	return req;
}

static void
destroy(struct rotation *r)
{
	ev_timer_stop(sup_loop(r->bot->plugin), &r->limit);
	session_destroy(r->fresh);
	settings_destroy(r->settings);
	r->bot->rotation = NULL;
	free(r);
}

static void
fail(struct rotation *r, const char *why)
{
	struct sup_req *req = take_request(r);
	struct bot *b = r->bot;
	char reason[300];

	snprintf(reason, sizeof(reason), "%.60s: %.200s", r->settings->host,
		why);
	destroy(r);
	if (req)
		sup_fail(req, SUP_FAILED, "%s", reason);
	outbox_resume(b->outbox);
	if (!b->session && b->state == BOT_RUNNING)
		bot_lost(b, "the connection was lost");
}

/* The new session is in use, or is lost as any other. */
static void
finish(struct rotation *r)
{
	struct sup_req *req = take_request(r);
	struct session *fresh = r->fresh;
	struct settings *settings = r->settings;
	struct bot *b = r->bot;

	r->fresh = NULL;
	r->settings = NULL;
	destroy(r);
	bot_set_settings(b, settings);
	if (req)
		sup_ok(req);
	if (fresh) {
		session_release(fresh, SESSION_WAITING);
		bot_use(b, fresh);
	} else {
		bot_lost(b, "the connection was lost");
	}
	outbox_resume(b->outbox);
}

/* ---- the swap ---- */

static void
begin_naming(struct rotation *r)
{
	r->state = ROTATION_NAMING;
	if (!r->fresh || session_has_wanted_nick(r->fresh)) {
		finish(r);
		return;
	}
	set_limit(r, NAMING_S);
	session_claim_nick(r->fresh);
	session_release(r->fresh, SESSION_WAITING);
}

static void
look_at_swap(struct rotation *r)
{
	bool is_cut = !r->is_shared || r->has_seen_quit || !r->fresh;

	if (is_cut && r->fresh)
		session_hold(r->fresh, SESSION_WAITING);
	if (is_cut && !r->bot->session)
		begin_naming(r);
}

static void
begin_swap(struct rotation *r)
{
	struct bot *b = r->bot;

	r->state = ROTATION_SWAPPING;
	set_limit(r, SWAPPING_S);
	if (b->session)
		session_quit(b->session, "changing servers");
	look_at_swap(r);
}

/* ---- before it ---- */

static void
begin_meeting(struct rotation *r)
{
	struct bot *b = r->bot;
	bool is_seen = b->session && session_has_seen(r->fresh);

	if (!is_seen || !strcmp(r->settings->host, b->settings->host)) {
		r->is_shared = is_seen;
		begin_swap(r);
		return;
	}
	r->state = ROTATION_MEETING;
	set_limit(r, MEETING_S);
	snprintf(r->word, sizeof(r->word), "supd-%08x%08x", arc4random(),
		arc4random());
	session_say(r->fresh, "NOTICE %s :%s", r->old_nick, r->word);
}

void
rotation_take_old_line(struct bot *b, const struct line *line)
{
	struct rotation *r = b->rotation;

	if (!r || r->state != ROTATION_MEETING || !line_is(line, "NOTICE") ||
		strcmp(line_param(line, 1), r->word) != 0)
		return;
	r->is_shared = true;
	begin_swap(r);
}

void
rotation_look(struct bot *b)
{
	struct rotation *r = b->rotation;

	if (r && r->state == ROTATION_SENDING && outbox_is_idle(b->outbox))
		begin_meeting(r);
}

/* A channel that the bot is in, and would not be in any more; or NULL. */
static const char *
lost_channel(const struct rotation *r)
{
	const struct settings *s = r->settings;

	for (size_t i = 0; i < s->join_count; i++)
		if (!session_is_in(r->fresh, s->joins[i].name) &&
			r->bot->session &&
			session_is_in(r->bot->session, s->joins[i].name))
			return s->joins[i].name;
	return NULL;
}

static void
on_ready(struct session *s, void *owner)
{
	struct rotation *r = owner;
	const char *why = "", *lost = lost_channel(r);

	if (lost) {
		session_refused(s, &why);
		fail(r, why);
		return;
	}
	if (r->bot->session && !session_has_seen(s))
		session_hold(s, SESSION_WAITING);
	r->state = ROTATION_SENDING;
	outbox_pause(r->bot->outbox);
	rotation_look(r->bot);
}

/* ---- lines and ends ---- */

static void
take_swapping(struct rotation *r, struct session *s, const struct line *line)
{
	char nick[WORD_NICK_MAX + 1];

	line_nick(line, nick, sizeof(nick));
	if (line_is(line, "QUIT") && word_equal(nick, r->old_nick)) {
		r->has_seen_quit = true;
		look_at_swap(r);
	} else if (session_is_self(s, line_param(line, 0))) {
		bot_take_line(r->bot, s, line);
	}
}

static void
take_naming(struct rotation *r, struct session *s, const struct line *line)
{
	static const char *const refusals[] = {
		"431", "432", "433", "436", "437", "447"};
	bool is_over = session_has_wanted_nick(s);

	bot_take_line(r->bot, s, line);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
		is_over = is_over || line_is(line, refusals[i]);
	if (is_over)
		finish(r);
}

static void
on_line(struct session *s, const struct line *line, void *owner)
{
	struct rotation *r = owner;

	if (r->state == ROTATION_SWAPPING)
		take_swapping(r, s, line);
	else if (r->state == ROTATION_NAMING)
		take_naming(r, s, line);
}

static void
on_over(struct session *s, const char *why, void *owner)
{
	struct rotation *r = owner;

	if (r->state < ROTATION_SWAPPING) {
		fail(r, why);
		return;
	}
	session_destroy(s);
	r->fresh = NULL;
	if (r->state == ROTATION_SWAPPING)
		look_at_swap(r);
	else
		finish(r);
}

bool
rotation_replaces(struct bot *b)
{
	struct rotation *r = b->rotation;

	if (!r)
		return false;
	if (r->state == ROTATION_SENDING || r->state == ROTATION_MEETING)
		begin_swap(r);
	else if (r->state == ROTATION_SWAPPING)
		look_at_swap(r);
	return true;
}

static void
on_limit(struct ev_loop *loop, ev_timer *w, int events)
{
	struct rotation *r = w->data;

	switch (r->state) {
	case ROTATION_CONNECTING:
		fail(r, "no connection in time");
		return;
	case ROTATION_SENDING:
		fail(r, "a message is half sent");
		return;
	case ROTATION_MEETING:
		session_hold(r->fresh, SESSION_WAITING);
		begin_swap(r);
		return;
	case ROTATION_SWAPPING: /* the server does not tell of the QUIT */
		r->is_shared = false;
		look_at_swap(r);
		return;
	case ROTATION_NAMING:
		finish(r);
	}
}

static void
on_cancel(struct sup_req *req, void *user)
{
	struct rotation *r = user;

	if (r->state < ROTATION_SWAPPING) {
		fail(r, "cancelled");
		return;
	}
	take_request(r);
	sup_ok(req);
}

void
rotation_abandon(struct bot *b, const char *why)
{
	struct rotation *r = b->rotation;
	struct session *fresh;

	if (!r)
		return;
	if (r->state < ROTATION_SWAPPING || b->session) {
		fail(r, why);
		return;
	}
	fresh = r->fresh;
	r->fresh = NULL;
	if (fresh) {
		session_release(fresh, SESSION_WAITING);
		bot_use(b, fresh);
	}
	fail(r, why);
}

void
rotation_begin(struct bot *b, struct settings *s, struct sup_req *req)
{
	static const struct session_ops ops = {
		.on_ready = on_ready, .on_line = on_line, .on_over = on_over};
	struct rotation *r = calloc(1, sizeof(*r));

	if (r)
		r->fresh = session_create(b->plugin, s, &ops, r);
	if (!r || !r->fresh) {
		free(r);
		settings_destroy(s);
		sup_fail(req, SUP_FAILED, "no memory");
		return;
	}
	r->bot = b;
	r->settings = s;
	r->req = req;
	b->rotation = r;
	snprintf(r->old_nick, sizeof(r->old_nick), "%s",
		session_nick(b->session));
	session_look_for(r->fresh, r->old_nick);
	ev_init(&r->limit, on_limit);
	r->limit.data = r;
	set_limit(r, (double)s->connect_timeout_ms / 1000);
	sup_on_cancel(req, on_cancel, r);
}
