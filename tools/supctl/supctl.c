/* supctl: see supctl.h. Knows no verb but what one call needs of it. */
#include "tools/supctl/supctl.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/places.h"

#define LOOK_TIMEOUT_MS 5000 /* for verbs that only look */

/* Verbs whose work takes as long as it takes. */
static bool
waits(const struct options *o)
{
	static const bool verbs[VERB_COUNT] = {
		[VERB_RELOAD] = true,
		[VERB_START] = true,
		[VERB_STOP] = true,
		[VERB_RESTART] = true,
		[VERB_ENABLE] = true,
		[VERB_DISABLE] = true,
		[VERB_APPLY] = true,
		[VERB_SCAN] = true,
		[VERB_CALL] = true,
		[VERB_SHUTDOWN] = true,
	};

	return verbs[o->verb] || o->follow;
}

void
supctl_call(const struct options *o, json_t *args,
	const struct client_watch *watch, struct answer *answer_out)
{
	static const struct client_watch none;
	uint64_t timeout_ms = o->timeout_ms, deadline_ms = UINT64_MAX;
	char *path = places_control_socket(o->socket);

	if (timeout_ms == TIMEOUT_UNSET && !waits(o))
		timeout_ms = LOOK_TIMEOUT_MS;
	if (timeout_ms != TIMEOUT_UNSET)
		deadline_ms = clock_ms() + timeout_ms;
	client_call(path, deadline_ms, o->verb, args, watch ? watch : &none,
		answer_out);
	free(path);
	json_decref(args);
}

void
supctl_print_json(const json_t *document)
{
	json_dumpf(document, stdout,
		JSON_REAL_PRECISION(12) | JSON_ENCODE_ANY |
			(isatty(STDOUT_FILENO) ? JSON_INDENT(2) : 0));
	putchar('\n');
}

static void
print_error_document(const char *text, int exit_code)
{
	json_t *document =
		json_pack("{s:s,s:i}", "error", text, "exitCode", exit_code);

	if (!document) /* bytes of the command line that are not UTF-8 */
		document = json_pack("{s:s,s:i}", "error",
			"not UTF-8; see stderr", "exitCode", exit_code);
	supctl_print_json(document);
	json_decref(document);
}

/* Where it stands, a file as a whole without a line; or of which key it is, or
 * nothing. */
static void
print_place(const json_t *row)
{
	long long line = json_integer_value(json_object_get(row, "line"));
	long long column = json_integer_value(json_object_get(row, "column"));
	const char *file = supctl_text(row, "file");
	char *path = supctl_clean(memory_copy_text(supctl_text(row, "path")));

	if (*file && line)
		fprintf(stderr, "%s:%lld:%lld: ", file, line, column);
	else if (*file || *path)
		fprintf(stderr, "%s: ", *file ? file : path);
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

		print_place(row);
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
	vsnprintf(text, sizeof(text), format, list);
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
	for (char *at = text; *at; at++)
		if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
			*at = '?';
	return text;
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
