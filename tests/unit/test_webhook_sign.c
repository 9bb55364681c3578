/* How the vendors sign: their own examples, and all that must not pass. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "plugins/webhook/sign.h"

#define NOW 1492774577

/* From docs.github.com, "Validating webhook deliveries". */
static const char github_secret[] = "It's a Secret to Everybody";
static const char github_body[] = "Hello, World!";
static const char github_signature[] =
	"sha256="
	"757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

/* From api.slack.com, "Verifying requests from Slack". */
static const char slack_secret[] = "8f742231b10e8888abcd99yyyzzz85a5";
static const char slack_timestamp[] = "1531420618";
static const char slack_body[] =
	"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&"
	"team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&"
	"user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&"
	"text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2F"
	"T1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id="
	"398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
static const char slack_signature[] =
	"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

/* Stripe publishes the form, not an example that can be computed; these two
 * are by another implementation of HMAC (Python's). */
static const char stripe_body[] =
	"{\n  \"id\": \"evt_test_webhook\",\n  \"object\": \"event\"\n}";
#define STRIPE_NEW                                                             \
	"c2f890decbc5ede7c5060bb9a6d31e0626a4342bacb9aeae2adb1bcea72f9812"
#define STRIPE_OLD                                                             \
	"e49c6ab3464e5d1ee1895ea5f9eba31bd8fe3119f02d3aa81ef87adc733582fd"

static char stripe_secret[] = "whsec_test_secret";
static char stripe_old_secret[] = "whsec_old_secret";

static const char *
check(enum sign_scheme scheme, const char *secret, const char *signature,
	const char *timestamp, const char *body, int64_t now)
{
	const struct secrets secrets = {{(char *)(uintptr_t)secret}, 1};
	const struct claim claim = {
		signature, timestamp, body, strlen(body), now, 300};
	char digest[SIGN_HEX_BYTES];

	return sign_check(scheme, &secrets, &claim, digest);
}

static const char *
check_stripe(const char *signature)
{
	return check(
		SIGN_STRIPE, stripe_secret, signature, NULL, stripe_body, NOW);
}

Test(webhook_sign, the_examples_of_the_vendors_fit)
{
	cr_expect_null(check(SIGN_GITHUB, github_secret, github_signature, NULL,
		github_body, NOW));
	cr_expect_null(check(SIGN_SLACK, slack_secret, slack_signature,
		slack_timestamp, slack_body, 1531420618));
	cr_expect_null(check_stripe("t=1492774577,v1=" STRIPE_NEW));
}

Test(webhook_sign, what_is_made_is_what_the_vendors_make)
{
	char value[SIGN_VALUE_BYTES];

	sign_make(SIGN_GITHUB, github_secret, "1", github_body,
		strlen(github_body), value);
	cr_expect_str_eq(value, github_signature);
	sign_make(SIGN_SLACK, slack_secret, slack_timestamp, slack_body,
		strlen(slack_body), value);
	cr_expect_str_eq(value, slack_signature);
	sign_make(SIGN_STRIPE, stripe_secret, "1492774577", stripe_body,
		strlen(stripe_body), value);
	cr_expect_str_eq(value, "t=1492774577,v1=" STRIPE_NEW);
}

/* Every bit of every byte of what is sent. */
static void
expect_no_change_fits(enum sign_scheme scheme, const char *secret,
	const char *signature, const char *timestamp, const char *body)
{
	const char *parts[3] = {signature, timestamp, body};

	for (size_t part = 0; part < 3; part++)
		for (size_t i = 0; parts[part] && parts[part][i]; i++)
			for (int bit = 0; bit < 8; bit++) {
				char changed[600];
				const char *said[3] = {
					signature, timestamp, body};

				strcpy(changed, parts[part]);
				changed[i] = (char)(changed[i] ^ (1 << bit));
				said[part] = changed;
				cr_expect(check(scheme, secret, said[0],
						  said[1], said[2], NOW),
					"part %zu, byte %zu, bit %d", part, i,
					bit);
			}
}

Test(webhook_sign, no_changed_bit_fits)
{
	char value[SIGN_VALUE_BYTES];

	expect_no_change_fits(SIGN_GITHUB, github_secret, github_signature,
		NULL, github_body);
	sign_make(SIGN_SLACK, slack_secret, "1492774577", slack_body,
		strlen(slack_body), value);
	expect_no_change_fits(
		SIGN_SLACK, slack_secret, value, "1492774577", slack_body);
	expect_no_change_fits(SIGN_STRIPE, stripe_secret,
		"t=1492774577,v1=" STRIPE_NEW, NULL, stripe_body);
}

Test(webhook_sign, a_shorter_or_longer_part_does_not_fit)
{
	char cut[100];

	for (size_t length = 0; length < strlen(github_signature); length++) {
		snprintf(cut, sizeof(cut), "%.*s", (int)length,
			github_signature);
		cr_expect(check(SIGN_GITHUB, github_secret, cut, NULL,
			github_body, NOW));
	}
	snprintf(cut, sizeof(cut), "%s0", github_signature);
	cr_expect(
		check(SIGN_GITHUB, github_secret, cut, NULL, github_body, NOW));
	cr_expect(check(SIGN_GITHUB, github_secret, github_signature, NULL,
		"Hello, World", NOW));
	cr_expect(check(SIGN_GITHUB, "It's a Secret to Everybodx",
		github_signature, NULL, github_body, NOW));
}

Test(webhook_sign, the_faults_are_named)
{
	static const struct {
		enum sign_scheme scheme;
		const char *signature, *timestamp, *says;
	} rows[] = {
		{SIGN_GITHUB, NULL, NULL, "missing or repeated"},
		{SIGN_GITHUB, "", NULL, "wrong prefix"},
		{SIGN_GITHUB, "sha1=00", NULL, "wrong prefix"},
		{SIGN_GITHUB, "sha256=00", NULL, "wrong length"},
		{SIGN_SLACK, slack_signature, NULL,
			"timestamp header is missing"},
		{SIGN_SLACK, slack_signature, "", "not a number"},
		{SIGN_SLACK, slack_signature, "soon", "not a number"},
		{SIGN_SLACK, slack_signature, "+1492774577", "not a number"},
		{SIGN_SLACK, slack_signature, "1492774577 ", "not a number"},
		{SIGN_SLACK, slack_signature, "1492774577000000",
			"not a number"},
		{SIGN_STRIPE, "", NULL, "no timestamp"},
		{SIGN_STRIPE, "t=1492774577", NULL, "no v1 signature"},
		{SIGN_STRIPE, "v1=" STRIPE_NEW, NULL, "no timestamp"},
		{SIGN_STRIPE, "t=1492774577,v0=" STRIPE_NEW, NULL,
			"no v1 signature"},
		{SIGN_STRIPE, "t=1492774577,t=1492774577,v1=" STRIPE_NEW, NULL,
			"two timestamps"},
		{SIGN_STRIPE, "t=,v1=" STRIPE_NEW, NULL, "not a number"},
		{SIGN_STRIPE, "t=1492774577,v1=00", NULL, "wrong length"},
		{SIGN_STRIPE, "t=1492774577, v1=" STRIPE_NEW, NULL,
			"no v1 signature"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *said = check(rows[i].scheme, stripe_secret,
			rows[i].signature, rows[i].timestamp, stripe_body, NOW);

		cr_expect(said && strstr(said, rows[i].says), "%s: %s",
			rows[i].signature, said);
	}
}

Test(webhook_sign, several_signatures_and_secrets_are_tried)
{
	const struct secrets both = {{stripe_secret, stripe_old_secret}, 2};
	struct claim claim = {.body = stripe_body,
		.body_bytes = strlen(stripe_body),
		.now_s = NOW,
		.window_s = 300};
	char digest[SIGN_HEX_BYTES], many[2000] = "t=1492774577";

	cr_expect_null(check_stripe(
		"t=1492774577,v1=" STRIPE_OLD ",v1=" STRIPE_NEW ",v0=old"));
	cr_expect(check_stripe("t=1492774577,v1=" STRIPE_OLD));
	claim.signature = "t=1492774577,v1=" STRIPE_OLD;
	cr_expect_null(sign_check(SIGN_STRIPE, &both, &claim, digest));
	cr_expect_str_eq(digest, STRIPE_OLD);
	for (size_t i = 0; i < SIGNATURES_MAX; i++)
		strcat(many, ",v1=" STRIPE_NEW);
	cr_expect_null(check_stripe(many));
	strcat(many, ",v1=" STRIPE_NEW);
	cr_expect_str_eq(
		check_stripe(many), "the header has too many signatures");
}

Test(webhook_sign, the_window_has_two_ends)
{
	const char *const late = "the timestamp is too far from now";

	for (int64_t now = NOW - 300; now <= NOW + 300; now += 100)
		cr_expect_null(check(SIGN_STRIPE, stripe_secret,
			"t=1492774577,v1=" STRIPE_NEW, NULL, stripe_body, now));
	cr_expect_str_eq(
		check(SIGN_STRIPE, stripe_secret, "t=1492774577,v1=" STRIPE_NEW,
			NULL, stripe_body, NOW + 301),
		late);
	cr_expect_str_eq(check(SIGN_SLACK, slack_secret, slack_signature,
				 slack_timestamp, slack_body, 1531420317),
		late);
}

Test(webhook_sign, a_body_may_be_empty_or_have_any_byte)
{
	static char secret[] = "01234567";
	static const char body[] = "a\0b\xff";
	const struct secrets secrets = {{secret}, 1};
	char value[SIGN_VALUE_BYTES], digest[SIGN_HEX_BYTES];
	struct claim claim = {.signature = value, .body = body};

	for (size_t bytes = 0; bytes < sizeof(body); bytes++) {
		claim.body_bytes = bytes;
		sign_make(SIGN_GITHUB, secret, "", body, bytes, value);
		cr_expect_null(
			sign_check(SIGN_GITHUB, &secrets, &claim, digest));
		claim.body_bytes = bytes ? bytes - 1 : 1;
		cr_expect(sign_check(SIGN_GITHUB, &secrets, &claim, digest));
	}
}
