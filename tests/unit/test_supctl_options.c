/* supctl's command line: what is taken and what is refused. */
#include <criterion/criterion.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/supctl/grammar.h"
#include "tools/supctl/help.h"
#include "tools/supctl/yaml.h"

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
		{"frob", "unknown verb 'frob'"},
		{"realod", "unknown verb 'realod'; did you mean 'reload'?"},
		{"help frob", "unknown verb 'frob'"},
		{"status --frob", "unknown option --frob"},
		{"status -z", "unknown option -z"},
		{"-s", "needs a value"},
		{"status --timeout", "needs a value"},
		{"status --timeout soon", "--timeout needs a time"},
		{"status --timeout -5s", "--timeout needs a time"},
		{"status --force", "'status' has no option --force"},
		{"stop hello --no-wait", "'stop' has no option --no-wait"},
		{"history hello -f", "'history' has no option --follow"},
		{"plan --atomic", "'plan' has no option --atomic"},
		{"reload hello --wait", "needs a value"},
		{"reload hello --wait forever", "committed or settled"},
		{"logs hello -n many", "-n needs a number"},
		{"logs hello -n -1", "-n needs a number"},
		{"logs --since 2026-02-31", "no such date: '2026-02-31'"},
		{"logs --since 2027-02-29", "no such date"},
		{"logs --since 2026-04-31", "no such date"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct options o;
		struct error err = {.text = ""};

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

Test(supctl_options, since_takes_every_day_of_the_calendar)
{
	static const char *const lines[] = {"logs --since 2024-02-29",
		"logs --since 2026-12-31", "logs --since 2026-01-01"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct options o;
		struct error err = {.text = ""};

		cr_expect_eq(read_line(&o, lines[i], &err), 0, "%s: %s",
			lines[i], err.text);
		cr_expect(o.since_ms, "%s", lines[i]);
	}
}

Test(supctl_options, words_after_two_dashes_are_words)
{
	struct options o;
	struct error err;

	cr_assert_eq(read_line(&o, "call tool x -- -5", &err), 0);
	cr_assert_eq(o.word_count, 3);
	cr_expect_str_eq(o.words[2], "-5");
	cr_assert_eq(read_line(&o, "logs -f -n 20 hello", &err), 0);
	cr_expect(
		o.follow && option_is_given(&o, OPTION_LINES) && o.lines == 20);
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

Test(supctl_options, words_behind_x_are_the_plugins)
{
	struct options o;
	struct error err;

	cr_assert_eq(read_line(&o,
			     "--timeout 7s x --no-color it cat --json -h "
			     "-- -x",
			     &err),
		0);
	cr_expect_eq(o.verb, VERB_X);
	cr_expect_eq(o.timeout_ms, 7000);
	cr_expect(o.no_color);
	cr_expect_not(o.json);
	cr_expect_not(o.help);
	cr_expect_eq(o.word_count, 6);
	cr_expect_str_eq(o.words[0], "it");
	cr_expect_str_eq(o.words[2], "--json");
	cr_expect_str_eq(o.words[5], "-x");
	cr_assert_eq(read_line(&o, "x --help", &err), 0);
	cr_expect(o.help);
	cr_expect_eq(read_line(&o, "x --wide it cat", &err), -1);
	/* the others have their options anywhere */
	cr_assert_eq(read_line(&o, "-s x show it --json", &err), 0);
	cr_expect_eq(o.verb, VERB_SHOW);
	cr_expect(o.json);
}

/* Each option of the table reaches its place in what the verbs read, and only
 * for the verbs that have it. */
Test(supctl_options, every_option_of_every_verb_is_taken_and_of_no_other)
{
	for (int verb = 0; verb < VERB_COUNT; verb++)
		for (int id = 0; id < OPTION_COUNT && verb != VERB_X; id++) {
			const struct option_row *row = &option_rows[id];
			bool has =
				!row->verbs || option_is_of((enum option_id)id,
						       (enum verb)verb);
			struct options o, none;
			struct error err;
			char line[256];

			snprintf(line, sizeof(line), "%s x",
				verb_rows[verb].name);
			cr_assert_eq(read_line(&none, line, &err), 0);
			snprintf(line, sizeof(line), "%s x --%s %s",
				verb_rows[verb].name, row->name,
				!row->argument	       ? ""
				: id == OPTION_WAIT    ? "settled"
				: id == OPTION_ROLE    ? "viewer"
				: id == OPTION_TIMEOUT ? "7s"
						       : "7");
			cr_expect_eq(read_line(&o, line, &err), has ? 0 : -1,
				"%s: %s", line, err.text);
			if (!has)
				continue;
			cr_expect_eq(o.given, UINT64_C(1) << id, "%s", line);
			o.given = none.given;
			o.words = none.words;
			o.word_count = none.word_count;
			cr_expect_neq(memcmp(&o, &none, sizeof(o)), 0,
				"%s changes nothing", line);
		}
}

Test(supctl_options, no_two_options_share_a_place)
{
	for (int a = 0; a < OPTION_COUNT; a++)
		for (int b = 0; b < a; b++)
			cr_expect(option_rows[a].read || option_rows[b].read ||
					  option_rows[a].offset !=
						  option_rows[b].offset,
				"--%s and --%s", option_rows[a].name,
				option_rows[b].name);
}

Test(supctl_options, an_error_before_json_is_wanted_as_a_document_too)
{
	struct options o;
	struct error err;

	cr_expect_eq(read_line(&o, "status --frob --json", &err), -1);
	cr_expect(o.json);
	cr_expect_eq(read_line(&o, "call command x -- --json", &err), 0);
	cr_expect(!o.json);
}

Test(supctl_options, help_is_a_word_and_an_option)
{
	struct options o;
	struct error err;

	cr_assert_eq(read_line(&o, "help", &err), 0);
	cr_expect(o.help && o.verb == VERB_UNKNOWN);
	cr_assert_eq(read_line(&o, "help reload", &err), 0);
	cr_expect(o.help && o.verb == VERB_RELOAD);
	cr_assert_eq(read_line(&o, "reload --help", &err), 0);
	cr_expect(o.help && o.verb == VERB_RELOAD);
}

/* A text without the breaks of its lines, as help wraps it. */
static void
unwrap(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (!strchr(" \n", *from) || (to > text && to[-1] != ' '))
			*to++ = *from == '\n' ? ' ' : *from;
	*to = 0;
}

Test(supctl_options, help_names_every_verb_and_option_and_fits_80_columns)
{
	char text[65536] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");
	size_t longest = 0;

	help_print(out, VERB_UNKNOWN);
	for (int verb = 0; verb < VERB_COUNT; verb++)
		help_print(out, (enum verb)verb);
	fclose(out);
	for (char *line = text; *line; line += strcspn(line, "\n") + 1)
		if (strncmp(line, "Usage:", 6) && strcspn(line, "\n") > longest)
			longest = strcspn(line, "\n");
	cr_expect_leq(longest, 79);
	unwrap(text);
	for (int verb = 0; verb < VERB_COUNT; verb++) {
		cr_expect(strstr(text, verb_rows[verb].name));
		cr_expect(strstr(text, verb_rows[verb].help), "%s",
			verb_rows[verb].help);
	}
	for (int i = 0; i < OPTION_COUNT; i++) {
		char name[40];

		snprintf(name, sizeof(name), "--%s", option_rows[i].name);
		cr_expect(strstr(text, name), "%s", name);
		cr_expect(strstr(text, option_rows[i].help), "%s", name);
	}
	for (const struct exit_row *row = exit_rows; row->text; row++)
		cr_expect(strstr(text, row->text), "%s", row->text);
}

Test(supctl_options, an_option_may_have_another_help_for_one_verb)
{
	char text[8192] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	help_print(out, VERB_TOP);
	fclose(out);
	cr_expect(strstr(text, "end after N updates"), "%s", text);
	cr_expect_null(strstr(text, "default 50"), "%s", text);
}

/* ---- what a word may be ---- */

static void
expect_word(enum verb verb, unsigned number, enum word_kind kind, bool repeats,
	const char *texts)
{
	struct word w = grammar_word(verb, number);

	cr_expect_eq(w.kind, kind, "%s %u: %d", verb_rows[verb].name, number,
		(int)w.kind);
	cr_expect_eq(w.repeats, repeats, "%s %u", verb_rows[verb].name, number);
	if (texts)
		cr_expect_str_eq((char *)buffer_bytes(&w.texts), texts);
	word_finish(&w);
}

Test(supctl_options, words_are_what_the_table_of_verbs_says)
{
	expect_word(VERB_STATUS, 0, WORD_ID, true, NULL);
	expect_word(VERB_STATUS, 1, WORD_ID, true, NULL);
	expect_word(VERB_LIST, 0, WORD_NONE, false, NULL);
	expect_word(VERB_ROUTES, 0, WORD_NONE, false, NULL);
	expect_word(VERB_RELOAD, 0, WORD_ID, true, NULL);
	expect_word(VERB_RELOAD, 7, WORD_ID, true, NULL);
	expect_word(VERB_LOGS, 0, WORD_ID, false, NULL);
	expect_word(VERB_HISTORY, 0, WORD_ID, false, NULL);
	expect_word(VERB_CHECK, 0, WORD_FILE, false, NULL);
	expect_word(VERB_APPLY, 0, WORD_NONE, false, NULL);
	expect_word(VERB_CALL, 0, WORD_CHOICE, false, "tool command method");
	expect_word(VERB_CALL, 1, WORD_OFFERED, false, NULL);
	expect_word(VERB_CALL, 2, WORD_FREE, true, NULL);
	expect_word(VERB_TOKEN, 0, WORD_CHOICE, false, "new");
	expect_word(VERB_TOKEN, 1, WORD_FREE, false, NULL);
	expect_word(VERB_COMPLETION, 0, WORD_CHOICE, false, "bash zsh fish");
}

Test(supctl_options, values_are_what_the_table_of_options_says)
{
	static const struct {
		enum option_id id;
		enum word_kind kind;
		const char *texts;
	} rows[] = {{OPTION_JSON, WORD_NONE, NULL},
		{OPTION_SOCKET, WORD_FILE, NULL},
		{OPTION_PLUGIN, WORD_ID, NULL},
		{OPTION_PACKAGE, WORD_PACKAGE, NULL},
		{OPTION_LINES, WORD_FREE, NULL}, {OPTION_DIR, WORD_DIR, NULL},
		{OPTION_KIND, WORD_CHOICE,
			"channel tool command http method service "
			"hook schedule cli"},
		{OPTION_WAIT, WORD_CHOICE, "committed settled"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct word w = grammar_value(rows[i].id);

		cr_expect_eq(w.kind, rows[i].kind, "%zu", i);
		if (rows[i].texts)
			cr_expect_str_eq(
				(char *)buffer_bytes(&w.texts), rows[i].texts);
		word_finish(&w);
	}
}

/* ---- a document as YAML ---- */

Test(supctl_options, a_document_is_printed_as_yaml_that_can_be_read_back)
{
	json_t *document = json_loads(
		"{\"log\":{\"level\":\"info\",\"n\":5},\"listen\":"
		"[{\"http\":\"127.0.0.1:8080\",\"tls\":null},\"/a\",[1,2]],"
		"\"none\":{},\"off\":\"yes\",\"text\":\"two\\nlines\"}",
		0, NULL);
	char text[1024] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	cr_assert(document);
	yaml_print(out, document);
	fclose(out);
	cr_expect_str_eq(text, "log:\n  level: info\n  \"n\": 5\nlisten:\n"
			       "  - http: \"127.0.0.1:8080\"\n    tls: null\n"
			       "  - /a\n  -\n    - 1\n    - 2\nnone: {}\n"
			       "\"off\": \"yes\"\ntext: \"two\\nlines\"\n");
	json_decref(document);
}

/* The usage says how many words there may be. */
Test(supctl_options, a_verb_takes_as_many_words_as_its_usage_has)
{
	static const struct {
		enum verb verb;
		int least, most; /* most -1: any number */
	} rows[] = {{VERB_LIST, 0, 0}, {VERB_SHOW, 1, 1}, {VERB_RELOAD, 0, -1},
		{VERB_CALL, 2, -1}, {VERB_EMIT, 1, 2}, {VERB_HISTORY, 0, 1},
		{VERB_TOKEN, 1, 2}, {VERB_NEW, 2, 2}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (int count = 0; count < 5; count++)
			cr_expect_eq(grammar_takes(rows[i].verb, count),
				count >= rows[i].least &&
					(rows[i].most < 0 ||
						count <= rows[i].most),
				"%s %d", verb_rows[rows[i].verb].name, count);
}
