/* change: plan, apply and scan: what changed on disk, and putting it in
 * force. */
#include <stdio.h>
#include <stdlib.h>

#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "tools/supctl/plan_view.h"
#include "tools/supctl/receipt_view.h"
#include "tools/supctl/table.h"
#include "tools/supctl/transaction.h"

int
verb_plan(const struct options *o)
{
	json_t *document;
	int exit_code = supctl_ask(o, NULL, &document);

	if (document)
		plan_print(document);
	json_decref(document);
	return exit_code;
}

static size_t
count_failed(const json_t *results)
{
	size_t failed = 0;

	for (size_t i = 0; i < json_array_size(results); i++)
		failed += !receipt_is_success(json_array_get(results, i));
	return failed;
}

/* Nothing was begun: why. Otherwise only what there is to warn of. */
static bool
print_failure(const json_t *document)
{
	const char *error = supctl_text(document, "error");
	bool none = !json_array_size(json_object_get(document, "results"));
	char *text = supctl_clean(memory_copy_text(error));

	supctl_print_problems(document);
	if (*error)
		fprintf(stderr, "supctl: %s\n", text);
	free(text);
	return *error && none;
}

static void
print_applied(const struct options *o, const json_t *document)
{
	const json_t *changes = json_object_get(document, "changes");
	const json_t *results = json_object_get(document, "results");
	size_t count = json_array_size(results);
	char time[24];

	for (size_t i = 0; i < json_array_size(changes); i++) {
		const json_t *row = json_array_get(changes, i);
		char *path = memory_copy_text(supctl_text(row, "path"));

		text_shorten(path, TABLE_TEXT_BYTES);
		printf("%-9s %s %s\n", plan_word(document, row), path,
			supctl_text(row, "kind"));
		free(path);
	}
	duration_text(time, sizeof(time),
		json_number_value(json_object_get(document, "durationMs")));
	fflush(stdout);
	if (print_failure(document))
		return;
	if (!json_array_size(changes) && !count)
		printf("nothing has changed (%s)\n", time);
	else
		printf("%s in %s: %zu of %zu plugins done\n",
			json_is_true(json_object_get(document, "success"))
				? "applied"
				: "not all applied",
			time, count - count_failed(results), count);
}

int
verb_apply(const struct options *o)
{
	json_t *args = json_object();

	if (o->atomic)
		json_object_set_new(args, "atomic", json_true());
	return transaction_run(o, args, print_applied);
}

static void
print_scanned(const struct options *o, const json_t *document)
{
	const json_t *results = json_object_get(document, "results");
	size_t count = json_array_size(results);

	if (print_failure(document))
		return;
	if (count)
		printf("%zu of %zu started\n", count - count_failed(results),
			count);
	else
		puts("nothing was added");
}

int
verb_scan(const struct options *o)
{
	return transaction_run(o, NULL, print_scanned);
}
