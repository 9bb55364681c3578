/* start: the order of first starts. */
#pragma once

#include "supervisor/gateway/gateway.h"

/* Notes what the packages of plugins that were never started require. Each step
 * reads the manifest of one plugin of `config`; true: that was the last. A
 * circle is logged and ignored. `g` and `config` must outlive the object. */
struct start_manifests;
struct start_manifests *start_manifests_create(
	struct gateway *g, const struct config *config);
bool start_manifests_step(struct start_manifests *s);
void start_manifests_finish(
	struct start_manifests *s); /* puts the order in force and frees s */
void start_manifests_destroy(struct start_manifests *s); /* NULL is fine */
