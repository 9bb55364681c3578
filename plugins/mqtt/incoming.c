#include "incoming.h"

#include <errno.h>
#include <jansson.h>
#include <mqtt_protocol.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/webhook/now.h"
#include "plugins/webhook/store.h"

#define PROPERTIES_MAX 32 /* of the user, that are passed on */
#define PROPERTY_BYTES_MAX 1024

void
incoming_digest(const struct mosquitto_message *m,
	unsigned char digest[SESSION_DIGEST_BYTES])
{
	unsigned char whole[EVP_MAX_MD_SIZE] = {0};
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	if (c && EVP_DigestInit_ex(c, EVP_sha256(), NULL)) {
		EVP_DigestUpdate(c, m->topic, strlen(m->topic) + 1);
		EVP_DigestUpdate(c, m->payload, (size_t)m->payloadlen);
		EVP_DigestFinal_ex(c, whole, NULL);
	}
	EVP_MD_CTX_free(c);
	memcpy(digest, whole, SESSION_DIGEST_BYTES);
}

/* UTF-8 without NUL */
static bool
is_text(const void *bytes, size_t size)
{
	json_t *text;

	if (size && memchr(bytes, '\0', size))
		return false;
	text = json_stringn(size ? bytes : "", size);
	json_decref(text);
	return text != NULL;
}

/* ---- properties of MQTT 5 ---- */

char *
incoming_property(const mosquitto_property *properties, const char *name)
{
	const mosquitto_property *at = properties;
	char *key = NULL, *value = NULL;
	bool skips = false;

	while ((at = mosquitto_property_read_string_pair(
			at, MQTT_PROP_USER_PROPERTY, &key, &value, skips))) {
		size_t length = strlen(value);
		bool is_it = !strcmp(key, name) && length &&
			     length <= ID_BYTES_MAX && is_text(value, length);

		free(key);
		if (is_it)
			return value;
		free(value);
		skips = true;
	}
	return NULL;
}

static json_t *
all_properties(const mosquitto_property *properties)
{
	const mosquitto_property *at = properties;
	json_t *all = json_object();
	char *key = NULL, *value = NULL;
	bool skips = false;

	while (json_object_size(all) < PROPERTIES_MAX &&
		(at = mosquitto_property_read_string_pair(
			 at, MQTT_PROP_USER_PROPERTY, &key, &value, skips))) {
		if (strlen(key) + strlen(value) <= PROPERTY_BYTES_MAX)
			json_object_set_new(all, key, json_string(value));
		free(key);
		free(value);
		skips = true;
	}
	return all;
}

static char *
read_string(const mosquitto_property *properties, int identifier)
{
	char *text = NULL;

	mosquitto_property_read_string(properties, identifier, &text, false);
	if (text &&
		(strlen(text) > ID_BYTES_MAX || !is_text(text, strlen(text)))) {
		free(text);
		text = NULL;
	}
	return text;
}

static json_t *
make_raw(
	const struct mosquitto_message *m, const mosquitto_property *properties)
{
	json_t *raw = json_pack("{si sb}", "qos", m->qos, "retain", m->retain);
	json_t *users = all_properties(properties);
	char *text = read_string(properties, MQTT_PROP_RESPONSE_TOPIC);

	if (text)
		json_object_set_new(raw, "response_topic", json_string(text));
	free(text);
	text = read_string(properties, MQTT_PROP_CONTENT_TYPE);
	if (text)
		json_object_set_new(raw, "content_type", json_string(text));
	free(text);
	if (json_object_size(users))
		json_object_set(raw, "properties", users);
	json_decref(users);
	return raw;
}

/* ---- the payload ---- */

static int
add_base64(json_t *raw, const struct mosquitto_message *m)
{
	size_t size = (size_t)m->payloadlen;
	char *text = malloc(4 * ((size + 2) / 3) + 1);

	if (!text)
		return -1;
	EVP_EncodeBlock((unsigned char *)text, m->payload, m->payloadlen);
	json_object_set_new(raw, "base64", json_string(text));
	free(text);
	return 0;
}

static const char *
last_level(const char *topic)
{
	const char *slash = strrchr(topic, '/');

	return slash && slash[1] ? slash + 1 : topic;
}

static int
add_file(json_t *more, const struct settings *settings, const char *folder,
	const struct mosquitto_message *m, char why[256])
{
	const char *type = json_string_value(
		json_object_get(json_object_get(more, "raw"), "content_type"));
	unsigned char digest[SESSION_DIGEST_BYTES];
	char path[STORE_PATH_BYTES], name[33];

	incoming_digest(m, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(name + 2 * i, 3, "%02x", digest[i]);
	if (store_write(folder, settings->file_bytes, now_ms(), name,
		    m->payload, (size_t)m->payloadlen, path)) {
		snprintf(why, 256, "its payload cannot be written: %s",
			strerror(errno));
		return -1;
	}
	json_object_set_new(more, "media",
		json_pack("[{ss ss ss sI ss}]", "kind", "file", "type",
			type ? type : "application/octet-stream", "name",
			last_level(m->topic), "size", (json_int_t)m->payloadlen,
			"path", path));
	return 0;
}

static int
take_payload(struct incoming *i, json_t *more, const struct settings *settings,
	const char *folder, const struct mosquitto_message *m, char why[256])
{
	size_t size = (size_t)m->payloadlen;

	if (size <= TEXT_BYTES_MAX && is_text(m->payload, size)) {
		i->text = calloc(1, size + 1);
		if (i->text && size)
			memcpy(i->text, m->payload, size);
		i->text_bytes = size;
		if (!i->text)
			snprintf(why, 256, "no memory");
		return i->text ? 0 : -1;
	}
	if (size <= BASE64_BYTES_MAX)
		return add_base64(json_object_get(more, "raw"), m);
	return add_file(more, settings, folder, m, why);
}

/* ---- all of it ---- */

static const char *
what_is_wrong(const struct settings *s, const struct mosquitto_message *m)
{
	/* The library has seen to it that the topic is UTF-8. */
	if (strlen(m->topic) > TOPIC_BYTES_MAX)
		return "its topic has more than 512 bytes";
	if ((uint64_t)m->payloadlen > s->packet_bytes)
		return "it is larger than packet_max";
	if ((size_t)m->payloadlen > BASE64_BYTES_MAX &&
		(uint64_t)m->payloadlen > s->file_bytes)
		return "it is larger than files";
	return NULL;
}

static struct incoming *
build(const struct settings *settings, const char *folder,
	const struct mosquitto_message *m, const mosquitto_property *properties,
	char why[256])
{
	struct incoming *i = calloc(1, sizeof(*i));
	json_t *more = json_pack("{so}", "raw", make_raw(m, properties));

	snprintf(why, 256, "no memory");
	if (i && more && !take_payload(i, more, settings, folder, m, why)) {
		i->topic = strdup(m->topic);
		i->more_json = json_dumps(more, JSON_COMPACT);
		if (settings->from_property)
			i->from = incoming_property(
				properties, settings->from_property);
	}
	json_decref(more);
	if (!i || i->more_json)
		return i;
	incoming_destroy(i);
	return NULL;
}

struct incoming *
incoming_create(const struct settings *settings, const char *folder,
	const struct mosquitto_message *m, const mosquitto_property *properties,
	const char *id, bool *is_final_out, char why[256])
{
	const char *wrong = what_is_wrong(settings, m);
	struct incoming *i;

	*is_final_out = wrong != NULL;
	if (wrong) {
		snprintf(why, 256, "%s", wrong);
		return NULL;
	}
	i = build(settings, folder, m, properties, why);
	if (i)
		snprintf(i->id, sizeof(i->id), "%s", id);
	return i;
}

void
incoming_destroy(struct incoming *i)
{
	if (!i)
		return;
	free(i->topic);
	free(i->from);
	free(i->text);
	free(i->more_json);
	free(i);
}

struct sup_message
incoming_said(const struct incoming *i)
{
	return (struct sup_message){.id = i->id,
		.lane = i->topic,
		.from_id = i->from ? i->from : "mqtt",
		.chat_id = i->topic,
		.chat_type = SUP_CHAT_CHANNEL,
		.text = i->text,
		.text_bytes = i->text_bytes,
		.more_json = i->more_json};
}
