/* help: see help.h. Decides nothing about what a verb or an option does. */
#include "tools/supctl/help.h"

#include <string.h>

#define WIDTH 79
#define VERB_COLUMN 14
#define OPTION_COLUMN 30

/* Text from a column on, broken at spaces; the cursor is at `at`. */
static void
print_wrapped(FILE *out, int at, int column, const char *text)
{
	fprintf(out, "%*s", at < column ? column - at : 1, "");
	at = column;
	while (*text) {
		int length = (int)strcspn(text, " ");

		if (at > column && at + 1 + length > WIDTH) {
			fprintf(out, "\n%*s", column, "");
			at = column;
		} else if (at > column) {
			at += fprintf(out, " ");
		}
		at += fprintf(out, "%.*s", length, text);
		text += length;
		text += strspn(text, " ");
	}
	putc('\n', out);
}

void
help_option_text(char *text, size_t size, enum option_id id)
{
	const struct option_row *row = &option_rows[id];
	char letter[] = {'-', row->letter, ',', ' ', 0};

	snprintf(text, size, "%s--%s%s%s", row->letter ? letter : "", row->name,
		row->argument ? " " : "", row->argument ? row->argument : "");
}

static void
print_options(FILE *out, enum verb verb)
{
	for (int i = 0; i < OPTION_COUNT; i++) {
		char text[64];
		int indent = option_rows[i].letter ? 2 : 6;

		if (!option_is_of((enum option_id)i, verb))
			continue;
		help_option_text(text, sizeof(text), (enum option_id)i);
		print_wrapped(out, fprintf(out, "%*s%s", indent, "", text),
			OPTION_COLUMN, option_help((enum option_id)i, verb));
	}
}

static bool
has_options(enum verb verb)
{
	for (int i = 0; i < OPTION_COUNT; i++)
		if (option_is_of((enum option_id)i, verb))
			return true;
	return false;
}

static void
print_verb(FILE *out, enum verb verb)
{
	const struct verb_row *row = &verb_rows[verb];

	fprintf(out, "Usage: supctl [OPTION]... %s %s\n%s\n\n", row->name,
		row->usage, row->help);
	if (row->alias)
		fprintf(out, "Also: supctl %s\n\n", row->alias);
	if (has_options(verb)) {
		fputs("Options:\n", out);
		print_options(out, verb);
		putc('\n', out);
	}
	fputs("Options for every verb:\n", out);
	print_options(out, VERB_UNKNOWN);
}

static void
print_exits(FILE *out)
{
	char text[256] = "";

	for (const struct exit_row *row = exit_rows; row->text; row++) {
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "%s%d %s",
			used ? ", " : "", row->code, row->text);
	}
	print_wrapped(out, fprintf(out, "Exit:"), 6, text);
}

void
help_print(FILE *out, enum verb verb)
{
	if (verb != VERB_UNKNOWN) {
		print_verb(out, verb);
		return;
	}
	fputs("Usage: supctl [OPTION]... VERB [ARGUMENT]...\n"
	      "Controls a running supd.\n\nVerbs:\n",
		out);
	for (int i = 0; i < VERB_COUNT; i++)
		print_wrapped(out, fprintf(out, "  %s", verb_rows[i].name),
			VERB_COLUMN, verb_rows[i].help);
	fputs("\nOptions:\n", out);
	print_options(out, VERB_UNKNOWN);
	fputs("\n"
	      "'supctl help VERB' explains a verb.\n",
		out);
	print_exits(out);
}
