#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>

#include "session_private.h"

#define REGAIN_S 30.0 /* between two tries to get the nick */
#define QUIT_S 3.0    /* for the server to close */

static struct ev_loop *
loop_of(const struct session *s)
{
	return sup_loop(s->plugin);
}

static void
start_timer(struct session *s, ev_timer *w, double seconds)
{
	w->repeat = seconds;
	ev_timer_again(loop_of(s), w);
}

static void
stop_timers(struct session *s)
{
	ev_timer *const all[] = {&s->limit, &s->ping, &s->regain, &s->rejoin};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		ev_timer_stop(loop_of(s), all[i]);
}

/* ---- the end ---- */

void
session_end(struct session *s, const char *format, ...)
{
	char why[256];
	va_list arguments;

	if (s->state == SESSION_OVER)
		return;
	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	session_become(s, SESSION_OVER);
	s->ops->on_over(s, why, s->owner);
}

static void
on_close(void *owner, const char *why)
{
	struct session *s = owner;

	session_end(s, "%s", *s->error ? s->error : why);
}

static void
on_limit(struct ev_loop *loop, ev_timer *w, int events)
{
	static const char *const late[] = {
		[SESSION_CONNECTING] = "no connection in time",
		[SESSION_REGISTERING] = "no registration in time",
		[SESSION_JOINING] = "the channels were not joined in time",
		[SESSION_LEAVING] = "the server did not close in time",
	};
	struct session *s = w->data;

	/* what it has said before its end is to be read yet */
	if (s->state != SESSION_LEAVING || !s->holds)
		session_end(s, "%s", late[s->state]);
}

static void
on_gone(void *owner)
{
	free(owner);
}

void
session_destroy(struct session *s)
{
	if (!s)
		return;
	s->state = SESSION_OVER;
	stop_timers(s);
	link_destroy(s->link);
}

/* ---- states ---- */

static void
become_ready(struct session *s)
{
	ev_timer_stop(loop_of(s), &s->limit);
	start_timer(s, &s->ping, (double)s->settings->ping_ms / 1000);
	if (!session_has_wanted_nick(s))
		start_timer(s, &s->regain, REGAIN_S);
	s->ops->on_ready(s, s->owner);
}

void
session_become(struct session *s, enum session_state state)
{
	s->state = state;
	if (state == SESSION_READY)
		become_ready(s);
	else if (state == SESSION_JOINING)
		joined_begin(s);
	else if (state == SESSION_OVER)
		stop_timers(s);
}

static void
on_open(void *owner)
{
	struct session *s = owner;

	session_become(s, SESSION_REGISTERING);
	register_begin(s);
}

/* ---- keeping it ---- */

static void
on_ping(struct ev_loop *loop, ev_timer *w, int events)
{
	struct session *s = w->data;

	if (s->holds) { /* it would not see the answer */
		s->awaits_pong = false;
	} else if (s->awaits_pong) {
		session_end(s, "the server does not answer a ping");
	} else {
		s->awaits_pong = true;
		session_say(s, "PING :alive");
	}
}

static void
on_regain(struct ev_loop *loop, ev_timer *w, int events)
{
	session_claim_nick(w->data);
}

static void
on_rejoin(struct ev_loop *loop, ev_timer *w, int events)
{
	struct session *s = w->data;

	ev_timer_stop(loop, w);
	if (s->state == SESSION_READY)
		joined_ask(s);
}

void
session_claim_nick(struct session *s)
{
	if (s->state != SESSION_READY || session_has_wanted_nick(s))
		return;
	session_say(s, "NICK %s", s->settings->nick);
	start_timer(s, &s->regain, REGAIN_S);
}

/* Who leaves, or gets another nick, may have had the one that is wanted. */
static void
take_nick(struct session *s, const struct line *line)
{
	char nick[WORD_NICK_MAX + 1];

	line_nick(line, nick, sizeof(nick));
	if (line_is(line, "NICK") && session_is_self(s, nick)) {
		snprintf(s->nick, sizeof(s->nick), "%s", line_param(line, 0));
		if (session_has_wanted_nick(s))
			ev_timer_stop(loop_of(s), &s->regain);
		else if (s->state == SESSION_READY)
			start_timer(s, &s->regain, REGAIN_S);
	} else if (word_equal(nick, s->settings->nick)) {
		session_claim_nick(s);
	}
}

static void
take_registered(struct session *s, const struct line *line)
{
	if (line_is(line, "NICK") || line_is(line, "QUIT"))
		take_nick(s, line);
	else if (line_is(line, "PONG") &&
		 !strcmp(line_param(line, line->count ? line->count - 1 : 0),
			 "alive"))
		s->awaits_pong = false;
	else
		joined_take(s, line);
	if (s->state != SESSION_OVER)
		s->ops->on_line(s, line, s->owner);
}

static void
take(struct session *s, const struct line *line)
{
	if (line_is(line, "PING")) {
		session_say(s, "PONG :%s",
			line_param(line, line->count ? line->count - 1 : 0));
	} else if (line_is(line, "ERROR")) {
		snprintf(s->error, sizeof(s->error), "the server says: %.150s",
			line_param(line, 0));
	} else if (s->state == SESSION_REGISTERING) {
		register_take(s, line);
	} else {
		take_registered(s, line);
	}
}

static void
on_lines(void *owner)
{
	struct session *s = owner;
	struct line line;

	while (s->state != SESSION_OVER && link_next(s->link, &line))
		take(s, &line);
}

/* ---- from outside ---- */

static void
init_timer(struct session *s, ev_timer *w,
	void (*call)(struct ev_loop *, ev_timer *, int))
{
	ev_init(w, call);
	w->data = s;
}

struct session *
session_create(struct sup *p, const struct settings *settings,
	const struct session_ops *ops, void *owner)
{
	static const struct link_ops link_ops = {.on_open = on_open,
		.on_lines = on_lines,
		.on_close = on_close,
		.on_gone = on_gone};
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->plugin = p;
	s->settings = settings;
	s->ops = ops;
	s->owner = owner;
	s->link = link_create(p, settings, &link_ops, s);
	if (!s->link) {
		free(s);
		return NULL;
	}
	snprintf(s->nick, sizeof(s->nick), "%s", settings->nick);
	init_timer(s, &s->limit, on_limit);
	init_timer(s, &s->ping, on_ping);
	init_timer(s, &s->regain, on_regain);
	init_timer(s, &s->rejoin, on_rejoin);
	start_timer(s, &s->limit, (double)settings->connect_timeout_ms / 1000);
	return s;
}

void
session_set_owner(struct session *s, const struct session_ops *ops, void *owner)
{
	s->ops = ops;
	s->owner = owner;
}

void
session_set_settings(struct session *s, const struct settings *settings)
{
	bool has_other_ping = s->settings->ping_ms != settings->ping_ms;

	s->settings = settings;
	if (has_other_ping && s->state == SESSION_READY)
		start_timer(s, &s->ping, (double)settings->ping_ms / 1000);
}

bool
session_is_ready(const struct session *s)
{
	return s && s->state == SESSION_READY;
}

const char *
session_nick(const struct session *s)
{
	return s->nick;
}

bool
session_is_self(const struct session *s, const char *nick)
{
	return word_equal(s->nick, nick);
}

bool
session_has_wanted_nick(const struct session *s)
{
	return word_equal(s->nick, s->settings->nick);
}

void
session_look_for(struct session *s, const char *nick)
{
	snprintf(s->looked_for, sizeof(s->looked_for), "%s", nick);
	if (word_equal(nick, s->nick))
		register_other_nick(s);
}

bool
session_has_seen(const struct session *s)
{
	return s->has_seen;
}

void
session_say(struct session *s, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	/* whatever it is, it is one line */
	text[strcspn(text, "\r\n")] = '\0';
	if (s->state != SESSION_OVER)
		link_say(s->link, "%s", text);
}

void
session_hold(struct session *s, enum session_hold why)
{
	s->holds |= why;
	link_pause(s->link);
}

void
session_release(struct session *s, enum session_hold why)
{
	s->holds &= ~(unsigned)why;
	if (!s->holds)
		link_resume(s->link);
}

bool
session_is_held(const struct session *s)
{
	return s->holds != 0;
}

void
session_quit(struct session *s, const char *reason)
{
	if (s->state == SESSION_LEAVING || s->state == SESSION_OVER)
		return;
	session_say(s, "QUIT :%s", reason);
	session_become(s, SESSION_LEAVING);
	ev_timer_stop(loop_of(s), &s->ping);
	ev_timer_stop(loop_of(s), &s->regain);
	ev_timer_stop(loop_of(s), &s->rejoin);
	start_timer(s, &s->limit, QUIT_S);
}
