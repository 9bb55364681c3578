/* survey: compares fingerprints without opening files, and reads the files only
 * where these differ. */
#include "worker/survey.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/launch.h"
#include "proto/util/memory.h"
#include "worker/patience.h"
#include "worker/walk.h"

struct finding {
	char fingerprint[FINGERPRINT_BYTES];
	char digest[sizeof("sha256:") + 64]; /* "": was not looked for */
};

/* 0, -1, or 1 if it is worth another try. */
static int
survey_walk(const struct stage_order *order, enum walk_kind kind,
	struct finding *found, struct error *err)
{
	struct walk w = {
		.order = order, .kind = kind, .target = -1, .err = err};
	int rc = walk_run(&w);

	if (!rc)
		fingerprint_end(&w.seen.fingerprint, found->fingerprint);
	if (!rc && kind == WALK_DIGEST)
		walk_digest(&w, found->digest);
	walk_finish(&w);
	return rc && w.torn ? 1 : rc;
}

static int
survey_one(const struct stage_order *order, const char *known,
	struct finding *found, struct error *err)
{
	struct patience patience = {0};
	int rc = survey_walk(order, WALK_LOOK, found, err);

	if (!rc && *found->fingerprint && !strcmp(found->fingerprint, known))
		return 0;
	rc = 1;
	while (rc == 1 && patience_has_more(&patience))
		rc = survey_walk(order, WALK_DIGEST, found, err);
	return rc ? -1 : 0;
}

static json_t *
survey_answer(const json_t *line, struct error *err)
{
	const char *known = json_string_value(json_object_get(line, "known"));
	const json_t *shares = json_object_get(line, "shares");
	size_t count = json_array_size(shares);
	struct finding found = {0};
	struct stage_order order = {
		.source = json_string_value(json_object_get(line, "folder")),
		.limit_bytes = LAUNCH_STAGE_LIMIT_BYTES,
		.limit_entries = LAUNCH_STAGE_LIMIT_ENTRIES,
		.shares = memory_alloc((count + 1) * sizeof(char *)),
		.share_count = (int)count,
		.is_copy = json_is_true(json_object_get(line, "copy"))};
	json_t *answer = NULL;

	for (size_t i = 0; i < count; i++)
		order.shares[i] = (char *)(uintptr_t)json_string_value(
			json_array_get(shares, i));
	if (order.source && known && !survey_one(&order, known, &found, err))
		answer = json_pack("{s:s}", "fingerprint", found.fingerprint);
	if (answer && *found.digest)
		json_object_set_new(
			answer, "digest", json_string(found.digest));
	free(order.shares);
	return answer;
}

/* A file's name may be no text. */
static json_t *
survey_failure(struct error *err)
{
	json_t *failure;

	for (char *at = err->text; *at; at++)
		if ((unsigned char)*at >= 0x80)
			*at = '?';
	failure = json_pack("{s:s}", "error", err->text);
	if (err->shortage)
		json_object_set_new(failure, "shortage", json_true());
	return failure;
}

static int
survey_line(const char *text, FILE *out)
{
	struct error err = {.text = "malformed order"};
	json_t *line = json_loads(text, 0, NULL), *answer;
	int rc;

	if (!line)
		return -1;
	answer = survey_answer(line, &err);
	if (!answer)
		answer = survey_failure(&err);
	rc = json_dumpf(answer, out, JSON_COMPACT) || putc('\n', out) == EOF;
	json_decref(answer);
	json_decref(line);
	return rc ? -1 : 0;
}

int
survey_run(FILE *in, FILE *out)
{
	char *text = NULL;
	size_t size = 0;
	int rc = 0;

	while (!rc && getline(&text, &size, in) > 0)
		rc = survey_line(text, out);
	free(text);
	return fflush(out) ? -1 : rc;
}
