/* guards_file: a file with other content is not one that cannot be read at
 * the moment. */
#include "supervisor/event/guards_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "supervisor/ops/own_file.h"

#define FILE_BYTES_MAX (1024 * 1024)

static json_t *
fail_with(int number, json_t *value)
{
	json_decref(value);
	errno = number;
	return NULL;
}

static json_t *
parse(struct bytes text, struct error *err)
{
	json_t *value = json_text_read(text, NULL, err);

	if (json_is_object(value))
		return value;
	if (value)
		error_set(err, "it must be a JSON object");
	return fail_with(EINVAL, value);
}

/* Reads to the end: what one call returns may be a part. */
static ssize_t
read_all(int fd, char *text, size_t most)
{
	size_t length = 0;
	ssize_t more = 1;

	while (more && length < most) {
		more = read(fd, text + length, most - length);
		if (more < 0 && errno != EINTR)
			return -1;
		length += more > 0 ? (size_t)more : 0;
	}
	return (ssize_t)length;
}

json_t *
guards_file_read(const char *path, struct error *err)
{
	int fd = own_file_open(path, O_RDONLY, 0, err), number = errno;
	json_t *value = NULL;
	ssize_t size;
	char *text;

	if (fd < 0)
		return number == ENOENT ? json_object()
					: fail_with(number, NULL);
	text = memory_alloc(FILE_BYTES_MAX);
	size = read_all(fd, text, FILE_BYTES_MAX);
	number = errno;
	close(fd);
	if (size >= 0) {
		value = parse((struct bytes){text, (size_t)size}, err);
		number = errno;
	} else {
		error_set_errno(err, number, "cannot read %s", path);
	}
	free(text);
	return value ? value : fail_with(number, NULL);
}

int
guards_file_write(const char *path, const json_t *guards, struct error *err)
{
	char *text = json_text(guards, JSON_TEXT_SORTED);
	int result = own_file_replace(path, text, strlen(text), err);

	free(text);
	return result;
}
