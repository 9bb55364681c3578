/* inbound: messages on their way from the broker to supd, and the answers that
 * go back to the connection that waits for them. */
#pragma once

#include "incoming.h"
#include "link.h"
#include "plugins/webhook/quiet.h"

/* Of messages with supd: beyond it, no more are read. */
#define INBOUND_BYTES_MAX ((size_t)8 * 1024 * 1024)

/* Begin with the first three. */
struct inbound {
	struct sup *plugin;
	const char *channel;
	const struct settings *settings;
	struct session *session;
	char *folder; /* of files */
	/* The connection, and how many there have been. */
	struct link *link;
	unsigned link_number;
	/* With supd, and those for which supd has no room yet: what one record
	 * of TLS holds may come at once. */
	struct incoming *given, *first_waiting, *last_waiting;
	int room;     /* of supd's */
	size_t bytes; /* of given and waiting */
	struct quiet quiet;
};

/* The channel is started; session is valid until inbound_end(). */
void inbound_begin(struct inbound *in, struct session *session);
/* It is stopped: supd has answered what it had. */
void inbound_end(struct inbound *in);
/* Messages come from this connection now, NULL: from none; answers to those of
 * an earlier one are ignored. */
void inbound_set_link(struct inbound *in, struct link *link);
/* A message of the connection. Returns whether there is room for more. */
bool inbound_take(struct inbound *in, const struct mosquitto_message *m,
	bool is_duplicate, const mosquitto_property *properties);
/* supd has room again. */
void inbound_go_on(struct inbound *in);
