/* channel: messages between platforms and plugins. A channel is a registration
 * of its own kind; event/services starts and stops it in its worker, and this
 * room does the rest: it takes what comes in (inbound), has it handled lane by
 * lane (handle), and sends what goes out (outbound).
 *
 * Data flows one way: worker -> channel.message -> store -> lane -> filters of
 * message.inbound -> command -> observers of message.received -> the message is
 * done, or a dead letter. A message is in the store before it is acknowledged,
 * and until its end is in the store it is handled again after a restart of
 * supd. What cannot be taken is answered `busy` and is not kept. Nothing here
 * waits for the disk.
 *
 * A channel is known by its full name, which is unique in supd; it outlives
 * its workers and registrations, because its messages do. */
#pragma once

#include <jansson.h>

#include "supervisor/channel/message_store.h"
#include "supervisor/gateway/gateway.h"

struct channels;

/* Sets g->channels and g->channel_life. Opens no store. */
void channels_create(struct gateway *g);
/* All plugins must be gone; hooks must still be there. NULL is fine. */
void channels_destroy(struct channels *all);
/* What is under way is written; then stopped(), at the latest after limit_ms.
 */
void channels_stop(struct channels *all, uint64_t limit_ms,
	void (*stopped)(void *user), void *user);
/* `messages` of the configuration may have changed. */
void channels_configure(struct channels *all);

/* A request `channel.message` came. */
void channels_take(struct worker *w, const struct message *m);
