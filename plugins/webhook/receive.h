/* receive: takes deliveries. Each is checked, passed to supd as an event, and
 * answered when supd has taken the event. A delivery whose id is known is
 * answered, and becomes no event. */
#pragma once

#include <stdint.h>
#include <sup/plugin.h>

#include "settings.h"

struct receiver;

/* How many deliveries were answered since the start of the worker: with 200 as
 * a new event, with 200 as known, with 4xx, and with 503. */
struct receiver_counts {
	uint64_t taken, again, refused, later;
};

/* The settings stay the caller's and may change between two requests. The
 * receiver lasts as long as the process. NULL: no memory. */
struct receiver *receiver_create(
	struct sup *p, const struct settings *settings);
/* The handler of POST /{hook}; user is the receiver. */
void receiver_take(struct sup_req *req, void *user);
/* Exports and imports the ids that were seen. -1: the state is not one of this
 * plugin. */
void receiver_export(struct receiver *r, struct sup_req *req);
int receiver_import(struct receiver *r, struct sup_req *req);
struct receiver_counts receiver_counts(const struct receiver *r);
