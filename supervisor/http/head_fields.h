/* head_fields: what the fields of a head say to supd itself: Host, how long
 * the body is, what Connection ends here. Part of head. */
#pragma once

#include "supervisor/http/head.h"

/* Looks at all fields of p. -1: refused. */
int head_read_fields(struct head_parser *p);
/* Notes the refusal; always -1. */
int head_refuse(struct head *h, int status, const char *reason);
