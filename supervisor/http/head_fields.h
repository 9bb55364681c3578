/* head_fields: the fields of a head that supd itself reads: Host, the length of
 * the body, hop-by-hop fields. Part of head. */
#pragma once

#include "supervisor/http/head.h"

/* Reads all fields of p. -1: the head is refused. */
int head_read_fields(struct head_parser *p);
/* Notes the refusal; always -1. */
int head_refuse(struct head *h, int status, const char *reason);
