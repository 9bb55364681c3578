/* apply_reasons: the cause of a step, for its receipt: a sentence, and the
 * changes of the plugin's entry with class and place. */
#include <string.h>

#include "proto/util/buffer.h"
#include "supervisor/apply/parts.h"

#define CHANGES_SHOWN_MAX 20 /* of one plugin, in a receipt */
#define CHANGES_NAMED_MAX 3  /* in the sentence */

/* Reasons that are not keys of the entry. */
static const struct {
	const char *word, *text;
} words[] = {
	{"added", "added to the configuration"},
	{"removed", "removed from the configuration"},
	{"enabled", "enabled in the configuration"},
	{"disabled", "disabled in the configuration"},
	{"digest", "its package changed"},
	{"package found", "its package was found"},
	{"package missing", "its package is missing"},
	{"package unreadable", "its package cannot be read"},
	{"not compared", "its package could not be compared"},
	{"not serving", "it was not serving"},
	{"busy", "another transaction was in progress"},
};

static const char *
text_of_word(const char *word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i].word, word))
			return words[i].text;
	return NULL;
}

/* The changes of a plugin are next to each other. The map has the index of the
 * first, plus one, by id. */
void
apply_reasons_index(struct apply_pass *pass)
{
	const struct config_changes *changes = &pass->changes;

	for (uint32_t i = 0; i < changes->count; i++) {
		const char *id = changes->items[i].plugin;

		if (id && !map_get(&pass->first_change, id, strlen(id)))
			map_set(&pass->first_change, id, strlen(id),
				(void *)(uintptr_t)(i + 1));
	}
}

static void
append(struct buffer *text, const char *more)
{
	buffer_format(text, "%s%s", buffer_length(text) ? "; " : "", more);
}

/* "settings.token changed (/etc/supd/supd.yaml:14)" */
static void
append_change(struct buffer *text, const struct config_change *c)
{
	const char *path = c->path + strlen("plugins.") + strlen(c->plugin);

	if (!*path)
		return; /* the whole entry: a word says so */
	append(text, path + 1);
	buffer_format(text, " %s", config_change_kind_name(c->kind));
	if (c->file)
		buffer_format(text, " (%s:%u)", c->file, c->line);
}

/* Appends the changes to the sentence, and returns those to be shown. */
static json_t *
changes_of(const struct apply_pass *pass, const struct apply_step *step,
	struct buffer *text)
{
	const struct config_changes *all = &pass->changes;
	size_t at = (size_t)(uintptr_t)map_get(
		&pass->first_change, step->id, strlen(step->id));
	json_t *shown = json_array();
	uint32_t count = 0;

	for (size_t i = at - 1; at && i < all->count; i++) {
		const struct config_change *c = &all->items[i];

		if (!c->plugin || strcmp(c->plugin, step->id) != 0)
			break;
		if (count++ < CHANGES_NAMED_MAX)
			append_change(text, c);
		if (count <= CHANGES_SHOWN_MAX)
			json_array_append_new(shown, config_change_view(c));
	}
	if (count > CHANGES_NAMED_MAX)
		buffer_format(text, "; and %u more", count - CHANGES_NAMED_MAX);
	return shown;
}

json_t *
apply_cause(const struct apply_pass *pass, const struct apply_step *step)
{
	struct buffer text = {0};
	json_t *changes = changes_of(pass, step, &text), *cause;
	const json_t *reason;
	size_t i;

	json_array_foreach(step->reasons, i, reason)
	{
		const char *word = json_string_value(reason);
		const char *said = text_of_word(word);

		if (said)
			append(&text, said);
		else if (!json_array_size(changes))
			buffer_format(&text, "%s%s changed",
				buffer_length(&text) ? "; " : "", word);
	}
	buffer_append(&text, "", 1);
	cause = cause_create("%s", (const char *)buffer_bytes(&text));
	if (json_array_size(changes))
		json_object_set(cause, "changes", changes);
	json_decref(changes);
	buffer_finish(&text);
	return cause;
}
