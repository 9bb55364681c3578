/* session: one client of the control socket: its calls in progress and their
 * answers. Used by control.c only. */
#pragma once

#include <stdbool.h>

#include "proto/peer.h"
#include "proto/util/list.h"
#include "supervisor/control/house.h"
#include "supervisor/control/role.h"

#define SESSION_CALLS_MAX 64
/* Bytes queued for a client, past which progress is dropped (the client gets
 * their number) and no more of its calls are read. */
#define SESSION_BACKLOG_MAX ((size_t)1024 * 1024)
/* Past this, answers of calls in progress are dropped, too. */
#define SESSION_QUEUED_MAX ((size_t)16 * 1024 * 1024)
/* Denied calls, after which a caller without a role is disconnected. */
#define SESSION_DENIED_MAX 4

struct session {
	struct list node; /* in the house's sessions */
	struct session_house *house;
	struct peer peer;
	struct credentials who;
	char name[32]; /* "uid 1000" */
	struct list calls;
	unsigned call_count;
	uint64_t dropped; /* progress messages, not reported yet */
	bool called;
	int rank;	    /* its role, or RANK_NOBODY */
	uint64_t active_ms; /* since when the session waits for the client */
	uint64_t page_ms; /* when the client last read of a page; 0: no page */
	unsigned denied;  /* calls of a client without a role */
};

/* Takes ownership of fd and who. */
struct session *session_create(
	struct session_house *house, int fd, struct credentials *who);
/* Updates the rank after a change of the configuration. */
void session_rank(struct session *s);
/* supd stops, or the client lost its role: ends the calls that have an answer
 * (followers), and writes what can be written. */
void session_end_calls(struct session *s);
/* Abandons the session's calls; transactions that they began go on. */
void session_destroy(struct session *s);
