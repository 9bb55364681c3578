/* link: one connection to a broker, by libmosquitto, on the worker's loop. It
 * knows nothing of supd's messages.
 *
 * libmosquitto acknowledges a message of QoS 1 by itself: it queues the PUBACK
 * before it calls back. What is queued leaves only when link writes, because
 * the library is told that it has threads (mosquitto_threaded_set()), and link
 * does not write while a message is unanswered. So it reads what is there, up
 * to a batch, waits until all of that is answered, writes the acknowledgements,
 * and reads on.
 *
 * The library does not pass on whether a message is a duplicate, except in what
 * it logs of each before it calls back.
 *
 * Only connect() and the resolver block, so they have a thread of their own,
 * which does nothing else (dial.h). */
#pragma once

#include <ev.h>
#include <mosquitto.h>
#include <stdbool.h>
#include <sup/plugin.h>

#include "dial.h"
#include "settings.h"

struct link;

/* All but `down` may be called while the library is at work, so they must not
 * end the link. Pointers are valid during the call. */
struct link_events {
	/* The broker has accepted the client: call link_subscribe(). */
	void (*accepted)(void *user, bool has_session);
	/* All is subscribed. */
	void (*up)(void *user);
	/* A message. Returns whether there is room for more; if not, link does
	 * not read until link_has_room(). One of QoS 1 needs link_answered().
	 */
	bool (*message)(void *user, const struct mosquitto_message *m,
		bool is_duplicate, const mosquitto_property *properties);
	/* Of link_publish(): refused is NULL, or the broker's reason. */
	void (*published)(void *user, int packet, const char *refused);
	/* Once, then nothing else: it could not connect, or is lost. Ends with
	 * link_drop(), which may be called in it. needs_person: the broker does
	 * not want this client. */
	void (*down)(void *user, bool needs_person, const char *why);
};

/* settings are valid as long as the link. NULL with the reason. */
struct link *link_open(struct sup *p, struct dialer *dialer,
	const struct settings *settings, const char *client_id,
	const struct link_events *events, void *user, char why[256]);
/* From now on others hear of it. */
void link_adopt(struct link *l, const struct link_events *events);
/* Once, when accepted; unsubscribe ends with NULL. */
void link_subscribe(struct link *l, const bool subscribe[TOPICS_MAX],
	char *const unsubscribe[TOPICS_MAX + 1]);
/* packet_out is 1 or more. -1 with the reason: it is not sent. */
int link_publish(struct link *l, const char *topic, const void *payload,
	size_t bytes, int *packet_out, char why[256]);
/* One message of QoS 1 may be acknowledged. */
void link_answered(struct link *l);
/* It goes down, as soon as the library is not at work: what is unanswered comes
 * again. */
void link_fail(struct link *l, const char *why);
void link_pause(struct link *l);
void link_resume(struct link *l);
void link_has_room(struct link *l);
bool link_is_up(const struct link *l);
/* Nothing waits to be answered or to be written. */
bool link_is_idle(const struct link *l);

/* Disconnects: writes what is acknowledged and a DISCONNECT, and calls done,
 * which may be NULL, when the broker has closed the connection, or after 2 s.
 * With an unanswered message it only closes. The link is gone at once. */
void link_close(struct link *l, void (*done)(void *user), void *user);
/* Closes without another word. */
void link_drop(struct link *l);
