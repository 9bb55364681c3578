/* answers: texts on their way to chats. They are sent as pieces that the
 * channel takes. How many may wait is bounded for each chat, and for each
 * channel for those without a role, so a stranger who writes faster than the
 * platform takes answers gets fewer of them. */
#pragma once

#include <jansson.h>

#include "proto/util/list.h"
#include "proto/util/map.h"
#include "supervisor/channel/channel.h"

/* Messages that wait to be sent to a chat, beyond which there is no further
 * answer. */
#define ANSWERS_STRANGER_MAX 512 /* to somebody without a role, */
#define ANSWERS_CHANNEL_MAX 2048 /* and to all of those of a channel */
#define ANSWERS_ADMIN_MAX 1024	 /* to others */

struct answers {
	struct gateway *gateway;
	struct map tallies;  /* struct tally, by channel, and chat or "" */
	struct list waiting; /* struct answer */
};

/* Where an answer goes. */
struct answers_to {
	char *channel, *key;
	json_t *target;
	bool has_role;
};

void answers_init(struct answers *a, struct gateway *g);
/* What waits is sent nevertheless. */
void answers_finish(struct answers *a);
void answers_to_init(struct answers_to *to, const struct channel_said *said);
void answers_to_finish(struct answers_to *to);
/* Sends the text, or counts that there is no room for it. */
void answers_send(
	struct answers *a, const struct answers_to *to, const char *text);
