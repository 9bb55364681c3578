/* What supctl gives to people: completions in the real shells, manual pages,
 * tables, a terminal's progress, colours. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/message.h"
#include "proto/util/memory.h"
#include "proto/verbs.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/shell.h"
#include "tools/supctl/options.h"

TestSuite(supctl_shell, .fini = run_fini, .timeout = 200);

static struct gateway_run *
start(void)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_add_hello(g);
	run_start(g);
	return g;
}

/* Lines that must all be there. */
static void
expect_lines(char *out, const char *const *lines)
{
	for (; *lines; lines++) {
		const char *at = strstr(out, *lines);
		size_t length = strlen(*lines);

		while (at && ((at > out && at[-1] != '\n') ||
				     (at[length] && at[length] != '\n' &&
					     at[length] != '\t')))
			at = strstr(at + 1, *lines);
		cr_expect(at, "'%s' is not offered: %s", *lines, out);
	}
	free(out);
}

/* ---- completion ---- */

/* What each shell must offer for a line; the last word is being typed. */
static const struct offer {
	const char *line;
	const char *words[6];
} offers[] = {
	{"rel", {"reload"}},
	{"stat", {"status"}},
	{"help rel", {"reload"}},
	{"reload ", {"fault", "hello"}},
	{"reload fault h", {"hello"}},
	{"--json show f", {"fault"}},
	{"logs -n 5 h", {"hello"}},
	{"reload --at", {"--atomic"}},
	{"status --soc", {"--socket"}},
	{"reload --wait ", {"committed", "settled"}},
	{"reload --package ", {"fault", "hello"}},
	{"routes --kind t", {"tool"}},
	{"routes --plugin he", {"hello"}},
	{"call ", {"tool", "command", "method"}},
	{"call tool ", {"fault", "hello"}},
	{"x he", {"hello"}},
	{"completion ", {"bash", "zsh", "fish"}},
	{"token ", {"new"}},
	{"new p", {"python"}},
};

static void
expect_offers(struct gateway_run *g, const char *script)
{
	for (size_t i = 0; i < sizeof(offers) / sizeof(*offers); i++)
		expect_lines(shell_expect(g, 0, "export LINE='supctl %s'\n%s",
				     offers[i].line, script),
			offers[i].words);
}

/* As readline calls the function: words, the cursor behind the last one. */
static const char bash_script[] =
	"PATH=$(dirname \"$SUPCTL\"):$PATH\n"
	"source <(\"$SUPCTL\" completion bash) || exit 9\n"
	"complete -p supctl | grep -q 'F _supctl' || exit 8\n"
	"COMP_LINE=$LINE COMP_POINT=${#LINE}\n"
	"pieces=${LINE//=/ = }\n"
	"read -ra COMP_WORDS <<<\"${pieces//:/ : }\"\n"
	"[[ $LINE == *' ' ]] && COMP_WORDS+=('')\n"
	"COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
	"compopt() { :; }\n"
	/* a test's own registrations */
	"[[ $LINE == *'call tool a'* ]] && _supctl_live() { live; }\n"
	"_supctl\n"
	"printf '%s\\n' \"${COMPREPLY[@]}\"\n";

Test(supctl_shell, bash_completes_verbs_options_and_what_lives)
{
	struct gateway_run *g = start();
	char *out;

	expect_offers(g, bash_script);
	/* Silent without a daemon, and what does not live still there. */
	out = shell_expect(g, 0,
		"export SUPCTL_SOCKET=/none LINE='supctl reload f'\n%s",
		bash_script);
	cr_expect_str_eq(out, "\n");
	free(out);
	/* -s of the line counts. */
	out = shell_expect(g, 0,
		"sock=$SUPCTL_SOCKET; export SUPCTL_SOCKET=/none\n"
		"ln -s \"$sock\" /tmp/supd-test-$$.sock\n"
		"set -- /tmp/supd-test-$$.sock\n"
		"PATH=$(dirname \"$SUPCTL\"):$PATH\n"
		"source <(\"$SUPCTL\" completion bash)\n"
		"COMP_LINE=\"supctl -s $1 show f\" COMP_POINT=${#COMP_LINE}\n"
		"COMP_WORDS=($COMP_LINE) COMP_CWORD=4\n"
		"_supctl; rm \"$1\"; echo \"${COMPREPLY[@]}\"\n");
	cr_expect_str_eq(out, "fault\n");
	free(out);
	run_end(g);
}

Test(supctl_shell, bash_completes_behind_colons_and_equals_signs)
{
	static const struct {
		const char *line, *breaks, *offers;
	} lines[] = {
		{"routes --kind=t", " :=", "tool"},
		{"routes --kind=", " :=",
			"channel\ntool\ncommand\nhttp\nmethod\n"
			"service\nhook\nschedule\ncli"},
		{"routes --kind=t", " ", "--kind=tool"},
		{"routes --plugin=he", " :=", "hello"},
		{"reload --wait=", " :=", "committed\nsettled"},
		{"call tool a:", " :=", "b\nc=d"},
		{"call tool a:b", " :=", "b"},
		{"call tool a:c=", " :=", "d"},
		{"call tool a:", " =", "a:b\na:c=d"},
		{"--timeout=5s call tool a", " :=", "a:b\na:c=d"},
		{"--json call tool a:b ", " :=", ""},
	};
	struct gateway_run *g = start();

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		char *out = shell_expect(g, 0,
			"COMP_WORDBREAKS='%s' LINE='supctl %s'\n"
			"live() { _supctl_words a:b a:c=d; }\n%s",
			lines[i].breaks, lines[i].line, bash_script);
		char *wanted = memory_format("%s\n", lines[i].offers);

		cr_expect_str_eq(out, wanted, "%s: %s", lines[i].line, out);
		free(out);
		free(wanted);
	}
	run_end(g);
}

Test(supctl_shell, fish_completes_verbs_options_and_what_lives)
{
	struct gateway_run *g;

	if (!shell_has("fish"))
		cr_skip_test("needs fish: apt install fish");
	g = start();
	expect_offers(g,
		"export PATH=$(dirname \"$SUPCTL\"):$PATH HOME=$(mktemp -d)\n"
		"\"$SUPCTL\" completion fish >$HOME/supctl.fish\n"
		"fish --no-config -c \"source $HOME/supctl.fish; "
		"complete -C \\$LINE\"; rm -rf \"$HOME\"\n");
	run_end(g);
}

/* zsh completes only on a terminal: one of its own, where what compadd takes
 * is written to a file. */
static const char zsh_script[] =
	"export PATH=$(dirname \"$SUPCTL\"):$PATH DIR=$(mktemp -d) TERM=dumb\n"
	"export DUMP=$(dirname \"$0\")/zcompdump\n"
	"\"$SUPCTL\" completion zsh >$DIR/_supctl\n"
	"cat >$DIR/rc <<'END'\n"
	"fpath=($DIR $fpath); autoload -Uz compinit; compinit -u -d $DUMP\n"
	"compadd() {\n"
	"	[[ ${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]] || {\n"
	"		local -a taken; builtin compadd -O taken \"$@\"\n"
	"		print -rl -- $taken >>$DIR/out\n"
	"	}\n"
	"	builtin compadd \"$@\"\n"
	"}\n"
	"tell() { print 'TO''LD' }; zle -N tell\n"
	"bindkey '^X' tell; bindkey '^I' complete-word\n"
	"END\n"
	"cat >$DIR/script <<'END'\n"
	"zmodload zsh/zpty\n"
	"zpty shell 'PS1= zsh -f -i'\n"
	"zpty -w shell 'source $DIR/rc'\n"
	"zpty -w -n shell \"$LINE\"$'\\t\\x18'\n"
	"zpty -r shell line '*TOLD*'\n"
	"zpty -d shell\n"
	"END\n"
	"timeout 30 zsh -f $DIR/script; cat $DIR/out; rm -rf $DIR\n";

Test(supctl_shell, zsh_completes_verbs_options_and_what_lives)
{
	struct gateway_run *g;

	if (!shell_has("zsh"))
		cr_skip_test("needs zsh: apt install zsh");
	g = start();
	expect_offers(g, zsh_script);
	run_end(g);
}

Test(supctl_shell, completions_offer_every_verb_and_option)
{
	static const char *const names[] = {"bash", "zsh", "fish"};
	struct gateway_run *g = run_create();

	for (size_t i = 0; i < 3; i++) {
		char *out = shell_expect(
			g, 0, "\"$SUPCTL\" completion %s", names[i]);

		for (int verb = 0; verb < VERB_COUNT; verb++)
			cr_expect(strstr(out, verb_rows[verb].name), "%s: %s",
				names[i], verb_rows[verb].name);
		for (int id = 0; id < OPTION_COUNT; id++)
			cr_expect(strstr(out, option_rows[id].name), "%s: %s",
				names[i], option_rows[id].name);
		free(out);
	}
	run_forget(g);
}

/* ---- manual ---- */

Test(supctl_shell, manual_pages_are_well_formed_and_name_everything)
{
	struct gateway_run *g = run_create();
	char *out;

	if (!shell_has("mandoc"))
		cr_skip_test("needs mandoc: apt install mandoc");
	out = shell_expect(g, 0,
		"cd %s/tools/manual && mandoc -Tlint -Wstyle supctl.1 supd.8",
		run_build_root());
	cr_expect_str_eq(out, "");
	free(out);
	out = shell_expect(g, 0,
		"cd %s/tools/manual && mandoc -Tascii supctl.1 | sed "
		"'s/.\\x08//g'",
		run_build_root());
	for (int verb = 0; verb < VERB_COUNT; verb++)
		cr_expect(strstr(out, verb_rows[verb].name));
	for (int id = 0; id < OPTION_COUNT; id++)
		cr_expect(strstr(out, option_rows[id].name));
	free(out);
	out = shell_expect(g, 0,
		"cd %s/tools/manual && mandoc -Tascii supd.8 | sed "
		"'s/.\\x08//g'",
		run_build_root());
	cr_expect(strstr(out, "--runtime-dir DIR"), "%s", out);
	free(out);
	run_forget(g);
}

Test(supctl_shell, the_manual_page_of_the_wire_is_its_book)
{
	struct gateway_run *g = run_create();
	char *out;

	if (!shell_has("mandoc"))
		cr_skip_test("needs mandoc: apt install mandoc");
	out = shell_expect(g, 0,
		"cd %s/tools/manual && mandoc -Tlint -Werror supd-wire.7",
		run_build_root());
	cr_expect_str_eq(out, "");
	free(out);
	out = shell_expect(g, 0,
		"cd %s/tools/manual && mandoc -Tutf8 supd-wire.7 | sed "
		"'s/.\x08//g'",
		run_build_root());
	for (int i = 0; i < MESSAGE_COUNT; i++)
		cr_expect(strstr(out, message_rows[i].name), "%s",
			message_rows[i].name);
	cr_expect(strstr(out, "93 01 a5 6e 30 6e 63 65"), "%s", out);
	free(out);
	run_forget(g);
}

/* ---- a terminal ---- */

Test(supctl_shell, a_terminal_has_a_line_per_plugin_written_anew_in_place)
{
	struct gateway_run *g = start();
	char *out;

	out = shell_expect(g, 0,
		"stty cols 80 rows 24 2>/dev/null\n"
		"script -qec '$SUPCTL --no-color reload --all' /dev/null");
	/* Two lines, and the way back up over them. */
	cr_expect(strstr(out, "\r\033[K\033[A\r\033[K"), "%s", out);
	cr_expect(strstr(out, "fault: checking") &&
			  strstr(out, "hello: checking"),
		"%s", out);
	cr_expect(strstr(out, "\r\033[Khello: reloaded 1 -> 2"), "%s", out);
	cr_expect(strstr(out, "2 of 2 reloaded"), "%s", out);
	cr_expect(!strstr(out, "\033[3"), "coloured: %s", out);
	free(out);
	run_end(g);
}

/* The longest line and the most lines that are there at a time. */
Test(supctl_shell, a_small_terminal_is_not_overrun)
{
	struct gateway_run *g = run_create();
	unsigned rows = 0;
	char *out;

	run_add_fault(g);
	for (int i = 0; i < 9; i++) {
		char id[32];

		snprintf(id, sizeof(id), "a-plugin-of-a-long-name-%d", i);
		run_plugin(
			g, id, "use: fault, mount: /p%d, namespace: p%d", i, i);
	}
	run_start(g);
	run_fault(g, "fault", "slow_start", "start_ms: 300");
	out = shell_expect(g, 0,
		"script -qec 'stty rows 5 cols 30; "
		"$SUPCTL --no-color reload --all' /dev/null");
	/* Ten plugins: three lines and the rest in one. */
	cr_expect(strstr(out, "... and 7 more"), "%s", out);
	for (char *at = out; (at = strstr(at, "a-plugin")); at++) {
		size_t length = strcspn(at, "\r\n\033");

		if (memmem(at, length, "reloaded", 8))
			continue;
		rows++;
		cr_expect_lt(length, 30, "%.40s", at);
	}
	cr_expect_gt(rows, 9);
	cr_expect(strstr(out, "10 of 10 reloaded"), "%s", out);
	free(out);
	run_end(g);
}

Test(supctl_shell, the_time_of_a_phase_goes_on_while_it_takes_long)
{
	struct gateway_run *g = start();
	unsigned count = 0;
	char *out;

	run_fault(g, "fault", "slow_start", "start_ms: 1800");
	out = shell_expect(g, 0,
		"script -qec '$SUPCTL --no-color reload fault' /dev/null");
	for (char *at = out; (at = strstr(at, "fault: checking ")); at++)
		count++;
	cr_expect_geq(count, 3, "%u: %s", count, out);
	free(out);
	run_end(g);
}

Test(supctl_shell, colours_are_for_terminals_that_want_them)
{
	static const struct {
		const char *before, *options;
		bool coloured;
	} rows[] = {{"TERM=xterm", "", true},
		{"TERM=xterm", "--no-color", false},
		{"TERM=xterm NO_COLOR=1", "", false},
		{"TERM=xterm NO_COLOR=", "", true}, {"TERM=dumb", "", false}};
	struct gateway_run *g = start();

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		static const char *const verbs[] = {"status", "reload hello"};

		for (size_t v = 0; v < 2; v++) {
			char *out = shell_expect(g, 0,
				"unset NO_COLOR; export %s\n"
				"script -qec \"$SUPCTL %s %s\" /dev/null",
				rows[i].before, rows[i].options, verbs[v]);

			cr_expect_eq(strstr(out, "\033[3") != NULL,
				rows[i].coloured, "%s %s %s: %s",
				rows[i].before, rows[i].options, verbs[v], out);
			free(out);
		}
	}
	char *out = shell_expect(g, 0, "TERM=xterm \"$SUPCTL\" status");
	cr_expect(!strchr(out, '\033'), "%s", out);
	free(out);
	run_end(g);
}

/* ---- what asks no daemon ---- */

Test(supctl_shell, a_token_is_new_each_time_and_its_hash_is_that_of_its_bytes)
{
	struct gateway_run *g = run_create();
	char *out = shell_expect(g, 0,
		"a=$($SUPCTL token new | awk '/^token/ {print $2}')\n"
		"t=$($SUPCTL token new web)\n"
		"b=$(awk '/^token/ {print $2}' <<<\"$t\")\n"
		"[ \"$a\" != \"$b\" ] && [ ${#b} = 43 ] || exit 1\n"
		"h=$(printf %%s \"$b\" | sha256sum | cut -d' ' -f1)\n"
		"grep -q \"^sha256  $h$\" <<<\"$t\" || exit 2\n"
		"grep -qF -- '- {name: \"web\", role: operator, sha256: \"'$h"
		"'\"}' <<<\"$t\" || exit 3\n");
	struct ctl *c = ctl_expect(g, 0, "token", "new", NULL);

	cr_expect_eq(strlen(ctl_text(c, "token")), 43);
	cr_expect_eq(strlen(ctl_text(c, "sha256")), 64);
	cr_expect_str_eq(ctl_text(c, "name"), "ops");
	ctl_destroy(c);
	free(out);
	run_forget(g);
}

Test(supctl_shell, check_says_what_supd_says_and_exits_so)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	char *out;

	run_add_fault(g);
	run_write_config(g);
	out = shell_expect(g, 0, "$SUPCTL check %s/supd.yaml", g->dir);
	cr_expect_str_eq(out, "no errors\n", "%s", out);
	free(out);
	out = shell_expect(g, 0, "$SUPCTL --json check %s/supd.yaml", g->dir);
	cr_expect(strstr(out, "\"problems\": []"), "%s", out);
	free(out);
	free(g->extra);
	g->extra = strdup("limitz: {}\n");
	run_write_config(g);
	out = shell_expect(g, 1, "$SUPCTL check %s/supd.yaml", g->dir);
	cr_expect(strstr(out, "supd.yaml:5:1: "), "%s", out);
	free(out);
	out = shell_expect(
		g, 1, "SUPD_CONFIG=%s/supd.yaml $SUPCTL check", g->dir);
	cr_expect(strstr(out, "supd.yaml:5:1: "), "%s", out);
	free(out);
	out = shell_expect(g, 0,
		"$SUPCTL --json check %s/supd.yaml | python3 -c '\n"
		"import json, sys\n"
		"d = json.load(sys.stdin)\n"
		"assert d[\"success\"] is False, d\n"
		"p = d[\"problems\"][0]\n"
		"assert p[\"line\"] == 5 and p[\"column\"] == 1, d\n"
		"assert p[\"file\"].endswith(\"supd.yaml\"), d\n"
		"assert \"limitz\" in p[\"message\"], d'",
		g->dir);
	free(out);
	c = ctl_run(g, "check", "/no/such.yaml", NULL);
	cr_expect_eq(c->exit_code, 1);
	cr_expect(json_is_false(ctl_at(c, "success")), "%s", c->out);
	ctl_destroy(c);
	/* One that does not end: the time is over. */
	out = shell_expect(g, 7,
		"mkdir %s/bin; cp $SUPCTL %s/bin; cd %s/bin\n"
		"printf '#!/bin/sh\\nexec sleep 60\\n' >supd; chmod +x supd\n"
		"./supctl --timeout 200ms check /dev/null",
		g->dir, g->dir, g->dir);
	cr_expect(strstr(out, "timed out"), "%s", out);
	free(out);
	run_forget(g);
}

/* ---- tables ---- */

Test(supctl_shell, tables_say_who_enabled_a_plugin_and_why_it_failed)
{
	struct gateway_run *g = start();
	char *out;

	free(shell_expect(g, 0, "$SUPCTL disable hello"));
	out = shell_expect(g, 0, "$SUPCTL status");
	cr_expect(strstr(out, " disabled person "), "%s", out);
	cr_expect(strstr(out, "2 plugins: 1 serving, 1 disabled"), "%s", out);
	free(out);
	out = shell_expect(g, 0, "$SUPCTL list");
	cr_expect(strstr(out, " person "), "%s", out);
	free(out);
	out = shell_expect(g, 0, "$SUPCTL show hello");
	cr_expect(strstr(out, "enabledBy       person"), "%s", out);
	free(out);
	run_end(g);
}

Test(supctl_shell, tables_say_why_a_plugin_failed)
{
	struct gateway_run *g = run_create();
	char *out;

	run_add_fault(g);
	run_fault(g, "fault", "exit_at_start", "");
	run_defaults(g, "crash: {early_max: 1, within: 1m}");
	run_announce(g, "plugin failed: crashed 1 time ");
	run_spawn(g);
	run_await_log(g, 0, "plugin failed: crashed 1 time ");
	g->may_grow = true;
	ctl_await_state(g, "fault", "failed");
	out = shell_expect(g, 0, "$SUPCTL status");
	cr_expect(strstr(out, "fault failed: "), "%s", out);
	free(out);
	out = shell_expect(g, 0, "$SUPCTL list");
	cr_expect(strstr(out, "fault failed: "), "%s", out);
	free(out);
	out = shell_expect(g, 0, "$SUPCTL show fault");
	cr_expect(strstr(out, "failure         "), "%s", out);
	free(out);
	run_end(g);
}
