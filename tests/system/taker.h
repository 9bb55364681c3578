/* taker: plugins of the package tests/plugins/taker, whose settings say what
 * becomes of each start, stop, take and quiesce, and its journal. */
#pragma once

#include "tests/system/harness/run.h"

/* Adds the plugin: settings as the inside of a map, more lines of its manifest
 * ("reload: exclusive\n"), and more of its entry ("hold_timeout: 2s"). Locks
 * and the journal are in the folder of the run. */
void taker_add(struct gateway_run *g, const char *id, const char *settings,
	const char *manifest, const char *entry);
/* The next version: other settings and lines. */
void taker_manifest(struct gateway_run *g, const char *id, const char *settings,
	const char *manifest);
/* The whole journal; the caller frees. */
char *taker_journal(struct gateway_run *g, const char *id);
/* Waits until the journal has this text count times. */
void taker_await(struct gateway_run *g, const char *id, const char *text,
	unsigned count);
/* Opens the gate at which the script "gate" waits. */
void taker_open_gate(struct gateway_run *g, const char *id);
unsigned taker_count(struct gateway_run *g, const char *id, const char *text);
/* Fails unless each epoch in the journal is greater than those before, and
 * nobody ever found two holders. Returns the last epoch. */
unsigned long long taker_expect_order(struct gateway_run *g, const char *id);
