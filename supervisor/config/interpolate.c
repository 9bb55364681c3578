/* interpolate: replaces references in one pass; replaced text is not searched
 * for references. */
#include "supervisor/config/interpolate.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/config/schema.h"
#include "supervisor/config/source.h"

struct replacing {
	struct problems *problems;
	const char *name; /* of the key, for problems */
	const struct node *node;
	struct interpolated *out;
	bool failed;
};

/* Stores a problem; the key's name comes first. */
#define report(r, format, ...)                                                 \
	((r)->failed = true,                                                   \
		node_problem((r)->problems, (r)->node, "'%s': " format,        \
			(r)->name, ##__VA_ARGS__))

bool
interpolate_is_needed(const struct node *node)
{
	return memmem(node->text, node->length, "${", 2);
}

bool
interpolate_refuse(struct problems *problems, const char *name,
	const struct node *node, const char *where_allowed)
{
	if (!memmem(node->text, node->length, "${env:", 6) &&
		!memmem(node->text, node->length, "${file:", 7) &&
		!memmem(node->text, node->length, "${credential:", 13))
		return true;
	node_problem(problems, node,
		"'%s': ${env:}, ${file:} and ${credential:} stand only in %s",
		name, where_allowed);
	return false;
}

static bool
is_utf8(const char *bytes, size_t length)
{
	json_t *text = json_stringn(bytes, length);
	json_decref(text);
	return text;
}

static void
append_text(struct replacing *r, const char *bytes, size_t length)
{
	struct buffer *text = &r->out->text;
	if (r->failed)
		return;
	if (length > INTERPOLATED_BYTES_MAX - buffer_length(text))
		report(r,
			"longer than %u MiB with what its references stand for",
			INTERPOLATED_BYTES_MAX >> 20);
	else
		buffer_append(text, bytes, length);
}

/* NAME, or NAME:-DEFAULT, which stands for a variable that is not set or is
 * empty, as in a shell. */
static void
put_variable(struct replacing *r, const char *argument)
{
	const char *value, *fallback = strstr(argument, ":-");
	size_t length =
		fallback ? (size_t)(fallback - argument) : strlen(argument);
	if (!schema_is_variable(argument, length)) {
		report(r, "${env:} must have the name of a variable: letters, "
			  "digits and _, no digit first");
		return;
	}
	char *variable = memory_copy_bytes(argument, length);
	value = getenv(variable);
	if (fallback && (!value || !*value))
		value = fallback + 2;
	if (fallback) /* the file has it, and it may be a secret */
		r->out->is_reference = false;
	if (!value)
		report(r, "environment variable '%s' is not set", variable);
	else if (!is_utf8(value, strlen(value)))
		report(r, "the variable '%s' is not UTF-8", variable);
	else
		append_text(r, value, strlen(value));
	buffer_format(&r->out->shown, "${env:%s}", argument);
	free(variable);
}

static void
put_content(struct replacing *r, const char *path)
{
	size_t length;
	struct error err;
	char *bytes = source_read_bytes(
		path, REFERENCE_FILE_BYTES_MAX, &length, &err);
	if (!bytes) {
		problems_note_unread(r->problems, path);
		report(r, "'%s' %s", path, err.text);
		return;
	}
	if (length && bytes[length - 1] == '\n')
		length--;
	if (memchr(bytes, '\0', length))
		report(r, "'%s' has a NUL byte in it", path);
	else if (!is_utf8(bytes, length))
		report(r, "'%s' is not UTF-8", path);
	else
		append_text(r, bytes, length);
	explicit_bzero(bytes, length);
	free(bytes);
}

static void
put_file(struct replacing *r, const char *written)
{
	if (!*written) {
		report(r, "${file:} must have a path");
		return;
	}
	char *path = path_beside(r->node->file, written);
	put_content(r, path);
	buffer_format(&r->out->shown, "${file:%s}", path);
	free(path);
}

/* As fopen() of a folder's entry: no path, and no name that stands for one. */
static bool
is_credential_name(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

/* One that the service manager passed; see systemd.exec(5), "Credentials". */
static void
put_credential(struct replacing *r, const char *name)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char *path;

	buffer_format(&r->out->shown, "${credential:%s}", name);
	if (!is_credential_name(name)) {
		report(r, "${credential:} must have the name of a credential");
		return;
	}
	if (!folder || !*folder) {
		report(r,
			"supd was started without credentials; LoadCredential= "
			"in its unit passes '%s'",
			name);
		return;
	}
	path = memory_format("%s/%s", folder, name);
	put_content(r, path);
	free(path);
}

/* Replaces the reference at `text`, which begins with "${" and is
 * NUL-terminated. Returns its length; 0: a problem that ends the replacing. */
static size_t
put_reference(struct replacing *r, const char *text)
{
	static const struct {
		const char *begin;
		void (*put)(struct replacing *r, const char *argument);
	} kinds[] = {{"${env:", put_variable}, {"${file:", put_file},
		{"${credential:", put_credential}};
	const char *end = strchr(text, '}');
	for (size_t i = 0; end && i < SCHEMA_COUNT_OF(kinds); i++) {
		size_t begin = strlen(kinds[i].begin);
		if (strncmp(text, kinds[i].begin, begin) != 0)
			continue;
		char *argument = memory_copy_bytes(
			text + begin, (size_t)(end - text) - begin);
		kinds[i].put(r, argument);
		free(argument);
		return (size_t)(end - text) + 1;
	}
	report(r, "a ${ begins ${env:NAME}, ${file:PATH} or "
		  "${credential:NAME}; the text itself is written $${");
	return 0;
}

static void
put_plain(struct replacing *r, const char *bytes, size_t length)
{
	append_text(r, bytes, length);
	buffer_append(&r->out->shown, bytes, length);
	r->out->is_reference = false;
}

int
interpolate(struct problems *problems, const char *name,
	const struct node *node, struct interpolated *out)
{
	struct replacing r = {problems, name, node, out, false};
	const char *at = node->text, *end = at + node->length;
	*out = (struct interpolated){.is_reference = true};
	while (at < end) {
		const char *dollar = memchr(at, '$', (size_t)(end - at));
		if (!dollar)
			dollar = end;
		if (dollar > at)
			put_plain(&r, at, (size_t)(dollar - at));
		at = dollar;
		if (!strncmp(at, "$${", 3)) {
			append_text(&r, "${", 2);
			buffer_append(&out->shown, "$${", 3);
			out->is_reference = false;
			at += 3;
		} else if (!strncmp(at, "${", 2)) {
			size_t used = put_reference(&r, at);
			if (!used)
				return -1;
			at += used;
		} else if (at < end) {
			put_plain(&r, at++, 1);
		}
	}
	return r.failed ? -1 : 0;
}

void
interpolated_finish(struct interpolated *i)
{
	if (i->text.memory)
		explicit_bzero(i->text.memory, i->text.capacity);
	buffer_finish(&i->text);
	buffer_finish(&i->shown);
}
