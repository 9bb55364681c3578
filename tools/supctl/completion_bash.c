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
		[WORD_CLI] = "_supctl_live \"cli:${words[0]}\"",
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
	"# The words up to the cursor. Bash breaks them at ':' and '=' as "
	"well,\n"
	"# and only the line says which of its pieces belong together.\n"
	"_supctl_split()\n"
	"{\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} rest i piece\n"
	"\n"
	"\tall=()\n"
	"\tfor ((i = 0; i <= COMP_CWORD; i++)); do\n"
	"\t\tpiece=${COMP_WORDS[i]}\n"
	"\t\trest=${line#\"${line%%[![:space:]]*}\"}\n"
	"\t\t((i == COMP_CWORD)) && piece=$rest\n"
	"\t\tif ((i)) && [[ $line && $rest == \"$line\" ]]\n"
	"\t\tthen all[-1]+=$piece\n"
	"\t\telse all+=(\"$piece\"); fi\n"
	"\t\tline=${rest#\"$piece\"}\n"
	"\tdone\n"
	"}\n"
	"\n"
	"# Bash puts an answer in the place of the last piece alone.\n"
	"_supctl_trim()\n"
	"{\n"
	"\tlocal breaks=${COMP_WORDBREAKS//[!:=]/} before\n"
	"\n"
	"\t[[ $option && $breaks != *=* ]] &&\n"
	"\t\tCOMPREPLY=(\"${COMPREPLY[@]/#/$option=}\")\n"
	"\t[[ $breaks ]] || return 0\n"
	"\tbefore=${cur%\"${cur##*[$breaks]}\"}\n"
	"\tCOMPREPLY=(\"${COMPREPLY[@]#\"$before\"}\")\n"
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
	"\tlocal all cur prev option=\n"
	"\n"
	"\tCOMPREPLY=()\n"
	"\t_supctl_split\n"
	"\tcur=${all[-1]} prev=${all[-2]}\n"
	"\tif [[ $cur == --*=* ]]; then\n"
	"\t\toption=${cur%%=*} prev=${cur%%=*} cur=${cur#*=}\n"
	"\tfi\n"
	"\t_supctl_offer\n"
	"\t((${#COMPREPLY[@]})) && _supctl_trim\n"
	"\treturn 0\n"
	"}\n"
	"\n"
	"_supctl_offer()\n"
	"{\n"
	"\tlocal verb= word i socket=() words=() options\n"
	"\n"
	"\tfor ((i = 1; i < ${#all[@]} - 1; i++)); do\n"
	"\t\tword=${all[i]}\n"
	"\t\tcase $word in\n"
	"\t\t-s|--socket) socket=(-s \"${all[++i]}\") ;;\n"
	"\t\t--socket=*) socket=(-s \"${word#*=}\") ;;\n"
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
	fputs("\tesac\n\t[[ $option ]] && return\n"
	      "\tif [[ $cur == -* ]]; then\n\t\toptions=\"",
		out);
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
