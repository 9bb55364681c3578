/* reader: turns a connection's bytes into exchanges and their bodies. It knows
 * the grammar's limits and no socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct connection;

/* Uses bytes from the front, as far as they make whole heads and pieces of
 * bodies, the line has room and the turn allows; returns how many. Sets
 * connection.again if only the turn's share stopped it. */
size_t reader_take(struct connection *c, char *bytes, size_t size);

/* True while no more bytes can be used whatever comes: the line or the
 * output is full, or a body's taker has no room. */
bool reader_is_blocked(const struct connection *c);

/* An error that has no request of its own: answered in its place in the line,
 * then the connection ends. */
void reader_refuse(struct connection *c, int status, const char *reason);
