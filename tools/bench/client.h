/* client: one keep-alive HTTP connection that carries one request at a time.
 * Knows nothing of schedules; tells by callback what became of a request. */
#pragma once

#include "tools/bench/record.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

struct target {
	struct sockaddr_storage address;
	socklen_t length;
	char host[64];
	const char *path;
	bool any_body; /* not the bench plugin's 128 bytes */
};

enum client_state {
	CLIENT_CLOSED, /* the next request connects first */
	CLIENT_CONNECTING,
	CLIENT_IDLE,
	CLIENT_BUSY,
};

struct client {
	int fd; /* -1 when closed */
	int epoll_fd;
	enum client_state state;
	bool has_request; /* record and the buffers below are its */
	uint16_t index;
	const struct target *target;
	struct record record;
	char request[1024];
	size_t request_bytes, request_sent;
	const char *body; /* what a POST expects back, within request */
	char answer[16384];
	size_t answer_bytes;
	uint64_t closed_by_server;
	uint64_t unasked; /* bytes came that no request had asked for */
	/* A request is over; the client can take the next one. Also called
	 * once for a connection that was opened ahead, without request. */
	void (*on_done)(struct client *c, void *user);
	void *user;
};

/* "HOST:PORT" (numeric) or "unix:PATH"; -1 when it is neither. */
int target_parse(struct target *t, const char *text, const char *path);

void client_init(struct client *c, const struct target *target, int epoll_fd,
	uint16_t index);
void client_finish(struct client *c);
void client_connect(struct client *c);
/* number makes a POST's body unlike the others'. */
void client_send(struct client *c, uint64_t due_us, bool post, uint64_t number);
void client_on_event(struct client *c, uint32_t events);
void client_expire(struct client *c, uint64_t now_us, uint64_t timeout_us);
