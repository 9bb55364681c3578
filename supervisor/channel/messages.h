/* messages: what users see of the messages in the store, and do with them. */
#pragma once

#include <jansson.h>

#include "supervisor/channel/channel.h"
#include "supervisor/channel/message_store.h"

enum messages_what {
	MESSAGES_SHOW, /* with its content */
	MESSAGES_RETRY,
	MESSAGES_DROP,
};

/* What is asked, in the caller's memory. */
struct messages_ask {
	/* Once, unless it is left; never before the function that asks has
	 * returned. result: a message, or {"messages": […]}, borrowed; NULL:
	 * error says why, in one sentence. */
	void (*done)(struct messages_ask *a, enum wire_error code,
		const char *error, json_t *result);
	struct store_call call;
	struct channels *all;
	enum messages_what what;
	uint64_t seq;
};

struct messages_page {
	const char *channel; /* NULL: all */
	unsigned states;     /* STORED_STATE_BITs; 0: all */
	uint64_t before;     /* a seq: only earlier ones; 0: from the newest */
	uint32_t limit;
};

/* A page of messages, the newest first; `before` of the result is where the
 * next one begins, if there is `more`. The work on a page is bounded, so it may
 * have less than wanted, or none. False: there is no store, as no channel has
 * been started; nothing follows. */
bool messages_list(struct channels *all, struct messages_ask *a,
	const struct messages_page *page);
/* False as above. */
bool messages_do(struct channels *all, struct messages_ask *a,
	enum messages_what what, uint64_t seq);
void messages_leave(struct messages_ask *a);
