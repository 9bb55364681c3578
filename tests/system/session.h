/* session: a client of /ws that reads and writes its own frames. Every wait has
 * a deadline, past which the test fails. */
#pragma once

#include <jansson.h>

#include "proto/util/buffer.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

/* Tokens of session_admin, and a configuration line with them. */
#define SESSION_LOOK "look"
#define SESSION_OPS "secret"
#define SESSION_ADMIN                                                          \
	"admin: {tokens: ["                                                    \
	"{name: look, role: viewer, sha256: "                                  \
	"\"3c01eba119e00d79c82b6f65d70bc5f1044d568618bf41377e6d1432023fc2b8\"" \
	"}, {name: ops, role: operator, sha256: "                              \
	"\"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"" \
	"}]}\n"

struct session {
	struct client client;
	struct buffer input;
	int next_id;
	json_t *kept;	/* notifications that came before an answer: an array */
	int close_code; /* of the server; 0: none came */
};

/* The status of the handshake; fields are complete lines. After 101 the session
 * is open, else closed. */
int session_try(struct session *s, struct gateway_run *g, const char *fields);
/* Opens one with that token. */
void session_open(struct session *s, struct gateway_run *g, const char *token);
void session_close(struct session *s);
void session_say(struct session *s, const char *text);
/* The next message, which the caller releases; NULL: the server closed. Pings
 * are answered. */
json_t *session_hear(struct session *s);
/* Calls and waits for the answer, keeping what else comes. params: JSON text,
 * or NULL. The caller releases the whole answer; NULL: the server closed. */
json_t *session_call(struct session *s, const char *method, const char *params);
/* The answer's error code; 0: it is a result. Releases it. */
int session_error(json_t *answer);
/* The next notification of that method, kept or to come; the caller releases
 * its params. */
json_t *session_note(struct session *s, const char *method);
