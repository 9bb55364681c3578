/* completion: the verb: prints a script, or what lives. */
#include "tools/supctl/completion.h"

#include <stdlib.h>
#include <string.h>

#include "proto/registration.h"
#include "tools/supctl/supctl.h"

#define LIVE_TIMEOUT_MS 1000 /* a user has pressed TAB and waits */

static const struct shell {
	const char *name;
	void (*print)(FILE *out);
} shells[] = {{"bash", completion_print_bash}, {"zsh", completion_print_zsh},
	{"fish", completion_print_fish}};

static int
print_script(const struct options *o, const struct shell *shell)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	json_t *document;

	shell->print(out);
	fclose(out);
	if (!o->json) {
		fputs(text, stdout);
	} else {
		document = json_pack(
			"{s:s,s:s}", "shell", shell->name, "script", text);
		supctl_print_json(document);
		json_decref(document);
	}
	free(text);
	return 0;
}

/* A value of each row, sorted by nobody: the shells do that. */
static void
print_rows(const json_t *rows, const char *key)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *text = supctl_text(row, key);
		const char *dot = strrchr(text, '.');

		/* the namespace is no part of what `x` takes */
		if (dot && !strcmp(supctl_text(row, "kind"), "cli"))
			text = dot + 1;
		if (*text)
			puts(text);
	}
}

/* Without supd or without the right to ask: nothing, but the exit code. */
static int
print_live(const struct options *o, enum verb verb, json_t *args,
	const char *rows, const char *key)
{
	struct options ask = *o;
	struct answer answer;
	int exit_code;

	ask.verb = verb;
	if (ask.timeout_ms == TIMEOUT_UNSET)
		ask.timeout_ms = LIVE_TIMEOUT_MS;
	supctl_call(&ask, args, NULL, &answer);
	exit_code = answer.exit_code;
	if (!answer.error && o->json)
		supctl_print_json(answer.data);
	else if (!answer.error)
		print_rows(json_object_get(answer.data, rows), key);
	else if (o->json)
		supctl_print_error(o, &answer);
	answer_finish(&answer);
	return exit_code;
}

int
verb_completion(const struct options *o)
{
	const char *word = o->words[0];

	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++)
		if (!strcmp(word, shells[i].name))
			return print_script(o, &shells[i]);
	if (!strcmp(word, "ids"))
		return print_live(o, VERB_STATUS, NULL, "plugins", "id");
	if (!strcmp(word, "packages"))
		return print_live(o, VERB_STATUS, NULL, "plugins", "package");
	if (!strncmp(word, "cli:", 4))
		return print_live(o, VERB_ROUTES,
			json_pack(
				"{s:s,s:s}", "kind", "cli", "plugin", word + 4),
			"routes", "name");
	if (registration_kind_by_wire(word, strlen(word)) >= 0)
		return print_live(o, VERB_ROUTES,
			json_pack("{s:s}", "kind", word), "routes", "name");
	return supctl_fail(o, EXIT_USAGE, "no completion for '%s'", word);
}
