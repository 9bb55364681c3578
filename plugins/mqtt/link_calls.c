/* link_calls: what libmosquitto calls back. Each of them clears errno, by which
 * the library decides whether it has read everything. */
#include <errno.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <string.h>

#include "link_private.h"

const char *
link_reason(const struct link *l, int code)
{
	return l->settings->protocol == 5 ? mosquitto_reason_string(code)
					  : mosquitto_connack_string(code);
}

static bool
is_for_a_person(const struct link *l, int code)
{
	if (l->settings->protocol != 5)
		return code == CONNACK_REFUSED_BAD_USERNAME_PASSWORD ||
		       code == CONNACK_REFUSED_NOT_AUTHORIZED;
	return code == MQTT_RC_BAD_USERNAME_OR_PASSWORD ||
	       code == MQTT_RC_NOT_AUTHORIZED || code == MQTT_RC_BANNED;
}

static void
on_connect(struct mosquitto *client, void *user, int code, int flags,
	const mosquitto_property *properties)
{
	struct link *l = user;

	if (code) {
		l->needs_person = is_for_a_person(l, code);
		snprintf(l->why, sizeof(l->why), "the broker refuses: %s",
			link_reason(l, code));
	} else {
		l->state = SUBSCRIBING;
		l->events->accepted(l->user, flags & 1);
	}
	errno = 0;
}

/* code 0 or less than MQTT's: the library's own, see link.c. */
static void
on_disconnect(struct mosquitto *client, void *user, int code,
	const mosquitto_property *properties)
{
	struct link *l = user;

	if (code >= MQTT_RC_UNSPECIFIED && !*l->why)
		snprintf(l->why, sizeof(l->why),
			"the broker has closed the connection: %s",
			mosquitto_reason_string(code));
	errno = 0;
}

static void
count_reply(struct link *l)
{
	if (l->state == SUBSCRIBING && !--l->replies && !*l->why)
		link_become_up(l);
}

static void
on_subscribe(struct mosquitto *client, void *user, int packet, int count,
	const int *granted, const mosquitto_property *properties)
{
	struct link *l = user;

	for (int i = 0; i < count; i++)
		if (granted[i] >= 0x80 && !*l->why)
			snprintf(l->why, sizeof(l->why),
				"the broker refuses to subscribe: %s",
				l->settings->protocol == 5
					? mosquitto_reason_string(granted[i])
					: "failure");
	count_reply(l);
	errno = 0;
}

static void
on_unsubscribe(struct mosquitto *client, void *user, int packet,
	const mosquitto_property *properties)
{
	struct link *l = user;

	count_reply(l);
	errno = 0;
}

static void
on_publish(struct mosquitto *client, void *user, int packet, int code,
	const mosquitto_property *properties)
{
	struct link *l = user;

	l->events->published(l->user, packet,
		code >= MQTT_RC_UNSPECIFIED ? mosquitto_reason_string(code)
					    : NULL);
	errno = 0;
}

/* "Client ID received PUBLISH (d1, …": d1 or d0 */
static void
on_log(struct mosquitto *client, void *user, int level, const char *line)
{
	struct link *l = user;
	size_t length = strlen(l->log_prefix);

	if (level == MOSQ_LOG_DEBUG && !strncmp(line, l->log_prefix, length))
		l->is_duplicate = line[length] == '1';
}

static void
on_message(struct mosquitto *client, void *user,
	const struct mosquitto_message *m, const mosquitto_property *properties)
{
	struct link *l = user;

	l->unanswered += m->qos > 0;
	if (!l->events->message(l->user, m, l->is_duplicate, properties))
		l->is_full = true;
	l->is_duplicate = false;
	errno = 0;
}

void
link_calls_set(struct link *l)
{
	mosquitto_connect_v5_callback_set(l->client, on_connect);
	mosquitto_disconnect_v5_callback_set(l->client, on_disconnect);
	mosquitto_subscribe_v5_callback_set(l->client, on_subscribe);
	mosquitto_unsubscribe_v5_callback_set(l->client, on_unsubscribe);
	mosquitto_publish_v5_callback_set(l->client, on_publish);
	mosquitto_message_v5_callback_set(l->client, on_message);
	mosquitto_log_callback_set(l->client, on_log);
}
