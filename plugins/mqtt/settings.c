#include "settings.h"

#include <jansson.h>
#include <mosquitto.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/webhook/amount.h"
#include "plugins/webhook/value.h"

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define SECOND ((uint64_t)1000)
#define HOUR (3600 * SECOND)

/* ---- the parts ---- */

/* "host:port", "host", "[::1]:port" */
static int
read_server(struct settings *s, const json_t *map, char why[256])
{
	char *text = NULL, *host, *colon, *end;
	long port = s->has_tls ? 8883 : 1883;

	if (value_text(map, "server", &text, why))
		return -1;
	if (!text)
		return value_fail(why, "server is missing");
	host = *text == '[' ? text + 1 : text;
	end = *text == '[' ? strchr(text, ']') : NULL;
	colon = strrchr(end ? end : text, ':');
	if (colon)
		port = strspn(colon + 1, "0123456789") == strlen(colon + 1)
			       ? strtol(colon + 1, NULL, 10)
			       : 0;
	if (end)
		*end = '\0';
	else if (colon)
		*colon = '\0';
	if (!*host || port < 1 || port > 65535 || (*text == '[' && !end) ||
		(end && end[1] && colon != end + 1) ||
		(!end && strchr(host, ':'))) {
		free(text);
		return value_fail(why, "server must be HOST:PORT, such as "
				       "broker.example.org:1883 or [::1]:1883");
	}
	s->host = strdup(host);
	s->port = (int)port;
	free(text);
	return 0;
}

static int
read_tls(struct settings *s, const json_t *map, char why[256])
{
	static const char *const known[] = {"ca", "cert", "key", NULL};
	const json_t *tls = json_object_get(map, "tls");

	if (!tls || json_is_false(tls))
		return 0;
	s->has_tls = true;
	if (json_is_true(tls))
		return 0;
	if (!json_is_object(tls))
		return value_fail(
			why, "tls must be true, false or {ca, cert, key}");
	if (value_check_keys(tls, known, why) ||
		value_text(tls, "ca", &s->ca, why) ||
		value_text(tls, "cert", &s->cert, why) ||
		value_text(tls, "key", &s->key, why))
		return -1;
	if (!s->cert != !s->key)
		return value_fail(why, "tls needs both of cert and key");
	return 0;
}

static int
read_protocol(struct settings *s, const json_t *map, char why[256])
{
	const json_t *value = json_object_get(map, "protocol");
	const char *text = json_string_value(value);

	s->protocol = 5;
	if (!value ||
		(json_is_integer(value) && json_integer_value(value) == 5))
		return 0;
	if (text && !strcmp(text, "5"))
		return 0;
	if (!text || strcmp(text, "3.1.1") != 0)
		return value_fail(why, "protocol must be 5 or \"3.1.1\"");
	s->protocol = 4;
	return 0;
}

static int
read_flag(const json_t *map, const char *key, bool *flag, char why[256])
{
	const json_t *value = json_object_get(map, key);

	if (value && !json_is_boolean(value))
		return value_fail(why, "%s must be true or false", key);
	if (value)
		*flag = json_is_true(value);
	return 0;
}

static int
read_qos(const json_t *map, int most, int *qos, char why[256])
{
	const json_t *value = json_object_get(map, "qos");
	json_int_t number = json_integer_value(value);

	if (!value)
		return 0;
	if (json_is_integer(value) && number == 2 && most == 1)
		return value_fail(why,
			"qos 2 cannot be acknowledged only after supd has the "
			"message: use 1");
	if (!json_is_integer(value) || number < 0 || number > most)
		return value_fail(why, "qos must be 0 to %d", most);
	*qos = (int)number;
	return 0;
}

static int
read_topic(struct settings *s, const json_t *value, char why[256])
{
	static const char *const known[] = {"topic", "qos", NULL};
	struct topic *t = &s->topics[s->topic_count];

	t->qos = 1;
	if (json_is_string(value))
		t->filter = strdup(json_string_value(value));
	else if (value_check_keys(value, known, why) ||
		 value_text(value, "topic", &t->filter, why) ||
		 read_qos(value, 1, &t->qos, why)) {
		s->topic_count += t->filter != NULL;
		return -1;
	}
	if (!t->filter)
		return value_fail(why, "a topic has no name");
	s->topic_count++;
	if (mosquitto_sub_topic_check(t->filter) != MOSQ_ERR_SUCCESS)
		return value_fail(why,
			"'%.100s' is not a topic, nor a filter such as a/+/b "
			"or a/#",
			t->filter);
	for (size_t i = 0; i + 1 < s->topic_count; i++)
		if (!strcmp(s->topics[i].filter, t->filter))
			return value_fail(why,
				"the topic %.100s is there twice", t->filter);
	return 0;
}

static int
read_topics(struct settings *s, const json_t *map, char why[256])
{
	const json_t *list = json_object_get(map, "topics");
	char reason[256];

	if (list && !json_is_array(list))
		return value_fail(why, "topics must be a list");
	if (json_array_size(list) > TOPICS_MAX)
		return value_fail(
			why, "topics has more than %d entries", TOPICS_MAX);
	for (size_t i = 0; i < json_array_size(list); i++)
		if (read_topic(s, json_array_get(list, i), reason))
			return value_fail(why, "topics, number %zu: %.200s",
				i + 1, reason);
	return 0;
}

static int
read_publish(struct settings *s, const json_t *map, char why[256])
{
	static const char *const known[] = {"qos", "retain", NULL};
	const json_t *publish = json_object_get(map, "publish");
	char reason[256];

	s->publish_qos = 1;
	if (!publish)
		return 0;
	if (value_check_keys(publish, known, reason) ||
		read_qos(publish, 2, &s->publish_qos, reason) ||
		read_flag(publish, "retain", &s->publish_retain, reason))
		return value_fail(why, "publish: %.200s", reason);
	return 0;
}

static int
read_limits(struct settings *s, const json_t *map, char why[256])
{
	const struct {
		const char *key;
		enum amount kind;
		struct range range;
		uint64_t *value, fallback;
	} rows[] = {
		{"connect_timeout", AMOUNT_MS, {100, 120 * SECOND},
			&s->connect_timeout_ms, 10 * SECOND},
		{"keepalive", AMOUNT_MS, {5 * SECOND, 18 * HOUR},
			&s->keepalive_ms, 60 * SECOND},
		{"session_expiry", AMOUNT_MS, {60 * SECOND, 24 * 365 * HOUR},
			&s->session_expiry_ms, 7 * 24 * HOUR},
		{"receive_max", AMOUNT_COUNT, {1, RECEIVE_MAX}, &s->receive_max,
			100},
		{"packet_max", AMOUNT_BYTES, {1 * KIB, 256 * MIB - 1},
			&s->packet_bytes, 16 * MIB},
		{"files", AMOUNT_BYTES, {0, 1024 * 1024 * MIB}, &s->file_bytes,
			256 * MIB},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		*rows[i].value = rows[i].fallback;
		if (amount_read(map, rows[i].key, rows[i].kind, rows[i].range,
			    rows[i].value, why))
			return -1;
	}
	return 0;
}

/* ---- all of it ---- */

static int
check(const struct settings *s, char why[256])
{
	if (s->password && !s->username)
		return value_fail(why, "password needs a username");
	if (s->client_id && strlen(s->client_id) > 128)
		return value_fail(why, "client_id has more than 128 bytes");
	if (s->protocol != 5 && (s->id_property || s->from_property))
		return value_fail(
			why, "id_property and from_property need protocol: 5");
	return 0;
}

static int
read_all(struct settings *s, const json_t *map, char why[256])
{
	static const char *const known[] = {"name", "server", "protocol",
		"client_id", "username", "password", "tls", "topics",
		"retained", "id_property", "from_property", "publish",
		"connect_timeout", "keepalive", "session_expiry", "receive_max",
		"packet_max", "files", NULL};

	s->takes_retained = true;
	if (value_check_keys(map, known, why) || read_tls(s, map, why) ||
		read_server(s, map, why) || read_protocol(s, map, why) ||
		value_text(map, "name", &s->name, why) ||
		value_text(map, "client_id", &s->client_id, why) ||
		value_text(map, "username", &s->username, why) ||
		value_text(map, "password", &s->password, why) ||
		value_text(map, "id_property", &s->id_property, why) ||
		value_text(map, "from_property", &s->from_property, why) ||
		read_flag(map, "retained", &s->takes_retained, why) ||
		read_topics(s, map, why) || read_publish(s, map, why) ||
		read_limits(s, map, why))
		return -1;
	return check(s, why);
}

int
settings_read(struct settings *s, const char *json, char why[256])
{
	json_t *map = json_loads(json, JSON_ALLOW_NUL, NULL);
	int rc;

	memset(s, 0, sizeof(*s));
	rc = map ? read_all(s, map, why)
		 : value_fail(why, "the settings are not JSON");
	json_decref(map);
	return rc;
}

void
settings_finish(struct settings *s)
{
	for (size_t i = 0; i < s->topic_count; i++)
		free(s->topics[i].filter);
	if (s->password)
		OPENSSL_cleanse(s->password, strlen(s->password));
	free(s->password);
	free(s->username);
	free(s->client_id);
	free(s->name);
	free(s->host);
	free(s->ca);
	free(s->cert);
	free(s->key);
	free(s->id_property);
	free(s->from_property);
	memset(s, 0, sizeof(*s));
}

static bool
is_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool
settings_is_same_session(const struct settings *a, const struct settings *b)
{
	return is_same(a->name, b->name) && is_same(a->client_id, b->client_id);
}
