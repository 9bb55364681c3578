/* test_receipt: the object, and what the doors show of it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/plugin/receipt.h"

static struct receipt *
create(enum receipt_state state)
{
	struct receipt *r = receipt_create(state);

	r->plugin_id = memory_copy_text("hello");
	return r;
}

static void
expect_text(json_t *view, const char *key, const char *text)
{
	const char *found = json_string_value(json_object_get(view, key));

	cr_expect(text ? found && !strcmp(found, text) : !found, "%s: %s", key,
		found ? found : "null");
}

Test(receipt, comes_to_the_outcome_of_its_state)
{
	static const struct {
		enum receipt_state state;
		const char *text;
		enum outcome outcome;
		bool success;
	} rows[] = {
		{RECEIPT_QUEUED, "queued", OUTCOME_ACCEPTED, true},
		{RECEIPT_DONE, "done", OUTCOME_DONE, true},
		{RECEIPT_SETTLED, "settled", OUTCOME_DONE, true},
		{RECEIPT_ROLLED_BACK, "rolled_back", OUTCOME_FAILED, false},
		{RECEIPT_FAILED, "failed", OUTCOME_FAILED, false},
		{RECEIPT_REVERTED, "reverted", OUTCOME_FAILED, false},
		{RECEIPT_REFUSED, "refused", OUTCOME_REFUSED, false},
	};

	cr_assert_eq(sizeof(rows) / sizeof(*rows), RECEIPT_STATE_COUNT);
	for (size_t i = 0; i < RECEIPT_STATE_COUNT; i++) {
		struct receipt *r = create(rows[i].state);
		json_t *success = json_object_get(receipt_view(r), "success");

		cr_expect_eq(r->outcome, rows[i].outcome);
		cr_expect_eq(receipt_has_succeeded(r), rows[i].success);
		expect_text(receipt_view(r), "state", rows[i].text);
		cr_expect_eq(json_is_true(success), rows[i].success);
		receipt_unref(r);
	}
}

Test(receipt, shows_nothing_that_is_not_known)
{
	static const char *const nulls[] = {"id", "fallback", "generation",
		"previousGeneration", "pid", "previousPid", "version", "digest",
		"drained", "aborted", "error"};
	static const char *const extras[] = {"stateBytes", "stateLost",
		"proved", "added", "unchanged", "cause"};
	struct receipt *r = create(RECEIPT_REFUSED);
	json_t *view = receipt_view(r);

	for (size_t i = 0; i < sizeof(nulls) / sizeof(*nulls); i++)
		cr_expect(json_is_null(json_object_get(view, nulls[i])), "%s",
			nulls[i]);
	for (size_t i = 0; i < sizeof(extras) / sizeof(*extras); i++)
		cr_expect_null(
			json_object_get(view, extras[i]), "%s", extras[i]);
	cr_expect_eq(json_array_size(json_object_get(
			     json_object_get(view, "removed"), "tools")),
		0);
	cr_expect_eq(json_array_size(json_object_get(view, "dropped")), 0);
	cr_expect_null(
		json_object_get(json_object_get(view, "phases"), "state"));
	receipt_unref(r);
}

Test(receipt, is_shown_to_all_as_one_object)
{
	struct receipt *r = create(RECEIPT_DONE), *same = receipt_ref(r);
	json_t *view = json_incref(receipt_view(r));

	receipt_unref(r);
	cr_expect_eq(receipt_view(same), view);
	receipt_unref(same);
	expect_text(view, "pluginId", "hello");
	json_decref(view);
}

Test(receipt, a_copy_is_its_own)
{
	struct receipt *r = create(RECEIPT_SETTLED), *copy;

	r->worker.version = memory_copy_text("1.0.0");
	r->dropped = json_pack("[s]", "tool:a");
	receipt_view(r);
	copy = receipt_copy(r);
	copy->outcome = OUTCOME_FAILED;
	copy->error = memory_copy_text("a power failure may undo it");
	cr_expect(json_is_true(json_object_get(receipt_view(r), "success")));
	expect_text(receipt_view(r), "error", NULL);
	receipt_unref(r);
	cr_expect(
		json_is_false(json_object_get(receipt_view(copy), "success")));
	expect_text(receipt_view(copy), "error", "a power failure may undo it");
	expect_text(receipt_view(copy), "state", "settled");
	expect_text(receipt_view(copy), "version", "1.0.0");
	cr_expect_eq(
		json_array_size(json_object_get(receipt_view(copy), "dropped")),
		1);
	receipt_unref(copy);
}
