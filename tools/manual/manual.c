/* manual: fills a template of a manual page: a line that is one of the markers
 * below becomes the list that the program itself works with, @VERSION@ the
 * version. Runs while building. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/arguments.h"
#include "supervisor/config/config.h"
#include "tools/supctl/help.h"

#define LINE_BYTES_MAX 72

static void
put_byte(char byte)
{
	static const struct {
		char byte;
		const char *text;
	} escapes[] = {{'\\', "\\e"}, {'-', "\\-"}, {'^', "\\(ha"},
		{'\'', "\\(aq"}, {'~', "\\(ti"}};

	for (size_t i = 0; i < sizeof(escapes) / sizeof(*escapes); i++)
		if (escapes[i].byte == byte) {
			fputs(escapes[i].text, stdout);
			return;
		}
	putchar(byte);
}

/* Text of a table as roff: nothing in it is a request or an escape. */
static void
put_text(const char *text)
{
	if (*text == '.')
		fputs("\\&", stdout);
	while (*text)
		put_byte(*text++);
}

/* A paragraph: a line ends with its sentence, or when it is long. */
static void
put_sentences(const char *text)
{
	size_t at = 0;

	while (*text) {
		size_t length = strcspn(text, " ");
		bool ends = strchr(".:?", text[length - 1]) != NULL;

		if (!at && *text == '.')
			fputs("\\&", stdout);
		for (size_t i = 0; i < length; i++)
			put_byte(text[i]);
		at += length + 1;
		text += length + strspn(text + length, " ");
		if (!*text || ends ||
			at + strcspn(text, " ") > LINE_BYTES_MAX) {
			putchar('\n');
			at = 0;
		} else {
			putchar(' ');
		}
	}
}

static void
put_term(const char *bold, const char *rest)
{
	fputs(".TP\n\\fB", stdout);
	put_text(bold);
	fputs("\\fR", stdout);
	if (*rest)
		putchar(' ');
	put_text(rest);
	putchar('\n');
}

static void
put_options(enum verb verb)
{
	for (int i = 0; i < OPTION_COUNT; i++) {
		const char *argument = option_rows[i].argument;
		char text[64];

		if (!option_is_of((enum option_id)i, verb))
			continue;
		help_option_text(text, sizeof(text), (enum option_id)i);
		if (argument)
			text[strlen(text) - strlen(argument) - 1] = 0;
		put_term(text, argument ? argument : "");
		put_sentences(option_rows[i].help);
	}
}

static void
put_supctl_options(void)
{
	put_options(VERB_UNKNOWN);
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
put_verbs(void)
{
	for (int i = 0; i < VERB_COUNT; i++) {
		put_term(verb_rows[i].name, verb_rows[i].usage);
		put_sentences(verb_rows[i].help);
		if (verb_rows[i].alias)
			printf("Also: %s.\n", verb_rows[i].alias);
		if (!verb_rows[i].local)
			printf("Role: %s.\n",
				verb_role_name(verb_rows[i].role));
		if (!has_options((enum verb)i))
			continue;
		puts(".RS");
		put_options((enum verb)i);
		puts(".RE");
	}
}

static void
put_exits(void)
{
	for (const struct exit_row *row = exit_rows; row->text; row++) {
		char code[16], text[512];

		snprintf(code, sizeof(code), "%d", row->code);
		snprintf(text, sizeof(text), "%s%s%s", row->text,
			row->more ? ": " : "", row->more ? row->more : "");
		put_term(code, "");
		put_sentences(text);
	}
}

static void
put_supd_options(void)
{
	for (const struct argp_option *row = argument_rows; row->name; row++) {
		char text[64];
		char letter[] = {'-', (char)row->key, ',', ' ', 0};

		snprintf(text, sizeof(text), "%s--%s",
			row->key < 256 ? letter : "", row->name);
		put_term(text, row->arg ? row->arg : "");
		put_sentences(row->doc);
	}
}

static void
put_config_keys(void)
{
	config_print_man_keys(stdout, false);
}

static void
put_manifest_keys(void)
{
	config_print_man_keys(stdout, true);
}

static const struct marker {
	const char *line;
	void (*put)(void);
} markers[] = {
	{"@VERBS@\n", put_verbs},
	{"@OPTIONS@\n", put_supctl_options},
	{"@EXITS@\n", put_exits},
	{"@SUPD_OPTIONS@\n", put_supd_options},
	{"@CONFIG_KEYS@\n", put_config_keys},
	{"@MANIFEST_KEYS@\n", put_manifest_keys},
};

static void
put_line(char *line)
{
	char *version = strstr(line, "@VERSION@");

	for (size_t i = 0; i < sizeof(markers) / sizeof(*markers); i++)
		if (!strcmp(markers[i].line, line)) {
			markers[i].put();
			return;
		}
	if (version)
		*version = 0;
	fputs(line, stdout);
	if (version)
		printf("%s%s", SUPD_VERSION, version + strlen("@VERSION@"));
}

int
main(int argc, char **argv)
{
	FILE *template = argc == 2 ? fopen(argv[1], "r") : NULL;
	char *line = NULL;
	size_t size = 0;

	if (!template) {
		fputs("usage: manual TEMPLATE\n", stderr);
		return 2;
	}
	while (getline(&line, &size, template) >= 0)
		put_line(line);
	free(line);
	fclose(template);
	return fflush(stdout) || ferror(stdout) ? EXIT_FAILURE : 0;
}
