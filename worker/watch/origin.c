/* origin: see the header. */
#include "worker/watch/origin.h"

#include <stdint.h>
#include <string.h>

enum kind { KIND_UNKNOWN, KIND_SOURCE, KIND_ONCE, KIND_MADE };

void
origin_finish(struct origin *o)
{
	map_finish(&o->files);
	map_finish(&o->suffixes);
	*o = (struct origin){0};
}

static enum kind
kind_of(const struct map *m, const char *key)
{
	return (enum kind)(uintptr_t)map_get(m, key, strlen(key));
}

static void
set_kind(struct map *m, const char *key, enum kind kind)
{
	if (m->count < ORIGIN_FILES_MAX || kind_of(m, key))
		map_set(m, key, strlen(key), (void *)(uintptr_t)kind);
}

/* With its dot, which is not the first byte of the name; NULL: none. */
static const char *
suffix_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');

	return dot && dot > name ? dot : NULL;
}

void
origin_note_source(struct origin *o, const char *path)
{
	const char *suffix = suffix_of(path);

	set_kind(&o->files, path, KIND_SOURCE);
	if (suffix)
		set_kind(&o->suffixes, suffix, KIND_SOURCE);
}

static bool
has(const json_t *paths, const char *path)
{
	for (size_t i = 0; i < json_array_size(paths); i++) {
		const char *text = json_string_value(json_array_get(paths, i));

		if (text && !strcmp(text, path))
			return true;
	}
	return false;
}

bool
origin_is_build(
	struct origin *o, const json_t *made, const char *path, bool is_new)
{
	enum kind kind = kind_of(&o->files, path);
	const char *suffix = suffix_of(path);

	if (has(made, path) || kind == KIND_MADE)
		return true;
	if (kind == KIND_SOURCE || (suffix && kind_of(&o->suffixes, suffix)))
		return false;
	if (is_new && path[0] != '/') {
		set_kind(&o->files, path, KIND_MADE);
		return true;
	}
	set_kind(&o->files, path, kind == KIND_ONCE ? KIND_MADE : KIND_ONCE);
	return false;
}
