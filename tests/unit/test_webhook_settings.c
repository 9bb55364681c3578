/* What the settings of webhook mean, and which are refused, by name. */
#include <criterion/criterion.h>
#include <string.h>

#include "plugins/webhook/settings.h"

static struct settings
read(const char *json)
{
	struct settings s;
	char why[256] = "";

	cr_assert_eq(settings_read(&s, json, why), 0, "%s", why);
	return s;
}

#define ENDPOINT(more)                                                         \
	"{\"endpoints\":{\"a\":{\"sign\":\"github\","                          \
	"\"secrets\":[\"12345678\"]" more "}}}"
#define TARGET(more)                                                           \
	"{\"targets\":{\"t\":{\"url\":\"http://x/\",\"events\":[\"a.*\"],"     \
	"\"sign\":\"none\"" more "}}}"

Test(webhook_settings, an_endpoint_has_defaults)
{
	struct settings s = read(ENDPOINT(""));
	const struct endpoint *e = settings_endpoint(&s, "a");

	cr_assert(e && !settings_endpoint(&s, "b"));
	cr_expect_str_eq(e->event, "webhook.a");
	cr_expect_eq(e->sign, SIGN_GITHUB);
	cr_expect_str_eq(e->secrets.items[0], "12345678");
	cr_expect_eq(e->window_ms, 300000);
	cr_expect_eq(e->body_bytes, 1024 * 1024);
	cr_expect_eq(s.remember_ms, 72 * 3600 * 1000);
	settings_finish(&s);
}

Test(webhook_settings, each_of_an_endpoint_is_read)
{
	struct settings s =
		read(ENDPOINT(",\"event\":\"deploy.done\",\"window\":\"1m\","
			      "\"body_limit\":\"4KiB\",\"id_header\":\"X-Id\","
			      "\"headers\":[\"X-A\",\"X-B\"]"));
	const struct endpoint *e = settings_endpoint(&s, "a");

	cr_expect_str_eq(e->event, "deploy.done");
	cr_expect_str_eq(e->id_header, "X-Id");
	cr_expect_eq(e->window_ms, 60000);
	cr_expect_eq(e->body_bytes, 4096);
	cr_expect_eq(settings_body_bytes(&s), 4096);
	cr_expect_eq(e->header_count, 2);
	cr_expect_str_eq(e->headers[1], "X-B");
	settings_finish(&s);
}

Test(webhook_settings, each_of_a_target_is_read)
{
	struct settings s =
		read("{\"targets\":{\"t\":{\"url\":\"https://h/p\","
		     "\"events\":[\"a.b\",\"*\"],\"sign\":\"slack\","
		     "\"secret\":\"12345678\",\"ca\":\"/c\",\"timeout\":\"2s\","
		     "\"retry_min\":\"100ms\",\"retry_max\":\"1m\","
		     "\"give_up\":\"2h\",\"queue_events\":7,"
		     "\"queue_bytes\":\"2MiB\"}},\"dead_letters\":\"1MiB\"}");
	const struct target *t = &s.targets[0];

	cr_expect_str_eq(t->url, "https://h/p");
	cr_expect_eq(t->pattern_count, 2);
	cr_expect_str_eq(t->secret.items[0], "12345678");
	cr_expect_str_eq(t->ca, "/c");
	cr_expect(t->timeout_ms == 2000 && t->retry_min_ms == 100 &&
		  t->retry_max_ms == 60000 && t->give_up_ms == 7200000);
	cr_expect(t->queue_events == 7 && t->queue_bytes == 2 * 1024 * 1024);
	cr_expect_eq(s.dead_letter_bytes, 1024 * 1024);
	settings_finish(&s);
}

Test(webhook_settings, the_same_targets_are_those_with_the_same_events)
{
	struct settings a = read(TARGET("")),
			b = read(TARGET(",\"timeout\":\"1s\""));
	struct settings c = read("{\"targets\":{\"t\":{\"url\":\"http://x/\","
				 "\"events\":[\"b.*\"],\"sign\":\"none\"}}}");

	cr_expect(settings_same_targets(&a, &b));
	cr_expect(!settings_same_targets(&a, &c));
	settings_finish(&a);
	settings_finish(&b);
	settings_finish(&c);
}

static void
expect_refusal(const char *settings, const char *says)
{
	struct settings s;
	char why[256] = "";

	cr_expect_eq(settings_read(&s, settings, why), -1, "%s", settings);
	cr_expect(strstr(why, says), "%s: %s", settings, why);
	settings_finish(&s);
}

Test(webhook_settings, what_makes_no_sense_of_an_endpoint_is_named)
{
	static const char *const rows[][2] = {
		{"{}", "neither endpoints nor targets"},
		{"{\"endpoint\":{}}", "unknown setting endpoint"},
		{"{\"endpoints\":[]}", "endpoints must be a map"},
		{"{\"endpoints\":{\"A b\":{}}}", "endpoints: A b: a name has"},
		{"{\"endpoints\":{\"a\":1}}", "endpoints.a: must be a map"},
		{"{\"endpoints\":{\"a\":{}}}",
			"endpoints.a: sign must be github, slack, stripe or"},
		{"{\"endpoints\":{\"a\":{\"sign\":\"rsa\"}}}",
			"endpoints.a: sign must be"},
		{"{\"endpoints\":{\"a\":{\"sign\":\"slack\"}}}",
			"endpoints.a: secrets is missing"},
		{"{\"endpoints\":{\"a\":{\"sign\":\"none\","
		 "\"secrets\":[\"12345678\"]}}}",
			"secrets has no use with sign: none"},
		{"{\"endpoints\":{\"a\":{\"sign\":\"slack\","
		 "\"secrets\":\"12345678\"}}}",
			"secrets must be a list"},
		{"{\"endpoints\":{\"a\":{\"sign\":\"slack\","
		 "\"secrets\":[\"12345678\",\"short\"]}}}",
			"secrets: number 2 is shorter than 8"},
		{"{\"endpoints\":{\"a\":{\"sign\":\"slack\","
		 "\"secrets\":[\"\"]}}}",
			"secrets must be a list of strings"},
		{ENDPOINT(",\"secret\":1"), "unknown setting secret"},
		{ENDPOINT(",\"event\":\"a..b\""), "event must be a name"},
		{ENDPOINT(",\"event\":\"a.*\""), "event must be a name"},
		{ENDPOINT(",\"window\":\"soon\""), "window must be a time"},
		{ENDPOINT(",\"window\":\"48h\""),
			"window must be from 1s to 24h"},
		{ENDPOINT(",\"body_limit\":\"26MiB\""),
			"body_limit must be from 1B to 25MiB"},
		{"{\"bodies\":\"2MiB\",\"endpoints\":{\"a\":{\"sign\":"
		 "\"none\",\"body_limit\":\"3MiB\"}}}",
			"bodies is less than a body_limit"},
		{ENDPOINT(",\"id_header\":\"a\\r\\nb\""),
			"id_header must be a string"},
		{ENDPOINT(",\"headers\":[1]"), "headers must be a list of"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_refusal(rows[i][0], rows[i][1]);
}

Test(webhook_settings, what_makes_no_sense_of_a_target_is_named)
{
	static const char *const rows[][2] = {
		{"{\"targets\":{\"t\":{\"sign\":\"none\"}}}",
			"targets.t: url is missing"},
		{"{\"targets\":{\"t\":{\"sign\":\"none\","
		 "\"url\":\"ftp://x/\"}}}",
			"url must begin with"},
		{"{\"targets\":{\"t\":{\"sign\":\"none\","
		 "\"url\":\"https:///x\"}}}",
			"url must begin with"},
		{"{\"targets\":{\"t\":{\"sign\":\"none\","
		 "\"url\":\"http://x\"}}}",
			"events is missing"},
		{"{\"targets\":{\"t\":{\"sign\":\"none\","
		 "\"url\":\"http://x\",\"events\":[\"a\",\"*.b\"]}}}",
			"events: number 2"},
		{"{\"targets\":{\"t\":{\"sign\":\"stripe\","
		 "\"url\":\"http://x\",\"events\":[\"a\"]}}}",
			"secret is missing"},
		{TARGET(",\"retry_min\":\"2m\",\"retry_max\":\"1m\""),
			"retry_min is longer than retry_max"},
		{TARGET(",\"queue_events\":0"), "queue_events must be from 1"},
		{"{\"dead_letters\":\"1B\"}", "dead_letters must be from"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_refusal(rows[i][0], rows[i][1]);
}

Test(webhook_settings, no_reason_tells_a_secret)
{
	struct settings s;
	char why[256] = "";

	cr_expect_eq(settings_read(&s,
			     "{\"endpoints\":{\"a\":{\"sign\":\"github\","
			     "\"secrets\":[\"hush\"]}}}",
			     why),
		-1);
	cr_expect(!strstr(why, "hush"), "%s", why);
	settings_finish(&s);
}
