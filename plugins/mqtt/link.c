#include "link.h"

#include <errno.h>
#include <mqtt_protocol.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "farewell.h"
#include "link_private.h"

#define PACKETS_MAX 256 /* read in a turn of the loop */

/* ---- the end ---- */

static void
stop_watchers(struct link *l)
{
	ev_io_stop(l->loop, &l->io);
	ev_timer_stop(l->loop, &l->tick);
	ev_timer_stop(l->loop, &l->deadline);
}

/* The library ends its sentences with a full stop. */
void
link_go_down(struct link *l, const char *why)
{
	char text[256];
	size_t length;

	snprintf(text, sizeof(text), "%s", *l->why ? l->why : why);
	length = strlen(text);
	if (length && text[length - 1] == '.')
		text[length - 1] = '\0';
	stop_watchers(l);
	l->state = DEAD;
	l->events->down(l->user, l->needs_person, text);
}

void
link_drop(struct link *l)
{
	if (!l)
		return;
	stop_watchers(l);
	if (l->dial)
		dial_give_up(l->dial); /* destroys the client */
	else
		mosquitto_destroy(l->client);
	free(l->log_prefix);
	free(l);
}

void
link_adopt(struct link *l, const struct link_events *events)
{
	l->events = events;
}

void
link_close(struct link *l, void (*done)(void *user), void *user)
{
	struct ev_loop *loop = l->loop;
	int fd = -1;

	if (l->state >= SUBSCRIBING && l->state != DEAD && !l->unanswered) {
		fd = dup(mosquitto_socket(l->client));
		mosquitto_disconnect_v5(l->client, 0, NULL);
		mosquitto_loop_write(l->client, 1);
	}
	link_drop(l);
	farewell_start(loop, fd, done, user);
}

/* ---- at work ---- */

static bool
may_read(const struct link *l)
{
	return !l->is_paused && !l->is_full;
}

static bool
has_something(struct link *l)
{
	struct pollfd fd = {
		.fd = mosquitto_socket(l->client), .events = POLLIN};
	SSL *ssl = mosquitto_ssl_get(l->client);

	return (ssl && SSL_has_pending(ssl)) || poll(&fd, 1, 0) == 1;
}

const char *
link_explain(int rc)
{
	if (rc == MOSQ_ERR_ERRNO && errno)
		return strerror(errno);
	return rc ? mosquitto_strerror(rc) : "the connection is lost";
}

/* Reads a batch. */
static int
read_some(struct link *l)
{
	int rc = MOSQ_ERR_SUCCESS;

	if (l->unanswered)
		return rc;
	for (int i = 0;
		i < PACKETS_MAX && !rc && !*l->why && may_read(l) &&
		l->unanswered < l->settings->receive_max && has_something(l);
		i++)
		rc = mosquitto_loop_read(l->client, 1);
	return rc;
}

static int
write_some(struct link *l)
{
	if (l->unanswered || !mosquitto_want_write(l->client))
		return MOSQ_ERR_SUCCESS;
	return mosquitto_loop_write(l->client, 1);
}

static void
watch(struct link *l)
{
	int events = 0, fd = mosquitto_socket(l->client);

	if (!l->unanswered && may_read(l))
		events |= EV_READ;
	if (!l->unanswered && mosquitto_want_write(l->client))
		events |= EV_WRITE;
	if (ev_is_active(&l->io) && l->io.fd == fd && l->io_events == events)
		return;
	l->io_events = events;
	ev_io_stop(l->loop, &l->io);
	ev_io_set(&l->io, fd, events);
	if (events)
		ev_io_start(l->loop, &l->io);
}

/* Writes before it reads, since what it reads may keep it from writing. */
void
link_turn(struct link *l)
{
	int rc = write_some(l);

	if (!rc)
		rc = read_some(l);
	if (!rc && !*l->why)
		rc = write_some(l);
	if (rc || *l->why || mosquitto_socket(l->client) < 0)
		link_go_down(l, link_explain(rc));
	else
		watch(l);
}

/* Has the loop call link_turn(), unless the link is gone by then. */
static void
turn_soon(struct link *l)
{
	if (l->state > DIALING && l->state != DEAD)
		ev_feed_event(l->loop, &l->io, EV_CUSTOM);
}

void
link_answered(struct link *l)
{
	if (!--l->unanswered)
		turn_soon(l);
}

void
link_fail(struct link *l, const char *why)
{
	snprintf(l->why, sizeof(l->why), "%s", why);
	turn_soon(l);
}

void
link_pause(struct link *l)
{
	l->is_paused = true;
	turn_soon(l);
}

void
link_resume(struct link *l)
{
	l->is_paused = false;
	turn_soon(l);
}

void
link_has_room(struct link *l)
{
	l->is_full = false;
	turn_soon(l);
}

bool
link_is_up(const struct link *l)
{
	return l->state == UP;
}

bool
link_is_idle(const struct link *l)
{
	return !l->unanswered && !mosquitto_want_write(l->client);
}

/* ---- what goes out ---- */

/* Those whose QoS is that; at most TOPICS_MAX. */
static int
subscribe_to(struct link *l, const bool *subscribe, int qos)
{
	char *filters[TOPICS_MAX];
	int count = 0;

	for (size_t i = 0; i < l->settings->topic_count; i++)
		if (subscribe[i] && l->settings->topics[i].qos == qos)
			filters[count++] = l->settings->topics[i].filter;
	l->replies += count > 0;
	return count ? mosquitto_subscribe_multiple(l->client, NULL, count,
			       filters, qos,
			       l->settings->protocol == 5
				       ? MQTT_SUB_OPT_SEND_RETAIN_NEW
				       : 0,
			       NULL)
		     : MOSQ_ERR_SUCCESS;
}

void
link_become_up(struct link *l)
{
	l->state = UP;
	ev_timer_stop(l->loop, &l->deadline);
	l->events->up(l->user);
}

void
link_subscribe(struct link *l, const bool subscribe[TOPICS_MAX],
	char *const unsubscribe[TOPICS_MAX + 1])
{
	int count = 0, rc = MOSQ_ERR_SUCCESS;

	while (unsubscribe[count])
		count++;
	if (count) {
		rc = mosquitto_unsubscribe_multiple(
			l->client, NULL, count, unsubscribe, NULL);
		l->replies++;
	}
	for (int qos = 0; qos <= 1 && !rc; qos++)
		rc = subscribe_to(l, subscribe, qos);
	if (rc)
		snprintf(l->why, sizeof(l->why), "cannot subscribe: %s",
			mosquitto_strerror(rc));
	else if (!l->replies)
		link_become_up(l);
}

int
link_publish(struct link *l, const char *topic, const void *payload,
	size_t bytes, int *packet_out, char why[256])
{
	int rc = mosquitto_publish_v5(l->client, packet_out, topic, (int)bytes,
		payload, l->settings->publish_qos, l->settings->publish_retain,
		NULL);

	if (rc) {
		snprintf(why, 256, "%s", mosquitto_strerror(rc));
		return -1;
	}
	turn_soon(l);
	return 0;
}
