/* fuzz_config: any bytes as supd.yaml and as plugin.yaml. Nothing may crash,
 * leak or take long; what loads can be compared and ordered. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "supervisor/config/compare.h"
#include "supervisor/config/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_config(const char *text, size_t size)
{
	struct problems problems = {0};
	struct config *config =
		config_load_text("/f/supd.yaml", text, size, &problems);
	if (!config != (problems.errors > 0))
		abort();
	struct config *empty = config_load_text("/e.yaml", "", 0, &problems);
	if (config) {
		struct config_changes changes;
		config_compare(empty, config, NULL, &changes);
		config_changes_finish(&changes);
		config_compare(config, config, NULL, &changes);
		if (changes.count)
			abort();
		config_changes_finish(&changes);
	}
	config_unref(empty);
	config_unref(config);
	problems_finish(&problems);
}

static void
try_manifest(const char *text, size_t size)
{
	struct problems problems = {0};
	struct manifest *manifest =
		manifest_load_text("/f", text, size, &problems);
	if (!manifest != (problems.errors > 0))
		abort();
	manifest_destroy(manifest);
	problems_finish(&problems);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_config((const char *)data, size);
	try_manifest((const char *)data, size);
	return 0;
}
