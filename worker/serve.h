/* serve: the conversation with supd from hello to the last request: what each
 * message does. Requests themselves are request.h's. */
#pragma once

#include "worker/host.h"

extern const struct link_events serve_events; /* owner: struct sup */

/* hello, with the nonce of the environment; all else follows from it. */
void serve_begin(struct sup *p);
void serve_ready(struct sup *p);
