/* channels: channels and their messages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "tools/supctl/argument.h"
#include "tools/supctl/supctl.h"
#include "tools/supctl/table.h"
#include "tools/supctl/view.h"

/* ---- channels ---- */

static void
put_lag(struct table *t, const json_t *row)
{
	char text[32];

	snprintf(text, sizeof(text), "%.1f s",
		(double)number_of(row, "lagMs") / 1000);
	table_text(t, number_of(row, "pending") ? text : NULL);
}

static void
put_channel(struct table *t, const json_t *row)
{
	const json_t *sent = json_object_get(row, "sent");
	const json_t *answers = json_object_get(row, "answers");
	const json_t *ended = json_object_get(row, "ended");

	table_row(t);
	table_text(t, supctl_text(row, "name"));
	table_text(t, supctl_text(row, "pluginId"));
	table_text(t, supctl_text(row, "state"));
	table_number(t, number_of(answers, "new"));
	table_number(t, number_of(row, "perMinute"));
	table_number(t, number_of(row, "pending"));
	put_lag(t, row);
	table_number(t, number_of(ended, "dead"));
	table_number(t, number_of(sent, "sent"));
	table_number(t, number_of(row, "sending"));
	table_number(
		t, number_of(sent, "not_sent") + number_of(sent, "unknown"));
	table_text(t, supctl_text(row, "text"));
}

int
verb_channels(const struct options *o)
{
	static const struct table_column columns[] = {{"CHANNEL", 0, 0, 0},
		{"PLUGIN", 0, 0, 5}, {"STATE", 0, 0, 0}, {"IN", 1, 0, 0},
		{"A MINUTE", 1, 0, 4}, {"PENDING", 1, 0, 0}, {"LAG", 1, 0, 3},
		{"DEAD", 1, 0, 2}, {"OUT", 1, 0, 0}, {"SENDING", 1, 0, 0},
		{"FAILED", 1, 0, 1}, {"TEXT", 0, 1, 0}};
	const json_t *rows;
	json_t *document;
	struct table *t;
	int exit_code = supctl_ask(o, NULL, &document);

	if (!document)
		return exit_code;
	rows = json_object_get(document, "channels");
	t = table_create(columns, 12, false);
	for (size_t i = 0; i < json_array_size(rows); i++)
		put_channel(t, json_array_get(rows, i));
	table_finish(t);
	json_decref(document);
	return exit_code;
}

/* ---- messages ---- */

static void
put_message(struct table *t, const json_t *row)
{
	const json_t *note = json_object_get(row, "note");

	table_row(t);
	table_number(t, number_of(row, "seq"));
	table_text(t, supctl_text(row, "at"));
	table_text(t, supctl_text(row, "direction"));
	table_text(t, supctl_text(row, "channel"));
	table_text(t, supctl_text(row, "lane"));
	table_text(t, supctl_text(row, "state"));
	table_text(t, json_is_object(note) ? supctl_text(note, "text")
					   : supctl_text(row, "note"));
}

static void
print_messages(const json_t *rows)
{
	static const struct table_column columns[] = {{"SEQ", 1, 0, 0},
		{"AT", 0, 0, 2}, {"WAY", 0, 0, 0}, {"CHANNEL", 0, 0, 0},
		{"LANE", 0, 1, 1}, {"STATE", 0, 0, 0}, {"WHY", 0, 1, 0}};
	struct table *t = table_create(columns, 7, false);

	for (size_t i = 0; i < json_array_size(rows); i++)
		put_message(t, json_array_get(rows, i));
	table_finish(t);
}

#define LINES_DEFAULT 50

/* The next page; *before: where it begins, and then where the one after it
 * does; 0: nowhere. */
static int
ask_page(const struct options *o, json_int_t lines, json_int_t *before,
	json_t **rows_out)
{
	json_t *args = json_pack("{s:I}", "lines", lines), *document;
	int exit_code;

	if (o->words[1])
		json_object_set_new(args, "channel", json_string(o->words[1]));
	if (*before)
		json_object_set_new(args, "before", json_integer(*before));
	exit_code = supctl_ask(o, args, &document);
	*rows_out = json_incref(json_object_get(document, "messages"));
	*before = json_integer_value(json_object_get(document, "before"));
	json_decref(document);
	return exit_code;
}

/* supd looks at a bounded number of messages for each page. */
static int
list(const struct options *o)
{
	size_t lines = option_is_given(o, OPTION_LINES) && o->lines
			       ? o->lines
			       : LINES_DEFAULT;
	json_int_t before = o->before;
	json_t *all = json_array(), *rows;
	bool was_page; /* else the answer has been printed */
	int exit_code;

	do {
		exit_code =
			ask_page(o, (json_int_t)(lines - json_array_size(all)),
				&before, &rows);
		was_page = rows != NULL;
		json_array_extend(all, rows);
		json_decref(rows);
	} while (was_page && before && json_array_size(all) < lines);
	if (was_page)
		print_messages(all);
	if (before)
		printf("more: --before %lld\n", (long long)before);
	json_decref(all);
	return exit_code;
}

/* -1: it is no number. */
static int
read_seq(const char *word, json_int_t *seq_out)
{
	char *end;

	if (!word || *word < '0' || *word > '9')
		return -1;
	*seq_out = strtoll(word, &end, 10);
	return *end ? -1 : 0;
}

int
verb_messages(const struct options *o)
{
	const char *what = o->words[0];
	json_t *document;
	json_int_t seq;
	int exit_code;

	if (!strcmp(what, "list"))
		return list(o);
	if ((strcmp(what, "show") != 0 && strcmp(what, "retry") != 0 &&
		    strcmp(what, "drop") != 0) ||
		read_seq(o->words[1], &seq) < 0)
		return supctl_fail(o, EXIT_USAGE, "usage: supctl messages %s",
			verb_rows[VERB_MESSAGES].usage);
	exit_code = supctl_ask(o, json_pack("{s:I}", what, seq), &document);
	if (document && !strcmp(what, "show"))
		supctl_print_json(document);
	else if (document)
		printf("message %lld: %s\n", (long long)seq,
			supctl_text(document, "state"));
	json_decref(document);
	return exit_code;
}

/* ---- send ---- */

/* NULL with err: usage. */
static json_t *
send_args(const struct options *o, struct error *err)
{
	json_t *args = json_pack("{s:s,s:s,s:s*,s:s*,s:s*}", "channel",
		o->words[0], "chat", o->words[1], "edit", o->edit, "delete",
		o->delete, "react", o->react);
	struct buffer text = {0};
	json_t *value = NULL;

	error_set(err, "a text is missing");
	if (o->word_count < 3 && o->delete)
		return args;
	if (o->word_count == 3 && argument_read(o->words[2], &text, err) == 0) {
		value = json_stringn((const char *)buffer_bytes(&text),
			buffer_length(&text));
		if (!value)
			error_set(err, "the text is not UTF-8");
	}
	buffer_finish(&text);
	if (!value) {
		json_decref(args);
		return NULL;
	}
	json_object_set_new(args, "text", value);
	return args;
}

static void
print_sent(const json_t *document)
{
	if (json_object_get(document, "sendId"))
		printf("%s: %s\n", supctl_text(document, "sendId"),
			supctl_text(document, "state"));
	else
		puts("done");
}

int
verb_send(const struct options *o)
{
	struct error err;
	json_t *args = send_args(o, &err), *document;
	int exit_code;

	if (!args)
		return supctl_fail(o, EXIT_USAGE, "%s", err.text);
	if (o->timeout_ms != TIMEOUT_UNSET)
		json_object_set_new(args, "timeoutMs",
			json_integer((json_int_t)o->timeout_ms));
	exit_code = supctl_ask(o, args, &document);
	if (document)
		print_sent(document);
	json_decref(document);
	return exit_code;
}
