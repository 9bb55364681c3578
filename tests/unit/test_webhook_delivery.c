/* What is read from a delivery: its id, its type, and the event's data. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "plugins/webhook/delivery.h"

/* NAME, VALUE, …, NULL */
static const char *
header(void *source, const char *name)
{
	const char *const *at = source;

	for (; *at; at += 2)
		if (!strcasecmp(*at, name))
			return at[1];
	return NULL;
}

static char name[] = "a", id_header[] = "X-Own", passed[] = "X-Passed";

static struct delivery
delivery_of(struct endpoint *e, enum sign_scheme sign, const char *body,
	const char *const *headers)
{
	*e = (struct endpoint){.name = name, .sign = sign};
	return (struct delivery){.endpoint = e,
		.body = body,
		.body_bytes = strlen(body),
		.header = header,
		.source = (void *)(uintptr_t)headers};
}

static const char *const no_headers[] = {NULL};

static void
expect_read(enum sign_scheme sign, const char *body, const char *const *headers,
	const char *id, const char *type)
{
	struct endpoint e;
	struct delivery d = delivery_of(&e, sign, body, headers);
	const char *missing = delivery_read(&d, "digest");

	cr_expect_null(missing, "%s: %s", body, missing);
	cr_expect_str_eq(d.id, id);
	if (type)
		cr_expect(d.type && !strcmp(d.type, type), "%s", d.type);
	else
		cr_expect_null(d.type);
	delivery_finish(&d);
}

Test(webhook_delivery, each_sender_has_its_id_and_type)
{
	static const char *const github[] = {"X-GitHub-Delivery", "72d3162e",
		"x-github-event", "push", NULL};
	static const char *const plain[] = {
		"x-delivery-id", "7", "X-Event-Type", "t", NULL};

	expect_read(SIGN_GITHUB, "{}", github, "72d3162e", "push");
	expect_read(SIGN_STRIPE, "{\"id\":\"evt_1\",\"type\":\"a.b\"}",
		no_headers, "evt_1", "a.b");
	expect_read(SIGN_SLACK,
		"{\"type\":\"event_callback\",\"event_id\":\"Ev1\","
		"\"event\":{\"type\":\"message\"}}",
		no_headers, "Ev1", "message");
	expect_read(SIGN_SLACK, "token=x", no_headers, "digest", NULL);
	expect_read(SIGN_NONE, "x", plain, "7", "t");
	expect_read(SIGN_NONE, "x", no_headers, "", NULL);
}

#define VALID_ID "1 to 200 printable characters without spaces"

static void
expect_refusal(enum sign_scheme sign, const char *body,
	const char *const *headers, const char *refusal)
{
	struct endpoint e;
	struct delivery d = delivery_of(&e, sign, body, headers);
	const char *wrong = delivery_read(&d, "digest");

	cr_expect(wrong && !strcmp(wrong, refusal), "%s: %s", body, wrong);
	delivery_finish(&d);
}

/* header() says nothing of one that is repeated, either. */
Test(webhook_delivery, an_id_must_be_valid)
{
	static const char github[] =
		"400 the request must have one header X-GitHub-Delivery, "
		"of " VALID_ID;
	static const char stripe[] =
		"400 the event's id must be a string of " VALID_ID;
	char large[202] = "";
	const char *const blank[] = {"X-GitHub-Delivery", "a b", NULL};
	const char *const long_one[] = {"X-GitHub-Delivery", large, NULL};

	memset(large, 'a', 201);
	expect_refusal(SIGN_GITHUB, "{}", no_headers, github);
	expect_refusal(SIGN_GITHUB, "{}", blank, github);
	expect_refusal(SIGN_GITHUB, "{}", long_one, github);
	expect_refusal(SIGN_STRIPE, "{\"id\":7}", no_headers, stripe);
	expect_refusal(
		SIGN_STRIPE, "{\"id\":\"a\",\"id\":\"b\"}", no_headers, stripe);
}

Test(webhook_delivery, another_header_may_have_the_id)
{
	static const char *const own[] = {
		"x-own", "1", "X-GitHub-Delivery", "2", NULL};
	struct endpoint e;
	struct delivery d = delivery_of(&e, SIGN_GITHUB, "{}", own);

	e.id_header = id_header;
	cr_expect_null(delivery_read(&d, ""));
	cr_expect_str_eq(d.id, "1");
	delivery_finish(&d);
	d.source = (void *)(uintptr_t)no_headers;
	*d.id = 0;
	cr_expect(delivery_read(&d, ""));
	delivery_finish(&d);
}

Test(webhook_delivery, slack_asks_for_its_challenge)
{
	struct endpoint e;
	struct delivery d = delivery_of(&e, SIGN_SLACK,
		"{\"type\":\"url_verification\",\"challenge\":\"3eZb\"}",
		no_headers);

	cr_expect_null(delivery_read(&d, "digest"));
	cr_expect_str_eq(d.challenge, "3eZb");
	delivery_finish(&d);
	expect_refusal(SIGN_SLACK, "{\"type\":\"url_verification\"}",
		no_headers,
		"400 url_verification must have a string as its challenge");
	expect_refusal(SIGN_SLACK,
		"{\"type\":\"url_verification\",\"challenge\":7}", no_headers,
		"400 url_verification must have a string as its challenge");
}

static void
expect_data(struct delivery *d, enum delivery_form form, const char *data)
{
	char *text = delivery_data(d, form);

	if (data)
		cr_expect(text && !strcmp(text, data), "%s is not %s", text,
			data);
	else
		cr_expect_null(text);
	free(text);
}

Test(webhook_delivery, the_data_has_the_body_in_one_of_three_forms)
{
	static const char *const headers[] = {"X-Delivery-Id", "7",
		"X-Event-Type", "t", "Content-Type", "a/b", "X-Passed", "p",
		NULL};
	struct endpoint e;
	struct delivery d =
		delivery_of(&e, SIGN_NONE, " {\"a\": [1, null]}\n", headers);

	e.headers[e.header_count++] = passed;
	cr_expect_null(delivery_read(&d, ""));
	expect_data(&d, DELIVERY_JSON,
		"{\"hook\":\"a\",\"id\":\"7\",\"type\":\"t\","
		"\"content_type\":\"a/b\",\"headers\":{\"X-Passed\":\"p\"},"
		"\"json\":{\"a\":[1,null]}}");
	delivery_finish(&d);
	d = delivery_of(&e, SIGN_NONE, "a=1", no_headers);
	cr_expect_null(delivery_read(&d, ""));
	expect_data(&d, DELIVERY_JSON, NULL);
	expect_data(&d, DELIVERY_TEXT, "{\"hook\":\"a\",\"text\":\"a=1\"}");
	delivery_finish(&d);
	d = delivery_of(&e, SIGN_NONE, "\xff\xfe", no_headers);
	cr_expect_null(delivery_read(&d, ""));
	expect_data(&d, DELIVERY_TEXT, NULL);
	expect_data(
		&d, DELIVERY_BASE64, "{\"hook\":\"a\",\"base64\":\"//4=\"}");
	delivery_finish(&d);
}

/* What supd would refuse, or would not pass on as it is, goes as text. */
Test(webhook_delivery, a_body_that_is_no_value_is_text)
{
	static char deep[200];
	const char *bodies[] = {"{\"a\":1,\"a\":2}", "[18446744073709551616]",
		"[1e400]", "[1] x", "1", "", "[\"\\u0000\", {\"\\u0000\": 1}]",
		deep};
	struct endpoint e;
	char *text;

	memset(deep, '[', 60);
	memset(deep + 60, ']', 60);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct delivery d =
			delivery_of(&e, SIGN_NONE, bodies[i], no_headers);

		cr_expect_null(delivery_read(&d, ""));
		expect_data(&d, DELIVERY_JSON, NULL);
		text = delivery_data(&d, DELIVERY_TEXT);
		cr_expect(text);
		free(text);
		delivery_finish(&d);
	}
}

Test(webhook_delivery, what_is_too_large_for_an_event_is_in_a_file)
{
	static char body[DELIVERY_DATA_MAX + 1];
	struct endpoint e;
	struct delivery d;
	char *text;

	for (size_t less = 1; less <= 100; less += 99) {
		memset(body, 'x', sizeof(body) - less);
		body[sizeof(body) - less] = 0;
		d = delivery_of(&e, SIGN_NONE, body, no_headers);
		cr_expect_null(delivery_read(&d, ""));
		text = delivery_data(&d, DELIVERY_TEXT);
		cr_expect_eq(text != NULL, less == 100);
		free(text);
		cr_expect_null(delivery_data(&d, DELIVERY_FILE));
		d.file = "/f";
		text = delivery_data(&d, DELIVERY_FILE);
		cr_expect(text && strstr(text, "\"file\":\"/f\"") &&
				  strstr(text, "\"bytes\":") &&
				  strstr(text, "\"sha256\":\""),
			"%s", text);
		free(text);
		delivery_finish(&d);
	}
}
