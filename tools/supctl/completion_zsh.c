/* completion_zsh: see completion.h. */
#include <string.h>

#include "tools/supctl/completion.h"
#include "tools/supctl/grammar.h"

/* Inside single quotes, with what _arguments would read as its own put behind
 * a backslash. */
static void
put_text(FILE *out, const char *text)
{
	for (; *text; text++)
		if (*text == '\'')
			fputs("'\\''", out);
		else if (strchr("[]:\\", *text))
			fprintf(out, "\\%c", *text);
		else
			putc(*text, out);
}

/* ":NAME:ACTION" of a word or a value. */
static void
put_word(FILE *out, const struct word *w)
{
	static const char *const actions[] = {
		[WORD_FREE] = " ",
		/* Behind a space an action is called as it stands. */
		[WORD_ID] = " _supctl_live ids",
		[WORD_PACKAGE] = " _supctl_live packages",
		[WORD_OFFERED] = " _supctl_live $line[1]",
		[WORD_CLI] = " _supctl_live cli\\:$line[1]",
		[WORD_FILE] = "_files",
		[WORD_DIR] = "_files -/",
	};

	fputs(":", out);
	put_text(out, (const char *)buffer_bytes(&w->name));
	if (w->kind == WORD_CHOICE)
		fprintf(out, ":(%s)", buffer_bytes(&w->texts));
	else
		fprintf(out, ":%s", actions[w->kind]);
}

static void
put_spec(FILE *out, enum option_id id, const char *spelling)
{
	const struct option_row *row = &option_rows[id];
	struct word value = grammar_value(id);

	fputs(" '", out);
	if (row->letter)
		fprintf(out, "(-%c --%s)", row->letter, row->name);
	fprintf(out, "%s[", spelling);
	put_text(out, row->help);
	fputs("]", out);
	if (value.kind != WORD_NONE)
		put_word(out, &value);
	fputs("'", out);
	word_finish(&value);
}

static void
put_options(FILE *out, enum verb verb)
{
	for (int i = 0; i < OPTION_COUNT; i++) {
		char spelling[32];

		if (!option_is_of((enum option_id)i, verb))
			continue;
		snprintf(spelling, sizeof(spelling), "-%c",
			option_rows[i].letter);
		if (option_rows[i].letter)
			put_spec(out, (enum option_id)i, spelling);
		snprintf(spelling, sizeof(spelling), "--%s",
			option_rows[i].name);
		put_spec(out, (enum option_id)i, spelling);
	}
}

static void
put_verb(FILE *out, enum verb verb)
{
	fprintf(out, "\t\t%s) _arguments \"$options[@]\"",
		verb_rows[verb].name);
	put_options(out, verb);
	for (unsigned n = 0;; n++) {
		struct word w = grammar_word(verb, n);
		bool last = w.kind == WORD_NONE || w.repeats;

		if (w.kind != WORD_NONE) {
			if (w.repeats)
				fputs(" '*", out);
			else
				fprintf(out, " '%u", n + 1);
			put_word(out, &w);
			fputs("'", out);
		}
		word_finish(&w);
		if (last)
			break;
	}
	fputs(" ;;\n", out);
}

static const char head[] =
	"#compdef supctl\n"
	"# zsh completion of supctl; made by `supctl completion zsh`.\n"
	"# What the running supd knows; nothing if there is none.\n"
	"_supctl_live()\n"
	"{\n"
	"\tlocal -a found\n"
	"\n"
	"\tfound=(${(f)\"$(${(Q)program} ${socket:+-s} ${(Q)socket} "
	"\\\n"
	"\t\tcompletion $1 2>/dev/null)\"})\n"
	"\tcompadd -a found\n"
	"}\n"
	"\n"
	"_supctl()\n"
	"{\n"
	"\tlocal curcontext=$curcontext state line program=$words[1] socket\n"
	"\tlocal -a options verbs\n"
	"\ttypeset -A opt_args\n"
	"\n"
	"\toptions=(";

void
completion_print_zsh(FILE *out)
{
	fputs(head, out);
	put_options(out, VERB_UNKNOWN);
	fputs(" )\n\tverbs=(", out);
	for (int i = 0; i < VERB_COUNT; i++) {
		fprintf(out, "\n\t\t'%s:", verb_rows[i].name);
		put_text(out, verb_rows[i].help);
		fputs("'", out);
	}
	fputs("\n\t\t'help:The help of a verb.')\n"
	      "\t_arguments -C \"$options[@]\" '1:verb:->verb' "
	      "'*::word:->word' && return\n"
	      "\tsocket=${opt_args[-s]:-$opt_args[--socket]}\n"
	      "\tcase $state in\n"
	      "\tverb) _describe verb verbs ;;\n"
	      "\tword)\n"
	      "\t\tcase $line[1] in\n"
	      "\t\thelp) _describe verb verbs ;;\n",
		out);
	for (int i = 0; i < VERB_COUNT; i++)
		put_verb(out, (enum verb)i);
	fputs("\t\tesac ;;\n\tesac\n}\n"
	      "if [ \"$funcstack[1]\" = _supctl ]; then\n\t_supctl \"$@\"\n"
	      "else\n\tcompdef _supctl supctl\nfi\n",
		out);
}
