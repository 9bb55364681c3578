#include "lookup.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>

#define LOOKUPS_MAX 4 /* threads; name servers may let each wait for long */

static unsigned running;

struct lookup {
	struct sup *plugin;
	char *host, *port;
	lookup_done *done; /* NULL: cancelled */
	void *user;
	struct addrinfo *list; /* the thread's until it posts */
	int error;
};

static int
ask(const char *host, const char *port, int flags, struct addrinfo **list)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = flags};

	return getaddrinfo(host, port, &hints, list);
}

struct addrinfo *
lookup_number(const char *host, const char *port)
{
	struct addrinfo *list = NULL;

	return ask(host, port, AI_NUMERICHOST | AI_NUMERICSERV, &list) ? NULL
								       : list;
}

static void
destroy(struct lookup *l)
{
	if (l->list)
		freeaddrinfo(l->list);
	free(l->host);
	free(l->port);
	free(l);
}

static void
finish(void *user)
{
	struct lookup *l = user;
	struct addrinfo *list = l->list;

	running--;
	if (l->done) {
		l->list = NULL;
		l->done(list, list ? NULL : gai_strerror(l->error), l->user);
	}
	destroy(l);
}

static void *
run(void *user)
{
	struct lookup *l = user;

	l->error = ask(l->host, l->port, AI_NUMERICSERV, &l->list);
	if (l->error)
		l->list = NULL;
	sup_post(l->plugin, finish, l);
	return NULL;
}

struct lookup *
lookup_start(struct sup *p, const char *host, const char *port,
	lookup_done *done, void *user)
{
	struct lookup *l = calloc(1, sizeof(*l));
	pthread_attr_t detached;
	pthread_t thread;
	int rc = -1;

	if (!l)
		return NULL;
	*l = (struct lookup){.plugin = p,
		.host = strdup(host),
		.port = strdup(port),
		.done = done,
		.user = user};
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	if (l->host && l->port && running < LOOKUPS_MAX)
		rc = pthread_create(&thread, &detached, run, l);
	pthread_attr_destroy(&detached);
	if (!rc) {
		running++;
		return l;
	}
	destroy(l);
	return NULL;
}

void
lookup_cancel(struct lookup *l)
{
	if (l)
		l->done = NULL;
}
