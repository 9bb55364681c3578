/* said: see the header. */
#include "said.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "line.h"
#include "session.h"
#include "settings.h"
#include "word.h"

#define MASK_MAX 200			 /* bytes of nick!user@host */
#define TEXT_MAX (2 * WORD_TEXT_MAX + 8) /* with a nick before it */

/* /me becomes "* nick …", and other CTCP no text. */
static bool
read_text(const struct line *line, const char *nick, char text[TEXT_MAX])
{
	const char *said = line_param(line, 1);
	char clean[WORD_TEXT_MAX + 1], clean_nick[WORD_TEXT_MAX + 1];

	if (*said == '\1' && strncmp(said, "\1ACTION ", 8) != 0)
		return false;
	word_clean(*said == '\1' ? said + 8 : said, clean);
	word_clean(nick, clean_nick);
	if (*said == '\1')
		snprintf(text, TEXT_MAX, "* %s %s", clean_nick, clean);
	else
		snprintf(text, TEXT_MAX, "%s", clean);
	return true;
}

/* The command in a text, in the place of the prefix of the settings and behind
 * the bot's nick: "!word" and "nick: !word" are "/word". */
static const char *
command_in(const struct settings *settings, const struct session *s,
	const char *text, char command[TEXT_MAX])
{
	const char *prefix = settings->prefix;
	const char *behind = word_behind_nick(session_nick(s), text);
	const char *at = behind ? behind : text;
	size_t length = strlen(prefix);

	if (length && !strncmp(at, prefix, length) && at[length] &&
		at[length] != ' ' && strncmp(at + length, prefix, length)) {
		snprintf(command, TEXT_MAX, "/%s", at + length);
		return command;
	}
	return behind && *at == '/' ? at : text;
}

/* Milliseconds since 1970 of 2026-11-29T12:00:00.123Z; 0 if it is no such
 * time. */
static int64_t
time_of(const char *text)
{
	struct tm tm = {.tm_isdst = 0};
	int ms = 0;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &tm.tm_year,
		    &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
		    &tm.tm_sec, &ms) < 6)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return (int64_t)timegm(&tm) * 1000 + ms;
}

static int64_t
at_of(const struct line *line)
{
	char text[40];
	int64_t at =
		line_tag(line, "time", text, sizeof(text)) ? time_of(text) : 0;

	return at > 0 ? at : (int64_t)time(NULL) * 1000;
}

static json_t *
clean_string(const char *text, size_t most)
{
	char clean[WORD_TEXT_MAX + 1], part[512];

	snprintf(part, sizeof(part), "%.*s", (int)most, text);
	word_clean(part, clean);
	return json_string(clean);
}

/* That of the server, or "". */
static json_t *
id_of(const struct line *line)
{
	char id[100];

	return line_tag(line, "msgid", id, sizeof(id))
		       ? clean_string(id, sizeof(id))
		       : json_string("");
}

/* The name of the chat: that of the settings, else in lower case, so that a
 * chat is one lane, however it is written. "@#room" are those of #room who have
 * a rank. */
static void
name_chat(const struct settings *settings, const char *target, char chat[65])
{
	const struct join *join;

	if (*target && strchr("~&@%+", *target) && target[1] == '#')
		target++;
	join = settings_join(settings, target);
	if (join)
		snprintf(chat, 65, "%s", join->name);
	else
		word_fold(target, chat, 65);
}

json_t *
said_read(const struct line *line, const struct session *s,
	const struct settings *settings)
{
	char nick[WORD_NICK_MAX + 1], chat[65], account[100];
	char text[TEXT_MAX];
	char command[TEXT_MAX];
	bool has_account = line_tag(line, "account", account, sizeof(account));
	bool is_direct = !strpbrk(line_param(line, 0), "#&!") &&
			 *line_param(line, 0) != '+';
	json_t *m;

	line_nick(line, nick, sizeof(nick));
	if (!*nick || !read_text(line, nick, text))
		return NULL;
	if (is_direct)
		snprintf(chat, sizeof(chat), "%s", nick);
	else
		name_chat(settings, line_param(line, 0), chat);
	m = json_object();
	json_object_set_new(m, "id", id_of(line));
	json_object_set_new(m, "at", json_integer(at_of(line)));
	json_object_set_new(m, "from", clean_string(line->source, MASK_MAX));
	json_object_set_new(m, "nick", clean_string(nick, WORD_NICK_MAX));
	json_object_set_new(m, "chat", clean_string(chat, 64));
	json_object_set_new(m, "direct", json_boolean(is_direct));
	json_object_set_new(m, "mentioned",
		json_boolean(is_direct || word_is_in(session_nick(s), text)));
	json_object_set_new(m, "verified",
		json_boolean(settings_verifies(
			settings, line->source, has_account ? account : NULL)));
	if (has_account)
		json_object_set_new(m, "raw",
			json_pack("{s:o}", "account",
				clean_string(account, sizeof(account))));
	json_object_set_new(
		m, "text", json_string(command_in(settings, s, text, command)));
	return m;
}
