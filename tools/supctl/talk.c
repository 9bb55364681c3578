/* talk: call, schedule and shutdown. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "proto/util/clean.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tools/supctl/argument.h"
#include "tools/supctl/supctl.h"

/* ---- call ---- */

/* What a command gets: one word as argument.h has it, or several, joined as
 * they were typed. NULL with err. */
static json_t *
read_text(const struct options *o, struct error *err)
{
	struct buffer text = {0};
	json_t *value = NULL;

	for (int i = 2; i < o->word_count && o->word_count > 3; i++) {
		buffer_append_text(&text, i > 2 ? " " : "");
		buffer_append_text(&text, o->words[i]);
	}
	if (o->word_count == 3 && argument_read(o->words[2], &text, err)) {
		buffer_finish(&text);
		return NULL;
	}
	value = json_stringn(
		buffer_length(&text) ? (char *)buffer_bytes(&text) : "",
		buffer_length(&text));
	if (!value)
		error_set(err, "the text is not UTF-8");
	buffer_finish(&text);
	return value;
}

/* *value_out is NULL if there are none. -1: what is wrong was reported. */
static int
read_args(const struct options *o, json_t **value_out)
{
	bool is_text = !strcmp(o->words[0], "command");
	struct error err;

	*value_out = NULL;
	if (o->word_count == 2 && !is_text)
		return 0;
	if (o->word_count > 3 && !is_text) {
		supctl_fail(
			o, EXIT_USAGE, "ARGS must be one JSON value; quote it");
		return -1;
	}
	*value_out = is_text ? read_text(o, &err)
			     : argument_read_json(o->words[2], &err);
	if (*value_out)
		return 0;
	supctl_fail(o, EXIT_USAGE, "%s", err.text);
	return -1;
}

/* "\r\n" ends a line as "\n" does; a '\r' alone would write over it. */
static size_t
drop_returns(char *text, size_t length)
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++)
		if (text[i] != '\r' || i + 1 == length || text[i + 1] != '\n')
			text[used++] = text[i];
	return used;
}

/* As a line of its own, whether it ends as one or not; raw: its bytes. */
static void
print_text(const json_t *value, bool raw)
{
	size_t length = json_string_length(value);
	char *text = memory_copy_bytes(json_string_value(value), length);

	if (!raw)
		length = clean_bytes(text, drop_returns(text, length), "\n\t");
	fwrite(text, 1, length, stdout);
	if (!raw && (!length || text[length - 1] != '\n'))
		putchar('\n');
	free(text);
}

int
verb_call(const struct options *o)
{
	json_t *value, *args;
	struct answer answer;
	const json_t *result;
	int exit_code;

	if (read_args(o, &value) < 0)
		return EXIT_USAGE;
	args = json_pack("{s:s,s:s,s:o*}", "kind", o->words[0], "name",
		o->words[1], "args", value);
	/* supd's deadline is later than the one here: then it is the waiting
	 * that ends, with its own exit code. */
	if (args && o->timeout_ms != TIMEOUT_UNSET)
		json_object_set_new(args, "timeoutMs",
			json_integer((json_int_t)o->timeout_ms + 1000));
	supctl_call(o, args, NULL, &answer);
	exit_code = answer.exit_code;
	result = json_object_get(answer.data, "result");
	if (answer.error)
		supctl_print_error(o, &answer);
	else if (!o->json && json_is_string(result))
		print_text(result, o->raw);
	else
		supctl_print_json(result ? result : answer.data);
	answer_finish(&answer);
	return exit_code;
}

/* ---- schedule ---- */

int
verb_schedule(const struct options *o)
{
	json_t *document;
	int exit_code;

	if (strcmp(o->words[0], "run") != 0)
		return supctl_fail(o, EXIT_USAGE, "usage: supctl schedule %s",
			verb_rows[VERB_SCHEDULE].usage);
	exit_code = supctl_ask(
		o, json_pack("{s:s}", "run", o->words[1]), &document);
	if (document)
		printf("%s: done\n", supctl_text(document, "tickId"));
	json_decref(document);
	return exit_code;
}

/* ---- shutdown ---- */

int
verb_shutdown(const struct options *o)
{
	uint64_t deadline_ms = o->timeout_ms == TIMEOUT_UNSET
				       ? UINT64_MAX
				       : clock_ms() + o->timeout_ms;
	struct answer answer;
	int exit_code;

	supctl_call(o, NULL, NULL, &answer);
	if (!answer.error && !o->no_wait)
		client_wait_gone(&answer, deadline_ms);
	exit_code = answer.exit_code;
	if (answer.error)
		supctl_print_error(o, &answer);
	else if (o->json)
		supctl_print_json(answer.data);
	else
		printf("supd (pid %lld) %s\n",
			(long long)json_integer_value(
				json_object_get(answer.data, "pid")),
			o->no_wait ? "is stopping" : "has stopped");
	answer_finish(&answer);
	return exit_code;
}
