/* talk: call and shutdown. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "proto/util/clock.h"
#include "tools/supctl/supctl.h"

/* ---- call ---- */

/* What a command gets: the words, joined as they were typed. */
static json_t *
join_words(const struct options *o)
{
	struct buffer text = {0};
	json_t *value;

	for (int i = 2; i < o->word_count; i++) {
		buffer_append_text(&text, i > 2 ? " " : "");
		buffer_append_text(&text, o->words[i]);
	}
	buffer_append(&text, "", 1);
	value = json_string((const char *)buffer_bytes(&text));
	buffer_finish(&text);
	return value;
}

/* NULL: it is not what it should be, and said so. */
static json_t *
read_args(const struct options *o)
{
	json_error_t where;
	json_t *value;

	if (!strcmp(o->words[0], "command")) {
		value = join_words(o);
		if (!value)
			supctl_fail(o, EXIT_USAGE, "the text is not UTF-8");
		return value;
	}
	if (o->word_count == 2)
		return json_object();
	if (o->word_count > 3) {
		supctl_fail(o, EXIT_USAGE, "ARGS is one JSON value: quote it");
		return NULL;
	}
	value = json_loads(o->words[2], JSON_DECODE_ANY, &where);
	if (!value)
		supctl_fail(o, EXIT_USAGE, "ARGS is not JSON: %s at column %d",
			where.text, where.column);
	return value;
}

/* As a line of its own, whether it ends as one or not. */
static void
print_text(const char *text)
{
	size_t length = strlen(text);

	fputs(text, stdout);
	if (!length || text[length - 1] != '\n')
		putchar('\n');
}

int
verb_call(const struct options *o)
{
	json_t *value = read_args(o), *args;
	struct answer answer;
	const json_t *result;
	int exit_code;

	if (!value)
		return EXIT_USAGE;
	args = json_pack("{s:s,s:s,s:o}", "kind", o->words[0], "name",
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
		print_text(json_string_value(result));
	else
		supctl_print_json(result ? result : answer.data);
	answer_finish(&answer);
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
