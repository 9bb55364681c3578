/* sends: what goes to the broker, until it says that it has it. */
#pragma once

#include <sup/plugin.h>

#include "link.h"

struct pending {
	int packet; /* 0: none */
	struct sup_req *req;
};

#define SENDS_MAX 256
#define SEND_BYTES_MAX ((size_t)512 * 1024) /* of one text */

struct sends {
	struct pending pending[SENDS_MAX];
	unsigned count;
};

/* Answers the request at once, or when the broker does. */
void sends_take(struct sends *s, struct link *link, struct sup_req *req);
/* Of struct link_events. */
void sends_published(struct sends *s, int packet, const char *refused);
/* Nobody knows whether they went out. */
void sends_fail(struct sends *s, const char *why);
