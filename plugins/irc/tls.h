/* tls: the client's side of TLS on a connected, non-blocking socket. The
 * server's certificate has to be valid for the host. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct settings;
struct tls;

enum tls_result {
	TLS_DONE,
	TLS_WANTS_READ,	 /* again when the socket is readable */
	TLS_WANTS_WRITE, /* again when it is writable */
	TLS_FAILED,	 /* see `why` */
};

/* NULL with the reason. The descriptor stays the caller's. */
struct tls *tls_create(const struct settings *s, int fd, char why[256]);
void tls_destroy(struct tls *t); /* NULL is allowed */
enum tls_result tls_handshake(struct tls *t, char why[256]);
/* As read(2) and write(2); -1 with EAGAIN if it has to wait. A read of 0 is the
 * end, in order or not. */
ssize_t tls_read(struct tls *t, void *bytes, size_t size);
ssize_t tls_write(struct tls *t, const void *bytes, size_t size);
/* Whether the last call waits for the socket to be writable. */
bool tls_wants_write(const struct tls *t);
