/* farewell: waits for the broker to close a connection on which it has been
 * sent a DISCONNECT. What it still sends is discarded: closing a socket that
 * has something to read would reset the connection, and the broker might lose
 * the last acknowledgements with it. */
#pragma once

#include <ev.h>

#define FAREWELL_S 2.0

/* Owns the descriptor. done, which may be NULL, is called from the loop. */
void farewell_start(
	struct ev_loop *loop, int fd, void (*done)(void *user), void *user);
