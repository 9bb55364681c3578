/* send: events that go out. Each target has a queue on disk and sends one
 * delivery at a time, in order, until it is taken, refused or too old. Of the
 * generations only the owner sends. */
#pragma once

#include <jansson.h>
#include <sup/plugin.h>

#include "settings.h"

struct sender;

struct outgoing {
	uint64_t id; /* no two events of this supd have the same */
	const char *event, *at, *data; /* data is JSON text */
	const char *plugin;	       /* who caused it; NULL: nobody */
};

/* The settings stay the caller's; their targets may change between two events,
 * but not their names, number and order. NULL with the reason. */
struct sender *sender_create(
	struct sup *p, const struct settings *settings, char why[256]);
/* One event for the target of that number. done is called once, perhaps before
 * this returns: NULL once it is in the queue, else why it is not. */
void sender_take(struct sender *s, size_t target, const struct outgoing *event,
	void (*done)(const char *error, void *user), void *user);
/* Stops and gives the queues to a successor; done is called when nothing is
 * on its way any more. If none takes them, sending goes on. */
void sender_give_up(struct sender *s, void (*done)(void *user), void *user);
void sender_take_over(struct sender *s); /* from the one that gave up */
/* A map of each target's waiting, failures, delivered and givenUp. */
json_t *sender_status(const struct sender *s);
