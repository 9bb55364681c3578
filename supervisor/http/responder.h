/* responder: answers an exchange: a worker, the API, an event stream, a page,
 * or supd at once. The exchange uses its responder only by these operations and
 * does the HTTP for all of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exchange;
struct head;
struct http_server;
struct path;

struct responder {
	/* The body is complete, or (more) keep_max bytes of it are kept. NULL:
	 * the responder never wants a body. */
	void (*body_end)(struct exchange *x, bool more);
	/* The kernel took that many bytes of the answer; `backlog` bytes wait
	 * for the client. */
	void (*passed)(struct exchange *x, uint64_t bytes, size_t backlog);
	/* Answers with an error in the form that the responder's clients
	 * expect. */
	void (*refuse)(struct exchange *x, int status, const char *fields,
		const char *reason);
	/* The exchange ends, with or without a complete answer. */
	void (*abandon)(struct exchange *x);
};

/* The paths that supd itself serves, tried before the route table. */
struct own_paths {
	/* Whether the request is served even beyond limits.connections. */
	bool (*is_vital)(struct http_server *s, const struct head *h,
		const struct path *path);
	/* Answers, or sets the exchange's responder. */
	void (*begin)(struct exchange *x, const struct head *h,
		const struct path *path);
};
