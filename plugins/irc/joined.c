/* joined: the channels of a session: asks for those that it is not in, and
 * notes which it got, which were refused, and from which it was thrown out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>

#include "session_private.h"

#define REJOIN_FIRST_S 5.0
#define REJOIN_LAST_S 300.0
#define NAMES_MAX 400 /* bytes of names and keys in one line */

static size_t
number_of(const struct session *s, const char *channel)
{
	const struct join *join = settings_join(s->settings, channel);

	return join ? (size_t)(join - s->settings->joins)
		    : s->settings->join_count;
}

/* ---- asking ---- */

struct request {
	char names[NAMES_MAX + 1], keys[NAMES_MAX + 1];
};

static void
say_join(struct session *s, struct request *r)
{
	if (*r->names)
		session_say(s, "JOIN %s%s%s", r->names, *r->keys ? " " : "",
			r->keys);
	*r = (struct request){.names = ""};
}

static void
add(struct session *s, struct request *r, const struct join *join)
{
	const char *key = join->key ? join->key : "";

	if (strlen(r->names) + strlen(r->keys) + strlen(join->name) +
			strlen(key) + 2 >
		NAMES_MAX)
		say_join(s, r);
	strcat(r->names, *r->names ? "," : "");
	strcat(r->names, join->name);
	if (*key) {
		strcat(r->keys, *r->keys ? "," : "");
		strcat(r->keys, key);
	}
}

/* Those with a key first, because a key is known by its place only. */
void
joined_ask(struct session *s)
{
	struct request r = {.names = ""};

	for (int with_key = 1; with_key >= 0; with_key--) {
		for (size_t i = 0; i < s->settings->join_count; i++) {
			const struct join *join = &s->settings->joins[i];

			if ((join->key != NULL) != with_key ||
				s->joined[i] == JOIN_DONE)
				continue;
			s->joined[i] = JOIN_ASKED;
			add(s, &r, join);
		}
	}
	say_join(s, &r);
}

/* After a growing pause, so that a server that refuses is not bothered. */
static void
ask_later(struct session *s)
{
	double pause = s->rejoin.repeat * 2;

	if (ev_is_active(&s->rejoin) || s->state != SESSION_READY)
		return;
	if (pause < REJOIN_FIRST_S)
		pause = REJOIN_FIRST_S;
	if (pause > REJOIN_LAST_S)
		pause = REJOIN_LAST_S;
	s->rejoin.repeat = pause;
	ev_timer_again(sup_loop(s->plugin), &s->rejoin);
}

/* ---- what became of it ---- */

static void
look_whether_ready(struct session *s)
{
	size_t refused = 0;

	if (s->state != SESSION_JOINING)
		return;
	for (size_t i = 0; i < s->settings->join_count; i++) {
		refused += s->joined[i] == JOIN_REFUSED;
		if (s->joined[i] == JOIN_ASKED || s->joined[i] == JOIN_WANTED ||
			(s->joined[i] == JOIN_DONE && !s->is_listed[i]))
			return;
	}
	if (refused && refused == s->settings->join_count) {
		session_end(s, "%s", s->refused);
		return;
	}
	session_become(s, SESSION_READY);
	if (refused)
		ask_later(s);
}

void
joined_begin(struct session *s)
{
	joined_ask(s);
	look_whether_ready(s);
}

static void
take_join(struct session *s, const struct line *line)
{
	size_t i = number_of(s, line_param(line, 0));
	char nick[WORD_NICK_MAX + 1];

	line_nick(line, nick, sizeof(nick));
	if (i == s->settings->join_count || !session_is_self(s, nick))
		return;
	s->joined[i] = JOIN_DONE;
	if (s->state == SESSION_READY)
		s->rejoin.repeat = 0;
}

static void
take_refusal(struct session *s, const struct line *line)
{
	size_t i = number_of(s, line_param(line, 1));

	if (i == s->settings->join_count || s->joined[i] != JOIN_ASKED)
		return;
	s->joined[i] = JOIN_REFUSED;
	snprintf(s->refused, sizeof(s->refused), "%.60s: %.50s",
		s->settings->joins[i].name, line_param(line, line->count - 1));
	look_whether_ready(s);
	ask_later(s);
}

/* Somebody left a channel; at `who` is the nick, or NULL: the source. */
static void
take_part(struct session *s, const struct line *line, const char *who)
{
	size_t i = number_of(s, line_param(line, 0));
	char nick[WORD_NICK_MAX + 1];

	line_nick(line, nick, sizeof(nick));
	if (i == s->settings->join_count ||
		!session_is_self(s, who ? who : nick))
		return;
	s->joined[i] = JOIN_REFUSED;
	snprintf(s->refused, sizeof(s->refused), "%.60s: thrown out: %.40s",
		s->settings->joins[i].name, line_param(line, line->count - 1));
	look_whether_ready(s);
	ask_later(s);
}

static void
take_names(struct session *s, const char *names)
{
	char nick[WORD_NICK_MAX + 1];

	while (*s->looked_for && *names) {
		names += strspn(names, " ~&@%+");
		snprintf(nick, sizeof(nick), "%.*s", (int)strcspn(names, " !"),
			names);
		s->has_seen = s->has_seen || word_equal(nick, s->looked_for);
		names += strcspn(names, " ");
	}
}

static void
take_end_of_names(struct session *s, const struct line *line)
{
	size_t i = number_of(s, line_param(line, 1));

	if (i == s->settings->join_count)
		return;
	s->is_listed[i] = true;
	look_whether_ready(s);
}

void
joined_take(struct session *s, const struct line *line)
{
	static const char *const refusals[] = {"403", "405", "407", "437",
		"471", "473", "474", "475", "476", "477", "489", "520"};

	if (line_is(line, "JOIN"))
		take_join(s, line);
	else if (line_is(line, "PART"))
		take_part(s, line, NULL);
	else if (line_is(line, "KICK"))
		take_part(s, line, line_param(line, 1));
	else if (line_is(line, "353"))
		take_names(s, line_param(line, line->count - 1));
	else if (line_is(line, "366"))
		take_end_of_names(s, line);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
		if (line_is(line, refusals[i]))
			take_refusal(s, line);
}

bool
session_is_in(const struct session *s, const char *channel)
{
	size_t i = number_of(s, channel);

	return i < s->settings->join_count && s->joined[i] == JOIN_DONE;
}

const char *
session_refused(const struct session *s, const char **why_out)
{
	for (size_t i = 0; i < s->settings->join_count; i++)
		if (s->joined[i] == JOIN_REFUSED) {
			*why_out = s->refused;
			return s->settings->joins[i].name;
		}
	return NULL;
}
