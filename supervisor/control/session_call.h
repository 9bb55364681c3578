/* session_call: a call in progress, for the files of a session. */
#pragma once

#include "supervisor/control/commands.h"
#include "supervisor/control/session.h"

struct page;

struct session_call {
	struct command_call call;
	struct session *session;
	struct list node;
	uint32_t id;
	struct page *page; /* being sent; `sent` bytes are out */
	enum outcome outcome;
	size_t sent;
};

/* ---- session_stream.c ---- */
/* Gives the call the means to stream, unless another one of its session does.
 */
void session_allow_streams(struct session_call *c);
/* A notification of the client: input or credit for a call, or unknown. */
void session_take_stream(struct session *s, const struct message *m);
