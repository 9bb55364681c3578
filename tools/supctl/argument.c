/* argument: see argument.h. */
#include "tools/supctl/argument.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "proto/json_text.h"
#include "proto/message.h"
#include "proto/value.h"

static int
read_all(int fd, const char *name, struct buffer *out, struct error *err)
{
	ssize_t got;

	while (buffer_length(out) <= WIRE_MESSAGE_MAX) {
		got = read(fd, buffer_reserve(out, 65536), 65536);
		if (got > 0)
			buffer_commit(out, (size_t)got);
		else if (!got)
			return 0;
		else if (errno != EINTR)
			return error_set(err, "%s: %s", name, strerror(errno));
	}
	return error_set(err, "%s: larger than the %d KiB of a message", name,
		WIRE_MESSAGE_MAX / 1024);
}

static int
read_file(const char *path, struct buffer *out, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return error_set(err, "%s: %s", path, strerror(errno));
	rc = read_all(fd, path, out, err);
	close(fd);
	return rc;
}

int
argument_read(const char *word, struct buffer *out, struct error *err)
{
	if (!strcmp(word, "-"))
		return read_all(STDIN_FILENO, "standard input", out, err);
	if (*word == '@')
		return read_file(word + 1, out, err);
	buffer_append_text(out, word);
	return 0;
}

static const char *
name_of(const char *word)
{
	return !strcmp(word, "-") ? "standard input"
	       : *word == '@'	  ? word + 1
				  : "the argument";
}

json_t *
argument_read_json(const char *word, struct error *err)
{
	struct buffer text = {0};
	json_t *value = NULL;

	if (!argument_read(word, &text, err)) {
		value = json_text_read(
			(struct bytes){buffer_length(&text)
					       ? (char *)buffer_bytes(&text)
					       : "",
				buffer_length(&text)},
			NULL, err);
		if (!value)
			error_prefix(err, "%s: ", name_of(word));
	}
	buffer_finish(&text);
	if (value && value_is_deeper(value, VALUE_DEPTH_MAX)) {
		error_set(err, "%s: nested deeper than %d", name_of(word),
			VALUE_DEPTH_MAX);
		json_decref(value);
		return NULL;
	}
	return value;
}
