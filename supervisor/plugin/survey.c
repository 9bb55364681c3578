/* survey: writes the orders to a memory file that the child reads; collects the
 * child's answers and parses them when it has ended. */
#include "supervisor/plugin/survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/launch.h"
#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "supervisor/plugin/child.h"

#define ANSWER_BYTES_MAX 2048 /* on average; a path may be in an error */

struct survey {
	struct workers *workers;
	struct child child;
	struct wheel_timer deadline;
	struct buffer orders, said;
	uint32_t count;
	json_t *answers; /* array, an object each */
	char complaint[256];
	bool late;
	void (*done)(void *user, struct error *err);
	void *user;
};

struct survey *
survey_create(struct workers *workers)
{
	struct survey *s = memory_alloc(sizeof(*s));

	s->workers = workers;
	buffer_init(&s->orders);
	buffer_init(&s->said);
	s->answers = json_array();
	wheel_timer_init(&s->deadline, NULL);
	list_init(&s->child.node);
	return s;
}

void
survey_destroy(struct survey *s)
{
	if (!s)
		return;
	wheel_clear(s->workers->wheel, &s->deadline);
	if (s->child.pid)
		child_kill_group(&s->child);
	child_reap(&s->child);
	buffer_finish(&s->orders);
	buffer_finish(&s->said);
	json_decref(s->answers);
	free(s);
}

static uint32_t
add(struct survey *s, const char *folder, const struct text_list *shares,
	const char *known, bool copy)
{
	json_t *names = json_array(), *order;
	char *text = NULL;

	for (uint32_t i = 0; shares && i < shares->count; i++)
		json_array_append_new(names, json_string(shares->items[i]));
	order = json_pack("{s:s, s:o, s:s, s:b}", "folder", folder, "shares",
		names, "known", known ? known : "", "copy", copy);
	if (order) /* else the path is not UTF-8: the answer is an error */
		text = json_dumps(order, JSON_COMPACT);
	buffer_append_text(&s->orders, text ? text : "{}");
	buffer_append_byte(&s->orders, '\n');
	free(text);
	json_decref(order);
	return s->count++;
}

uint32_t
survey_add(struct survey *s, const char *folder, const struct text_list *shares,
	const char *known)
{
	return add(s, folder, shares, known, false);
}

uint32_t
survey_add_copy(
	struct survey *s, const char *folder, const struct text_list *shares)
{
	return add(s, folder, shares, NULL, true);
}

uint32_t
survey_count(const struct survey *s)
{
	return s->count;
}

/* ---- the child ---- */

static void
on_output(struct child *c, enum child_stream stream, struct bytes bytes)
{
	struct survey *s = container_of(c, struct survey, child);

	if (stream == CHILD_STDERR) {
		if (s->complaint[0])
			return;
		if (bytes.length >= sizeof(s->complaint))
			bytes.length = sizeof(s->complaint) - 1;
		memcpy(s->complaint, bytes.at, bytes.length);
		s->complaint[strcspn(s->complaint, "\n")] = '\0';
	} else if (buffer_length(&s->said) <
		   (size_t)(s->count + 1) * ANSWER_BYTES_MAX) {
		buffer_append(&s->said, bytes.at, bytes.length);
	}
}

static int
read_answers(struct survey *s, const char *how, int code, struct error *err)
{
	const char *at = (const char *)buffer_bytes(&s->said);
	const char *end = at + buffer_length(&s->said);

	while (at < end && json_array_size(s->answers) < s->count) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		json_t *answer =
			stop ? json_loadb(at, (size_t)(stop - at), 0, NULL)
			     : NULL;

		if (!json_is_object(answer)) {
			json_decref(answer);
			break;
		}
		json_array_append_new(s->answers, answer);
		at = stop + 1;
	}
	if (json_array_size(s->answers) == s->count)
		return 0;
	if (s->late)
		return error_set(err, "the packages were not read in time");
	error_set(err, "the packages could not be compared: %s",
		s->complaint[0] ? s->complaint : how);
	err->shortage = code < 0; /* killed, as by the OOM killer */
	return -1;
}

static void
on_end(struct child *c)
{
	struct survey *s = container_of(c, struct survey, child);
	char how[80] = "";
	struct error err;
	int code = -1;

	child_has_ended(c, how, sizeof(how), &code);
	child_read_rest(c);
	child_reap(c);
	wheel_clear(s->workers->wheel, &s->deadline);
	s->done(s->user, read_answers(s, how, code, &err) < 0 ? &err : NULL);
}

static const struct child_ops survey_child_ops = {
	.on_output = on_output,
	.on_end = on_end,
};

static void
survey_due(struct wheel_timer *timer)
{
	struct survey *s = container_of(timer, struct survey, deadline);

	s->late = true;
	child_kill_group(&s->child);
}

static int
write_all(int fd, const struct buffer *b)
{
	const uint8_t *at = buffer_bytes(b);
	size_t left = buffer_length(b);

	while (left) {
		ssize_t written = write(fd, at, left);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return -1;
		at += written;
		left -= (size_t)written;
	}
	return 0;
}

static int
start_child(struct survey *s, int fd, struct error *err)
{
	const char *const argv[] = {
		s->workers->worker_program, LAUNCH_SURVEY, NULL};
	static const char *const env[] = {NULL};
	char *path = memory_format("/proc/self/fd/%d", fd);
	struct child_start start = {.argv = argv, .env = env, .input = path};
	int result = child_start(&s->child, &s->workers->children, &start,
		&survey_child_ops, err);

	free(path);
	return result;
}

int
survey_begin(struct survey *s, uint64_t deadline_ms,
	void (*done)(void *user, struct error *err), void *user,
	struct error *err)
{
	int fd = memfd_create("survey", MFD_CLOEXEC), result;

	if (fd < 0)
		return error_set_errno(
			err, errno, "cannot make a file in memory");
	if (write_all(fd, &s->orders) < 0)
		result = error_set_errno(
			err, errno, "cannot write a file in memory");
	else
		result = start_child(s, fd, err);
	close(fd);
	if (result < 0)
		return -1;
	buffer_finish(&s->orders);
	buffer_init(&s->orders);
	s->done = done;
	s->user = user;
	s->deadline.fire = survey_due;
	wheel_set(s->workers->wheel, &s->deadline, deadline_ms);
	return 0;
}

/* ---- the answers ---- */

struct survey_answer
survey_answer_at(const struct survey *s, uint32_t index)
{
	const json_t *a = json_array_get(s->answers, index);

	return (struct survey_answer){
		.fingerprint =
			json_string_value(json_object_get(a, "fingerprint")),
		.digest = json_string_value(json_object_get(a, "digest")),
		.error = json_string_value(json_object_get(a, "error")),
		.shortage = json_is_true(json_object_get(a, "shortage")),
	};
}
