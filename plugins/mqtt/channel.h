/* channel: the life of the plugin's channel: it is started, connected, lost,
 * connected again with growing pauses, and stopped. rotate.c gives it other
 * settings meanwhile. */
#pragma once

#include "inbound.h"
#include "sends.h"

struct rotation;

struct channel {
	struct sup *plugin;
	const char *name;
	struct settings *settings;
	struct dialer dialer;
	struct session *session; /* while it is started */
	struct inbound inbound;
	struct sends sends;
	struct link *link; /* NULL: none, see retry */
	bool is_started;
	struct sup_req *starting;
	ev_timer retry;
	double pause_s;		   /* before the next try */
	double up_since;	   /* 0: it is not up */
	struct rotation *rotation; /* NULL: none */
};

/* settings are its own from now on. */
void channel_init(struct channel *c, struct sup *p, struct settings *settings);
int channel_register(struct channel *c);

/* For rotate.c. */
extern const struct link_events channel_events;
const char *channel_client_id(const struct channel *c, char space[160]);
/* A connection was accepted: subscribes what is not. */
void channel_subscribe(struct channel *c, struct link *l, bool has_session);
void channel_set_link(struct channel *c, struct link *l);
/* The connection is gone: tries again, after a pause or now. */
void channel_connect_later(
	struct channel *c, bool needs_person, const char *why);
void channel_connect(struct channel *c);
