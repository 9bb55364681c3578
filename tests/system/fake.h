/* fake: a supd of the simplest kind on a loop of its own, for tests of
 * sup-worker alone: it spawns one worker, answers hello and ready, sends what
 * it is told to and remembers what comes back. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/peer.h"
#include "proto/registration.h"
#include "tests/system/harness/deadline.h"

#define FAKE_DEADLINE_MS DEADLINE_MS(10000)
#define FAKE_ANSWERS 1200

struct fake_answer {
	int count;     /* responses that came */
	int status;    /* http */
	char *content; /* http: body, else a value as JSON text */
	size_t content_bytes, content_room;
	size_t chunks;
	bool more;	 /* the body goes on */
	char sha256[65]; /* of an export, whose version is the status */
	char error[200]; /* "code: text" */
};

struct fake {
	struct ev_loop *loop;
	struct peer_group group;
	struct peer peer;
	ev_io listening;
	ev_timer deadline;
	char folder[64], socket_path[108];
	const char *settings; /* JSON, sent with hello's answer */
	pid_t pid;
	int output; /* read end of the worker's stdout and stderr */

	bool late, accepted, closed, hello, ready, answers_calls, holds_credit;
	const char *refuse_ready; /* text of the refusal */
	struct registration_set offers;
	char version[64];
	unsigned drained, logs, calls, emits;
	char emitted[200]; /* the last event: name, space, data as JSON */
	uint64_t credited; /* bytes the worker gave back */
	struct fake_answer answers[FAKE_ANSWERS]; /* by request id */
};

/* Starts PLUGIN (a folder beneath the build root) on a link, with one extra
 * variable of the environment or NULL. Does not wait. */
void fake_start(struct fake *f, const char *plugin, const char *file,
	const char *link, const char *settings, const char *variable);
/* Runs the loop until *flag; the test fails after FAKE_DEADLINE_MS. */
void fake_await(struct fake *f, const bool *flag, const char *what);
void fake_await_ready(struct fake *f);
void fake_await_answer(struct fake *f, uint32_t id);
void fake_await_drained(struct fake *f, unsigned times);
void fake_turn(struct fake *f); /* one turn, waiting if nothing is there */

void fake_http(struct fake *f, uint32_t id, const char *method,
	const char *path, const char *query, const char *body, size_t bytes,
	bool more);
void fake_http_rest(struct fake *f, uint32_t id, const char *method,
	const char *path, const char *rest); /* of a pattern that ends in * */
void fake_named(struct fake *f, uint32_t id, enum message_name name,
	const char *text, const char *args_json);
void fake_plain(struct fake *f, enum message_name name); /* ping 9, drain … */
void fake_chunk(struct fake *f, uint32_t id, size_t bytes, bool more);
void fake_about(struct fake *f, enum message_name name, uint32_t id,
	int64_t bytes); /* cancel, credit */

/* With params as JSON. */
void fake_ask(struct fake *f, uint32_t id, enum message_name name,
	const char *params_json);
void fake_import(struct fake *f, uint32_t id, int64_t version, const char *blob,
	size_t bytes, bool more, const char *sha256);

/* Closes the link and gives the worker's exit status, as of waitpid(). */
int fake_stop(struct fake *f);
int fake_wait_exit(struct fake *f);
/* What the worker wrote so far, NUL-terminated; the caller frees. */
char *fake_output(struct fake *f);
