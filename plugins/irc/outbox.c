#include "outbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>

#include "line.h"
#include "markdown.h"
#include "session.h"
#include "settings.h"
#include "split.h"
#include "steady.h"
#include "word.h"

/* Of a line's text; the server puts our name, the command and the target
 * before it, and all of it has 510 bytes. */
#define PIECE_MAX 400
#define PIECE_AND_TARGET_MAX 424

struct sending {
	struct sending *next;
	struct outbox *outbox;
	struct sup_req *req; /* NULL: it is answered, and is half sent */
	char target[WORD_NICK_MAX + 1];
	char *text;
	struct split left;
	size_t lines;	   /* that are sent so far */
	size_t more_lines; /* that are not sent, because they are too many */
	char refusal[200]; /* the server's, of the line before */
};

struct outbox {
	struct sup *plugin;
	const struct settings *settings;
	const struct outbox_ops *ops;
	void *owner;
	struct session *session;
	struct sending *first, **last;
	size_t count;
	bool is_paused, awaits_pong;
	uint64_t pings; /* each has a number */
	struct bucket bucket;
	ev_timer turn; /* when the rate allows the next line */
};

static void pump(struct outbox *o);

/* ---- the queue ---- */

static bool
is_begun(const struct sending *s)
{
	return s->lines > 0;
}

bool
outbox_is_idle(const struct outbox *o)
{
	return !o->first || !is_begun(o->first);
}

static void
forget(struct outbox *o, struct sending *s)
{
	struct sending **at = &o->first;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	if (o->last == &s->next)
		o->last = at;
	o->count--;
	if (s->req)
		sup_on_cancel(s->req, NULL, NULL);
	free(s->text);
	free(s);
}

/* Nobody waits for it any more. What is half sent stays until the server has
 * answered, so that its errors are not taken for those of the next one. */
static void
on_cancel(struct sup_req *req, void *user)
{
	struct sending *s = user;

	s->req = NULL;
	if (is_begun(s)) {
		sup_fail(req, SUP_CANCELLED, "cancelled when it was half sent");
		s->left.left = s->more_lines = 0;
		return;
	}
	forget(s->outbox, s);
	sup_not_sent(req, "cancelled before it was sent");
}

/* ---- the text ---- */

/* What `lines` allows, with a last line that says how many there are more. */
static void
limit_lines(struct outbox *o, struct sending *s)
{
	size_t count = split_count(s->left);
	struct split all = s->left;
	const char *piece, *end = s->text;
	size_t size;

	if (count <= o->settings->lines)
		return;
	s->more_lines = count - o->settings->lines + 1;
	for (size_t i = 1; i < o->settings->lines; i++) {
		split_next(&all, &piece, &size);
		end = piece + size;
	}
	s->left.left = (size_t)(end - s->text);
}

/* NULL with the reason. */
static struct sending *
read_request(struct outbox *o, struct sup_req *req, const char **why_out)
{
	const char *target = sup_req_arg_string(req, "target.chat", "");
	const char *text = sup_req_arg_string(req, "content.text", "");
	const char *format = sup_req_arg_string(req, "content.format", "plain");
	struct sending *s;
	size_t size;

	*why_out = "the chat must be the name of a channel or person on IRC";
	if (!word_is_target(target) || *target == '$')
		return NULL;
	*why_out = "there is no memory";
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->text = strcmp(format, "markdown") ? strdup(text)
					     : markdown_reduce(text);
	if (!s->text) {
		free(s);
		return NULL;
	}
	size = strlen(s->text);
	split_clean(s->text, &size);
	s->outbox = o;
	s->req = req;
	snprintf(s->target, sizeof(s->target), "%s", target);
	s->left = (struct split){.at = s->text,
		.left = size,
		.most = PIECE_AND_TARGET_MAX - strlen(target)};
	if (s->left.most > PIECE_MAX)
		s->left.most = PIECE_MAX;
	limit_lines(o, s);
	return s;
}

void
outbox_take(struct outbox *o, struct sup_req *req)
{
	const char *why;
	struct sending *s;

	if (o->count >= OUTBOX_MAX || (!o->session && !o->is_paused)) {
		sup_retry(req, 1000);
		return;
	}
	s = read_request(o, req, &why);
	if (!s) {
		sup_not_sent(req, "%s", why);
		return;
	}
	if (!s->more_lines && !split_count(s->left)) {
		sup_not_sent(req, "there is no text");
		free(s->text);
		free(s);
		return;
	}
	*o->last = s;
	o->last = &s->next;
	o->count++;
	sup_on_cancel(req, on_cancel, s);
	pump(o);
}

/* ---- sending ---- */

static void
say_piece(struct outbox *o, struct sending *s)
{
	const char *piece;
	size_t size;

	if (split_next(&s->left, &piece, &size)) {
		session_say(o->session, "PRIVMSG %s :%.*s", s->target,
			(int)size, piece);
	} else {
		session_say(o->session, "PRIVMSG %s :(%zu more lines)",
			s->target, s->more_lines);
		s->more_lines = 0;
	}
	s->lines++;
	o->awaits_pong = true;
	session_say(o->session, "PING :sent-%" PRIu64, ++o->pings);
}

static void
answer(struct sending *s)
{
	struct sup_req *req = s->req;

	if (!req)
		return;
	if (!*s->refusal)
		sup_sent(req, NULL);
	else if (s->lines == 1)
		sup_not_sent(req, "%s", s->refusal);
	else
		sup_fail(req, SUP_FAILED, "line %zu: %s", s->lines, s->refusal);
}

static void
end_first(struct outbox *o)
{
	struct sending *s = o->first;
	bool was_begun = is_begun(s);

	answer(s);
	s->req = NULL;
	forget(o, s);
	if (was_begun)
		o->ops->on_idle(o->owner);
}

/* The server has handled the line before. */
static void
go_on(struct outbox *o)
{
	struct sending *s = o->first;

	o->awaits_pong = false;
	if (*s->refusal || (!split_count(s->left) && !s->more_lines))
		end_first(o);
	pump(o);
}

static void
pump(struct outbox *o)
{
	uint64_t wait_ms;

	if (!o->first || !o->session || o->awaits_pong ||
		!session_is_ready(o->session) ||
		(o->is_paused && !is_begun(o->first)))
		return;
	wait_ms = bucket_take(&o->bucket, steady_ms());
	if (wait_ms) {
		o->turn.repeat = (double)wait_ms / 1000;
		ev_timer_again(sup_loop(o->plugin), &o->turn);
		return;
	}
	say_piece(o, o->first);
	if (session_is_held(o->session))
		outbox_go_on_blindly(o);
}

static void
on_turn(struct ev_loop *loop, ev_timer *w, int events)
{
	ev_timer_stop(loop, w);
	pump(w->data);
}

void
outbox_go_on_blindly(struct outbox *o)
{
	if (o->awaits_pong)
		go_on(o);
}

/* ---- the server's answers ---- */

static void
take_error(struct outbox *o, const struct line *line)
{
	static const char *const errors[] = {"401", "402", "403", "404", "407",
		"408", "411", "412", "413", "414", "415", "416", "417", "437",
		"477", "482", "486", "489", "492", "494", "502", "531", "716"};

	if (!word_equal(line_param(line, 1), o->first->target))
		return;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (line_is(line, errors[i]))
			snprintf(o->first->refusal, sizeof(o->first->refusal),
				"the server says: %.150s",
				line_param(line, line->count - 1));
}

void
outbox_take_line(struct outbox *o, const struct line *line)
{
	char expected[40];

	if (!o->awaits_pong)
		return;
	snprintf(expected, sizeof(expected), "sent-%" PRIu64, o->pings);
	if (line_is(line, "PONG") &&
		!strcmp(line_param(line, line->count - 1), expected))
		go_on(o);
	else if (*line->command >= '4' && *line->command <= '7')
		take_error(o, line);
}

/* ---- life ---- */

struct outbox *
outbox_create(struct sup *p, const struct outbox_ops *ops, void *owner)
{
	struct outbox *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->plugin = p;
	o->ops = ops;
	o->owner = owner;
	o->last = &o->first;
	ev_init(&o->turn, on_turn);
	o->turn.data = o;
	return o;
}

void
outbox_set_settings(struct outbox *o, const struct settings *s)
{
	o->settings = s;
	bucket_set(&o->bucket, s->burst, s->every_ms, steady_ms());
}

void
outbox_attach(struct outbox *o, struct session *s)
{
	struct sending *lost = o->first;

	o->session = s;
	if (lost && is_begun(lost)) {
		o->awaits_pong = false;
		if (lost->req)
			sup_fail(lost->req, SUP_FAILED,
				"the connection was lost before the server had "
				"confirmed it");
		lost->req = NULL;
		forget(o, lost);
	}
	pump(o);
}

void
outbox_pause(struct outbox *o)
{
	o->is_paused = true;
}

void
outbox_resume(struct outbox *o)
{
	o->is_paused = false;
	pump(o);
}

void
outbox_give_back(struct outbox *o, uint32_t after_ms)
{
	struct sending *s = o->first, *next;
	struct sup_req *req;

	for (; s; s = next) {
		next = s->next;
		if (is_begun(s))
			continue;
		req = s->req;
		forget(o, s);
		sup_retry(req, after_ms);
	}
}
