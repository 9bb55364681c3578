/* receipt_view: a receipt as one sentence. Pure. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "proto/verbs.h"

/* "hello: reloaded 3 -> 4 in 3.1 ms (pid 4101 -> 4242), +1 tool", or why it
 * failed and what serves now. verb: reload, start, stop or restart. The caller
 * frees. */
char *receipt_sentence(const json_t *receipt, enum verb verb);
bool receipt_is_success(const json_t *receipt);
bool receipt_is_proof(const json_t *receipt); /* of reload --prove */
/* "3.1 ms", "240 ms", "1.5 s" into text (at least 24 bytes). */
void duration_text(char *text, size_t size, double ms);
