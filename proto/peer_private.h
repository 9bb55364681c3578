/* peer_private: what the parts of peer share, for peer*.c alone. */
#pragma once

#include "proto/peer.h"

#define PEER_SHARED_BYTES ((size_t)64 * 1024)

/* Closes the fd; what is in the buffers is given up. */
void peer_shut(struct peer *p);
/* Starts or stops reading, or queues the peer for its turn, after a change of
 * its state. */
void peer_update(struct peer *p);

void peer_serve(struct peer *p); /* the peer may be gone afterwards */

void peer_write_greeting(struct peer *p);
void peer_on_writable(struct ev_loop *loop, ev_io *w, int events);
