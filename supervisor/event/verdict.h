/* verdict: the answer of a filter, read. Pure. */
#pragma once

#include <jansson.h>
#include <msgpack.h>

#include "proto/util/error.h"
#include "supervisor/plugin/hook_counters.h"

struct verdict {
	enum hook_verdict kind;
	json_t *data;	  /* of CHANGE and CLAIM: the caller's; else NULL */
	char reason[512]; /* of STOP; "" if it gave none */
};

/* nil is PASS. -1 with err: it is no verdict. */
int verdict_read(
	struct verdict *v, const msgpack_object *result, struct error *err);
