/* fuzz_config: any bytes as supd.yaml and as plugin.yaml, and cut at lines of
 * "===" as supd.yaml and the files of conf.d. Nothing may crash, leak or take
 * long; what loads can be compared and ordered, and shown as a config that
 * loads to the same; a secret stands in nothing that is shown. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/config/compare.h"
#include "supervisor/config/manifest.h"

/* The variable SECRET and the file beside the config hold it. */
#define SECRET "hush-a-secret-that-no-input-has"
/* Longer inputs may have keys or paths that grow beyond what YAML takes. */
#define VIEW_BYTES_MAX 300
#define PARTS_MAX 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
refuse_secret(const char *text)
{
	if (strstr(text, SECRET))
		abort();
}

static void
look_at_problems(struct problems *problems)
{
	for (uint32_t i = 0; i < problems->count; i++)
		refuse_secret(problems->items[i].text);
	problems_finish(problems);
}

/* Only what was masked may differ from what it was shown as. */
static void
compare_shown(const struct config *config, const struct config *shown)
{
	struct config_changes changes;

	config_compare(config, shown, NULL, &changes);
	for (uint32_t i = 0; i < changes.count; i++)
		if (!strstr(changes.items[i].path, ".settings.") &&
			!strstr(changes.items[i].path, ".env.") &&
			strncmp(changes.items[i].path, "admin.tokens[", 13))
			abort();
	config_changes_finish(&changes);
}

static void
try_view(const struct config *config, size_t size)
{
	struct problems problems = {0};
	json_t *view = config_view(config, NULL), *again;
	char *text =
		json_dumps(view, JSON_ENSURE_ASCII | JSON_REAL_PRECISION(17));
	struct config *shown;

	refuse_secret(text);
	shown = config_load_text("/s.json", text, strlen(text), &problems);
	if (shown) {
		compare_shown(config, shown);
		again = config_view(shown, NULL);
		if (!json_equal(view, again))
			abort();
		json_decref(again);
	} else if (size < VIEW_BYTES_MAX) {
		abort();
	}
	config_unref(shown);
	look_at_problems(&problems);
	json_decref(view);
	free(text);
}

static void
try_compare(struct config *config)
{
	struct problems problems = {0};
	struct config *empty = config_load_text("/e.yaml", "", 0, &problems);
	struct config_changes changes;

	config_compare(empty, config, NULL, &changes);
	json_decref(config_changes_view(&changes));
	config_changes_finish(&changes);
	config_compare(config, config, NULL, &changes);
	if (changes.count)
		abort();
	config_changes_finish(&changes);
	config_unref(empty);
	problems_finish(&problems);
}

static void
look_at(struct config *config, struct problems *problems, size_t size)
{
	if (!config != (problems->errors > 0))
		abort();
	if (config) {
		try_compare(config);
		try_view(config, size);
	}
	config_unref(config);
	look_at_problems(problems);
}

static void
try_config(const char *text, size_t size)
{
	struct problems problems = {0};

	look_at(config_load_text("/f/supd.yaml", text, size, &problems),
		&problems, size);
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
	look_at_problems(&problems);
}

/* ---- several files ---- */

static char folder[] = "/tmp/supd-fuzz-XXXXXX";

static char *
name_of(const char *name)
{
	return memory_format("%s/%s", folder, name);
}

static void
put_file(const char *name, const char *text, size_t size)
{
	char *path = name_of(name);
	FILE *out = fopen(path, "w");

	if (!out || fwrite(text, 1, size, out) != size || fclose(out))
		abort();
	free(path);
}

static void
remove_all(void)
{
	static const char *const names[] = {"supd.yaml", "secret",
		"conf.d/1.yaml", "conf.d/2.yaml", "conf.d/3.yaml", "conf.d",
		""};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char *path = name_of(names[i]);

		remove(path);
		free(path);
	}
}

static void
begin(void)
{
	char *path;

	setenv("SECRET", SECRET, 1);
	if (!mkdtemp(folder))
		abort();
	path = name_of("conf.d");
	if (mkdir(path, 0700))
		abort();
	free(path);
	put_file("secret", SECRET "\n", strlen(SECRET) + 1);
	atexit(remove_all);
}

/* "supd.yaml===conf.d/1.yaml===…": the rest is in the last one. */
static void
try_files(const char *text, size_t size)
{
	static const char *const names[PARTS_MAX] = {
		"supd.yaml", "conf.d/1.yaml", "conf.d/2.yaml", "conf.d/3.yaml"};
	struct problems problems = {0};
	const char *at = text, *end = text + size;
	char *path = name_of("supd.yaml");

	for (int i = 0; i < PARTS_MAX; i++) {
		const char *cut = memmem(at, (size_t)(end - at), "\n===\n", 5);
		const char *stop = cut && i < PARTS_MAX - 1 ? cut + 1 : end;

		put_file(names[i], at, (size_t)(stop - at));
		at = stop == end ? end : cut + 5;
	}
	look_at(config_load(path, &problems), &problems, size);
	free(path);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;
	const char *text = (const char *)data;

	if (!begun)
		begin();
	begun = true;
	if (memmem(text, size, SECRET, strlen(SECRET)))
		return 0;
	try_config(text, size);
	try_manifest(text, size);
	if (memmem(text, size, "\n===\n", 5) || memmem(text, size, "${", 2))
		try_files(text, size);
	return 0;
}
