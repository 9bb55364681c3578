/* admission: decides which clients get one of limits.connections. If all places
 * are taken, the longest idle connection is closed for a new one. One address
 * gets at most half of the places. A reserve admits vital requests beyond the
 * limit: /livez, /readyz, and /api with a token. Each decision is O(1): nothing
 * here walks over all connections. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/list.h"
#include "proto/util/map.h"

/* Connections above limits.connections, for vital requests only. */
#define ADMISSION_RESERVE 64
/* An untrusted address gets at most the places divided by this. */
#define ADMISSION_SHARE 2

struct connection;
struct http_server;

/* The connections of one address. Trusted proxies and unix sockets have no
 * share. */
struct address_share {
	uint8_t key[16];
	uint32_t count;
	struct list idle; /* admitted.share_node, idle longest first */
};

struct admission {
	uint64_t clamped_to; /* the lowered limit that was logged; 0: none */
	struct list idle;    /* admitted.idle_node, idle longest first */
	struct list reserve_idle; /* the same for the reserve */
	uint32_t reserve_count;
	struct map shares; /* address -> struct address_share */
};

/* The part of a connection that admission uses. */
struct admitted {
	struct list idle_node, share_node;
	struct address_share *share;
	bool is_reserve; /* in the reserve: serves vital requests only */
	uint64_t served; /* requests begun when it became idle */
	bool lingers;	 /* goes to the front of the idle lists */
};

void admission_init(struct admission *a);
void admission_finish(struct admission *a); /* all connections must be gone */

/* Admits a new connection, once its address is known; the connection must be
 * counted already. May close others. false: there is no place, not even in the
 * reserve. */
bool admission_enter(struct http_server *s, struct connection *c);
void admission_leave(struct http_server *s, struct connection *c);
/* Notes whether the connection waits for a request. */
void admission_note_idle(struct connection *c, bool is_idle);
/* Moves a connection of the reserve that has a request to a regular place;
 * false: there is none. */
bool admission_promote(struct http_server *s, struct connection *c);
/* Closes the longest idle connection; false: none is idle. */
bool admission_evict(struct http_server *s);
