/* reference_man: prints the tables as lists for a man page. */
#include <stdlib.h>
#include <string.h>

#include "supervisor/config/reference.h"
#include "supervisor/config/tables.h"

/* Escapes the text for roff; `x` becomes bold. */
static void
put_text(const char *text, FILE *out)
{
	bool is_bold = false;
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++)
		if (*text == '`')
			fputs((is_bold = !is_bold) ? "\\fB" : "\\fR", out);
		else if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else if (*text == '~')
			fputs("\\(ti", out);
		else if (*text == '\'')
			fputs("\\(aq", out);
		else
			putc(*text, out);
}

static void
put_type(const struct schema_row *row, FILE *out)
{
	char *text = NULL;
	size_t length;
	FILE *memory = open_memstream(&text, &length);
	reference_print_type(row, memory);
	fclose(memory);
	put_text(text, out);
	free(text);
}

struct printing {
	FILE *out;
	bool with_class;
};

static void
put_key(void *user, const struct schema_row *row, const char *key)
{
	const struct printing *p = user;
	fputs(".TP\n\\fB", p->out);
	put_text(key, p->out);
	if (row->type == SCHEMA_INLINE) {
		fputs("\\fR...\nAny key of \\fBdefaults\\fR.\n", p->out);
		return;
	}
	fputs("\\fR (", p->out);
	put_type(row, p->out);
	if (row->required) {
		fputs("; required", p->out);
	} else if (row->fallback && *row->fallback) {
		fputs("; default ", p->out);
		put_text(row->fallback, p->out);
	}
	fputs(")\n", p->out);
	put_text(row->doc, p->out);
	if (row->later)
		fputs(" Not supported yet.", p->out);
	else if (p->with_class && row->type != SCHEMA_SECTION)
		fprintf(p->out, " A change: %s%s.",
			row->can_configure ? "configure or " : "",
			config_class_name(row->class));
	putc('\n', p->out);
}

void
config_print_man_keys(FILE *out, bool of_manifest)
{
	reference_walk(of_manifest ? &manifest_table : &config_table, put_key,
		&(struct printing){out, !of_manifest});
}
