/* endpoint: the socket that one worker connects to: RUNTIME/w/N/s in a folder
 * that only its uid may enter. Takes exactly one peer and then leaves nothing
 * in the file system. Knows no wire. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/util/error.h"

struct endpoint {
	struct ev_loop *loop;
	int fd; /* -1: closed */
	ev_io acceptable;
	ev_timer again;	     /* no descriptor was free */
	bool is_told;	     /* of that */
	char *folder, *path; /* NULL: closed */
	uid_t uid;	     /* whose peer is taken */
	pid_t pid;	     /* 0: the nonce of its hello tells */
	/* Once, with a connected fd that the callee owns; the endpoint is
	 * closed by then. */
	void (*on_peer)(struct endpoint *e, int fd);
};

/* Makes the folder and listens; what a former supd left there is cleared. The
 * caller sets pid before the next turn of the loop, if it is to be checked. */
int endpoint_open(struct endpoint *e, struct ev_loop *loop,
	const char *runtime_dir, uint32_t number,
	void (*on_peer)(struct endpoint *e, int fd), struct error *err);
void endpoint_close(struct endpoint *e); /* also twice, also all zero */
