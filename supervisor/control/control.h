/* control: the control socket RUNTIME/control.sock: SP pair0 with MessagePack-
 * RPC, many clients at once. It listens and counts; sessions talk. */
#pragma once

#include "supervisor/gateway/gateway.h"

#define CONTROL_SESSIONS_MAX 256
#define CONTROL_SESSIONS_PER_USER_MAX 64 /* of users without a role */

struct control;

/* The runtime folder is locked by the caller, so what lies at the socket's
 * path is a dead supd's and is replaced. shutdown is called when a client asks
 * for it; it must not destroy the control at once. NULL with err if the socket
 * cannot be made. */
struct control *control_create(struct gateway *g, const char *runtime_dir,
	struct config *config, void (*shutdown)(void *user), void *user,
	struct error *err);
/* Another config: roles of open sessions follow it from their next call on. */
void control_configure(struct control *c, struct config *config);
/* Closes all sessions after writing what can be written at once, and removes
 * the socket. NULL is fine. */
void control_destroy(struct control *c);
