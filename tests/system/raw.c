#include "tests/system/raw.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

void
raw_manifest(struct gateway_run *g, const char *id, const char *settings,
	const char *more)
{
	char *path = run_package_file(g, id, "plugin.yaml");

	files_write(path,
		"name: %s\nversion: 1.0.0\nexec: [python3, main.py]\n"
		"health: {call: true}\n%ssettings: {%s}\n",
		id, more, settings);
	free(path);
}

void
raw_add_more(struct gateway_run *g, const char *id, const char *settings,
	const char *entry, const char *manifest)
{
	run_package(g, "raw-python", id);
	raw_manifest(g, id, settings, manifest);
	/* Those with only their own rows say where these are. */
	if (strstr(settings, "only: true"))
		run_plugin(g, id, "use: %s%s%s", id, *entry ? ", " : "", entry);
	else
		run_plugin(g, id, "mount: /%s, namespace: %s%s%s", id, id,
			*entry ? ", " : "", entry);
}

void
raw_add(struct gateway_run *g, const char *id, const char *settings)
{
	raw_add_more(g, id, settings, "", "");
}

void
raw_open_api(struct gateway_run *g)
{
	free(g->extra);
	/* printf raw-test-token | sha256sum */
	g->extra = memory_copy_text("admin: {http: true, tokens: [{name: t, "
				    "role: operator, sha256: "
				    "\"df2bce5c0aea84fcf3c5a5157fac35e188d2b73f"
				    "495a732ae961208fa30a9ac7\"}]}\n");
}
