/* register: from the connection to 001: capabilities, SASL, the password, and a
 * nick that is free. At most three lines are sent at once: servers count. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session_private.h"

#define NICK_TRIES_MAX 6
#define SHORT_NICK 9 /* what every server allows */

static const char *const capabilities[] = {
	"message-tags", "server-time", "account-tag", "sasl"};
#define CAPABILITIES (sizeof(capabilities) / sizeof(*capabilities))
#define SASL (1u << 3)

static void
say_user(struct session *s)
{
	if (s->has_said_user)
		return;
	s->has_said_user = true;
	session_say(
		s, "USER %s 0 * :%s", s->settings->user, s->settings->realname);
}

void
register_begin(struct session *s)
{
	session_say(s, "CAP LS 302");
	if (s->settings->password)
		session_say(s, "PASS :%s", s->settings->password);
	session_say(s, "NICK %s", s->nick);
	if (!s->settings->password)
		say_user(s);
}

static void
leave_caps(struct session *s)
{
	if (s->has_left_caps)
		return;
	s->has_left_caps = true;
	say_user(s);
	session_say(s, "CAP END");
}

/* ---- capabilities ---- */

static void
note_offer(struct session *s, const char *word, size_t length)
{
	size_t name = strcspn(word, "= ");

	if (name > length)
		name = length;
	for (size_t i = 0; i < CAPABILITIES; i++)
		if (strlen(capabilities[i]) == name &&
			!strncmp(capabilities[i], word, name))
			s->offered |= 1u << i;
	if (name == 4 && !strncmp(word, "sasl", 4))
		s->has_plain = length == name ||
			       memmem(word, length, "PLAIN", 5) != NULL;
}

static void
note_offers(struct session *s, const char *list)
{
	while (*list) {
		size_t length = strcspn(list, " ");

		note_offer(s, list, length);
		list += length;
		list += strspn(list, " ");
	}
}

static bool
wants_sasl(const struct session *s)
{
	return s->settings->sasl_user != NULL;
}

static void
ask_for(struct session *s)
{
	char list[200] = "";

	if (!wants_sasl(s))
		s->offered &= ~SASL;
	else if (!(s->offered & SASL) || !s->has_plain) {
		session_end(s, "the server offers no SASL with a password");
		return;
	}
	if (!s->offered) {
		leave_caps(s);
		return;
	}
	for (size_t i = 0; i < CAPABILITIES; i++)
		if (s->offered & (1u << i)) {
			strcat(list, *list ? " " : "");
			strcat(list, capabilities[i]);
		}
	say_user(s);
	session_say(s, "CAP REQ :%s", list);
}

static void
take_cap(struct session *s, const struct line *line)
{
	const char *what = line_param(line, 1);
	bool has_more = !strcmp(line_param(line, 2), "*");

	if (s->has_left_caps)
		return;
	if (!strcmp(what, "LS")) {
		note_offers(s, line_param(line, has_more ? 3 : 2));
		if (!has_more)
			ask_for(s);
	} else if (!strcmp(what, "ACK") && wants_sasl(s)) {
		session_say(s, "AUTHENTICATE PLAIN");
	} else if (!strcmp(what, "NAK") && wants_sasl(s)) {
		session_end(s, "the server refuses SASL");
	} else if (!strcmp(what, "ACK") || !strcmp(what, "NAK")) {
		leave_caps(s);
	}
}

/* ---- SASL ---- */

static void
authenticate(struct session *s)
{
	const char *user = s->settings->sasl_user;
	const char *password = s->settings->sasl_password;
	unsigned char plain[256], encoded[400];
	int length;

	if (!wants_sasl(s) || s->has_left_caps)
		return;
	length = snprintf(
		(char *)plain, sizeof(plain), "%c%s%c%s", 0, user, 0, password);
	EVP_EncodeBlock(encoded, plain, length);
	session_say(s, "AUTHENTICATE %s", (char *)encoded);
	OPENSSL_cleanse(plain, sizeof(plain));
	OPENSSL_cleanse(encoded, sizeof(encoded));
}

/* ---- the nick ---- */

/* A name like the one that is taken: first longer by one, then as short as
 * every server takes it. */
static void
alternative(const struct session *s, char nick[WORD_NICK_MAX + 1])
{
	const char *wanted = s->settings->nick;
	static const char *const ends[] = {"_", "__", "___"};
	unsigned try = s->nick_tries;

	if (try == 1)
		snprintf(nick, WORD_NICK_MAX + 1, "%s_", wanted);
	else if (try <= 4)
		snprintf(nick, WORD_NICK_MAX + 1, "%.*s%s",
			SHORT_NICK - (int)(try - 1), wanted, ends[try - 2]);
	else
		snprintf(nick, WORD_NICK_MAX + 1, "%.*s%03d", SHORT_NICK - 3,
			wanted, (int)arc4random_uniform(1000));
}

void
register_other_nick(struct session *s)
{
	s->nick_tries++;
	alternative(s, s->nick);
}

static void
try_other_nick(struct session *s, const struct line *line)
{
	if (s->nick_tries >= NICK_TRIES_MAX) {
		session_end(s, "the server takes no nick: %.150s",
			line_param(line, line->count - 1));
		return;
	}
	register_other_nick(s);
	session_say(s, "NICK %s", s->nick);
}

/* ---- numbers ---- */

static bool
is_one_of(const struct line *line, const char *const *numbers)
{
	for (; *numbers; numbers++)
		if (line_is(line, *numbers))
			return true;
	return false;
}

static void
take_welcome(struct session *s, const struct line *line)
{
	const char *nick = line_param(line, 0);

	if (*nick)
		snprintf(s->nick, sizeof(s->nick), "%s", nick);
	session_become(s, SESSION_JOINING);
}

void
register_take(struct session *s, const struct line *line)
{
	static const char *const nick_taken[] = {
		"431", "432", "433", "436", "437", NULL};
	static const char *const sasl_failed[] = {
		"902", "904", "905", "906", "908", NULL};
	static const char *const refused[] = {"464", "465", "463", NULL};

	if (line_is(line, "001"))
		take_welcome(s, line);
	else if (line_is(line, "CAP"))
		take_cap(s, line);
	else if (line_is(line, "AUTHENTICATE"))
		authenticate(s);
	else if (line_is(line, "903"))
		leave_caps(s);
	else if (is_one_of(line, sasl_failed))
		session_end(s, "SASL: the server refuses the login");
	else if (is_one_of(line, nick_taken))
		try_other_nick(s, line);
	else if (is_one_of(line, refused))
		session_end(s, "the server refuses: %.150s",
			line_param(line, line->count - 1));
	else if (line_is(line, "421") && !strcmp(line_param(line, 1), "CAP"))
		ask_for(s); /* it knows none */
}
