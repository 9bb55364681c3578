/* telemetry: the keys of `telemetry` and their checks, so that a value which
 * cannot be sent is refused with the configuration, not at the first export. */
#include <string.h>

#include "proto/util/text.h"
#include "proto/util/utf8.h"
#include "supervisor/config/secret.h"
#include "supervisor/config/tables.h"

#define ENTRIES_MAX 64
#define HEADER_NAME_MAX 128
#define VALUE_MAX 4096

/* ---- endpoint ---- */

/* Of "https://" or "http://"; 0: neither. */
static size_t
scheme_length(const char *text)
{
	if (!strncmp(text, "http://", 7))
		return 7;
	return strncmp(text, "https://", 8) ? 0 : 8;
}

/* Up to the port; NULL: there is none of valid form. */
static const char *
skip_host(const char *at)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789.-_";
	size_t length;

	if (*at == '[') {
		length = strspn(at + 1, "0123456789abcdefABCDEF:.");
		return length > 1 && at[1 + length] == ']' ? at + length + 2
							   : NULL;
	}
	length = strspn(at, allowed);
	return length ? at + length : NULL;
}

static const char *
skip_port(const char *at)
{
	size_t digits;
	unsigned port = 0;

	if (*at != ':')
		return at;
	digits = strspn(++at, "0123456789");
	for (size_t i = 0; i < digits && i < 6; i++)
		port = port * 10 + (unsigned)(at[i] - '0');
	return digits && digits < 6 && port && port < 65536 ? at + digits
							    : NULL;
}

static const char *
wrong_with(const char *text)
{
	size_t scheme = scheme_length(text);
	const char *at = scheme ? skip_host(text + scheme) : NULL;

	if (!SUPD_TELEMETRY)
		return "is not supported in this build of supd, which was "
		       "made without libcurl";
	if (!scheme)
		return "must begin with http:// or https://";
	if (strchr(text, '@'))
		return "must not contain a user; use 'headers' for that";
	if (strpbrk(text, "?#"))
		return "must not have a query or a fragment";
	if (!at)
		return "has no valid host";
	at = skip_port(at);
	if (!at)
		return "has no valid port: it must be from 1 to 65535";
	if (*at && *at != '/')
		return "has no valid host";
	return strspn(text,
		       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		       "0123456789-._~:/[]!$&'()*+,;=%") == strlen(text)
		       ? NULL
		       : "has a character that a URL must encode";
}

static void
check_endpoint(struct problems *problems, const struct node *node, void *base)
{
	struct config_telemetry *t = base;
	const char *wrong = wrong_with(t->endpoint);
	size_t length = strlen(t->endpoint);

	if (wrong)
		node_problem(problems, node, "'endpoint' %s", wrong);
	while (length && t->endpoint[length - 1] == '/')
		t->endpoint[--length] = '\0';
}

/* ---- headers, resource ---- */

static const struct node *
key_node(const struct node *map, const char *key)
{
	for (uint32_t i = 0; i < map->count; i++)
		if (!strcmp(map->keys[i]->text, key))
			return map->items[i];
	return map;
}

static bool
check_count(
	struct problems *problems, const struct node *node, const char *name)
{
	if (node->kind != NODE_MAP || node->count <= ENTRIES_MAX)
		return true;
	node_problem(problems, node, "'%s' must not have more than %d entries",
		name, ENTRIES_MAX);
	return false;
}

/* A value that can be sent; never quoted in a problem, as it may be secret. */
static void
check_value(struct problems *problems, const struct node *node, const char *key,
	const json_t *value, bool is_header)
{
	const char *text = json_string_value(value);

	if (!text)
		node_problem(problems, node, "'%s' must be a string", key);
	else if (json_string_length(value) > VALUE_MAX)
		node_problem(problems, node,
			"'%s' must not be longer than %d bytes", key,
			VALUE_MAX);
	else if (strlen(text) != json_string_length(value) ||
		 !utf8_is_clean(text, strlen(text), false))
		node_problem(problems, node,
			"'%s' must not contain control characters", key);
	else if (is_header &&
		 (!*text || *text == ' ' || text[strlen(text) - 1] == ' '))
		node_problem(problems, node,
			"'%s' must not be empty, or begin or end with a space",
			key);
}

static bool
is_own_header(const char *name)
{
	static const char *const own[] = {"content-type", "content-length",
		"content-encoding", "transfer-encoding", "host", "connection",
		"expect"};

	for (size_t i = 0; i < SCHEMA_COUNT_OF(own); i++)
		if (!strcasecmp(own[i], name))
			return true;
	return false;
}

static bool
is_token(const char *name)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789!#$%&'*+-.^_`|~";
	size_t length = strlen(name);

	return length && length <= HEADER_NAME_MAX &&
	       strspn(name, allowed) == length;
}

/* Every value is secret, unless it only refers to one. */
static void
hide(json_t *shown)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(shown, next, key, value)
	{
		const char *text = json_string_value(value);

		if (!text || strncmp(text, "${", 2) != 0 ||
			strchr(text, '}') != text + strlen(text) - 1)
			json_object_set_new(
				shown, key, json_string(SECRET_MASK));
	}
}

static void
check_headers(struct problems *problems, const struct node *node, void *base)
{
	struct config_telemetry *t = base;
	const char *key;
	json_t *value;

	hide(t->headers_shown);
	if (!check_count(problems, node, "headers"))
		return;
	json_object_foreach(t->headers, key, value)
	{
		const struct node *at = key_node(node, key);

		if (!is_token(key))
			node_problem(problems, at,
				"'%s' cannot be the name of a header", key);
		else if (is_own_header(key))
			node_problem(problems, at,
				"'%s' is a header that supd sets itself", key);
		else
			check_value(problems, at, key, value, true);
	}
}

static void
check_resource(struct problems *problems, const struct node *node, void *base)
{
	struct config_telemetry *t = base;
	const char *key;
	json_t *value;

	if (!check_count(problems, node, "resource"))
		return;
	json_object_foreach(t->resource, key, value)
	{
		const struct node *at = key_node(node, key);

		if (!*key || strlen(key) > VALUE_MAX ||
			!utf8_is_clean(key, strlen(key), false))
			node_problem(problems, at,
				"an attribute needs a name without control "
				"characters");
		else if (!json_is_number(value) && !json_is_boolean(value))
			check_value(problems, at, key, value, false);
	}
}

/* ---- the table ---- */

#define ROW(member)                                                            \
	.name = #member, .offset = offsetof(struct config_telemetry, member)
#define ROW_SHOWN(member)                                                      \
	ROW(member), .shown = offsetof(struct config_telemetry, member##_shown)
#define ROW_MS(key)                                                            \
	.name = #key, .type = SCHEMA_DURATION,                                 \
	.offset = offsetof(struct config_telemetry, key##_ms)

static const char *const follow_words[] = {"trusted", "all", "never", NULL};

static const struct schema_row rows[] = {
	{ROW(endpoint), .type = SCHEMA_TEXT, .min = 1, .max = 2048,
		.check = check_endpoint,
		.doc = "Where a collector takes OTLP over HTTP, such as "
		       "`http://127.0.0.1:4318`: supd posts JSON to "
		       "`/v1/traces`, `/v1/metrics` and `/v1/logs` beneath it. "
		       "Without the key nothing is made or sent."},
	{ROW_SHOWN(headers), .type = SCHEMA_JSON, .check = check_headers,
		.doc = "Headers of each export, such as one with a token; "
		       "values may contain `${env:NAME}`, `${file:PATH}` and "
		       "`${credential:NAME}`, and are never shown."},
	{ROW(sampling), .type = SCHEMA_FRACTION, .fallback = "0.01",
		.doc = "The share of the traces that begin at supd for which "
		       "spans are made."},
	{ROW(follow), .type = SCHEMA_CHOICE, .choices = follow_words,
		.fallback = "trusted",
		.doc = "Whose `traceparent` decides whether a request is "
		       "sampled: that of `trusted_proxies`, of all clients, or "
		       "of none. For the others `sampling` decides; the trace "
		       "goes on in any case."},
	{ROW_SHOWN(resource), .type = SCHEMA_JSON, .check = check_resource,
		.doc = "Attributes of the resource, which replace or add to "
		       "`service.name: supd` and what supd knows of itself."},
	{ROW(traces), .type = SCHEMA_BOOL, .fallback = "true",
		.doc = "Whether spans are made and exported."},
	{ROW(metrics), .type = SCHEMA_BOOL, .fallback = "false",
		.doc = "Whether the figures of /metrics are exported."},
	{ROW_MS(interval), .min = 1000, .max = 3600 * 1000, .fallback = "30s",
		.doc = "Time between two exports of the figures."},
	{ROW(logs), .type = SCHEMA_BOOL, .fallback = "false",
		.doc = "Whether supd's log and the lines of plugins are "
		       "exported, as far as `log.level` lets them into the "
		       "log."},
	{ROW_MS(timeout), .min = 100, .max = 3600 * 1000, .fallback = "10s",
		.doc = "Time for the collector's answer."},
	{0}};

const struct schema_table telemetry_table = {.rows = rows};
