/* collector: a double of an OpenTelemetry collector (tests/system/collector), a
 * process of its own, and what tests look for in what it has got. */
#pragma once

#include <jansson.h>

#include "tests/system/harness/double.h"
#include "tests/system/harness/run.h"

struct collector {
	struct double_server at;
};

void collector_start(struct collector *c);
/* Again at the port where it was, after collector_end(). */
void collector_restart(struct collector *c);
void collector_end(struct collector *c);
/* Knobs, the inside of a map. */
void collector_set(struct collector *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void collector_forget(struct collector *c);
/* Nothing that came was wrong. */
void collector_check(struct collector *c);
/* A count of its state. */
long collector_count(struct collector *c, const char *key);
void collector_await(struct collector *c, const char *key, long least);
/* An array of "spans", "lines", or a map of "metrics", or of "headers"; the
 * caller drops it. */
json_t *collector_get(struct collector *c, const char *what);
/* Waits for a span of that name, the last one; the caller drops it. */
json_t *collector_span(struct collector *c, const char *name);
/* Waits for a child of `parent` of that name; NULL: of any; the caller drops
 * it. */
json_t *collector_child(
	struct collector *c, const json_t *parent, const char *name);
/* The text of a member, or of its attributes. */
const char *span_text(const json_t *span, const char *key);
const char *span_attribute(const json_t *span, const char *key);
long span_number(const json_t *span, const char *key); /* of its attributes */

/* What a metric of supd has for these labels, in all; "": for any. */
long telemetry_count(struct gateway_run *g, const char *name,
	const char *signal, const char *reason);
void telemetry_await(struct gateway_run *g, const char *name,
	const char *signal, const char *reason, long least);

/* The section `telemetry` of a run that exports to it, with more of its keys
 * or "". */
void collector_configure(
	struct gateway_run *g, const struct collector *c, const char *more);
