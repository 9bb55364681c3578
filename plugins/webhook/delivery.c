#include "delivery.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PARSED_BYTES_MAX ((size_t)1024 * 1024) /* of a body, for its id */
#define DEPTH_MAX 20 /* of a body; supd takes data of 24 levels */

/* ---- what it is ---- */

#define VALID_ID "1 to 200 printable characters without spaces"

struct provider {
	const char *id_header, *type_header;
	/* The refusal without a valid id; NULL: none is needed to recognise a
	 * repetition. */
	const char *no_id;
};

static const struct provider providers[SIGN_SCHEMES] = {
	[SIGN_NONE] = {.id_header = "X-Delivery-Id",
		.type_header = "X-Event-Type"},
	[SIGN_GITHUB] = {.id_header = "X-GitHub-Delivery",
		.type_header = "X-GitHub-Event",
		.no_id = "400 the request must have one header "
			 "X-GitHub-Delivery, of " VALID_ID},
	[SIGN_SLACK] = {.id_header = NULL},
	[SIGN_STRIPE] =
		{.no_id = "400 the event's id must be a string of " VALID_ID},
};

static const char *
text_at(const json_t *map, const char *key)
{
	const json_t *value = json_object_get(map, key);
	const char *text = json_string_value(value);

	return text && strlen(text) == json_string_length(value) ? text : NULL;
}

/* Takes the id if it is valid. */
static void
take_id(struct delivery *d, const char *id)
{
	size_t length = id ? strlen(id) : 0;

	if (!length || length >= sizeof(d->id))
		return;
	for (size_t i = 0; i < length; i++)
		if (!isgraph((unsigned char)id[i]))
			return;
	memcpy(d->id, id, length + 1);
}

/* https://api.slack.com/apis/events-api: a form (a slash command) has no id,
 * but its signature covers a time, so no other delivery has the same. */
static const char *
read_slack(struct delivery *d, const char *digest)
{
	const char *type = text_at(d->json, "type");

	d->type = type;
	take_id(d, text_at(d->json, "event_id"));
	if (!*d->id)
		take_id(d, digest);
	if (type && !strcmp(type, "event_callback"))
		d->type = text_at(json_object_get(d->json, "event"), "type");
	if (!type || strcmp(type, "url_verification") != 0)
		return NULL;
	d->challenge = text_at(d->json, "challenge");
	return d->challenge ? NULL
			    : "400 url_verification must have a string as its "
			      "challenge";
}

const char *
delivery_read(struct delivery *d, const char *digest)
{
	const struct provider *p = &providers[d->endpoint->sign];
	const char *own = d->endpoint->id_header, *wrong = NULL;

	if (d->body_bytes <= PARSED_BYTES_MAX)
		d->json = json_loadb(d->body, d->body_bytes,
			JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	if (d->endpoint->sign == SIGN_SLACK) {
		wrong = read_slack(d, digest);
	} else if (d->endpoint->sign == SIGN_STRIPE) {
		take_id(d, text_at(d->json, "id"));
		d->type = text_at(d->json, "type");
	} else {
		take_id(d, d->header(d->source, p->id_header));
		d->type = d->header(d->source, p->type_header);
	}
	if (own) {
		*d->id = 0;
		take_id(d, d->header(d->source, own));
	}
	if (wrong || d->challenge || *d->id)
		return wrong;
	return own ? "400 the request must have one header with the "
		     "delivery's id, of " VALID_ID
		   : p->no_id;
}

void
delivery_finish(struct delivery *d)
{
	json_decref(d->json);
	d->json = NULL;
}

/* ---- the data of its event ---- */

static bool
is_flat(const json_t *value, unsigned depth)
{
	json_t *all = (json_t *)(uintptr_t)value, *member;
	const char *key;
	size_t i;

	if (depth > DEPTH_MAX)
		return false;
	if (json_is_array(value)) {
		json_array_foreach(all, i, member)
		{
			if (!is_flat(member, depth + 1))
				return false;
		}
	}
	json_object_foreach(all, key, member)
	{
		if (!is_flat(member, depth + 1))
			return false;
	}
	return true;
}

static json_t *
base64_of(const void *bytes, size_t size)
{
	unsigned char *text = malloc((size + 2) / 3 * 4 + 1);
	json_t *value;

	if (!text)
		return NULL;
	EVP_EncodeBlock(text, bytes, (int)size);
	value = json_string((const char *)text);
	free(text);
	return value;
}

static json_t *
body_in(const struct delivery *d, enum delivery_form form, const char **key_out)
{
	switch (form) {
	case DELIVERY_JSON:
		*key_out = "json";
		return d->json && is_flat(d->json, 0) ? json_incref(d->json)
						      : NULL;
	case DELIVERY_TEXT:
		*key_out = "text";
		return json_stringn(d->body, d->body_bytes);
	case DELIVERY_BASE64:
		*key_out = "base64";
		return base64_of(d->body, d->body_bytes);
	case DELIVERY_FILE:
		*key_out = "file";
		return d->file ? json_string(d->file) : NULL;
	}
	return NULL;
}

static void
put_text(json_t *map, const char *key, const char *text)
{
	json_t *value = text ? json_string(text) : NULL;

	if (value)
		json_object_set_new(map, key, value);
}

/* Names as the settings spell them; what is no UTF-8 is left out. */
static void
put_headers(json_t *map, const struct delivery *d)
{
	const struct endpoint *e = d->endpoint;
	json_t *headers = json_object();

	for (size_t i = 0; i < e->header_count; i++)
		put_text(headers, e->headers[i],
			d->header(d->source, e->headers[i]));
	json_object_set_new(map, "headers", headers);
}

static void
put_file(json_t *map, const struct delivery *d)
{
	char hash[SIGN_HEX_BYTES];

	sign_hash(d->body, d->body_bytes, hash);
	put_text(map, "sha256", hash);
	json_object_set_new(
		map, "bytes", json_integer((json_int_t)d->body_bytes));
}

char *
delivery_data(const struct delivery *d, enum delivery_form form)
{
	const char *key = NULL;
	json_t *body =
		form == DELIVERY_FILE || d->body_bytes <= DELIVERY_DATA_MAX
			? body_in(d, form, &key)
			: NULL;
	json_t *map;
	char *text;

	if (!body)
		return NULL;
	map = json_object();
	put_text(map, "hook", d->endpoint->name);
	put_text(map, "id", *d->id ? d->id : NULL);
	put_text(map, "type", d->type);
	put_text(map, "content_type", d->header(d->source, "content-type"));
	if (d->endpoint->header_count)
		put_headers(map, d);
	json_object_set_new(map, key, body);
	if (form == DELIVERY_FILE)
		put_file(map, d);
	text = json_dumps(map, JSON_COMPACT);
	json_decref(map);
	if (text && strlen(text) <= DELIVERY_DATA_MAX)
		return text;
	free(text);
	return NULL;
}
