/* parts: the inside of the room, for its own files. */
#pragma once

#include "supervisor/chat/answers.h"
#include "supervisor/chat/chat.h"
#include "supervisor/chat/help.h"
#include "supervisor/chat/notices.h"
#include "supervisor/control/commands.h"

struct word;

struct chat {
	struct gateway *gateway;
	struct config *config; /* a reference */
	struct channel_door door;
	struct answers answers;
	struct help help;
	struct notices notices;
	struct list calls;	 /* struct chat_call.node */
	uint64_t denied_told_ms; /* of log lines about those who are denied */
	unsigned denied_untold;
};

/* A built-in command, from its message to its answer. */
struct chat_call {
	struct command_call call;
	struct chat *chat;
	struct list node; /* in chat.calls */
	const struct word *word;
	struct answers_to to;
	char *caller;  /* "alice on irc" */
	bool is_whole; /* /status without an id */
};

/* Answers and frees the call. */
void chat_answer(struct chat_call *c, const char *text);
