/* What the settings of audit mean, and which are refused, by name. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "plugins/audit/settings.h"

Test(audit_settings, have_defaults)
{
	struct settings s;
	char why[256] = "";

	cr_assert_eq(settings_read(&s, "{\"file\":\"a.jsonl\"}", "/data", why),
		0, "%s", why);
	cr_assert_eq(s.pattern_count, 1);
	cr_expect_str_eq(s.patterns[0], "*");
	cr_expect_str_eq(s.file, "/data/a.jsonl");
	cr_expect(s.rotate_bytes == 64 << 20 && s.keep == 7);
	cr_expect(s.sync == SYNC_INTERVAL && s.sync_ms == 1000);
	cr_expect(!s.has_syslog);
	settings_finish(&s);
}

Test(audit_settings, each_is_read)
{
	struct settings s;
	char why[256] = "";

	cr_assert_eq(settings_read(&s,
			     "{\"events\":[\"a.*\",\"b\"],\"file\":\"/x/y\","
			     "\"rotate\":{\"size\":\"10KiB\",\"keep\":2},"
			     "\"sync\":\"always\",\"syslog\":{\"facility\":"
			     "\"local3\",\"ident\":\"gate\","
			     "\"socket\":\"/s\"}}",
			     "/data", why),
		0, "%s", why);
	cr_expect_str_eq(s.file, "/x/y");
	cr_expect(s.rotate_bytes == 10240 && s.keep == 2);
	cr_expect_eq(s.sync, SYNC_ALWAYS);
	cr_expect_eq(s.facility, LOG_LOCAL3);
	cr_expect_str_eq(s.ident, "gate");
	cr_expect_str_eq(s.socket, "/s");
	settings_finish(&s);
}

/* So that no event is written twice. */
Test(audit_settings, patterns_do_not_overlap)
{
	static const struct {
		const char *settings;
		size_t count;
		const char *patterns[3];
	} rows[] = {
		{"[\"a\",\"a\"]", 1, {"a"}},
		{"[\"a.b\",\"*\",\"c\"]", 1, {"*"}},
		{"[\"a.b\",\"a.b.c\",\"a.*\"]", 1, {"a.*"}},
		{"[\"a.*\",\"a.b\",\"ab\"]", 2, {"a.*", "ab"}},
		{"[\"a\",\"a.*\"]", 2, {"a", "a.*"}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct settings s;
		char json[200], why[256] = "";

		snprintf(json, sizeof(json), "{\"file\":\"f\",\"events\":%s}",
			rows[i].settings);
		cr_assert_eq(settings_read(&s, json, "/d", why), 0, "%s", why);
		cr_assert_eq(
			s.pattern_count, rows[i].count, "%s", rows[i].settings);
		for (size_t n = 0; n < s.pattern_count; n++)
			cr_expect_str_eq(s.patterns[n], rows[i].patterns[n]);
		settings_finish(&s);
	}
}

Test(audit_settings, what_makes_no_sense_is_named)
{
	static const struct {
		const char *settings, *says;
	} rows[] = {
		{"[]", "the settings must be a map"},
		{"{}", "neither a file nor syslog"},
		{"{\"file\":\"\"}", "neither a file nor syslog"},
		{"{\"fil\":\"a\"}", "unknown setting fil in the settings"},
		{"{\"file\":1}", "file must be a string"},
		{"{\"file\":\"a/\"}", "file must not end in a slash"},
		{"{\"events\":1}", "events must be a pattern or a list"},
		{"{\"events\":[]}", "events must not be empty"},
		{"{\"events\":[1]}", "events must be a pattern or a list"},
		{"{\"rotate\":1}", "rotate must be a map"},
		{"{\"rotate\":{\"max\":1}}", "unknown setting max in rotate"},
		{"{\"rotate\":{\"size\":0}}", "rotate.size must be a positive"},
		{"{\"rotate\":{\"size\":\"1XB\"}}", "rotate.size must be"},
		{"{\"rotate\":{\"keep\":1001}}", "rotate.keep is at most"},
		{"{\"sync\":\"often\"}", "sync must be always, none, or a"},
		{"{\"syslog\":true}", "syslog must be false or a map"},
		{"{\"syslog\":{\"host\":\"x\"}}",
			"unknown setting host in sys"},
		{"{\"syslog\":{\"facility\":\"x\"}}",
			"syslog.facility must be"},
		{"{\"syslog\":{\"facility\":3}}", "syslog.facility must be"},
		{"{\"syslog\":{\"ident\":\"a b\"}}",
			"syslog.ident must be one"},
		{"{\"syslog\":{\"socket\":\"log\"}}",
			"syslog.socket must be an"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct settings s;
		char why[256] = "";

		cr_expect_eq(settings_read(&s, rows[i].settings, "/d", why), -1,
			"%s", rows[i].settings);
		cr_expect(strstr(why, rows[i].says), "%s: %s", rows[i].settings,
			why);
		settings_finish(&s);
	}
}
