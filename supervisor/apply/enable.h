/* enable: whether a plugin is to run at all. The file says it, and a user may
 * override the file until its value changes. */
#pragma once

#include "supervisor/reload/reload.h"

/* Decides by the file and the user's decision, which is forgotten if the file's
 * value has changed since. */
void enable_follow(struct plugin *p);

/* A user's decision holds until the plugin's `enabled` changes in the file.
 * Enabling starts the plugin, also if it was stopped. Disabling stops it and
 * removes its routes at once. */
enum reload_refusal enable_begin_enable(struct gateway *g, struct plugin *p,
	const char *trigger, struct reload_watcher *watcher, char *id_out,
	struct error *err);
enum reload_refusal enable_begin_disable(struct gateway *g, struct plugin *p,
	const char *trigger, struct reload_watcher *watcher, char *id_out,
	struct error *err);
