/* advance: see advance.h. What is said in the channels before the old session
 * has left them, that one has heard; the lines that follow its QUIT are kept
 * until the start. */
#include "advance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
#include <unistd.h>

#include "bot.h"
#include "heard.h"
#include "line.h"
#include "session.h"
#include "settings.h"
#include "word.h"

#define READY_S 5.0  /* then the reload goes on without it */
#define TAKING_S 2.0 /* for the QUIT, and for the nick */

struct advance {
	struct bot *bot;
	struct session *session;
	bool is_ready;	/* sup_ready() was called */
	bool is_taking; /* the channel starts */
	bool has_seen_quit;
	char old_nick[WORD_NICK_MAX + 1];
	ev_timer limit;
};

/* ---- the note ---- */

static char *
path_of(const struct bot *b)
{
	char *path;

	return asprintf(&path, "%s/%s.up", sup_data_dir(b->plugin),
		       b->settings->name) < 0
		       ? NULL
		       : path;
}

void
advance_note(const struct bot *b, const char *nick)
{
	char *path = path_of(b);
	FILE *file = nick && path ? fopen(path, "w") : NULL;

	if (file) {
		fprintf(file, "%s\n", nick);
		fclose(file);
	} else if (path) {
		unlink(path);
	}
	free(path);
}

static bool
read_note(const struct bot *b, char nick[WORD_NICK_MAX + 1])
{
	char *path = path_of(b);
	FILE *file = path ? fopen(path, "r") : NULL;
	bool is_there = file && fgets(nick, WORD_NICK_MAX + 1, file);

	if (file)
		fclose(file);
	free(path);
	if (is_there)
		nick[strcspn(nick, "\n")] = '\0';
	return is_there;
}

/* ---- its end ---- */

static void
say_ready(struct advance *a)
{
	if (a->is_ready)
		return;
	a->is_ready = true;
	sup_ready(a->bot->plugin);
}

static void
destroy(struct advance *a)
{
	ev_timer_stop(sup_loop(a->bot->plugin), &a->limit);
	session_destroy(a->session);
	a->bot->advance = NULL;
	free(a);
}

void
advance_abandon(struct bot *b)
{
	if (!b->advance)
		return;
	say_ready(b->advance);
	destroy(b->advance);
}

static void
on_over(struct session *s, const char *why, void *owner)
{
	struct advance *a = owner;
	struct bot *b = a->bot;
	bool is_taking = a->is_taking;

	sup_log(b->plugin, SUP_INFO,
		"channel %s: the session in advance is over: %s",
		b->settings->name, why);
	advance_abandon(b);
	if (is_taking)
		bot_connect(b);
}

/* ---- taking ---- */

static void
finish(struct advance *a)
{
	struct session *s = a->session;
	struct bot *b = a->bot;

	a->session = NULL;
	destroy(a);
	bot_use_first(b, s);
}

static void
look(struct advance *a)
{
	if (a->is_taking &&
		(a->has_seen_quit || !session_has_seen(a->session)) &&
		session_has_wanted_nick(a->session))
		finish(a);
}

static void
set_limit(struct advance *a, double seconds)
{
	a->limit.repeat = seconds;
	ev_timer_again(sup_loop(a->bot->plugin), &a->limit);
}

bool
advance_take(struct bot *b)
{
	struct advance *a = b->advance;

	if (!a || !session_is_ready(a->session)) {
		advance_abandon(b);
		return false;
	}
	a->is_taking = true;
	set_limit(a, TAKING_S);
	if (a->has_seen_quit || !session_has_seen(a->session))
		session_claim_nick(a->session);
	look(a);
	return true;
}

/* ---- lines ---- */

static void
on_line(struct session *s, const struct line *line, void *owner)
{
	struct advance *a = owner;
	char nick[WORD_NICK_MAX + 1];

	if (!session_is_ready(s))
		return;
	line_nick(line, nick, sizeof(nick));
	if (line_is(line, "QUIT") && word_equal(nick, a->old_nick))
		a->has_seen_quit = true;
	else if (a->has_seen_quit || !session_has_seen(s) ||
		 session_is_self(s, line_param(line, 0)))
		bot_take_line(a->bot, s, line);
	if (a->is_taking && line_is(line, "433"))
		finish(a); /* somebody else has the nick */
	else
		look(a);
}

static void
on_ready(struct session *s, void *owner)
{
	struct advance *a = owner;

	ev_timer_stop(sup_loop(a->bot->plugin), &a->limit);
	say_ready(a);
}

static void
on_limit(struct ev_loop *loop, ev_timer *w, int events)
{
	struct advance *a = w->data;

	if (a->is_taking)
		finish(a);
	else
		advance_abandon(a->bot);
}

bool
advance_begin(struct bot *b)
{
	static const struct session_ops ops = {
		.on_ready = on_ready, .on_line = on_line, .on_over = on_over};
	struct advance *a = calloc(1, sizeof(*a));

	if (!a || !read_note(b, a->old_nick)) {
		free(a);
		return false;
	}
	a->session = session_create(b->plugin, b->settings, &ops, a);
	if (!a->session) {
		free(a);
		return false;
	}
	a->bot = b;
	b->advance = a;
	session_look_for(a->session, a->old_nick);
	ev_init(&a->limit, on_limit);
	a->limit.data = a;
	set_limit(a, READY_S);
	return true;
}
