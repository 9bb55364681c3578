/* Settings of the package irc: what they are, and what is refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "plugins/irc/settings.h"

TestSuite(irc_settings);

#define SERVER "\"server\": \"irc.test:6697\""

static struct settings *
read(const char *json)
{
	char why[256] = "";
	struct settings *s = settings_create(json, why);

	cr_assert(s, "%s: %s", json, why);
	return s;
}

Test(irc_settings, have_defaults)
{
	struct settings *s = read("{" SERVER "}");

	cr_expect_str_eq(s->name, "irc");
	cr_expect_str_eq(s->host, "irc.test");
	cr_expect_str_eq(s->port, "6697");
	cr_expect_str_eq(s->nick, "supd");
	cr_expect_str_eq(s->prefix, "!");
	cr_expect_not(s->tls);
	cr_expect(s->tls_verify);
	cr_expect_eq(s->burst, 5);
	cr_expect_eq(s->every_ms, 2000);
	cr_expect_eq(s->connect_timeout_ms, 10000);
	cr_expect_eq(s->verified, VERIFIED_ACCOUNT);
	settings_destroy(s);
}

Test(irc_settings, say_all_of_a_connection)
{
	struct settings *s = read(
		"{\"server\": \"[::1]:6667\", \"tls\": {\"ca\": \"/ca\", "
		"\"verify\": false}, \"nick\": \"bot\", \"password\": \"a b\", "
		"\"sasl\": {\"user\": \"u\", \"password\": \"p\"}, "
		"\"channels\": [\"#a\", {\"name\": \"#B\", \"key\": \"k\"}], "
		"\"prefix\": \"\", \"rate\": {\"burst\": 1, \"every\": "
		"\"500ms\"}}");

	cr_expect_str_eq(s->host, "::1");
	cr_expect(s->tls);
	cr_expect_not(s->tls_verify);
	cr_expect_str_eq(s->tls_ca, "/ca");
	cr_expect_str_eq(s->password, "a b");
	cr_expect_eq(s->join_count, 2);
	cr_expect_str_eq(settings_join(s, "#b")->key, "k");
	cr_expect_null(settings_join(s, "#c"));
	cr_expect_str_eq(s->prefix, "");
	cr_expect_eq(s->every_ms, 500);
	settings_destroy(s);
}

Test(irc_settings, that_are_wrong_are_refused_with_the_reason)
{
	static const char *const rows[][2] = {
		{"{}", "server is missing"},
		{"{\"server\": \"x\"}", "server must be"},
		{"{\"server\": \"x:0\"}", "server must be"},
		{"{\"server\": \"x:99999\"}", "server must be"},
		{"{\"server\": \":1\"}", "server must be"},
		{"{\"server\": \"a b:1\"}", "server must be"},
		{"{" SERVER ", \"nik\": 1}", "unknown setting nik"},
		{"{" SERVER ", \"name\": \"../x\"}", "name must not"},
		{"{" SERVER ", \"nick\": \"a b\"}", "nick must be"},
		{"{" SERVER ", \"nick\": \"x\\r\\nQUIT\"}", "nick must be"},
		{"{" SERVER ", \"user\": \"a@b\"}", "user must be"},
		{"{" SERVER ", \"password\": \"a\\nb\"}", "password must be"},
		{"{" SERVER ", \"tls\": 1}", "tls must be"},
		{"{" SERVER ", \"tls\": {\"x\": 1}}", "tls must be"},
		{"{" SERVER ", \"tls\": {\"verify\": 1}}", "tls.verify"},
		{"{" SERVER ", \"sasl\": {\"user\": \"u\"}}", "sasl must be"},
		{"{" SERVER ", \"channels\": [\"room\"]}", "number 1 must"},
		{"{" SERVER ", \"channels\": [\"#a\", \"#A\"]}", "twice"},
		{"{" SERVER ", \"channels\": [{\"name\": \"#a\", \"key\": "
		 "\"a,b\"}]}",
			"number 1 must"},
		{"{" SERVER ", \"rate\": {\"burst\": 0}}", "rate: burst"},
		{"{" SERVER ", \"prefix\": \"a b\"}", "prefix must be"},
		{"{" SERVER ", \"verified\": \"some\"}", "verified must be"},
		{"{" SERVER ", \"lines\": 1}", "lines must be"},
		{"{" SERVER ", \"ping\": \"1\"}", "ping must be"},
	};
	char why[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct settings *s = settings_create(rows[i][0], why);

		cr_expect_null(s, "%s", rows[i][0]);
		cr_expect(strstr(why, rows[i][1]), "%s: %s", rows[i][0], why);
		settings_destroy(s);
	}
}

Test(irc_settings, say_who_is_verified)
{
	struct settings *account = read("{" SERVER "}");
	struct settings *all = read("{" SERVER ", \"verified\": \"all\"}");
	struct settings *masks = read("{" SERVER ", \"verified\": [\"*!*@a\", "
				      "\"ann!*@b\"]}");

	cr_expect(settings_verifies(account, "Ann!x@y", "ann"));
	cr_expect_not(settings_verifies(account, "ann!x@y", "mallory"));
	cr_expect_not(settings_verifies(account, "ann!x@y", NULL));
	cr_expect(settings_verifies(all, "ann!x@y", NULL));
	cr_expect(settings_verifies(masks, "ann!x@b", NULL));
	cr_expect_not(settings_verifies(masks, "bob!x@b", "bob"));
	settings_destroy(account);
	settings_destroy(all);
	settings_destroy(masks);
}

Test(irc_settings, say_whether_another_connection_is_needed)
{
	static const char *const others[] = {"\"nick\": \"x\"",
		"\"password\": \"x\"", "\"channels\": [\"#x\"]",
		"\"tls\": true",
		"\"sasl\": {\"user\": \"u\", \"password\": "
		"\"p\"}"};
	static const char *const same[] = {"\"prefix\": \".\"",
		"\"rate\": {\"burst\": 9}", "\"verified\": \"all\"",
		"\"ping\": \"1s\""};
	struct settings *a = read("{" SERVER "}"), *b;
	char json[200];

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		snprintf(json, sizeof(json), "{" SERVER ", %s}", others[i]);
		b = read(json);
		cr_expect_not(settings_same_connection(a, b), "%s", json);
		settings_destroy(b);
	}
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		snprintf(json, sizeof(json), "{" SERVER ", %s}", same[i]);
		b = read(json);
		cr_expect(settings_same_connection(a, b), "%s", json);
		settings_destroy(b);
	}
	settings_destroy(a);
}
