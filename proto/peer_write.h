/* peer_write: the writing side of peer, for peer.c alone. */
#pragma once

#include "proto/peer.h"

void peer_write_greeting(struct peer *p);
void peer_on_writable(struct ev_loop *loop, ev_io *w, int events);
