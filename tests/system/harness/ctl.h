/* ctl: runs supctl against a run's control socket and takes its exit code,
 * output and JSON. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/system/harness/deadline.h"
#include "tests/system/harness/run.h"

#define CTL_DEADLINE_MS DEADLINE_MS(60000)

struct ctl {
	pid_t pid;
	int pidfd, out_fd, err_fd;
	int exit_code; /* -1: killed by a signal */
	char *out, *err;
	json_t *json; /* of stdout; NULL if that is not one document */
	unsigned took_ms;
	uint64_t began_ms;
};

/* Runs `supctl -s SOCKET --json ARGS…` to its end; the last one is NULL. */
struct ctl *ctl_run(struct gateway_run *g, ...) __attribute__((sentinel));
/* Begins it and does not wait; ctl_wait() does. uid 0: as the test itself. */
struct ctl *ctl_begin(
	struct gateway_run *g, uid_t uid, const char *const *args);
void ctl_wait(struct ctl *c);
void ctl_destroy(struct ctl *c);

/* The value at a path of the JSON ("plugins.0.pid"); NULL if there is none. */
json_t *ctl_at(const struct ctl *c, const char *path);
const char *ctl_text(const struct ctl *c, const char *path); /* "" if none */
long ctl_number(const struct ctl *c, const char *path);	     /* -1 if none */

/* Runs a command that must end with this exit code; the caller destroys. */
struct ctl *ctl_expect(struct gateway_run *g, int exit_code, ...)
	__attribute__((sentinel));
/* What status says of one plugin. */
long ctl_status_number(struct gateway_run *g, const char *id, const char *key);
char *ctl_status_text(struct gateway_run *g, const char *id, const char *key);
/* Waits until status says so, looking again with short pauses; the test fails
 * at the deadline. */
void ctl_await_state(struct gateway_run *g, const char *id, const char *state);
void ctl_await_number(
	struct gateway_run *g, const char *id, const char *key, long number);
/* The same for the text at a path of `show`. */
void ctl_await_shown(struct gateway_run *g, const char *id, const char *path,
	const char *text);
