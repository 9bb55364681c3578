/* link_open: the beginning of a link: its options, its thread to connect, and
 * its watchers. */
#include <errno.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link_private.h"

#define UNACKNOWLEDGED_MAX 256 /* of what is sent, at a time */
#define TICK_S 1.0

/* ---- watchers ---- */

static void
on_io(struct ev_loop *loop, ev_io *io, int events)
{
	link_turn(io->data);
}

static void
on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct link *l = timer->data;
	int rc = mosquitto_loop_misc(l->client);

	if (rc)
		link_go_down(l, link_explain(rc));
	else
		link_turn(l);
}

static void
on_connected(void *user, const char *error)
{
	struct link *l = user;

	l->dial = NULL;
	if (error) {
		link_go_down(l, error);
		return;
	}
	l->state = GREETING;
	ev_timer_start(l->loop, &l->tick);
	link_turn(l);
}

static void
on_deadline(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct link *l = timer->data;

	link_go_down(l, l->state == DIALING
				? "nobody answers within connect_timeout"
				: "the broker does not answer within "
				  "connect_timeout");
}

static int
set_tls(struct link *l)
{
	const struct settings *s = l->settings;
	int rc;

	if (!s->has_tls)
		return MOSQ_ERR_SUCCESS;
	if (!s->ca) {
		rc = mosquitto_int_option(
			l->client, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
		if (rc)
			return rc;
	}
	return s->ca || s->cert ? mosquitto_tls_set(l->client, s->ca, NULL,
					  s->cert, s->key, NULL)
				: MOSQ_ERR_SUCCESS;
}

static int
set_options(struct link *l)
{
	const struct settings *s = l->settings;
	int rc = mosquitto_threaded_set(l->client, true);

	if (!rc)
		rc = mosquitto_int_option(l->client, MOSQ_OPT_PROTOCOL_VERSION,
			s->protocol == 5 ? MQTT_PROTOCOL_V5
					 : MQTT_PROTOCOL_V311);
	if (!rc)
		rc = mosquitto_int_option(l->client, MOSQ_OPT_RECEIVE_MAXIMUM,
			(int)s->receive_max);
	if (!rc)
		rc = mosquitto_int_option(
			l->client, MOSQ_OPT_SEND_MAXIMUM, UNACKNOWLEDGED_MAX);
	if (!rc)
		rc = mosquitto_int_option(l->client, MOSQ_OPT_TCP_NODELAY, 1);
	if (!rc && s->username)
		rc = mosquitto_username_pw_set(
			l->client, s->username, s->password);
	return rc ? rc : set_tls(l);
}

static int
add_properties(const struct settings *s, mosquitto_property **list)
{
	if (s->protocol != 5)
		return MOSQ_ERR_SUCCESS;
	if (mosquitto_property_add_int32(list,
		    MQTT_PROP_SESSION_EXPIRY_INTERVAL,
		    (uint32_t)(s->session_expiry_ms / 1000)))
		return MOSQ_ERR_NOMEM;
	return mosquitto_property_add_int32(
		list, MQTT_PROP_MAXIMUM_PACKET_SIZE, (uint32_t)s->packet_bytes);
}

static int
dial(struct link *l, struct dialer *dialer, char why[256])
{
	const struct settings *s = l->settings;
	mosquitto_property *properties = NULL;
	int rc = set_options(l);

	if (!rc)
		rc = add_properties(s, &properties);
	if (rc)
		snprintf(why, 256, "%s",
			rc == MOSQ_ERR_INVAL && s->has_tls
				? "a file of tls cannot be read"
				: mosquitto_strerror(rc));
	else
		l->dial = dial_start(dialer, l->client, s->host, s->port,
			(int)(s->keepalive_ms / 1000), properties, on_connected,
			l, why);
	mosquitto_property_free_all(&properties);
	return l->dial ? 0 : -1;
}

static void
init_watchers(struct link *l)
{
	ev_init(&l->io, on_io);
	ev_timer_init(&l->tick, on_tick, TICK_S, TICK_S);
	ev_timer_init(&l->deadline, on_deadline,
		(double)l->settings->connect_timeout_ms / 1000, 0);
	l->io.data = l->tick.data = l->deadline.data = l;
	ev_timer_start(l->loop, &l->deadline);
}

struct link *
link_open(struct sup *p, struct dialer *dialer, const struct settings *settings,
	const char *client_id, const struct link_events *events, void *user,
	char why[256])
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l) {
		snprintf(why, 256, "no memory");
		return NULL;
	}
	*l = (struct link){.plugin = p,
		.loop = sup_loop(p),
		.settings = settings,
		.events = events,
		.user = user};
	init_watchers(l);
	l->client = mosquitto_new(client_id, false, l);
	if (asprintf(&l->log_prefix, "Client %s received PUBLISH (d",
		    client_id) < 0 ||
		!l->client) {
		snprintf(why, 256, "no client: %s", strerror(errno));
		link_drop(l);
		return NULL;
	}
	link_calls_set(l);
	if (dial(l, dialer, why)) {
		link_drop(l);
		return NULL;
	}
	return l;
}
