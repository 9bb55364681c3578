/* serve: the exchange with supd from hello to the last request: what each
 * message does. Requests themselves are request.h's. */
#pragma once

#include "worker/host.h"

extern const struct link_events serve_events; /* owner: struct sup */

/* Sends hello, with the nonce from the environment. */
void serve_begin(struct sup *p);
void serve_ready(struct sup *p);
