/* compare: finds what differs between two configs, by key path and class (what
 * it takes to put the change in force). Knows paths, never values; changes
 * nothing. */
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
	/* The place of the key in the new config, or of one around it. NULL:
	 * none. Borrowed from that config. */
	const char *file;
	uint32_t line;
	/* A plugin's value that only follows a change in `defaults`, which the
	 * list has, too; not shown. */
	bool inherited;
};

struct config_changes {
	struct config_change *items;
	uint32_t count;
};

/* The plugins whose running manifest says `configure: true`: a change of their
 * settings has the class CONFIGURE, of others RELOAD. */
struct config_running {
	bool (*configures)(void *user, const char *plugin_id);
	void *user;
};

/* Compares two configs; the caller finishes the result. `running` may be NULL:
 * no plugin takes new settings while it runs. */
void config_compare(const struct config *old, const struct config *new,
	const struct config_running *running,
	struct config_changes *changes_out);
void config_changes_finish(struct config_changes *changes);
/* The same in steps, a plugin each; true: that was the last. `running` is
 * copied; the other arguments must outlive the comparison. */
struct config_comparison;
struct config_comparison *config_comparison_create(const struct config *old,
	const struct config *new, const struct config_running *running,
	struct config_changes *changes_out);
bool config_comparison_step(struct config_comparison *k);
void config_comparison_destroy(struct config_comparison *k); /* NULL is fine */

/* Compares one plugin's entries and sets the class of the change, given the
 * running manifest's `configure`. False: they are equal. */
bool config_plugin_differs(const struct plugin_config *in_force,
	const struct plugin_config *wanted, bool configures,
	enum config_class *class_out);

/* The keys of a plugin's entry that differ ("settings", "env", "hold_max"),
 * once each: a new array of strings. */
json_t *config_plugin_reasons(const struct plugin_config *in_force,
	const struct plugin_config *wanted);
/* Copies values that only a restart can change from `old` to `new`, so that
 * each later comparison reports them again. `new` must not be shared yet. */
void config_keep_unchangeable(struct config *new, const struct config *old);

/* Whether anything at or below `path` ("log", "admin.tokens") changed. */
bool config_changes_touch(
	const struct config_changes *changes, const char *path);

/* " (/etc/supd/supd.yaml:14)", or "" without a place; returns text. */
#define CONFIG_PLACE_TEXT_BYTES 320
const char *config_change_place(
	const struct config_change *change, char text[CONFIG_PLACE_TEXT_BYTES]);

/* A new {"path","kind","class","pluginId","file","line"}; pluginId is null for
 * global keys. */
json_t *config_change_view(const struct config_change *change);
/* A new array of these, without the inherited ones. */
json_t *config_changes_view(const struct config_changes *changes);
