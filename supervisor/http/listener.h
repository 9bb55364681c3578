/* listener: one listening socket, TCP or unix, and its accept loop. It passes
 * descriptors to the server and reads nothing from them. */
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
	bool is_inherited; /* socket options belong to the service manager */
	char *name;	   /* config_listener.http */
	char *unix_path;   /* removed at the end if still ours; or NULL */
	uint64_t device, inode;
};

/* Binds and listens; accepts nothing before listener_resume(). A stale unix
 * socket is replaced; err names the process that has the address. A listener
 * beside one that shares its port shares it, too. */
struct listener *listener_open(struct http_server *server,
	const struct config_listener *config, bool share_port,
	struct error *err);
/* Lets another listener of this process bind the same port. */
void listener_share_port(struct listener *l, bool share);
/* Accepts the clients that are already connected, so that a stop does not reset
 * them. */
void listener_accept_rest(struct listener *l);
/* Opens the which-th inherited socket of the config's name. */
struct listener *listener_open_inherited(struct http_server *server,
	const struct config_listener *config, uint32_t which,
	struct error *err);
void listener_close(struct listener *l);
void listener_pause(struct listener *l);
void listener_resume(struct listener *l);
