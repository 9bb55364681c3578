/* link: how a hosted plugin's process talks to supd: objects in, batches of
 * objects out, on the worker's libev loop. One interface, two implementations:
 * libnng's pair0 (link_nng) and proto/peer (link_native). Knows no message. */
#pragma once

#include <ev.h>

#include "proto/codec.h"
#include "proto/util/error.h"

struct link_events {
	/* One decoded object, valid during the call. */
	void (*on_message)(void *owner, const struct message *m);
	/* Once, after everything that arrived was delivered: reason is NULL
	 * when the other side closed. The link is not usable after it. */
	void (*on_close)(void *owner, const char *reason);
};

struct link {
	const struct link_ops *ops;
	const struct link_events *events;
	void *owner;
};

struct link_ops {
	const char *name;
	/* Connects to the unix socket at path and waits until the other side
	 * has accepted. The link lives until the process ends. */
	struct link *(*open)(struct ev_loop *loop, const char *path,
		const struct link_events *events, void *owner,
		struct error *err);
	/* Pack exactly one object into the result, then end. It is sent at the
	 * end of the loop's turn. end: -1 if it is too large; then it is gone.
	 */
	msgpack_packer *(*begin)(struct link *l);
	int (*end)(struct link *l);
};

extern const struct link_ops link_nng, link_native;

static inline msgpack_packer *
link_begin(struct link *l)
{
	return l->ops->begin(l);
}

static inline int
link_end(struct link *l)
{
	return l->ops->end(l);
}
