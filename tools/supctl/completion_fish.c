/* completion_fish: see completion.h. */
#include <string.h>

#include "tools/supctl/completion.h"
#include "tools/supctl/grammar.h"

/* In single quotes. */
static void
put_quoted(FILE *out, const char *text)
{
	putc('\'', out);
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			putc('\\', out);
		putc(*text, out);
	}
	putc('\'', out);
}

/* The arguments that make fish offer what a word may be. */
static void
put_word(FILE *out, const struct word *w)
{
	switch (w->kind) {
	case WORD_CHOICE:
		fputs(" -a ", out);
		put_quoted(out, (const char *)buffer_bytes(&w->texts));
		break;
	case WORD_ID:
		fputs(" -a '(__supctl_live ids)'", out);
		break;
	case WORD_PACKAGE:
		fputs(" -a '(__supctl_live packages)'", out);
		break;
	case WORD_OFFERED:
		fputs(" -a '(__supctl_live (__supctl_words)[2])'", out);
		break;
	case WORD_CLI:
		fputs(" -a '(__supctl_live cli:(__supctl_words)[2])'", out);
		break;
	case WORD_FILE:
		fputs(" -F", out);
		break;
	case WORD_DIR:
		fputs(" -a '(__fish_complete_directories)'", out);
		break;
	case WORD_NONE:
	case WORD_FREE:
		break;
	}
}

static void
put_option(FILE *out, enum option_id id)
{
	const struct option_row *row = &option_rows[id];
	struct word value = grammar_value(id);

	fputs("complete -c supctl", out);
	if (row->verbs) {
		fputs(" -n '__supctl_has", out);
		for (int i = 0; i < VERB_COUNT; i++)
			if (option_is_of(id, (enum verb)i))
				fprintf(out, " %s", verb_rows[i].name);
		fputs("'", out);
	}
	if (row->letter)
		fprintf(out, " -s %c", row->letter);
	fprintf(out, " -l %s", row->name);
	if (row->argument)
		fputs(value.kind == WORD_FILE ? " -r" : " -x", out);
	put_word(out, &value);
	fputs(" -d ", out);
	put_quoted(out, row->help);
	putc('\n', out);
	word_finish(&value);
}

static void
put_verb_words(FILE *out, enum verb verb)
{
	for (unsigned n = 0;; n++) {
		struct word w = grammar_word(verb, n);
		bool last = w.kind == WORD_NONE || w.repeats;

		if (w.kind != WORD_NONE && w.kind != WORD_FREE) {
			fprintf(out,
				"complete -c supctl -n '__supctl_at %s %u%s'",
				verb_rows[verb].name, n,
				w.repeats ? " more" : "");
			put_word(out, &w);
			putc('\n', out);
		}
		word_finish(&w);
		if (last)
			return;
	}
}

static void
put_valued(FILE *out)
{
	for (int i = 0; i < OPTION_COUNT; i++) {
		if (!option_rows[i].argument)
			continue;
		if (option_rows[i].letter)
			fprintf(out, " -%c", option_rows[i].letter);
		fprintf(out, " --%s", option_rows[i].name);
	}
}

static const char head[] =
	"# fish completion of supctl; made by `supctl completion fish`.\n"
	"# The line's words without options and their values.\n"
	"function __supctl_words\n"
	"\tset -l skip 0\n"
	"\tfor word in (commandline -opc)[2..-1]\n"
	"\t\tif test $skip = 1\n"
	"\t\t\tset skip 0\n"
	"\t\t\tcontinue\n"
	"\t\tend\n"
	"\t\tswitch $word\n"
	"\t\t\tcase";

static const char functions[] =
	"\n"
	"\t\t\t\tset skip 1\n"
	"\t\t\tcase '-*'\n"
	"\t\t\tcase '*'\n"
	"\t\t\t\techo $word\n"
	"\t\tend\n"
	"\tend\n"
	"end\n"
	"\n"
	"# Whether the verb is one of these.\n"
	"function __supctl_has\n"
	"\tset -l words (__supctl_words)\n"
	"\ttest (count $words) -gt 0; and contains -- $words[1] $argv\n"
	"end\n"
	"\n"
	"# VERB COUNT [more]: whether so many words stand behind the verb.\n"
	"function __supctl_at\n"
	"\tset -l words (__supctl_words)\n"
	"\ttest (count $words) -gt 0; and test $words[1] = $argv[1]; or return "
	"1\n"
	"\tset -l behind (math (count $words) - 1)\n"
	"\ttest $behind -eq $argv[2]; and return 0\n"
	"\ttest (count $argv) -gt 2; and test $behind -gt $argv[2]\n"
	"end\n"
	"\n"
	"# Whether the verb is still to come, behind `help` too.\n"
	"function __supctl_begins\n"
	"\tset -l words (__supctl_words)\n"
	"\ttest (count $words) -eq 0; and return 0\n"
	"\ttest (count $words) -eq 1; and test $words[1] = help\n"
	"end\n"
	"\n"
	"# What the running supd knows; nothing if there is none.\n"
	"function __supctl_live\n"
	"\tset -l line (commandline -opc)\n"
	"\tset -l socket\n"
	"\tfor i in (seq 2 (count $line))\n"
	"\t\tif contains -- $line[$i] -s --socket; and test $i -lt (count "
	"$line)\n"
	"\t\t\tset socket -s $line[(math $i + 1)]\n"
	"\t\tend\n"
	"\tend\n"
	"\t$line[1] $socket completion $argv[1] 2>/dev/null\n"
	"end\n"
	"\n"
	"complete -c supctl -f\n";

void
completion_print_fish(FILE *out)
{
	fputs(head, out);
	put_valued(out);
	fputs(functions, out);
	for (int i = 0; i < VERB_COUNT; i++) {
		fprintf(out, "complete -c supctl -n __supctl_begins -a %s -d ",
			verb_rows[i].name);
		put_quoted(out, verb_rows[i].help);
		putc('\n', out);
	}
	for (int i = 0; i < OPTION_COUNT; i++)
		put_option(out, (enum option_id)i);
	for (int i = 0; i < VERB_COUNT; i++)
		put_verb_words(out, (enum verb)i);
}
