/* help: see the header. */
#include "supervisor/chat/help.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/chat/text.h"
#include "supervisor/chat/words.h"
#include "supervisor/route/table.h"

#define HELP_BYTES 120 /* of one command's help: its first line */

static void
put_row(struct buffer *out, const struct route_row *row)
{
	const char *help = row->declared->help;
	size_t length = help ? strcspn(help, "\r\n") : 0;

	if (!length)
		text_line(out, "/%s", row->name);
	else
		text_line(out, "/%s - %.*s", row->name,
			(int)text_fit(help, length, HELP_BYTES), help);
}

static char *
make_registered(const struct gateway *g)
{
	struct buffer out = {0};
	const struct route_row *row;
	uint32_t plugin = 0, index = 0;
	unsigned count = 0;

	while ((row = route_table_next(g->routes, &plugin, &index))) {
		if (row->kind != REGISTRATION_COMMAND ||
			word_by_name(row->name))
			continue;
		if (count++ < HELP_COMMANDS_MAX)
			put_row(&out, row);
	}
	if (count > HELP_COMMANDS_MAX)
		text_line(&out, "and %u more", count - HELP_COMMANDS_MAX);
	if (!count)
		text_line(&out, "no plugin has a command");
	return text_take(&out);
}

static bool
may_use(const struct word *w, enum role role)
{
	return word_is_for_all(w) || (int)verb_rows[w->verb].role <= (int)role;
}

char *
help_text(struct help *h, const struct gateway *g, const enum role *role)
{
	uint64_t generation = route_table_generation(g->routes);
	struct buffer out = {0};

	if (!h->registered || h->generation != generation) {
		free(h->registered);
		h->registered = make_registered(g);
		h->generation = generation;
	}
	for (size_t i = 0; role && i < words_count; i++)
		if (may_use(&words[i], *role))
			text_line(&out, "/%s%s%s - %s", words[i].name,
				*words[i].usage ? " " : "", words[i].usage,
				words[i].help);
	if (buffer_length(&out))
		buffer_append_byte(&out, '\n');
	buffer_append_text(&out, h->registered);
	return text_take(&out);
}

void
help_finish(struct help *h)
{
	free(h->registered);
}
