/* completion_bash: see completion.h. */
#include <string.h>

#include "tools/supctl/completion.h"
#include "tools/supctl/grammar.h"

/* "-s|--socket|--timeout": those with a value. */
static void
put_valued(FILE *out)
{
	const char *join = "";

	for (int i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &option_rows[i];

		if (!row->argument)
			continue;
		if (row->letter)
			fprintf(out, "%s-%c", join, row->letter);
		join = row->letter ? "|" : join;
		fprintf(out, "%s--%s", join, row->name);
		join = "|";
	}
}

static void
put_options(FILE *out, enum verb verb)
{
	for (int i = 0; i < OPTION_COUNT; i++) {
		if (!option_is_of((enum option_id)i, verb))
			continue;
		if (option_rows[i].letter)
			fprintf(out, " -%c", option_rows[i].letter);
		fprintf(out, " --%s", option_rows[i].name);
	}
}

/* What offers a word; nothing for one that is free. */
static void
put_word(FILE *out, const struct word *w)
{
	static const char *const offers[] = {
		[WORD_ID] = "_supctl_live ids",
		[WORD_PACKAGE] = "_supctl_live packages",
		[WORD_OFFERED] = "_supctl_live \"${words[0]}\"",
		[WORD_FILE] = "compopt -o filenames; "
			      "COMPREPLY=($(compgen -f -- \"$cur\"))",
		[WORD_DIR] = "compopt -o filenames; "
			     "COMPREPLY=($(compgen -d -- \"$cur\"))",
	};

	if (w->kind == WORD_CHOICE)
		fprintf(out, "_supctl_words %s", buffer_bytes(&w->texts));
	else if (w->kind < sizeof(offers) / sizeof(*offers) && offers[w->kind])
		fputs(offers[w->kind], out);
	else
		fputs(":", out);
}

static void
put_values(FILE *out)
{
	for (int i = 0; i < OPTION_COUNT; i++) {
		struct word w = grammar_value((enum option_id)i);

		if (w.kind != WORD_NONE) {
			char letter[] = {'-', option_rows[i].letter, '|', 0};

			fprintf(out, "\t%s--%s) ",
				option_rows[i].letter ? letter : "",
				option_rows[i].name);
			put_word(out, &w);
			fputs("; return ;;\n", out);
		}
		word_finish(&w);
	}
}

static void
put_verb_words(FILE *out, enum verb verb)
{
	for (unsigned n = 0;; n++) {
		struct word w = grammar_word(verb, n);
		bool last = w.kind == WORD_NONE || w.repeats;

		if (w.kind != WORD_NONE && w.kind != WORD_FREE) {
			fprintf(out, "\t%s:", verb_rows[verb].name);
			if (w.repeats)
				fputs("*) ", out);
			else
				fprintf(out, "%u) ", n);
			put_word(out, &w);
			fputs(" ;;\n", out);
		}
		word_finish(&w);
		if (last)
			return;
	}
}

static const char head[] =
	"# bash completion of supctl; made by `supctl completion bash`.\n"
	"_supctl_words()\n"
	"{\n"
	"\tCOMPREPLY=($(compgen -W \"$*\" -- \"$cur\"))\n"
	"}\n"
	"\n"
	"# What the running supd knows; nothing if there is none.\n"
	"_supctl_live()\n"
	"{\n"
	"\t_supctl_words \"$(\"${COMP_WORDS[0]/#\\~/$HOME}\" \"${socket[@]}\" "
	"\\\n"
	"\t\tcompletion \"$1\" 2>/dev/null)\"\n"
	"}\n"
	"\n"
	"_supctl()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} "
	"prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	"\tlocal verb= word i socket=() words=() options\n"
	"\n"
	"\tCOMPREPLY=()\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tcase $word in\n"
	"\t\t-s|--socket) socket=(-s \"${COMP_WORDS[++i]}\") ;;\n"
	"\t\t";

void
completion_print_bash(FILE *out)
{
	fputs(head, out);
	put_valued(out);
	fputs(") ((i++)) ;;\n"
	      "\t\t-*) ;;\n"
	      "\t\t*) if [ -z \"$verb\" ]; then verb=$word\n"
	      "\t\t\telse words+=(\"$word\"); fi ;;\n"
	      "\t\tesac\n"
	      "\tdone\n"
	      "\tcase $prev in\n",
		out);
	put_values(out);
	fputs("\tesac\n\tif [[ $cur == -* ]]; then\n\t\toptions=\"", out);
	put_options(out, VERB_UNKNOWN);
	fputs("\"\n\t\tcase $verb in\n", out);
	for (int i = 0; i < VERB_COUNT; i++) {
		fprintf(out, "\t\t%s) options+=\"", verb_rows[i].name);
		put_options(out, (enum verb)i);
		fputs("\" ;;\n", out);
	}
	fputs("\t\tesac\n\t\t_supctl_words $options\n\t\treturn\n\tfi\n"
	      "\tcase ${verb:-help}:${#words[@]} in\n\thelp:0) _supctl_words",
		out);
	for (int i = 0; i < VERB_COUNT; i++)
		fprintf(out, " %s", verb_rows[i].name);
	fputs(" help ;;\n", out);
	for (int i = 0; i < VERB_COUNT; i++)
		put_verb_words(out, (enum verb)i);
	fputs("\tesac\n}\ncomplete -F _supctl supctl\n", out);
}
