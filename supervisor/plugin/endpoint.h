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
	ev_timer again;	     /* retries when no descriptor was free */
	bool is_reported;    /* the lack of descriptors was logged */
	char *folder, *path; /* NULL: closed */
	uid_t uid;	     /* the expected uid of the peer */
	pid_t pid; /* the expected pid; 0: only the nonce is checked */
	/* Called once, with a connected fd that the callee owns; the endpoint
	 * is closed by then. */
	void (*on_peer)(struct endpoint *e, int fd);
};

/* Makes the folder, removing leftovers of an earlier supd, and listens. To have
 * the pid checked, set it before the next turn of the loop. */
int endpoint_open(struct endpoint *e, struct ev_loop *loop,
	const char *runtime_dir, uint32_t number,
	void (*on_peer)(struct endpoint *e, int fd), struct error *err);
void endpoint_close(struct endpoint *e); /* idempotent; fine if all zero */
