#include "settings.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/webhook/amount.h"
#include "plugins/webhook/value.h"
#include "word.h"

#define SECOND ((uint64_t)1000)
#define MINUTE (60 * SECOND)

/* The string, or what it is if it is absent. */
static int
read_text(const json_t *map, const char *key, const char *otherwise,
	char **text_out, char why[256])
{
	if (value_text(map, key, text_out, why))
		return -1;
	if (!*text_out && otherwise)
		*text_out = strdup(otherwise);
	return 0;
}

/* ---- the connection ---- */

/* "host:port" or "[address]:port" */
static int
read_server(struct settings *s, const json_t *map, char why[256])
{
	char *server = NULL, *colon, *host;
	size_t length;

	if (value_text(map, "server", &server, why))
		return -1;
	if (!server)
		return value_fail(why, "server is missing");
	colon = strrchr(server, ':');
	length = colon ? strspn(colon + 1, "0123456789") : 0;
	if (!length || colon[1 + length] || length > 5 || colon == server ||
		atoi(colon + 1) < 1 || atoi(colon + 1) > 65535 ||
		strchr(server, ' ')) {
		free(server);
		return value_fail(why,
			"server must be a host and a port, such as "
			"irc.example.org:6697");
	}
	*colon = '\0';
	host = server;
	length = strlen(host);
	if (*host == '[' && host[length - 1] == ']') {
		host[length - 1] = '\0';
		host++;
	}
	s->host = strdup(host);
	s->port = strdup(colon + 1);
	free(server);
	return 0;
}

static int
read_tls(struct settings *s, const json_t *map, char why[256])
{
	static const char *const known[] = {"ca", "verify", NULL};
	const json_t *tls = json_object_get(map, "tls"), *verify;

	s->tls_verify = true;
	if (!tls)
		return 0;
	if (json_is_boolean(tls)) {
		s->tls = json_is_true(tls);
		return 0;
	}
	s->tls = true;
	if (!json_is_object(tls) || value_check_keys(tls, known, why))
		return value_fail(why,
			"tls must be true, false or a map of ca and verify");
	verify = json_object_get(tls, "verify");
	if (verify && !json_is_boolean(verify))
		return value_fail(why, "tls.verify must be true or false");
	s->tls_verify = !json_is_false(verify);
	if (value_text(tls, "ca", &s->tls_ca, why))
		return value_fail(why, "tls.ca must be the name of a file");
	return 0;
}

static int
read_sasl(struct settings *s, const json_t *map, char why[256])
{
	static const char *const known[] = {"user", "password", NULL};
	const json_t *sasl = json_object_get(map, "sasl");

	if (!sasl)
		return 0;
	if (value_check_keys(sasl, known, why) ||
		value_text(sasl, "user", &s->sasl_user, why) ||
		value_text(sasl, "password", &s->sasl_password, why) ||
		!s->sasl_user || !s->sasl_password)
		return value_fail(
			why, "sasl must be a map of user and password");
	if (strlen(s->sasl_user) + strlen(s->sasl_password) > 200)
		return value_fail(why, "sasl has more than 200 bytes");
	return 0;
}

static int
read_join(struct settings *s, const json_t *value, char why[256])
{
	static const char *const known[] = {"name", "key", NULL};
	struct join *join = &s->joins[s->join_count++];

	if (json_is_string(value))
		join->name = strdup(json_string_value(value));
	else if (value_check_keys(value, known, why) ||
		 value_text(value, "name", &join->name, why) ||
		 value_text(value, "key", &join->key, why))
		return value_fail(why,
			"channels: number %zu must be a name, or a map of name "
			"and key",
			s->join_count);
	if (!join->name || !word_is_channel(join->name) ||
		(join->key && !word_is_target(join->key)))
		return value_fail(why,
			"channels: number %zu must have a name such as "
			"\"#supd\""
			" and a key that is one word",
			s->join_count);
	return 0;
}

static int
read_joins(struct settings *s, const json_t *map, char why[256])
{
	const json_t *list = json_object_get(map, "channels");

	if (list && !json_is_array(list))
		return value_fail(why, "channels must be a list");
	if (json_array_size(list) > JOINS_MAX)
		return value_fail(
			why, "channels has more than %d entries", JOINS_MAX);
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (read_join(s, json_array_get(list, i), why))
			return -1;
		for (size_t k = 0; k < i; k++)
			if (word_equal(s->joins[k].name, s->joins[i].name))
				return value_fail(why,
					"channels: %s is there twice",
					s->joins[i].name);
	}
	return 0;
}

static int
check_names(const struct settings *s, char why[256])
{
	if (strchr(s->name, '/') || *s->name == '.') /* it names files, too */
		return value_fail(why, "name must not have a slash in it, or "
				       "begin with a dot");
	if (!word_is_nick(s->nick))
		return value_fail(why,
			"nick must be a word of at most 32 bytes that does not "
			"begin with a digit");
	if (!word_is_target(s->user) || strpbrk(s->user, "@!") ||
		strlen(s->user) > 32)
		return value_fail(
			why, "user must be a word of at most 32 bytes");
	if (strlen(s->realname) > 100)
		return value_fail(why, "realname has more than 100 bytes");
	if (s->password && strlen(s->password) > 300)
		return value_fail(why, "password has more than 300 bytes");
	return 0;
}

static int
read_connection(struct settings *s, const json_t *map, char why[256])
{
	if (read_server(s, map, why) || read_tls(s, map, why) ||
		read_text(map, "nick", "supd", &s->nick, why) ||
		read_text(map, "user", "supd", &s->user, why) ||
		read_text(map, "realname", "supd", &s->realname, why) ||
		value_text(map, "password", &s->password, why) ||
		read_sasl(s, map, why) || read_joins(s, map, why))
		return -1;
	return check_names(s, why);
}

/* ---- the rest ---- */

static int
read_rate(struct settings *s, const json_t *map, char why[256])
{
	static const char *const known[] = {"burst", "every", NULL};
	const json_t *rate = json_object_get(map, "rate");
	char reason[200];

	if (!rate)
		return 0;
	if (!value_check_keys(rate, known, why) &&
		!amount_read(rate, "burst", AMOUNT_COUNT,
			(struct range){1, 1000}, &s->burst, why) &&
		!amount_read(rate, "every", AMOUNT_MS,
			(struct range){1, MINUTE}, &s->every_ms, why))
		return 0;
	snprintf(reason, sizeof(reason), "%.199s", why);
	return value_fail(why, "rate: %s", reason);
}

static int
read_prefix(struct settings *s, const json_t *map, char why[256])
{
	const json_t *prefix = json_object_get(map, "prefix");

	if (json_is_string(prefix) && !json_string_length(prefix)) {
		s->prefix = strdup("");
		return 0;
	}
	if (read_text(map, "prefix", "!", &s->prefix, why))
		return -1;
	if (strlen(s->prefix) > 8 || strchr(s->prefix, ' '))
		return value_fail(
			why, "prefix must be a word of at most 8 bytes");
	return 0;
}

static int
read_verified(struct settings *s, const json_t *map, char why[256])
{
	const json_t *verified = json_object_get(map, "verified");
	const char *word = json_string_value(verified);

	if (!verified || (word && !strcmp(word, "account")))
		return 0;
	if (word && !strcmp(word, "all")) {
		s->verified = VERIFIED_ALL;
		return 0;
	}
	s->verified = VERIFIED_MASKS;
	if (word || value_list(map, "verified", s->masks, MASKS_MAX,
			    &s->mask_count, why))
		return value_fail(why,
			"verified must be account, all, or a list of at most "
			"%d masks such as alice!*@*.example.org",
			MASKS_MAX);
	return 0;
}

static int
read_all(struct settings *s, const json_t *map, char why[256])
{
	static const char *const known[] = {"name", "server", "tls", "nick",
		"user", "realname", "password", "sasl", "channels",
		"connect_timeout", "ping", "rate", "lines", "prefix",
		"verified", NULL};

	if (value_check_keys(map, known, why) ||
		read_text(map, "name", "irc", &s->name, why) ||
		read_connection(s, map, why) ||
		amount_read(map, "connect_timeout", AMOUNT_MS,
			(struct range){100, 10 * MINUTE},
			&s->connect_timeout_ms, why) ||
		amount_read(map, "ping", AMOUNT_MS,
			(struct range){100, 60 * MINUTE}, &s->ping_ms, why) ||
		read_rate(s, map, why) ||
		amount_read(map, "lines", AMOUNT_COUNT, (struct range){2, 100},
			&s->lines, why) ||
		read_prefix(s, map, why) || read_verified(s, map, why))
		return -1;
	return 0;
}

struct settings *
settings_create(const char *json, char why[256])
{
	json_t *map = json_loads(json, JSON_ALLOW_NUL, NULL);
	struct settings *s = calloc(1, sizeof(*s));
	int rc = -1;

	if (s) {
		s->connect_timeout_ms = 10 * SECOND;
		s->ping_ms = 30 * SECOND;
		s->burst = 5;
		s->every_ms = 2 * SECOND;
		s->lines = 10;
		rc = read_all(s, map, why);
	} else {
		value_fail(why, "no memory");
	}
	json_decref(map);
	if (!rc)
		return s;
	settings_destroy(s);
	return NULL;
}

static void
forget(char *secret)
{
	if (secret)
		OPENSSL_cleanse(secret, strlen(secret));
	free(secret);
}

void
settings_destroy(struct settings *s)
{
	if (!s)
		return;
	free(s->name);
	free(s->host);
	free(s->port);
	free(s->tls_ca);
	free(s->nick);
	free(s->user);
	free(s->realname);
	forget(s->password);
	free(s->sasl_user);
	forget(s->sasl_password);
	for (size_t i = 0; i < s->join_count; i++) {
		free(s->joins[i].name);
		forget(s->joins[i].key);
	}
	free(s->prefix);
	for (size_t i = 0; i < s->mask_count; i++)
		free(s->masks[i]);
	free(s);
}

/* ---- questions ---- */

static bool
same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool
settings_same_connection(const struct settings *a, const struct settings *b)
{
	if (!same(a->host, b->host) || !same(a->port, b->port) ||
		a->tls != b->tls || a->tls_verify != b->tls_verify ||
		!same(a->tls_ca, b->tls_ca) || !same(a->nick, b->nick) ||
		!same(a->user, b->user) || !same(a->realname, b->realname) ||
		!same(a->password, b->password) ||
		!same(a->sasl_user, b->sasl_user) ||
		!same(a->sasl_password, b->sasl_password) ||
		a->join_count != b->join_count)
		return false;
	for (size_t i = 0; i < a->join_count; i++)
		if (!same(a->joins[i].name, b->joins[i].name) ||
			!same(a->joins[i].key, b->joins[i].key))
			return false;
	return true;
}

bool
settings_verifies(
	const struct settings *s, const char *mask, const char *account)
{
	char nick[WORD_NICK_MAX + 1];

	if (s->verified == VERIFIED_ALL)
		return true;
	for (size_t i = 0; i < s->mask_count; i++)
		if (word_matches(s->masks[i], mask))
			return true;
	snprintf(nick, sizeof(nick), "%.*s", (int)strcspn(mask, "!"), mask);
	return s->verified == VERIFIED_ACCOUNT && account &&
	       word_equal(nick, account);
}

const struct join *
settings_join(const struct settings *s, const char *name)
{
	for (size_t i = 0; i < s->join_count; i++)
		if (word_equal(s->joins[i].name, name))
			return &s->joins[i];
	return NULL;
}
