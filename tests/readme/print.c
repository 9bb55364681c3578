/* print: the tables of the code as the books show them, a block each, for
 * tests/readme/check. */
#include <stdio.h>

#include "proto/message.h"
#include "proto/registration.h"
#include "proto/verbs.h"
#include "supervisor/chat/words.h"
#include "supervisor/config/tables.h"
#include "supervisor/control/metrics_view.h"
#include "supervisor/reload/transaction.h"
#include "supervisor/plugin/worker_states.h"
#include "supervisor/route/request.h"
#include "tests/system/deaths.h"

static void
print_messages(void)
{
	static const char *const kinds[] = {
		"request", "response", "notification"};
	static const char *const ways[] = {"", "→", "←", "↔"};

	printf("| message | | kind | params | meaning |\n"
	       "| --- | --- | --- | --- | --- |\n");
	for (int i = 0; i < MESSAGE_COUNT; i++) {
		const struct message_row *row = &message_rows[i];

		printf("| `%s` | %s | %s | `", row->name, ways[row->direction],
			kinds[row->kind]);
		for (const char *c = row->params; *c; c++)
			printf(*c == '|' ? "\\|" : "%c", *c);
		printf("` | %s |\n", row->meaning);
	}
}

static void
print_wire_errors(void)
{
	printf("| code | HTTP status |\n| --- | --- |\n");
	for (int i = 0; i < WIRE_ERROR_COUNT; i++)
		printf("| `%s` | %d |\n", wire_error_text((enum wire_error)i),
			wire_error_status((enum wire_error)i));
}

static void
print_kinds(void)
{
	const char *join = "";

	for (int i = 0; i < REGISTRATION_KIND_COUNT; i++) {
		printf("%s`%s`", join, registration_kinds[i]->wire);
		join = ", ";
	}
	puts(".");
}

static void
print_verbs(void)
{
	printf("| verb | role | does |\n| --- | --- | --- |\n");
	for (int i = 0; i < VERB_COUNT; i++) {
		const struct verb_row *row = &verb_rows[i];

		printf("| `%s%s", row->name, *row->usage ? " " : "");
		for (const char *c = row->usage; *c; c++)
			printf(*c == '|' ? "\\|" : "%c", *c);
		printf("` | %s | %s |\n",
			row->local ? "-" : verb_role_name(row->role),
			row->help);
	}
}

static void
print_outcomes(void)
{
	printf("| a call ended | exit code | HTTP status |\n"
	       "| --- | --- | --- |\n");
	for (int i = 0; i < OUTCOME_COUNT; i++)
		printf("| %s | %d | %d |\n", outcome_rows[i].text,
			outcome_rows[i].exit_code, outcome_rows[i].http_status);
}

static void
print_failures(void)
{
	printf("| status | Retry-After | reason |\n| --- | --- | --- |\n");
	for (int i = 0; i < REQUEST_FAILURE_COUNT; i++) {
		const struct request_failure_row *row = &request_failures[i];

		printf("| %d | %s | %s |\n", row->status,
			row->retry_after_s ? "1" : "", row->text);
	}
}

/* One row per state, one column per event. A dot: it means nothing there.
 * Empty: it cannot come there. */
struct states {
	int state_count, event_count;
	const char *(*state_text)(int s);
	const char *(*event_text)(int e);
	int (*next)(int s, int e); /* -1: cannot come */
};

static void
print_cell(const struct states *t, int s, int e)
{
	int to = t->next(s, e);

	if (to < 0)
		printf(" |");
	else
		printf(" %s |", to == s ? "·" : t->state_text(to));
}

static void
print_states(const struct states *t)
{
	printf("| |");
	for (int e = 0; e < t->event_count; e++)
		printf(" %s |", t->event_text(e));
	printf("\n| --- |");
	for (int e = 0; e < t->event_count; e++)
		printf(" --- |");
	for (int s = 0; s < t->state_count; s++) {
		printf("\n| **%s** |", t->state_text(s));
		for (int e = 0; e < t->event_count; e++)
			print_cell(t, s, e);
	}
	putchar('\n');
}

static const char *
worker_state(int s)
{
	return worker_state_text((enum worker_state)s);
}

static const char *
worker_event(int e)
{
	return worker_event_text((enum worker_event)e);
}

static int
worker_next(int s, int e)
{
	enum worker_state state = (enum worker_state)s;
	enum worker_event event = (enum worker_event)e;

	return worker_state_takes(state, event)
		       ? (int)worker_state_next(state, event)
		       : -1;
}

static void
print_worker_states(void)
{
	print_states(&(struct states){WORKER_STATE_COUNT, WORKER_EVENT_COUNT,
		worker_state, worker_event, worker_next});
}

static void
print_reload_programs(void)
{
	printf("| kind | mode | states |\n| --- | --- | --- |\n");
	for (int k = 0; k < KIND_COUNT; k++) {
		const enum reload_state *s = reload_programs[k].states;

		printf("| **%s** | %s | %s", reload_kind_texts[k],
			reload_programs[k].mode, reload_state_texts[*s]);
		while (*s != RELOAD_SETTLED)
			printf(", %s", reload_state_texts[*++s]);
		printf(" |\n");
	}
}

static const char *
reload_awaits(const struct reload_row *row)
{
	static const char *const tasked[] = {
		[PARTY_ACTIVE] = "services of the old worker",
		[PARTY_CANDIDATE] = "services of the new worker",
		[PARTY_BOTH] = "services of both"};

	if (row->cue)
		return row->cue == CUE_HELLO ? "hello" : "proof";
	if (row->asked)
		return row->asked == PARTY_ACTIVE ? "answer of the old worker"
						  : "answer of the new worker";
	if (row->tasked)
		return tasked[row->tasked];
	return row->on_old_exit ? "exit of the old worker" : "";
}

static void
print_reload_states(void)
{
	printf("| state | phase | awaits | deadline | old worker's death "
	       "matters | a failure names | has to be undone |\n"
	       "| --- | --- | --- | --- | --- | --- | --- |\n");
	for (int s = 0; s < RELOAD_STATE_COUNT; s++) {
		const struct reload_row *row = &reload_rows[s];

		printf("| **%s** | %s | %s | %s | %s | %s | %s |\n",
			reload_state_texts[s],
			row->phase ? receipt_phase_texts[row->phase] : "",
			reload_awaits(row), row->deadline ? "yes" : "",
			row->on_old_down || row->on_old_exit ? "yes" : "",
			row->failed ? row->failed : "", row->undo ? "yes" : "");
	}
}

static void
print_deaths(enum death_moment from, enum death_moment to, const char *of)
{
	printf("| %s |", of);
	for (int w = 0; w < DIES_COUNT; w++)
		printf(" %s |", death_who_text[w]);
	printf("\n| --- |");
	for (int w = 0; w < DIES_COUNT; w++)
		printf(" --- |");
	for (int m = (int)from; m < (int)to; m++) {
		printf("\n| %s |", death_rows[m].moment);
		for (int w = 0; w < DIES_COUNT; w++)
			printf(" %s |", death_rows[m].outcomes[w]->text);
	}
	putchar('\n');
}

static void
print_deaths_in(void)
{
	print_deaths(0, DEATH_OUT, "a message that comes in is");
}

static void
print_deaths_out(void)
{
	print_deaths(
		DEATH_OUT, DEATH_MOMENT_COUNT, "a message that goes out is");
}

static void
print_reference(void)
{
	config_print_reference(stdout);
}

static void
print_chat_words(void)
{
	printf("| command | role | what it does |\n| --- | --- | --- |\n");
	for (size_t i = 0; i < words_count; i++)
		printf("| `/%s%s%s` | %s | %s |\n", words[i].name,
			*words[i].usage ? " " : "", words[i].usage,
			word_is_for_all(&words[i])
				? "-"
				: verb_role_name(verb_rows[words[i].verb].role),
			words[i].help);
}

static void
print_metric(const char *name, enum metrics_type type, const char *help)
{
	printf("| `%s` | %s | %s |\n", name, metrics_type_text(type), help);
}

static void
print_metrics(void)
{
	printf("| metric | type | meaning |\n| --- | --- | --- |\n");
	metrics_view_visit(print_metric);
}

static const struct block {
	const char *name;
	void (*print)(void);
} blocks[] = {
	{"messages", print_messages},
	{"wire-errors", print_wire_errors},
	{"kinds", print_kinds},
	{"verbs", print_verbs},
	{"chat-words", print_chat_words},
	{"outcomes", print_outcomes},
	{"failures", print_failures},
	{"worker-states", print_worker_states},
	{"reload-programs", print_reload_programs},
	{"reload-states", print_reload_states},
	{"deaths-in", print_deaths_in},
	{"deaths-out", print_deaths_out},
	{"configuration", print_reference},
	{"metrics", print_metrics},
};

int
main(void)
{
	for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks); i++) {
		printf("<!-- table: %s -->\n", blocks[i].name);
		blocks[i].print();
		printf("<!-- end -->\n");
	}
	return 0;
}
