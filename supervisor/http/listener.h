/* listener: one listening socket, TCP or unix, and its accept loop. It hands
 * descriptors to the server and knows nothing of what they carry. */
#pragma once

#include <ev.h>
#include <stdbool.h>

#include "proto/util/error.h"
#include "proto/util/list.h"
#include "supervisor/config/config.h"

struct http_server;

struct listener {
	struct list node;
	struct http_server *server;
	ev_io readable;
	bool is_inherited; /* its options are the service manager's */
	char *name;	   /* config_listener.http */
	char *unix_path;   /* removed at the end if it is still ours, or NULL */
	uint64_t device, inode;
};

/* Binds and listens; accepts nothing before listener_resume(). A unix socket
 * that nobody listens on is replaced; err names who has the address. Beside a
 * listener that shares its port this one shares it, too. */
struct listener *listener_open(struct http_server *server,
	const struct config_listener *config, bool share_port,
	struct error *err);
/* Whether another of this process may bind its port. */
void listener_share_port(struct listener *l, bool share);
/* Who is connected already and not accepted yet is not to be hung up on. */
void listener_accept_rest(struct listener *l);
/* The which-th of the sockets that were passed on under the config's name. */
struct listener *listener_open_inherited(struct http_server *server,
	const struct config_listener *config, uint32_t which,
	struct error *err);
void listener_close(struct listener *l);
void listener_pause(struct listener *l);
void listener_resume(struct listener *l);
