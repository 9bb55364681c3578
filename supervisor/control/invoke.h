/* invoke: one call of a tool, command or method that a plugin registered, sent
 * through dispatch and answered as JSON. For people and for other plugins; not
 * the path of HTTP requests. */
#pragma once

#include <jansson.h>

#include "proto/util/buffer.h"
#include "supervisor/gateway/gateway.h"
#include "supervisor/route/request.h"

#define INVOKE_ARGS_MAX (WIRE_MESSAGE_MAX - 16 * 1024)

struct invoke;

struct invoke_end {
	bool ok;
	json_t *value;	      /* borrowed; the answer if ok */
	enum wire_error code; /* if not */
	const char *text;     /* one sentence if not */
	int http_status;      /* that fits, if not */
};

struct invoke {
	struct request request;
	struct gateway *gateway;
	enum registration_kind kind; /* tool, command or method */
	bool is_unknown;	     /* nobody registered it */
	char *name;		     /* as the worker registered it */
	struct buffer args;	     /* packed; a command's is its text */
	struct buffer caller;	     /* packed: who calls */
	/* Once, possibly before invoke_begin() returns; call invoke_finish()
	 * in it. */
	void (*done)(struct invoke *v, const struct invoke_end *end);
};

/* In this order: init, pack the args and the caller, begin, finish. */
void invoke_init(struct invoke *v, struct gateway *g,
	void (*done)(struct invoke *v, const struct invoke_end *end));
/* {"door": door} or {"door": door, "plugin": plugin_id} */
void invoke_pack_caller(
	struct invoke *v, const char *door, const char *plugin_id);
/* timeout_ms 0: the plugin's request_timeout. */
void invoke_begin(struct invoke *v, enum registration_kind kind,
	struct bytes name, uint64_t timeout_ms);
/* Frees what it holds. Before the end it cancels: done does not come. */
void invoke_finish(struct invoke *v);
/* -1: what workers can be asked for are tools, commands and methods. */
int invoke_kind(struct bytes text);
