/* transport: reads and writes one client's socket. The connection watches the
 * descriptor for readiness. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct transport {
	const struct transport_ops *ops;
	int fd; /* non-blocking */
};

struct transport_ops {
	/* Like recv() and send(): 0 means EOF, -1 sets errno. */
	ssize_t (*read)(struct transport *t, char *bytes, size_t size);
	ssize_t (*write)(struct transport *t, const void *bytes, size_t size);
	/* Bytes that have arrived but are unread; -1: unknown. */
	ssize_t (*unread)(const struct transport *t);
	/* Bytes written that the client has not acknowledged; -1: unknown. */
	ssize_t (*unsent)(const struct transport *t);
	/* Ends writing; the client can still be read. */
	void (*end)(struct transport *t);
	/* reset: close with a reset, so that the client sees a cut. */
	void (*close)(struct transport *t, bool reset);
};

extern const struct transport_ops transport_plain;
