/* notices: tells the chats of admin.notify what happened. It hears of events
 * within whatever caused them, so there it only makes the line; it is sent in a
 * later turn of the loop, by the channel, and kept like all that it sends.
 *
 * Each chat gets NOTICES_AT_ONCE notices at once, and then one every
 * NOTICES_EVERY_MS. Those beyond it are counted, and the next notice sums them
 * up, as also while NOTICES_WAITING_MAX wait to be sent. One that its channel
 * does not take, because it is not there yet, is tried again every
 * NOTICES_RETRY_MS, and given up after NOTICES_KEPT_MS. */
#pragma once

#include "proto/util/list.h"
#include "proto/util/wheel.h"
#include "supervisor/channel/channel.h"
#include "supervisor/gateway/gateway.h"
#include "supervisor/ops/journal.h"

#define NOTICES_AT_ONCE 10
#define NOTICES_EVERY_MS 10000
#define NOTICES_WAITING_MAX 16
#define NOTICES_RETRY_MS 1000
#define NOTICES_KEPT_MS (3600 * 1000ull)

struct notices {
	struct gateway *gateway;
	struct journal_reader reader; /* while there are chats */
	struct list chats;	      /* struct notice_chat */
	struct wheel_timer timer;     /* the next look at them */
};

void notices_init(struct notices *n, struct gateway *g);
/* What a channel has taken is sent nevertheless. */
void notices_finish(struct notices *n);
/* Chats that stay keep what waits for them. */
void notices_configure(struct notices *n, const struct config_admin *admin);
