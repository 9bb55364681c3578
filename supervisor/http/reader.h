/* reader: the reading half of HTTP/1.1: turns a connection's bytes into
 * exchanges and their bodies. It knows no socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct connection;

/* Uses complete heads and pieces of bodies from the front, while the queue of
 * exchanges has room and the turn allows; returns the number of bytes. Sets
 * connection.again if only the turn's share stopped it. */
size_t reader_take(struct connection *c, char *bytes, size_t size);

/* Whether a request that has arrived must wait: an earlier one has no complete
 * answer, or too many bytes wait for the client. */
bool reader_must_wait(const struct connection *c);
/* Whether nothing may be read: too many bytes wait for the client, or the
 * responder of a body has no room. */
bool reader_is_blocked(const struct connection *c);

/* Answers an error without a valid request, in its order, then closes the
 * connection. */
void reader_refuse(struct connection *c, int status, const char *reason);
