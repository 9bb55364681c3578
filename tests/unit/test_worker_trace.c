/* test_worker_trace: the requests that the trace of a crash names. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "proto/util/text.h"
#include "supervisor/plugin/worker_private.h"

struct named {
	struct request request;
	const char *name;
};

static void
describe(struct request *r, char *out, size_t size)
{
	text_format(
		out, size, "%s", container_of(r, struct named, request)->name);
}

static const struct request_ops named_ops = {.describe = describe};
static const struct request_ops ping_ops = {.describe = NULL};

static struct worker_private private;
static struct worker worker = {.private = &private};

/* Sends requests in this order; "" is a ping. */
static const char *
note(const char *const *names, size_t count)
{
	static struct named requests[8];

	list_init(&worker.in_flight);
	for (size_t i = 0; i < count; i++) {
		requests[i].name = names[i];
		requests[i].request.ops = *names[i] ? &named_ops : &ping_ops;
		list_append(&worker.in_flight, &requests[i].request.node);
	}
	private.answering[0] = '\0';
	trace_note_requests(&worker);
	return private.answering;
}

#define NOTE(...)                                                              \
	note((const char *[]){__VA_ARGS__},                                    \
		sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

Test(worker_trace, names_the_most_recent_requests_first)
{
	cr_expect_str_eq(NOTE(""), "");
	cr_expect_str_eq(NOTE("GET /a", ""), " while answering GET /a");
	cr_expect_str_eq(NOTE("GET /a", "", "GET /b"),
		" while answering GET /b, GET /a (most recent first)");
	cr_expect_str_eq(NOTE("GET /a", "GET /b", "", "GET /c", "GET /d"),
		" while answering GET /d, GET /c, GET /b (most recent first) "
		"and 1 more");
}

/* Between two characters, wherever that is. */
Test(worker_trace, a_long_name_ends_with_an_ellipsis)
{
	char name[512], expected[512];
	const char *text;
	size_t length;

	for (size_t ascii = 120; ascii < 132; ascii++) {
		memset(name, 'x', ascii);
		name[ascii] = '\0';
		while (strlen(name) < 400)
			strcat(name, "\xf0\x9f\x98\x80");
		text = NOTE(name);
		text += strlen(" while answering ");
		length = strlen(text);
		cr_assert(length > 120 && length <= 128, "%zu", length);
		snprintf(expected, sizeof(expected), "%.*s\xe2\x80\xa6",
			(int)text_fit(name, strlen(name), length - 3), name);
		cr_expect_str_eq(text, expected);
	}
	memset(name, 'x', 128);
	name[128] = '\0';
	cr_expect_str_eq(NOTE(name) + strlen(" while answering "), name);
}
