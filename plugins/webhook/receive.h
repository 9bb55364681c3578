/* receive: the door. A delivery is checked, told to supd as an event, and
 * answered only when supd has taken it; a second one of the same id is answered
 * and goes nowhere. */
#pragma once

#include <stdint.h>
#include <sup/plugin.h>

#include "settings.h"

struct receiver;

/* Answers since the start of the worker: 200 for an event, 200 for one that was
 * known, 4xx, and 503. */
struct receiver_counts {
	uint64_t taken, again, refused, later;
};

/* The settings stay the caller's and may change between two requests. NULL: no
 * memory. It lasts as long as the process. */
struct receiver *receiver_create(
	struct sup *p, const struct settings *settings);
/* The handler of POST /{hook}; user is the receiver. */
void receiver_take(struct sup_req *req, void *user);
/* State: what was seen. Keeping refuses what is no text of this plugin. */
void receiver_export(struct receiver *r, struct sup_req *req);
int receiver_import(struct receiver *r, struct sup_req *req);
struct receiver_counts receiver_counts(const struct receiver *r);
