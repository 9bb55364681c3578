/* manifest: plugin.yaml of one package, and where a package is found. It reads
 * files only; no plugin code runs. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/config/config.h"

enum manifest_reload { RELOAD_OVERLAP, RELOAD_EXCLUSIVE };

struct manifest_probe {
	char *http;   /* "GET /hello" as written */
	char *method; /* "GET" */
	char *path;   /* "/hello", without the plugin's mount */
	uint32_t expect;
};

struct manifest {
	char *name, *version;
	char *run;	       /* shared object, relative; NULL if exec */
	struct text_list exec; /* program and arguments; empty if run */
	int reload;	       /* enum manifest_reload */
	struct {
		bool call; /* false unless the manifest says so */
		struct {
			struct manifest_probe *items;
			uint32_t count;
		} probes;
	} health;
	/* State that is handed over; state.export false: none. */
	struct {
		bool export;
		uint32_t version; /* version of the exported state */
		bool optional;	  /* a refused import is no failure */
	} state;
	bool configure;		   /* new settings go to the running worker */
	struct text_list keep;	   /* "http:GET /hello": registration_label() */
	struct text_list requires; /* plugin ids */
	/* where each id stands in `file` */
	struct config_position *requires_at;
	struct text_list share; /* names in the package folder */
	struct manifest_watch {
		/* Without items: the defaults, see the table of keys. */
		struct text_list include, ignore;
		struct text_list also;	   /* paths, relative to the package */
		struct text_list settings; /* names of those that are paths */
		struct text_list run;	   /* program and arguments, or none */
		uint32_t run_timeout_ms;
	} watch;
	bool link_is_set;
	int link;		  /* enum config_link, if link_is_set */
	json_t *settings;	  /* an object: defaults */
	char *file;		  /* the path it was read from */
	uint32_t more_references; /* beside the first */
};

#define MANIFEST_FILE "plugin.yaml"

/* Reads PACKAGE_DIR/plugin.yaml. NULL on errors; all of them are added to
 * `problems`. The caller destroys the result. */
struct manifest *manifest_load(
	const char *package_dir, struct problems *problems);
struct manifest *manifest_load_text(const char *package_dir, const char *text,
	size_t length, struct problems *problems);
void manifest_destroy(struct manifest *manifest); /* NULL is fine */
/* Adds a reference; a worker keeps the manifest that it was started with. */
static inline struct manifest *
manifest_ref(struct manifest *manifest)
{
	manifest->more_references++;
	return manifest;
}
/* Drops a reference; the last one destroys the manifest. NULL is fine. */
static inline void
manifest_unref(struct manifest *manifest)
{
	if (manifest && manifest->more_references)
		manifest->more_references--;
	else
		manifest_destroy(manifest);
}

/* Finds the plugin's package: the first of plugin_dirs that has it. Another one
 * in a later folder is a warning; none is an error that names the folders.
 * Returns 0 and a path that the caller frees, or -1. */
int package_find(const struct config *config,
	const struct plugin_config *plugin, char **dir_out,
	struct problems *problems);

/* A new object: `defaults`, overridden by `over`. Objects merge key by key;
 * other values, null included, replace. Either may be NULL. */
json_t *settings_merge(const json_t *defaults, const json_t *over);
/* The worker's settings: the manifest's, overridden by the plugin's. A new
 * reference. */
json_t *plugin_settings(
	const struct plugin_config *plugin, const struct manifest *manifest);
/* The plugin's own value, else the manifest's, else that of `defaults`. */
enum config_link plugin_link(
	const struct plugin_config *plugin, const struct manifest *manifest);

/* Fills order_out (room for config->plugin_count) so that every plugin comes
 * after those that it or its manifest requires; manifests[i] belongs to
 * plugins[i] and may be NULL, as may the whole array. -1 with the problem: an
 * unknown id, or a cycle by its names. */
int config_start_order(const struct config *config,
	const struct manifest *const *manifests, uint32_t *order_out,
	struct problems *problems);
