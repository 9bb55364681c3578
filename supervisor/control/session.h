/* session: one client of the control socket: its calls in progress and their
 * answers. Used by control.c alone. */
#pragma once

#include <stdbool.h>

#include "proto/peer.h"
#include "proto/util/list.h"
#include "supervisor/control/role.h"
#include "supervisor/gateway/gateway.h"

#define SESSION_CALLS_MAX 64
/* A client that reads more slowly loses progress and is told how much; from
 * the same mark on its next calls are not read. */
#define SESSION_BACKLOG_MAX (1024 * 1024)

/* What sessions need of the control that has them. */
struct session_house {
	struct gateway *gateway;
	struct config *config;
	struct list sessions;
	unsigned count;
	void (*shutdown)(void *user);
	void *user;
	/* A place became free. */
	void (*on_gone)(struct session_house *house);
};

struct session {
	struct list node; /* of the house */
	struct session_house *house;
	struct peer peer;
	struct credentials who;
	struct list calls;
	unsigned call_count;
	uint64_t dropped; /* pieces of progress, not told yet */
	bool paused, denied;
};

/* Takes over fd and who. */
struct session *session_create(
	struct session_house *house, int fd, struct credentials *who);
/* supd goes, or the client may nothing any more: answers the calls that can
 * be, and writes what is written yet. */
void session_end_calls(struct session *s);
/* Its calls lose their caller; what they began goes on. */
void session_destroy(struct session *s);
