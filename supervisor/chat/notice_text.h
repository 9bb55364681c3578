/* notice_text: which events the chats of admin.notify hear of, and how they are
 * told. Pure. Events of messages are none of them: a notice that cannot be sent
 * must not lead to another one. */
#pragma once

#include <jansson.h>

#include "supervisor/config/config.h"

/* The line about an event, which the caller frees, and the least that a chat
 * must have asked for to hear of it. NULL: nobody hears of it. */
char *notice_text(const json_t *event, enum config_notify *what_out);
