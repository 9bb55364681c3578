/* house: all sessions of the control socket: who gets a place, what each may
 * cost, and how long a silent one keeps its place. Used by control.c and
 * session.c only. */
#pragma once

#include <stdbool.h>

#include "proto/peer.h"
#include "supervisor/control/control.h"
#include "supervisor/control/role.h"

/* A caller without a role; below every role. */
#define RANK_NOBODY (-1)

/* Lets one log line a second pass and counts the others. */
struct log_gate {
	unsigned hidden;
	uint64_t logged_ms;
};

struct session_house {
	struct gateway *gateway;
	struct config *config;
	struct peer_group
		peers; /* the sessions share one bound per loop turn */
	struct list sessions;
	unsigned count;
	struct control_limits limits;
	ev_timer sweep;
	struct log_gate denied, closed;
	void (*shutdown)(void *user);
	void *user;
};

void house_init(
	struct session_house *h, struct gateway *g, struct config *config);
void house_finish(struct session_house *h); /* all sessions must be gone */

/* The role that the config gives, or RANK_NOBODY. */
int house_rank(const struct session_house *h, const struct credentials *who);
/* Whether the caller gets a place; if all are taken, closes the longest idle
 * session that does not rank higher. */
bool house_has_place(struct session_house *h, const struct credentials *who);
struct peer_bounds house_bounds(int rank);
/* True: log the line; `hidden` lines before it were left out. */
bool log_gate_opens(struct log_gate *gate, unsigned *hidden_out);

struct session;
/* Counts and logs the end, and closes the session. */
void house_cut(struct session *s, enum gateway_control_end why);
/* The same for a connection that never became a session. */
void house_refuse(struct session_house *h, const struct credentials *who);
