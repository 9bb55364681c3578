/* http: a small blocking HTTP/1.1 client that can also send what no client
 * should. Every wait has a deadline. Nothing here asserts unless its name says
 * so, because load threads use it too. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tests/system/harness/deadline.h"

struct buffer;

#define HTTP_DEADLINE_MS DEADLINE_MS(20000)

struct client {
	int fd;
	char *input; /* read and not yet used */
	size_t length;
};

struct answer {
	int status; /* 0: none came */
	char *head; /* NUL-terminated */
	char *body; /* NUL-terminated as well */
	size_t body_bytes, body_room;
	bool closes; /* "Connection: close" */
};

/* `where` is a path of a socket, or "HOST:PORT". */
bool client_open(struct client *c, const char *where);
void client_close(struct client *c);
bool client_send(struct client *c, const void *bytes, size_t size);
bool client_say(struct client *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Reads one answer; false at the deadline, at EOF and at what is no HTTP.
 * no_body: the request was a HEAD. */
bool client_read(
	struct client *c, struct answer *a, bool no_body, int timeout_ms);
/* Waits for a piece of what the server says and puts it behind `all`, past
 * client_read(). False at the deadline and at EOF. */
bool client_read_some(struct client *c, struct buffer *all);
/* The same until `text` is in `all`; false at the end without it. */
bool client_read_until(struct client *c, struct buffer *all, const char *text);
/* True if the server closes within the deadline, having said nothing more. */
bool client_sees_close(struct client *c, int timeout_ms);

/* A whole exchange on an open connection. */
bool client_get(struct client *c, const char *path, struct answer *a);
bool client_post(
	struct client *c, const char *path, const char *body, struct answer *a);

void answer_finish(struct answer *a);
/* Value of a header, NULL if there is none; valid until the next call. */
const char *answer_header(const struct answer *a, const char *name);
/* The pid that test plugins write into their bodies; 0: none. */
int answer_pid(const struct answer *a);
long answer_number(const struct answer *a, const char *key); /* JSON, "v=" */

/* One request on a connection of its own; asserts that an answer came.
 * The caller finishes it. */
struct answer http_get(const char *where, const char *path);
/* With more header lines, each with its end. */
struct answer http_get_with(
	const char *where, const char *path, const char *fields);
struct answer http_post(const char *where, const char *path, const char *body);
int http_status(const char *where, const char *path); /* of a GET */
int http_pid(const char *where, const char *path); /* of a GET that must be 200
						    */
/* A port of loopback that nobody listens on now. */
int http_free_port(void);
