/* Long answers of /api: calls that end with a page. */
#include <criterion/criterion.h>

#include "tests/unit/http_door.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/control/commands.h"
#include "supervisor/control/page.h"

static int client;

static void
open_door(void)
{
	door_open();
	door.holds_calls = true;
	client = door_client();
}

static void
shut_door(void)
{
	close(client);
	door_close();
}

TestSuite(http_pages, .init = open_door, .fini = shut_door, .timeout = 20);

#define ASK(what)                                                              \
	what " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\n"        \
	     "Content-Length: 0\r\n\r\n"

/* The answer to a call that ends with a page of that size. */
static char *
ask_for_page(const char *ask, enum outcome outcome, size_t bytes)
{
	static unsigned count;
	struct page page = {.count = &count, .references = 1};
	struct command_call *call;
	char *text;

	count = 1;
	for (size_t i = 0; i < bytes; i++)
		buffer_append_byte(&page.text, 'x');
	free(door_ask(client, ask, NULL));
	call = door.pending;
	cr_assert(call && call->on_page);
	call->job = NULL;
	call->on_page(call, outcome, &page);
	door_turn();
	text = door_read(client, NULL);
	buffer_finish(&page.text);
	return text;
}

Test(http_pages, have_the_status_of_their_outcome)
{
	static const struct {
		enum outcome outcome;
		const char *begin;
	} rows[] = {
		{OUTCOME_DONE, "HTTP/1.1 200 "},
		{OUTCOME_FAILED, "HTTP/1.1 422 "},
		{OUTCOME_SOME_FAILED, "HTTP/1.1 422 "},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *text = ask_for_page(
			ASK("POST /api/config/apply"), rows[i].outcome, 100);

		cr_expect(!strncmp(text, rows[i].begin, strlen(rows[i].begin)),
			"%s", text);
		cr_expect(strstr(text, "\r\nContent-Type: application/json"));
		free(text);
	}
}

Test(http_pages, of_events_that_are_not_followed_are_no_stream)
{
	char *text = ask_for_page(
		ASK("GET /api/events?follow=false"), OUTCOME_DONE, 100);

	cr_expect(!strncmp(text, "HTTP/1.1 200 ", 13), "%s", text);
	cr_expect(strstr(text, "\r\nContent-Type: application/json"));
	cr_expect_eq(door.gateway.edge.streams, 0);
	free(text);
}
