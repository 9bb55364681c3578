/* supctl: see supctl.h. Knows no verb but what one call needs of it. */
#include "tools/supctl/supctl.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/json_text.h"
#include "proto/util/clean.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/paths.h"
#include "proto/util/text.h"

#define LOOK_TIMEOUT_MS 5000 /* for verbs that only look */

/* ---- what supd sends, made harmless ---- */

static void clean_value(json_t *value);

static json_t *
cleaned_string(const char *text, size_t length)
{
	char *copy = memory_copy_bytes(text, length);
	json_t *string =
		json_stringn_nocheck(copy, clean_bytes(copy, length, "\n\t"));

	free(copy);
	return string;
}

/* Names of registrations and of counters are keys. */
static void
clean_object(json_t *object)
{
	json_t *value, *fresh = json_object(), *key;
	const char *name;
	size_t length;

	json_object_keylen_foreach(object, name, length, value)
	{
		clean_value(value);
		key = cleaned_string(name, length);
		json_object_setn_nocheck(fresh, json_string_value(key),
			json_string_length(key), value);
		json_decref(key);
	}
	json_object_clear(object);
	json_object_update(object, fresh);
	json_decref(fresh);
}

static void
clean_value(json_t *value)
{
	json_t *string;

	if (json_is_string(value)) {
		string = cleaned_string(
			json_string_value(value), json_string_length(value));
		json_string_setn_nocheck(value, json_string_value(string),
			json_string_length(string));
		json_decref(string);
	}
	for (size_t i = 0; i < json_array_size(value); i++)
		clean_value(json_array_get(value, i));
	if (json_is_object(value))
		clean_object(value);
}

/* A value that is printed as JSON or YAML stays what it is: their writers
 * escape what a terminal would obey. */
static bool
cleans(const struct options *o)
{
	return !o->json && !o->raw && o->verb != VERB_CALL &&
	       o->verb != VERB_EVENTS && o->verb != VERB_CONFIG;
}

static void
on_progress(void *user, json_t *event)
{
	const struct client_watch *watch = user;

	clean_value(event);
	watch->on_progress(watch->user, event);
}

static void
on_tick(void *user)
{
	const struct client_watch *watch = user;

	watch->on_tick(watch->user);
}

void
supctl_call(const struct options *o, json_t *args,
	const struct client_watch *watch, struct answer *answer_out)
{
	static const struct client_watch none;
	struct client_watch cleaning = {
		.on_tick = on_tick, .user = (void *)(uintptr_t)watch};
	uint64_t timeout_ms = o->timeout_ms, deadline_ms = UINT64_MAX;
	char *path = paths_control_socket(o->socket);

	if (timeout_ms == TIMEOUT_UNSET && !verb_rows[o->verb].waits &&
		!o->follow)
		timeout_ms = LOOK_TIMEOUT_MS;
	if (timeout_ms != TIMEOUT_UNSET)
		deadline_ms = clock_ms() + timeout_ms;
	if (watch && !watch->streams && cleans(o)) {
		cleaning.on_progress = watch->on_progress ? on_progress : NULL;
		cleaning.tick_ms = watch->tick_ms;
		cleaning.follows = watch->follows;
		watch = &cleaning;
	}
	client_call(path, deadline_ms, o->verb, args, watch ? watch : &none,
		answer_out);
	if (cleans(o))
		clean_value(answer_out->data);
	free(path);
	json_decref(args);
}

void
supctl_print_json(const json_t *document)
{
	char *text = json_text(document,
		isatty(STDOUT_FILENO) ? JSON_TEXT_LINES : JSON_TEXT_SPACED);

	puts(text);
	free(text);
}

static void
print_error_document(const char *text, int exit_code)
{
	json_t *document =
		json_pack("{s:s,s:i}", "error", text, "exitCode", exit_code);
	supctl_print_json(document);
	json_decref(document);
}

/* Where it is, a file as a whole without a line; and of which key it is. */
static void
print_position(const json_t *row)
{
	long long line = json_integer_value(json_object_get(row, "line"));
	long long column = json_integer_value(json_object_get(row, "column"));
	const char *file = supctl_text(row, "file");
	char *path = supctl_clean(memory_copy_text(supctl_text(row, "path")));

	if (*file && line && column)
		fprintf(stderr, "%s:%lld:%lld: ", file, line, column);
	else if (*file && line)
		fprintf(stderr, "%s:%lld: ", file, line);
	else if (*file)
		fprintf(stderr, "%s: ", file);
	if (*path)
		fprintf(stderr, "%s: ", path);
	free(path);
}

void
supctl_print_problems(const json_t *document)
{
	const json_t *problems = json_object_get(document, "problems");

	for (size_t i = 0; i < json_array_size(problems); i++) {
		const json_t *row = json_array_get(problems, i);
		char *text = supctl_clean(
			memory_copy_text(supctl_text(row, "text")));

		print_position(row);
		fprintf(stderr, "%s%s\n",
			json_is_true(json_object_get(row, "warning"))
				? "warning: "
				: "",
			text);
		free(text);
	}
}

int
supctl_print_error(const struct options *o, const struct answer *answer)
{
	char *text = supctl_clean(
		memory_copy_text(answer->error ? answer->error : "failed"));

	if (o->json && answer->data) {
		if (!json_object_get(answer->data, "pluginId"))
			json_object_set_new(answer->data, "exitCode",
				json_integer(answer->exit_code));
		supctl_print_json(answer->data);
	} else if (o->json) {
		print_error_document(text, answer->exit_code);
	} else {
		supctl_print_problems(answer->data);
	}
	fprintf(stderr, "supctl: %s\n", text);
	free(text);
	return answer->exit_code;
}

int
supctl_fail(const struct options *o, int exit_code, const char *format, ...)
{
	char text[1024];
	va_list list;

	va_start(list, format);
	text_vformat(text, sizeof(text), format, list);
	va_end(list);
	supctl_clean(text);
	if (o->json)
		print_error_document(text, exit_code);
	fprintf(stderr, "supctl: %s\n", text);
	return exit_code;
}

int
supctl_ask(const struct options *o, json_t *args, json_t **data_out)
{
	struct answer answer;
	int exit_code;

	*data_out = NULL;
	supctl_call(o, args, NULL, &answer);
	exit_code = answer.exit_code;
	if (answer.error)
		supctl_print_error(o, &answer);
	else if (o->json)
		supctl_print_json(answer.data);
	else
		*data_out = json_incref(answer.data);
	answer_finish(&answer);
	return exit_code;
}

const char *
supctl_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

bool
supctl_has_color(const struct options *o, int fd)
{
	const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return !o->no_color && !(none && *none) && isatty(fd) &&
	       !(terminal && !strcmp(terminal, "dumb"));
}

char *
supctl_clean(char *text)
{
	return clean_text(text, "\t");
}

void
supctl_flush(int exit_code)
{
	if (!fflush(stdout) && !ferror(stdout))
		return;
	perror("supctl: cannot write the result");
	_exit(exit_code ? exit_code : EXIT_FAILURE);
}

json_t *
supctl_id_args(const struct options *o)
{
	json_t *args = json_object(), *ids;

	if (o->word_count == 1)
		json_object_set_new(args, "id", json_string(o->words[0]));
	if (o->word_count < 2)
		return args;
	ids = json_array();
	for (int i = 0; i < o->word_count; i++)
		json_array_append_new(ids, json_string(o->words[i]));
	json_object_set_new(args, "ids", ids);
	return args;
}

char *
supctl_own_folder(void)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (length < 0)
		return memory_copy_text(".");
	path[length] = 0;
	slash = strrchr(path, '/');
	*slash = 0;
	return memory_copy_text(path);
}
