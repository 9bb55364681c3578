/* chat: the door for people who write to supd in a channel: /help, /plugins,
 * /status and /reload, for those whom admin.chat lists; and the notices for the
 * chats of admin.notify. Commands go through control's table, as from every
 * other door, so roles, refusals and receipts are the same. Answers and notices
 * are sent by the channel, so they are kept like all that it sends, and leave
 * through whichever worker has the channel then.
 *
 * Nothing here waits, and nothing here can fail a reload: what cannot be sent
 * is counted. */
#pragma once

#include "supervisor/gateway/gateway.h"

struct chat;

/* The gateway's channels and journal must be there. */
struct chat *chat_create(struct gateway *g, struct config *config);
/* Before the channels. NULL is fine. */
void chat_destroy(struct chat *chat);
/* admin.chat and admin.notify may have changed. */
void chat_configure(struct chat *chat, struct config *config);
