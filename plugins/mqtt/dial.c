#include "dial.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dial {
	struct dialer *dialer;
	struct mosquitto *client;
	char *host;
	int port, keepalive_s;
	mosquitto_property *properties;
	char error[256]; /* of the thread, read after it; "": none */
	bool is_given_up;
	void (*done)(void *user, const char *error);
	void *user;
};

static void
describe(struct dial *d, int rc, int error)
{
	const char *text = rc == MOSQ_ERR_EAI	  ? gai_strerror(error)
			   : rc == MOSQ_ERR_ERRNO ? strerror(error)
						  : mosquitto_strerror(rc);

	snprintf(d->error, sizeof(d->error), "cannot connect to %s:%d: %s",
		d->host, d->port, text);
}

static void
dial_destroy(struct dial *d)
{
	mosquitto_property_free_all(&d->properties);
	free(d->host);
	free(d);
}

/* On the loop, after the thread. */
static void
finish(void *user)
{
	struct dial *d = user;

	d->dialer->threads--;
	if (d->is_given_up)
		mosquitto_destroy(d->client);
	else
		d->done(d->user, *d->error ? d->error : NULL);
	dial_destroy(d);
}

static void *
run(void *user)
{
	struct dial *d = user;
	int rc = mosquitto_connect_bind_v5(d->client, d->host, d->port,
		d->keepalive_s, NULL, d->properties);

	if (rc)
		describe(d, rc, errno);
	sup_post(d->dialer->plugin, finish, d);
	return NULL;
}

static int
start_thread(struct dial *d)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int error = pthread_attr_init(&attributes);

	if (error)
		return error;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all); /* signals are the loop's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attributes, run, d);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return error;
}

struct dial *
dial_start(struct dialer *dialer, struct mosquitto *client, const char *host,
	int port, int keepalive_s, const mosquitto_property *properties,
	void (*done)(void *user, const char *error), void *user, char why[256])
{
	struct dial *d;
	int error;

	if (dialer->threads == DIALS_MAX) {
		snprintf(why, 256,
			"%d earlier tries to connect have not ended yet",
			DIALS_MAX);
		return NULL;
	}
	d = calloc(1, sizeof(*d));
	if (d)
		*d = (struct dial){.dialer = dialer,
			.client = client,
			.host = strdup(host),
			.port = port,
			.keepalive_s = keepalive_s,
			.done = done,
			.user = user};
	if (d && properties)
		mosquitto_property_copy_all(&d->properties, properties);
	error = d && d->host ? start_thread(d) : ENOMEM;
	if (error) {
		snprintf(
			why, 256, "cannot start a thread: %s", strerror(error));
		if (d)
			dial_destroy(d);
		return NULL;
	}
	dialer->threads++;
	return d;
}

void
dial_give_up(struct dial *d)
{
	d->is_given_up = true;
}
