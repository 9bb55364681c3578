/* watch: reloads plugins whose packages change, and applies a configuration
 * that changes. A `sup-worker watch` child watches the files, so that the loop
 * never waits for a disk; it is started when there is something to watch. The
 * events are watch.on, watch.off, watch.changed, watch.built,
 * watch.build_failed, watch.missing, watch.swept and watch.looping. */
#pragma once

#include <jansson.h>

#include "supervisor/gateway/gateway.h"

struct watch;

struct watch_options {
	/* `supd --watch`: all plugins and the configuration are watched,
	 * whatever the configuration says; a user's decision about a plugin
	 * still counts. */
	bool all;
	/* The configuration, or a file that it refers to, changed. */
	void (*on_config)(void *user);
	void *user;
};

/* Sets g->watch. Watches nothing before watch_refresh(). */
void watch_create(struct gateway *g, const struct watch_options *options);
void watch_destroy(struct watch *w); /* NULL is fine */
/* Another configuration is in force, or plugins were added. */
void watch_refresh(struct watch *w);
/* Notes files of `${file:}` that could not be read when the configuration was
 * refused. As soon as one of them can be read, the configuration has changed.
 */
void watch_note_absent(struct watch *w, char *const *files, uint32_t count);

/* NULL, or why nothing is watched, with the key to change. */
const char *watch_gate(const struct watch *w);
/* A user's decision, which holds until `watch` of the plugin changes in the
 * file; in force after watch_refresh(). -1: it could not be saved, and nothing
 * has changed. */
int watch_decide(struct watch *w, struct plugin *p, bool on, struct error *err);
/* New objects: of one plugin, as in `status`, and of the configuration. */
json_t *watch_view(const struct watch *w, const struct plugin *p);
json_t *watch_view_config(const struct watch *w);
