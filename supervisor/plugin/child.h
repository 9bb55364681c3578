/* child: one process that supd spawned: its pidfd, its stdout and stderr, its
 * signals and its end. Knows no plugin; workers and stagings use it. */
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

/* All processes that supd has spawned and not reaped, so that supd as PID 1 can
 * tell them from inherited ones. */
struct children {
	struct ev_loop *loop;
	struct list list; /* struct child.node */
	/* SIGCHLD, for children without a pidfd (seccomp, valgrind). */
	ev_signal ended;
};

void children_init(struct children *all, struct ev_loop *loop);
void children_finish(struct children *all);
bool children_have(const struct children *all, pid_t pid);

struct child_ops {
	void (*on_output)(
		struct child *c, enum child_stream stream, struct bytes bytes);
	/* The process ended and waits to be reaped: call child_read_rest() for
	 * the remaining output, then child_reap(). */
	void (*on_end)(struct child *c);
};

struct child_start {
	const char *program;	 /* absolute path; NULL: argv[0] is that */
	const char *const *argv; /* argv[0]: what `ps` shows */
	const char *const *env;
	const char *dir;   /* working directory; NULL: that of supd */
	const char *input; /* path of its stdin, NULL: /dev/null */
	uint64_t nofile;   /* soft RLIMIT_NOFILE, 0: as supd's */
	int cgroup;	   /* folder of its cgroup; 0: supd's */
	/* Its stdout, which stays the caller's; 0: a pipe, whose bytes go to
	 * on_output. */
	int output;
};

struct child {
	struct ev_loop *loop;
	struct list node; /* in its children, while pid is set */
	const struct child_ops *ops;
	pid_t pid;	  /* 0: none, or reaped */
	int pidfd;	  /* -1: none, see children.ended */
	bool reported;	  /* on_end was called; used without a pidfd */
	int cgroup_error; /* errno if it began in supd's cgroup instead */
	ev_io ended;
	struct child_pipe {
		int fd; /* -1: closed */
		ev_io readable;
		struct child *child;
	} pipes[CHILD_STREAMS];
};

/* Starts a process in a new session, with no descriptors but /dev/null and two
 * pipes, and all signals at their defaults. On failure nothing is left. */
int child_start(struct child *c, struct children *all,
	const struct child_start *start, const struct child_ops *ops,
	struct error *err);
void child_signal(struct child *c, int signal); /* to the process only */
void child_kill_group(struct child *c);		/* KILL to its process group */
/* Describes how the process ended ("exit status 3", "killed by signal 9
 * (Killed)"); false: it still runs. Does not reap it. */
bool child_has_ended(
	const struct child *c, char *text_out, size_t text_size, int *code_out);
/* Reads what is in the pipes now, in pieces, up to 1 MiB of each. */
void child_read_rest(struct child *c);
/* Kills the rest of the group, reaps the process (waiting for its end) and
 * closes everything. Does nothing without a process. */
void child_reap(struct child *c);
/* The same, but waits no longer than that: one that the kernel does not let end
 * is left alone, with false. */
bool child_reap_within(struct child *c, int limit_ms);
