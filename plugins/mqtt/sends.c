#include "sends.h"

#include <jansson.h>
#include <mosquitto.h>
#include <string.h>

#define RETRY_MS 100

/* Why this can never be sent, or NULL. */
static const char *
what_is_wrong(const json_t *chat, const json_t *text, const json_t *media)
{
	const char *topic = json_string_value(chat);

	if (!topic || strlen(topic) != json_string_length(chat) ||
		mosquitto_pub_topic_check(topic) != MOSQ_ERR_SUCCESS)
		return "the chat must be a topic, without + and #";
	if (!json_is_string(text) || json_array_size(media))
		return "only text can be sent";
	return NULL;
}

static void
publish(struct sends *s, struct link *link, struct sup_req *req,
	const json_t *chat, const json_t *text)
{
	char why[256];
	unsigned i = 0;

	while (s->pending[i].packet)
		i++;
	if (link_publish(link, json_string_value(chat), json_string_value(text),
		    json_string_length(text), &s->pending[i].packet, why)) {
		s->pending[i].packet = 0;
		sup_not_sent(req, "%s", why);
		return;
	}
	s->pending[i].req = req;
	s->count++;
}

void
sends_take(struct sends *s, struct link *link, struct sup_req *req)
{
	json_t *args = json_loads(sup_req_args_json(req), JSON_ALLOW_NUL, NULL);
	const json_t *content = json_object_get(args, "content"),
		     *chat = json_object_get(
			     json_object_get(args, "target"), "chat"),
		     *text = json_object_get(content, "text");
	const char *wrong =
		what_is_wrong(chat, text, json_object_get(content, "media"));

	if (wrong)
		sup_not_sent(req, "%s", wrong);
	else if (!link || !link_is_up(link) || s->count == SENDS_MAX)
		sup_retry(req, RETRY_MS);
	else
		publish(s, link, req, chat, text);
	json_decref(args);
}

void
sends_published(struct sends *s, int packet, const char *refused)
{
	struct sup_req *req;

	for (unsigned i = 0; i < SENDS_MAX; i++) {
		if (s->pending[i].packet != packet)
			continue;
		req = s->pending[i].req;
		s->pending[i].packet = 0;
		s->count--;
		if (refused)
			sup_not_sent(req, "the broker refuses it: %s", refused);
		else
			sup_sent(req, NULL);
		return;
	}
}

void
sends_fail(struct sends *s, const char *why)
{
	for (unsigned i = 0; i < SENDS_MAX; i++) {
		if (!s->pending[i].packet)
			continue;
		s->pending[i].packet = 0;
		s->count--;
		sup_fail(s->pending[i].req, SUP_FAILED,
			"nobody knows whether it went out: %s", why);
	}
}
