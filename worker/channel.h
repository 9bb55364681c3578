/* channel: what runs of a plugin's channels: their starts and stops, and what
 * they receive. Offers of the same name share one, also over other sets of
 * registrations. */
#pragma once

#include "worker/host.h"

struct channel;

/* The plugin's channel of that name; a reference for the caller. */
struct channel *channel_hold(struct sup *p, const char *name);
struct channel *channel_ref(struct channel *c); /* NULL is fine */
void channel_unref(struct channel *c);		/* NULL is fine */

/* A request about a channel came. */
void channel_take(struct sup_req *req, const struct message *m);
/* It is cancelled, or answered. */
void channel_request_cancelled(struct sup_req *req);
void channel_request_over(struct sup_req *req);
/* sup_ok() for requests of channels: answers those whose answer is not nil, and
 * returns true; else false. */
bool channel_ok(struct sup_req *req);
/* channel_receive.c: the answer to a message; user is of call_for_channel(). */
void channel_answered(struct sup *p, const struct message *m, void *user);
