/* manifest: the rows of plugin.yaml and the checks of its values. */
#include "supervisor/config/manifest.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/registration.h"
#include "proto/util/memory.h"
#include "supervisor/config/source.h"
#include "supervisor/config/tables.h"

/* ---- checks ---- */

static bool
stays_inside(const char *path)
{
	size_t length = strlen(path);
	return length && path[0] != '/' && strcmp(path, "..") != 0 &&
	       strncmp(path, "../", 3) != 0 && !strstr(path, "/../") &&
	       (length < 3 || strcmp(path + length - 3, "/..") != 0);
}

static void
check_run(struct problems *problems, const struct node *node, void *base)
{
	if (!stays_inside(node->text)) {
		node_problem(problems, node,
			"'run' must name a file within the package");
		return;
	}
	char *path = path_beside(node->file, node->text);
	if (access(path, F_OK) < 0)
		node_problem(problems, node,
			"'run': no file '%s' in the package", node->text);
	free(path);
}

/* Checks the program of `exec`, if it is within the package. */
static void
check_exec(struct problems *problems, const struct node *node, void *base)
{
	const struct manifest *manifest = base;
	if (manifest->exec.count > 1)
		return;
	if (!*node->text) {
		node_problem(problems, node, "'exec' must name a program");
		return;
	}
	if (node->text[0] == '/' || !strchr(node->text, '/'))
		return;
	char *path = path_beside(node->file, node->text);
	if (access(path, X_OK) < 0)
		node_problem(problems, node,
			"'exec': no executable '%s' in the package",
			node->text);
	free(path);
}

static void
check_share(struct problems *problems, const struct node *node, void *base)
{
	if (!stays_inside(node->text))
		node_problem(problems, node,
			"'share' must name files within the package");
}

static void
check_keep(struct problems *problems, const struct node *node, void *base)
{
	const char *colon = strchr(node->text, ':');
	if (!colon || !colon[1] ||
		registration_kind_by_wire(
			node->text, (size_t)(colon - node->text)) < 0)
		node_problem(problems, node,
			"'keep' must be KIND:NAME such as \"http:GET /hello\" "
			"or \"tool:hello\"");
}

static void
check_manifest_requires(
	struct problems *problems, const struct node *node, void *base)
{
	struct manifest *manifest = base;
	check_requirement(
		problems, node, &manifest->requires, &manifest->requires_at);
}

static void
check_probe(struct problems *problems, const struct node *node, void *base)
{
	struct manifest_probe *probe = base;
	size_t method = strspn(node->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
	const char *path = node->text + method + 1;
	if (!method || node->text[method] != ' ' || *path != '/' ||
		strpbrk(path, " \t\r\n")) {
		node_problem(problems, node,
			"'http' must be METHOD /path such as GET /hello");
		return;
	}
	probe->method = memory_copy_bytes(node->text, method);
	probe->path = memory_copy_text(path);
}

/* Warns about keys of `state` that have no effect without `export`. */
static void
check_state(struct problems *problems, const struct node *state,
	const struct manifest *manifest)
{
	static const char *const keys[] = {"version", "optional"};
	if (!state || state->kind != NODE_MAP || manifest->state.export)
		return;
	const struct node *said = node_get(state, "export");
	if (said && (said->kind != NODE_SCALAR || !strchr("fF", *said->text)))
		return; /* invalid, and reported already */
	for (size_t i = 0; i < SCHEMA_COUNT_OF(keys); i++) {
		const struct node *node = node_get(state, keys[i]);
		if (node)
			problems_warn(problems, node->file, node->line,
				node->column,
				"'%s' means nothing without 'export: true'",
				keys[i]);
	}
}

static void
check_whole(struct problems *problems, const struct node *map, void *base)
{
	struct manifest *manifest = base;
	const struct node *link = node_get(map, "link");
	bool has_run = node_get(map, "run"), has_exec = node_get(map, "exec");
	if (has_run && has_exec)
		node_problem(problems, node_get(map, "exec"),
			"a package has either 'run' or 'exec'");
	else if (!has_run && !has_exec)
		node_problem(problems, map,
			"'run' (a C plugin) or 'exec' (a program) is missing");
	else if (has_exec && node_get(map, "exec")->kind == NODE_LIST &&
		 !node_get(map, "exec")->count)
		node_problem(problems, node_get(map, "exec"),
			"'exec' must name a program");
	check_state(problems, node_get(map, "state"), manifest);
	manifest->link_is_set = link;
	if (link && has_exec && manifest->link == LINK_NATIVE)
		node_problem(problems, link,
			"'link: native' is for C plugins; a program brings "
			"its own");
}

/* ---- rows ---- */

static const char *const reload_words[] = {"overlap", "exclusive", NULL};

#define ROW(member) .name = #member, .offset = offsetof(struct manifest, member)
/* A row of a section, which has no struct of its own. */
#define ROW_OF(section, member)                                                \
	.name = #member, .offset = offsetof(struct manifest, section.member) - \
				   offsetof(struct manifest, section)

static const struct schema_row probe_rows[] = {
	{.name = "http",
		.type = SCHEMA_TEXT,
		.min = 1,
		.offset = offsetof(struct manifest_probe, http),
		.required = true,
		.check = check_probe,
		.doc = "A request such as `GET /hello`, "
		       "without the "
		       "plugin's mount."},
	{.name = "expect",
		.type = SCHEMA_COUNT,
		.offset = offsetof(struct manifest_probe, expect),
		.min = 100,
		.max = 599,
		.fallback = "200",
		.doc = "The status that counts as healthy."},
	{0},
};
static const struct schema_table probe_table = {
	.bytes = sizeof(struct manifest_probe),
	.rows = probe_rows,
};

static const struct schema_row health_rows[] = {
	{ROW_OF(health, call), .type = SCHEMA_BOOL, .fallback = "false",
		.doc = "Whether a new worker must answer "
		       "the request `health`."},
	{ROW_OF(health, probes), .type = SCHEMA_LIST, .table = &probe_table,
		.doc = "Requests that a new worker must answer."},
	{0},
};
static const struct schema_table health_table = {
	.rows = health_rows,
};

static const struct schema_row state_rows[] = {
	{ROW_OF(state, export), .type = SCHEMA_BOOL, .fallback = "false",
		.doc = "Whether a reload hands the state of "
		       "the old worker over to the new one."},
	{ROW_OF(state, version), .type = SCHEMA_COUNT, .min = 1,
		.max = INT32_MAX, .fallback = "1",
		.doc = "The version of the exported state; the "
		       "importing worker gets it too."},
	{ROW_OF(state, optional), .type = SCHEMA_BOOL, .fallback = "false",
		.doc = "Whether a worker that refuses the "
		       "state starts without it; otherwise the "
		       "reload fails."},
	{0},
};
static const struct schema_table state_table = {
	.rows = state_rows,
};

static const struct schema_row watch_rows[] = {
	{ROW_OF(watch, include), .type = SCHEMA_TEXTS, .min = 1,
		.doc = "Patterns of the files that count; "
		       "without one: `[\"*\"]`."},
	{ROW_OF(watch, ignore), .type = SCHEMA_TEXTS, .min = 1,
		.doc = "Patterns of files and folders that do "
		       "not; without one: `[\"__pycache__\", "
		       "\".*\"]`."},
	{ROW_OF(watch, also), .type = SCHEMA_TEXTS, .min = 1,
		.doc = "Files and folders elsewhere that are "
		       "watched too, as those of which the "
		       "package is built; relative to it."},
	{ROW_OF(watch, settings), .type = SCHEMA_TEXTS, .min = 1,
		.doc = "Names of settings whose values are "
		       "absolute paths of files: a change of "
		       "such a file reloads the plugin, too."},
	{ROW_OF(watch, run), .type = SCHEMA_TEXTS, .min = 1,
		.doc = "A program and its arguments, run in "
		       "the package's folder before the "
		       "reload, which follows if it exits "
		       "with 0."},
	{.name = "run_timeout",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct manifest, watch.run_timeout_ms) -
			  offsetof(struct manifest, watch),
		.min = 1000,
		.max = 3600 * 1000,
		.fallback = "5m",
		.doc = "Time for that program."},
	{0},
};
static const struct schema_table watch_table = {
	.rows = watch_rows,
};

static const struct schema_row manifest_rows[] = {
	{ROW(name), .type = SCHEMA_TEXT, .min = 1, .required = true,
		.check = check_id, .doc = "The package's name."},
	{ROW(version), .type = SCHEMA_TEXT, .min = 1, .max = 64,
		.required = true, .doc = "Its version, any string."},
	{ROW(run), .type = SCHEMA_TEXT, .min = 1, .check = check_run,
		.doc = "The shared object of a C plugin; or"},
	{ROW(exec), .type = SCHEMA_TEXTS, .check = check_exec,
		.doc = "a program and its arguments, run in the "
		       "staged copy."},
	{ROW(reload), .type = SCHEMA_CHOICE, .choices = reload_words,
		.fallback = "overlap",
		.doc = "Whether old and new worker may have their "
		       "resources at the same time. With `exclusive` "
		       "a reload asks the old one to let go "
		       "(`quiesce`) before the new one may `take`."},
	{ROW(health), .type = SCHEMA_SECTION, .table = &health_table,
		.doc = "What proves a new worker."},
	{ROW(state), .type = SCHEMA_SECTION, .table = &state_table,
		.doc = "State handed over in a reload."},
	{ROW(configure), .type = SCHEMA_BOOL, .fallback = "false",
		.doc = "Whether the running worker is sent changed "
		       "settings (`configure`) instead of being "
		       "reloaded; if it refuses them, it is reloaded."},
	{ROW(keep), .type = SCHEMA_TEXTS, .min = 1, .check = check_keep,
		.doc = "Registrations whose loss fails a reload."},
	{ROW(requires), .type = SCHEMA_TEXTS, .check = check_manifest_requires,
		.doc = "Ids of plugins that start before it."},
	{ROW(share), .type = SCHEMA_TEXTS, .min = 1, .check = check_share,
		.doc = "Names to link into the staged copy instead of "
		       "copying them."},
	{ROW(watch), .type = SCHEMA_SECTION, .table = &watch_table,
		.doc = "What is watched, if the plugin is."},
	{ROW(link), .type = SCHEMA_CHOICE, .choices = link_words,
		.fallback = "nng",
		.doc = "How a C plugin's worker connects to supd."},
	{.name = "sandbox",
		.type = SCHEMA_OWN,
		.later = true,
		.doc = "What the package may access."},
	{ROW(settings), .type = SCHEMA_JSON,
		.doc = "Default settings; those of the configuration "
		       "are laid over them."},
	{0},
};
const struct schema_table manifest_table = {
	.bytes = sizeof(struct manifest),
	.check = check_whole,
	.rows = manifest_rows,
};

/* ---- reading ---- */

struct manifest *
manifest_load_text(const char *package_dir, const char *text, size_t length,
	struct problems *problems)
{
	uint32_t errors_before = problems->errors;
	struct manifest *manifest = memory_alloc(sizeof(*manifest));
	manifest->file = memory_format("%s/%s", package_dir, MANIFEST_FILE);
	schema_defaults(&manifest_table, manifest);
	struct node *root = node_parse(manifest->file, text, length, problems);
	if (root)
		schema_read(problems, &manifest_table, root, manifest);
	node_destroy(root);
	if (!manifest->settings)
		manifest->settings = json_object();
	problems_sort(problems);
	problems_unknown_first(problems);
	if (problems->errors == errors_before)
		return manifest;
	manifest_destroy(manifest);
	return NULL;
}

struct manifest *
manifest_load(const char *package_dir, struct problems *problems)
{
	char *path = memory_format("%s/%s", package_dir, MANIFEST_FILE);
	size_t length;
	char *text = source_read(path, &length, problems);
	free(path);
	if (!text)
		return NULL;
	struct manifest *manifest =
		manifest_load_text(package_dir, text, length, problems);
	free(text);
	return manifest;
}

void
manifest_destroy(struct manifest *manifest)
{
	if (!manifest)
		return;
	for (uint32_t i = 0; i < manifest->health.probes.count; i++) {
		free(manifest->health.probes.items[i].method);
		free(manifest->health.probes.items[i].path);
	}
	schema_finish(&manifest_table, manifest);
	free(manifest->requires_at);
	free(manifest->file);
	free(manifest);
}

enum config_link
plugin_link(const struct plugin_config *plugin, const struct manifest *manifest)
{
	if (manifest && manifest->exec.count)
		return LINK_NNG; /* programs of `exec` use nng */
	if (!plugin->link_is_set && manifest && manifest->link_is_set)
		return (enum config_link)manifest->link;
	return (enum config_link)plugin->limits.link;
}
