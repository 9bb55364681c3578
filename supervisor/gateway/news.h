/* news: what happens in the gateway, told to the journal, the history and the
 * figures. Nothing here can fail: a notice that cannot be given never keeps
 * back what it is about. */
#pragma once

#include <jansson.h>
#include <msgpack.h>

#include "proto/util/bytes.h"
#include "supervisor/gateway/gateway.h"

/* An emitting worker is cut to this many events a second, after as many at
 * once; what is more is counted and told in the log. */
#define NEWS_EMITS_PER_SECOND 1000

/* ---- for the floors above ---- */
void news_gateway(struct gateway *g, const char *event, json_t *data);
/* What a person said over the file; by: "person" or "config". */
void news_enabled(struct plugin *p, bool enabled, const char *by);
/* A configuration is in force: failed_count of its transactions failed. data's
 * reference is taken (what changed, how long it took). */
void news_config_applied(
	struct gateway *g, unsigned failed_count, json_t *data);
/* One was read and not put in force; everything serves as before. */
void news_config_refused(struct gateway *g, const char *reason);

/* ---- for gateway/ itself ---- */
struct reload;
void news_phase(const struct reload *r, const char *phase, double since_ms);
void news_verdict(struct reload *r, const json_t *receipt);
void news_settled(struct reload *r, const json_t *receipt);
void news_crash(struct plugin *p, const struct worker *w);
void news_failed(struct plugin *p);
/* A request was refused because too many wait: told at once, then once a
 * second how many more there were. */
void news_overflow(struct plugin *p);
void news_emit(
	struct plugin *p, struct bytes event, const msgpack_object *data);
void news_forget(struct plugin *p); /* it goes: its timers end */
