/* child: one process that supd spawned: its pidfd, its stdout and stderr, its
 * signals and its end. Knows no plugin; worker and stage are made of it. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/util/bytes.h"
#include "proto/util/error.h"
#include "proto/util/list.h"

enum child_stream { CHILD_STDOUT, CHILD_STDERR, CHILD_STREAMS };

#define CHILD_READ_BYTES (64 * 1024) /* per turn of the loop and stream */

struct child;

/* All that supd has spawned and not reaped yet, on one loop: so that PID 1 can
 * tell its own from strangers. */
struct children {
	struct ev_loop *loop;
	struct list list; /* struct child.node */
	/* Where there are no pidfds (a seccomp filter, valgrind): SIGCHLD says
	 * that one of those without has ended. */
	ev_signal ended;
};

void children_init(struct children *all, struct ev_loop *loop);
void children_finish(struct children *all);
bool children_have(const struct children *all, pid_t pid);

struct child_ops {
	void (*on_output)(
		struct child *c, enum child_stream stream, struct bytes bytes);
	/* It ended and waits to be reaped: child_reap() does that, and there
	 * may be output left: child_read_rest() first. */
	void (*on_end)(struct child *c);
};

struct child_start {
	const char *const *argv; /* argv[0] is an absolute path */
	const char *const *env;
	const char *dir;   /* working directory, NULL: as supd's */
	const char *input; /* path of its stdin, NULL: /dev/null */
	uint64_t nofile;   /* soft RLIMIT_NOFILE, 0: as supd's */
};

struct child {
	struct ev_loop *loop;
	struct list node; /* of its children, while there is a pid */
	const struct child_ops *ops;
	pid_t pid; /* 0: none, or reaped */
	int pidfd; /* -1: none, see children.ended */
	bool told; /* on_end was called; only without a pidfd */
	ev_io ended;
	struct child_pipe {
		int fd; /* -1: closed */
		ev_io readable;
		struct child *child;
	} pipes[CHILD_STREAMS];
};

/* A session of its own, no open descriptors but /dev/null and two pipes, all
 * signals at their defaults. On failure nothing is left. */
int child_start(struct child *c, struct children *all,
	const struct child_start *start, const struct child_ops *ops,
	struct error *err);
void child_signal(struct child *c, int signal); /* to the process */
void child_kill_group(struct child *c);		/* KILL to all it started */
/* Says how it ended ("exit status 3", "killed by signal 9 (Killed)"); false: it
 * runs still. It stays to be reaped. */
bool child_has_ended(
	const struct child *c, char *text_out, size_t text_size, int *code_out);
/* Reads what is in the pipes now, in pieces, up to 1 MiB of each. */
void child_read_rest(struct child *c);
/* Kills what is left of the group, reaps the process (waits for it, if it runs)
 * and closes everything. Nothing to do if there is none. */
void child_reap(struct child *c);
