/* control: the control socket RUNTIME/control.sock: SP pair0 with
 * MessagePack-RPC, many clients at once. Each client has a session. */
#pragma once

#include "supervisor/gateway/gateway.h"

#define CONTROL_SESSIONS_MAX 256
#define CONTROL_SESSIONS_ADMIN 32    /* of those, kept for admins */
#define CONTROL_SESSIONS_PER_USER 32 /* admins excepted */
/* Sessions without a role: of one user, and in all. */
#define CONTROL_SESSIONS_PER_NOBODY 16
#define CONTROL_SESSIONS_NOBODIES 64

/* How long a session may be silent: before its greeting, without a call (with a
 * role and without one), and with more queued for it than allowed. */
struct control_limits {
	unsigned greeting_ms, idle_ms, nobody_idle_ms, unread_ms;
};

struct control;

/* The caller has locked the runtime folder, so a file at the socket's path was
 * left by a dead supd and is replaced. shutdown is called when a client
 * requests it; it must not destroy the control at once. NULL with err if the
 * socket cannot be created. inherited: a listening socket to use instead, which
 * is closed at the end but whose file stays; -1: none. */
struct control *control_create(struct gateway *g, const char *runtime_dir,
	int inherited, struct config *config, void (*shutdown)(void *user),
	void *user, struct error *err);
/* Takes a new config, from which open sessions get their roles from their next
 * call on. */
void control_configure(struct control *c, struct config *config);
/* Replaces the default limits. */
void control_limit(struct control *c, const struct control_limits *limits);
/* Writes what can be written at once, closes all sessions and removes the
 * socket. NULL is fine. */
void control_destroy(struct control *c);
