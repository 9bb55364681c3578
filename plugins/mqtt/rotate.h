/* rotate: other settings without a reload, such as a new password.
 *
 * A client id is connected once: who connects with it and is accepted takes its
 * session over, and the broker closes the connection before. So the new
 * settings connect with the same client id, while the old connection stays as
 * it is. If the broker accepts them, the new connection goes on with the
 * session; if not, nothing has happened to the old one. Before that, messages
 * that were read are answered and acknowledged, and those that were sent are
 * confirmed. */
#pragma once

#include "channel.h"

/* A handler of sup_on_configure(); user is the channel. */
void rotate(struct sup_req *req, void *user);
/* The channel stops, or its connection has changed: whether the rotation can
 * go on. */
void rotate_look(struct channel *c);
void rotate_give_up(struct channel *c, const char *why);
