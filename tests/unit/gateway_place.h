/* gateway_place: stands in the gateway's place for tests of control: real
 * plugins without workers, and reloads that the test ends as it likes. */
#pragma once

#include "supervisor/gateway/gateway.h"
#include "supervisor/gateway/apply.h"
#include "supervisor/gateway/reload.h"

#define PLACE_RELOADS_MAX 32

struct place_reload {
	struct plugin *plugin;
	struct reload_watcher *watcher; /* NULL: nobody follows */
	struct reload_options options;
	bool in_set;	  /* an atomic one */
	const char *what; /* "reload", "start", "stop", "restart", ... */
};

struct place {
	struct gateway gateway;
	struct place_reload begun[PLACE_RELOADS_MAX];
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
extern struct place place;

/* From the text of a supd.yaml; loop may be NULL. */
void place_open(const char *yaml, struct ev_loop *loop);
void place_close(void);
struct plugin *place_plugin(const char *id);
/* Tells the watcher of a begun reload; state as in a receipt. */
void place_phase(unsigned begun, const char *phase);
void place_verdict(unsigned begun, const char *state);
void place_settled(unsigned begun, const char *state);
