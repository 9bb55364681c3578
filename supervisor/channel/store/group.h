/* group: the answers to requests that change something, kept until their
 * transaction is on the disk. If it fails, all of them become BUSY. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/peer.h"
#include "supervisor/channel/store/stored.h"

#define GROUP_REQUESTS_MAX 1000
#define GROUP_US_MAX 5000 /* of work, before it is committed */
/* From one commit to the next: under load a group gets what comes meanwhile,
 * because a commit costs as much as ten messages. A lone request never waits.
 */
#define GROUP_PAUSE_US 1000

struct group {
	struct buffer encoded;
	struct group_answer {
		uint32_t id;
		size_t end; /* of its result in `encoded` */
	} answers[GROUP_REQUESTS_MAX];
	uint32_t count;
};

void group_finish(struct group *g);
/* Pack the result, an array, into what this returns, before the next call. */
msgpack_packer group_answer(struct group *g, uint32_t id);
/* [answer] as a whole result. */
void group_say(struct group *g, uint32_t id, enum store_answer answer);
/* Sends the answers, or BUSY to all, and empties the group. */
void group_send(struct group *g, struct peer *p, bool is_committed);
