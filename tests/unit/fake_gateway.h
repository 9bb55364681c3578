/* fake_gateway: stands in the gateway's place for tests of control: real
 * plugins without workers, and reloads that the test ends as it likes. */
#pragma once

#include "supervisor/gateway/gateway.h"
#include "supervisor/apply/apply.h"
#include "supervisor/reload/reload.h"

#define FAKE_RELOADS_MAX 32

struct fake_reload {
	struct plugin *plugin;
	struct reload_watcher *watcher; /* NULL: nobody follows */
	struct reload_options options;
	bool in_set;	  /* an atomic one */
	const char *what; /* "reload", "start", "stop", "restart", ... */
};

struct fake_gateway {
	struct gateway gateway;
	struct fake_reload begun[FAKE_RELOADS_MAX];
	unsigned begun_count;
	unsigned sets, sequences;
	const char *refuse; /* the next ones are refused with that reason */
	const char *unsafe; /* reload_is_safe() says no for that reason */
	struct apply_request *apply; /* the last one that was begun */
	/* The request that was submitted last, and was it cancelled? */
	struct request *request;
	unsigned cancelled, failures;
	/* What a worker was answered. */
	json_t *answer;
	enum wire_error refusal;
	unsigned answers, refusals;
};
extern struct fake_gateway fake;

/* From the text of a supd.yaml; loop may be NULL. */
void fake_open(const char *yaml, struct ev_loop *loop);
void fake_close(void);
struct plugin *fake_plugin(const char *id);
/* Tells the watcher of a begun reload; state as in a receipt. */
void fake_phase(unsigned begun, const char *phase);
void fake_verdict(unsigned begun, enum receipt_state state);
void fake_settled(unsigned begun, enum receipt_state state);
