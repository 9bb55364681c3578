/* dial: connects a client of libmosquitto in a thread, because the resolver and
 * connect() block, for minutes if nobody answers. The thread does only that:
 * the MQTT packet CONNECT stays in the library's queue. */
#pragma once

#include <mosquitto.h>
#include <sup/plugin.h>

#define DIALS_MAX 4 /* threads at a time, with those that were given up */

struct dialer {
	struct sup *plugin;
	unsigned threads;
};
struct dial;

/* Calls done on the loop: with NULL if it is connected, else with the reason.
 * The client belongs to dial until then. properties are copied. NULL with the
 * reason: it cannot be tried now. */
struct dial *dial_start(struct dialer *dialer, struct mosquitto *client,
	const char *host, int port, int keepalive_s,
	const mosquitto_property *properties,
	void (*done)(void *user, const char *error), void *user, char why[256]);
/* done is not called; the client is destroyed when the thread has ended. */
void dial_give_up(struct dial *d);
