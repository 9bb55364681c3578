/* outbox: messages on their way to the server, one after another and a line at
 * a time: each line is followed by a PING, and the next one is sent when the
 * server has answered that and the rate allows it. So a message that is `sent`
 * has been handled by the server, and no server has more than one of our lines
 * to work on. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bucket.h"

struct line;
struct outbox;
struct session;
struct settings;
struct sup;
struct sup_req;

#define OUTBOX_MAX 1000 /* messages; then supd has to ask again */

struct outbox_ops {
	void (*on_idle)(void *owner); /* nothing is half sent any more */
};

/* NULL: no memory. */
struct outbox *outbox_create(
	struct sup *p, const struct outbox_ops *ops, void *owner);
void outbox_set_settings(struct outbox *o, const struct settings *s);

/* Takes a request to send, and answers it, now or later. */
void outbox_take(struct outbox *o, struct sup_req *req);
/* The session that sends from now on, or NULL. What was half sent through the
 * one before is lost: nobody knows whether it went out; what was not begun
 * waits for the next one. */
void outbox_attach(struct outbox *o, struct session *s);
/* Begins no more messages, until it is resumed. */
void outbox_pause(struct outbox *o);
void outbox_resume(struct outbox *o);
/* Those that are not begun are given back to supd, to be sent again. */
void outbox_give_back(struct outbox *o, uint32_t after_ms);
bool outbox_is_idle(const struct outbox *o); /* none is half sent */
/* A line of its session: a PONG, or an error. */
void outbox_take_line(struct outbox *o, const struct line *line);
/* The session does not read for now, and so sees no PONG: what is written
 * counts as sent. */
void outbox_go_on_blindly(struct outbox *o);
