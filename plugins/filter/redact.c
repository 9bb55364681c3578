#include "redact.h"

#include <stdlib.h>
#include <string.h>

void
redact_finish(struct redact *r)
{
	pattern_destroy(r->pattern);
	json_decref(r->with);
}

/* ---- reading ---- */

static int
read_field(struct redact *r, const struct node *n, char why[WHY_BYTES])
{
	const char *text = node_text(n), *defect;

	if (!text)
		return node_fail(n, why, "must be a field, or a list of them");
	if (r->field_count == REDACT_FIELDS_MAX)
		return node_fail(
			n, why, "more than %d fields", REDACT_FIELDS_MAX);
	defect = field_read(&r->fields[r->field_count], text, strlen(text));
	if (defect)
		return node_fail(n, why, "%s", defect);
	r->field_count++;
	return 0;
}

static int
read_fields(struct redact *r, const struct node *map, char why[WHY_BYTES])
{
	const struct node *n = node_get(map, "fields");

	if (!n)
		return node_fail(map, why, "fields is missing");
	if (n->kind != NODE_LIST)
		return read_field(r, n, why);
	if (!n->count)
		return node_fail(n, why, "must not be an empty list");
	for (size_t i = 0; i < n->count; i++)
		if (read_field(r, n->items[i], why))
			return -1;
	return 0;
}

static int
read_regex(struct redact *r, const struct node *n, char why[WHY_BYTES])
{
	const char *text = n ? node_text(n) : NULL;
	char reason[200];

	if (!n)
		return 0;
	if (!text)
		return node_fail(n, why, "must be a string");
	r->pattern =
		pattern_compile(text, strlen(text), reason, sizeof(reason));
	return r->pattern ? 0 : node_fail(n, why, "%s", reason);
}

int
redact_read(struct redact *r, const struct node *n, char why[WHY_BYTES])
{
	static const char *const known[] = {"fields", "regex", "with", NULL};
	const struct node *with;

	if (node_check_keys(n, known, why) || read_fields(r, n, why) ||
		read_regex(r, node_get(n, "regex"), why))
		return -1;
	with = node_get(n, "with");
	if (with && (!node_text(with) || strlen(node_text(with)) > 255))
		return node_fail(
			with, why, "must be a string of at most 255 bytes");
	r->with = with ? node_json(with) : json_string("[redacted]");
	return 0;
}

/* ---- replacing ---- */

struct draft {
	char *text;
	size_t bytes, room;
};

static int
append(struct draft *d, const char *text, size_t bytes, struct work *work)
{
	size_t room = d->room ? d->room : 256;
	char *more;

	while (room - d->bytes < bytes && room <= TEXT_BYTES_MAX)
		room *= 2;
	if (!work_has_room(work, d->bytes, bytes))
		return -1;
	more = room == d->room ? d->text : realloc(d->text, room);
	if (!more) {
		work->why = "no memory";
		return -1;
	}
	d->text = more;
	d->room = room;
	memcpy(d->text + d->bytes, text, bytes);
	d->bytes += bytes;
	return 0;
}

/* A match of nothing is skipped. 1: `draft` is the new text. */
static int
replace(const struct redact *r, const char *text, size_t bytes,
	struct draft *draft, struct work *work)
{
	size_t from = 0, copied = 0;
	struct span span;
	int found;

	while ((found = pattern_find(
			r->pattern, text, bytes, from, &span, work)) > 0) {
		from = span.end > from ? span.end : from + 1;
		while (from < bytes &&
			((unsigned char)text[from] & 0xc0) == 0x80)
			from++;
		if (span.end <= span.begin)
			continue;
		if (append(draft, text + copied, span.begin - copied, work) ||
			append(draft, json_string_value(r->with),
				json_string_length(r->with), work))
			return -1;
		copied = span.end;
	}
	if (found < 0 || !copied)
		return found;
	return append(draft, text + copied, bytes - copied, work) ? -1 : 1;
}

struct redaction {
	struct redact *redact;
	struct work *work;
	bool has_replaced;
};

static int
redact_string(struct redaction *job, json_t *value, json_t **replaced_out)
{
	struct draft draft = {0};
	int result = replace(job->redact, json_string_value(value),
		json_string_length(value), &draft, job->work);

	if (result > 0) {
		*replaced_out = json_stringn(draft.text, draft.bytes);
		job->has_replaced = true;
	}
	free(draft.text);
	return result < 0 ? -1 : 0;
}

static int
redact_below(struct redaction *job, json_t *value, json_t **replaced_out)
{
	json_t *item;
	void *i;

	if (json_is_string(value))
		return redact_string(job, value, replaced_out);
	for (size_t n = 0; n < json_array_size(value); n++) {
		item = NULL;
		if (redact_below(job, json_array_get(value, n), &item))
			return -1;
		if (item)
			json_array_set_new(value, n, item);
	}
	for (i = json_object_iter(value); i;
		i = json_object_iter_next(value, i)) {
		item = NULL;
		if (redact_below(job, json_object_iter_value(i), &item))
			return -1;
		if (item)
			json_object_iter_set_new(value, i, item);
	}
	return 0;
}

static int
redact_value(json_t *value, json_t **replaced_out, void *user)
{
	struct redaction *job = user;

	if (job->redact->pattern)
		return redact_below(job, value, replaced_out);
	*replaced_out = json_incref(job->redact->with);
	job->has_replaced = true;
	return 0;
}

int
redact_run(struct redact *r, json_t **data, struct work *work)
{
	struct redaction job = {r, work, false};

	for (size_t i = 0; i < r->field_count; i++)
		if (field_each(&r->fields[i], data, redact_value, &job))
			return -1;
	return job.has_replaced;
}
