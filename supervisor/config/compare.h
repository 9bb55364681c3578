/* compare: what differs between two configs, by key path and by what it costs
 * to take effect. Knows paths, never values; changes nothing. */
#pragma once

#include <jansson.h>

#include "supervisor/config/config.h"

enum config_change_kind { CHANGE_ADDED, CHANGE_REMOVED, CHANGE_CHANGED };
const char *config_change_kind_name(enum config_change_kind kind);

struct config_change {
	enum config_change_kind kind;
	enum config_class class;
	/* "log.level", "listen[127.0.0.1:8080]", "plugins.hello" (added or
	 * removed), "plugins.hello.settings.server" */
	char *path;
	char *plugin; /* id; NULL if global */
	/* A plugin's value that only follows a change in `defaults`, which is
	 * in the list by itself: not worth a line of its own. */
	bool inherited;
};

struct config_changes {
	struct config_change *items;
	uint32_t count;
};

/* Which plugins' running manifests say `configure: true`: their settings cost
 * CONFIGURE, all others' RELOAD. */
struct config_running {
	bool (*configures)(void *user, const char *plugin_id);
	void *user;
};

/* Both live on unchanged; the result is the caller's to finish. `running` may
 * be NULL: no plugin takes new settings while it runs. */
void config_compare(const struct config *old, const struct config *new,
	const struct config_running *running,
	struct config_changes *changes_out);
void config_changes_finish(struct config_changes *changes);

/* The same for one plugin's entry: what it costs to go from what is in force
 * to what is wanted, where the running manifest's `configure` is `configures`.
 * False: they are the same. */
bool config_plugin_differs(const struct plugin_config *in_force,
	const struct plugin_config *wanted, bool configures,
	enum config_class *class_out);

/* The keys of its entry that differ ("settings", "env", "hold_max"), once
 * each: a new array of texts. */
json_t *config_plugin_reasons(const struct plugin_config *in_force,
	const struct plugin_config *wanted);
/* What only a restart changes stays in `new` as it is in `old`, so that it is
 * told again each time. `new` is nobody else's yet. */
void config_keep_unchangeable(struct config *new, const struct config *old);

/* Whether anything at or beneath `path` changed: "log", "admin.tokens". */
bool config_changes_touch(
	const struct config_changes *changes, const char *path);

/* [{"path","kind","class","pluginId"}]; pluginId is null for what is no
 * plugin's. Inherited ones are left out. A new reference. */
json_t *config_changes_view(const struct config_changes *changes);
