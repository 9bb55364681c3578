/* deaths: what becomes of a message when somebody dies with kill -9, at each
 * moment of its life. The table is what test_channel_deaths runs and what
 * supervisor/README.md shows. */
#pragma once

#include <stdbool.h>

/* Who dies. X(ENUM, "column of the book") */
#define DEATHS_WHO(X)                                                          \
	X(CHANNEL, "the channel's worker")                                     \
	X(HANDLER, "the worker with filter, command and observer")             \
	X(STORE, "supd-store")                                                 \
	X(SUPD, "supd")

enum death_who {
#define X(name, text) DIES_##name,
	DEATHS_WHO(X)
#undef X
		DIES_COUNT,
};

/* When. The first ones are of messages that come in, `/echo ID`, to which the
 * command replies; from DEATH_OUT on it is one that a client wants sent with a
 * key, and repeats if it gets no answer. */
enum death_moment {
	DEATH_BEFORE_GIVEN,
	DEATH_BEFORE_STORED,
	DEATH_BEFORE_ACKNOWLEDGED,
	DEATH_IN_FILTER,
	DEATH_IN_STRICT_FILTER,
	DEATH_IN_COMMAND,
	DEATH_IN_COMMAND_HANDLED,
	DEATH_IN_OBSERVER,
	DEATH_REPLY_WAITS,
	DEATH_REPLY_GIVEN,
	DEATH_REPLY_OUT,
	DEATH_REPLY_OUT_BLIND,
	DEATH_OUT,
	DEATH_OUT_IN_FILTER = DEATH_OUT,
	DEATH_OUT_BEFORE_STORED,
	DEATH_OUT_WAITS,
	DEATH_OUT_BEING_MARKED,
	DEATH_OUT_GIVEN,
	DEATH_OUT_GIVEN_BLIND,
	DEATH_OUT_OUT,
	DEATH_OUT_OUT_RESENDS,
	DEATH_MOMENT_COUNT,
};

/* How a message fared. */
struct death_outcome {
	const char *text; /* in the book */
	/* What the channel hears: "new", "seen", or NULL: either. */
	const char *answer;
	unsigned filtered, run, observed; /* how often each of them began */
	unsigned out;	  /* how often the reply, or the message, is outside */
	const char *end;  /* the class of what came in */
	const char *sent; /* of what goes out; NULL: nothing does */
};

struct death_row {
	const char *moment; /* in the book */
	const struct death_outcome *outcomes[DIES_COUNT];
	const char *chat, *entry, *talk; /* more settings, or NULL */
	/* Supd had counted the end of the message before. */
	bool had_ended;
};

extern const struct death_row death_rows[DEATH_MOMENT_COUNT];
extern const char *const death_who_text[DIES_COUNT];
