/* supctl's command line: what is taken and what is refused. */
#include <criterion/criterion.h>
#include <getopt.h>
#include <string.h>

#include "tools/supctl/options.h"

static int
read_line(struct options *o, const char *line, struct error *err)
{
	static char text[256], program[] = "supctl";
	static char *argv[32];
	int argc = 0;

	strcpy(text, line);
	argv[argc++] = program;
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	optind = 0; /* getopt begins anew */
	return options_read(o, argc, argv, err);
}

Test(supctl_options, refuses_what_it_cannot_do)
{
	static const struct {
		const char *line, *text;
	} rows[] = {
		{"", "a verb is missing"},
		{"frob", "there is no verb 'frob'"},
		{"enable hello", "'enable' is not supported yet"},
		{"status --frob", "there is no option --frob"},
		{"status -z", "there is no option"},
		{"-s", "needs a value"},
		{"status --timeout", "needs a value"},
		{"status --timeout soon", "--timeout needs a time"},
		{"status --timeout -5s", "--timeout needs a time"},
		{"status --force", "'status' has no option --force"},
		{"stop hello --no-wait", "'stop' has no option --no-wait"},
		{"reload hello --plan", "--plan is not supported yet"},
		{"reload --changed", "--changed is not supported yet"},
		{"reload hello --wait forever", "committed or settled"},
		{"logs hello -n many", "-n needs a number"},
		{"logs hello -n -1", "-n needs a number"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct options o;
		struct error err = {{0}};

		cr_expect_eq(read_line(&o, rows[i].line, &err), -1, "%s",
			rows[i].line);
		cr_expect(strstr(err.text, rows[i].text), "%s: %s",
			rows[i].line, err.text);
	}
}

Test(supctl_options, takes_global_options_on_both_sides_of_the_verb)
{
	struct options o;
	struct error err;

	cr_assert_eq(read_line(&o,
			     "-s /a/b --timeout 1500ms reload one two --json "
			     "--force --no-drop --wait settled",
			     &err),
		0);
	cr_expect_str_eq(o.socket, "/a/b");
	cr_expect_eq(o.timeout_ms, 1500);
	cr_expect(o.json && o.force && o.no_drop && !o.all && !o.no_color);
	cr_expect_str_eq(o.wait, "settled");
	cr_expect_eq(o.verb, VERB_RELOAD);
	cr_assert_eq(o.word_count, 2);
	cr_expect_str_eq(o.words[1], "two");
}

Test(supctl_options, words_after_two_dashes_are_words)
{
	struct options o;
	struct error err;

	cr_assert_eq(read_line(&o, "call tool x -- -5", &err), 0);
	cr_assert_eq(o.word_count, 3);
	cr_expect_str_eq(o.words[2], "-5");
	cr_assert_eq(read_line(&o, "logs -f -n 20 hello", &err), 0);
	cr_expect(o.follow && o.lines_set && o.lines == 20);
}

Test(supctl_options, durations)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {{"500ms", 500}, {"10s", 10000}, {"5m", 300000},
		{"1h", 3600000}, {"3", 3000}, {"1.5s", 1500}, {"0", 0}};
	static const char *const bad[] = {
		"", "s", "-1s", "1d", "1 s", "1e99s", "0x", "nan", "inf"};
	uint64_t ms;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		cr_expect_eq(duration_read(good[i].text, &ms), 0);
		cr_expect_eq(ms, good[i].ms, "%s", good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_eq(duration_read(bad[i], &ms), -1, "%s", bad[i]);
}

Test(supctl_options, help_names_every_verb)
{
	char text[8192] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	options_print_help(out, VERB_UNKNOWN);
	for (int verb = 0; verb < VERB_COUNT; verb++)
		options_print_help(out, (enum verb)verb);
	fclose(out);
	for (int verb = 0; verb < VERB_COUNT; verb++) {
		cr_expect(strstr(text, verb_rows[verb].name));
		cr_expect(strstr(text, verb_rows[verb].help));
	}
	cr_expect(strstr(text, "--no-drop"));
	cr_expect(strstr(text, "--prove"));
	cr_expect_null(strstr(text, "--plan"));
}
