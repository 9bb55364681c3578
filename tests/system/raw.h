/* raw: packages of the test plugin raw-python, one per plugin, whose manifests
 * tests write. What the settings do is said in tests/plugins/raw-python. */
#pragma once

#include "tests/system/harness/files.h"
#include "tests/system/harness/run.h"

#define RAW_TOKEN "raw-test-token" /* an operator's, after raw_open_api() */

/* A package and a plugin of that id, mounted at /ID unless the settings say
 * `only: true`. */
void raw_add(struct gateway_run *g, const char *id, const char *settings);
/* The same with more of the plugin's entry ("drain_timeout: 1s") and of its
 * manifest (whole lines). */
void raw_add_more(struct gateway_run *g, const char *id, const char *settings,
	const char *entry, const char *manifest);
/* Another manifest: settings as the inside of a map, and more lines. */
void raw_manifest(struct gateway_run *g, const char *id, const char *settings,
	const char *more);
void raw_open_api(struct gateway_run *g);

/* ---- what a worker leaves behind, by the setting `leave: PATH` ---- */

char *raw_left_path(struct gateway_run *g); /* for PATH; the caller frees */
/* A pidfd of what the latest worker has left; it runs. The caller closes. */
int raw_left(struct gateway_run *g);
bool raw_left_has_ended(int pidfd, int timeout_ms);
void raw_expect_left_ends(int pidfd); /* closes it */
