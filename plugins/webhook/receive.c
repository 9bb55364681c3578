#include "receive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "delivery.h"
#include "journal.h"
#include "now.h"
#include "quiet.h"
#include "seen.h"
#include "store.h"

/* Limits of the deliveries that supd has not taken yet. Beyond them, a sender
 * is asked to retry. */
#define PENDING_MAX 256
#define PENDING_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define EVENT_TIMEOUT_MS 10000
#define RETRY_AFTER "5"
#define EXPIRE_MS 60000 /* between two removals of expired ids */

struct pending {
	struct receiver *receiver;
	struct sup_req *req;
	struct pending *next;
	struct seen_key key;
	bool has_id;
	char *stored; /* the file with its body; NULL: none */
	size_t bytes;
};

struct receiver {
	struct sup *plugin;
	const struct settings *settings;
	struct seen *seen;
	struct journal *journal;
	struct pending *pending;
	size_t pending_count, pending_bytes;
	uint64_t expired_ms;
	struct quiet refusals, failures;
	struct receiver_counts counts;
};

struct receiver *
receiver_create(struct sup *p, const struct settings *settings)
{
	struct receiver *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->plugin = p;
	r->settings = settings;
	r->seen = seen_create(settings->remember_max);
	r->journal = r->seen ? journal_open(p, sup_data_dir(p), r->seen) : NULL;
	return r->journal ? r : NULL;
}

/* ---- headers and signature ---- */

/* A repeated header could be checked with one value and used with the other, so
 * it counts as absent. */
static const char *
single_header(void *source, const char *name)
{
	struct sup_req *req = source;
	const char *found = sup_req_header(req, name), *key, *value;
	size_t count = 0;

	for (size_t i = 0; sup_req_header_at(req, i, &key, &value); i++)
		count += !strcasecmp(key, name);
	return count == 1 ? found : NULL;
}

static const char *
check(struct sup_req *req, const struct endpoint *e,
	char digest_out[SIGN_HEX_BYTES])
{
	const char *signature = sign_signature_header(e->sign);
	const char *timestamp = sign_timestamp_header(e->sign);
	struct claim claim = {.now_s = (int64_t)(now_ms() / 1000),
		.window_s = (int64_t)(e->window_ms / 1000)};

	claim.body = sup_req_body(req, &claim.body_bytes);
	if (signature)
		claim.signature = single_header(req, signature);
	if (timestamp)
		claim.timestamp = single_header(req, timestamp);
	return sign_check(e->sign, &e->secrets, &claim, digest_out);
}

/* ---- answers ---- */

static void
answer_later(struct receiver *r, struct sup_req *req)
{
	r->counts.later++;
	sup_reply_header(req, "Retry-After", RETRY_AFTER);
	sup_reply_text(
		req, 503, "503 the delivery was not taken; retry later\n");
}

static void
refuse(struct receiver *r, struct sup_req *req, int status, const char *text)
{
	r->counts.refused++;
	sup_reply_text(req, status, "%s\n", text);
}

/* The body is empty, because Slack shows it as the answer to a slash command.
 */
static void
answer_taken(struct sup_req *req)
{
	sup_reply(req, 200, "text/plain; charset=utf-8", "", 0);
}

/* ---- the event ---- */

static struct pending *
pending_find(const struct receiver *r, const struct seen_key *key)
{
	struct pending *d = r->pending;

	while (d && (!d->has_id || memcmp(&d->key, key, sizeof(*key)) != 0))
		d = d->next;
	return d;
}

static void
pending_add(struct receiver *r, struct pending *d)
{
	d->next = r->pending;
	r->pending = d;
	r->pending_count++;
	r->pending_bytes += d->bytes;
}

/* Removes the file of its body, too, unless supd has taken the event. */
static void
pending_remove(struct receiver *r, struct pending *d, bool taken)
{
	struct pending **link = &r->pending;

	while (*link != d)
		link = &(*link)->next;
	*link = d->next;
	r->pending_count--;
	r->pending_bytes -= d->bytes;
	if (d->stored && !taken)
		unlink(d->stored);
	free(d->stored);
	free(d);
}

static void
on_event(struct sup *p, const char *error, const char *result_json, void *user)
{
	struct pending *d = user;
	struct receiver *r = d->receiver;

	if (error) {
		quiet_log(&r->failures, p,
			"a delivery was not taken; its sender is asked to "
			"retry: %s",
			error);
		answer_later(r, d->req);
	} else {
		if (d->has_id)
			journal_add(r->journal, &d->key, now_ms());
		r->counts.taken++;
		answer_taken(d->req);
	}
	pending_remove(r, d, !error);
}

static void
name_file(char hex[2 * SEEN_KEY_BYTES + 1], const struct delivery *d,
	const struct seen_key *key)
{
	struct seen_key other = *key;

	if (!*d->id)
		arc4random_buf(&other, sizeof(other));
	seen_write_key(hex, &other);
}

/* Makes the event's data, with the body as JSON, as text or in base64: the
 * first of these that an event can carry. If none fits, the body goes into a
 * file, and its path into `stored`. NULL with errno. */
static char *
data_of(struct receiver *r, struct delivery *d, const struct seen_key *key,
	char stored[STORE_PATH_BYTES])
{
	char *data = NULL, *folder, id[2 * SEEN_KEY_BYTES + 1];
	int rc;

	*stored = 0;
	for (int form = 0; !data && form < DELIVERY_FILE; form++)
		data = delivery_data(d, (enum delivery_form)form);
	if (data)
		return data;
	if (asprintf(&folder, "%s/bodies", sup_data_dir(r->plugin)) < 0)
		return NULL;
	name_file(id, d, key);
	rc = store_write(folder, r->settings->stored_bytes, now_ms(), id,
		d->body, d->body_bytes, stored);
	free(folder);
	if (rc)
		return NULL;
	d->file = stored;
	return delivery_data(d, DELIVERY_FILE);
}

static struct pending *
pending_create(struct receiver *r, struct sup_req *req,
	const struct delivery *d, const struct seen_key *key,
	const char *stored)
{
	struct pending *pending = malloc(sizeof(*pending));

	if (!pending)
		return NULL;
	*pending = (struct pending){.receiver = r,
		.req = req,
		.key = *key,
		.has_id = *d->id,
		.stored = *stored ? strdup(stored) : NULL,
		.bytes = d->body_bytes};
	pending_add(r, pending);
	return pending;
}

static void
begin(struct receiver *r, struct sup_req *req, struct delivery *d,
	const struct seen_key *key)
{
	char stored[STORE_PATH_BYTES];
	char *data = data_of(r, d, key, stored);
	const char *why = data ? NULL : strerror(errno);
	struct pending *pending =
		data ? pending_create(r, req, d, key, stored) : NULL;

	if (pending && sup_call(r->plugin, "event", d->endpoint->event, data,
			       EVENT_TIMEOUT_MS, on_event, pending))
		why = sup_json_error(r->plugin);
	free(data);
	if (pending && !why)
		return;
	quiet_log(&r->failures, r->plugin,
		"%s: a delivery cannot be made an event: %s", d->endpoint->name,
		why ? why : "no memory");
	if (pending)
		pending_remove(r, pending, false);
	else if (*stored)
		unlink(stored);
	answer_later(r, req);
}

/* ---- a delivery ---- */

static void
forget_old(struct receiver *r)
{
	uint64_t now = now_ms();

	if (now - r->expired_ms < EXPIRE_MS)
		return;
	r->expired_ms = now;
	if (now > r->settings->remember_ms)
		seen_expire(r->seen, now - r->settings->remember_ms);
	journal_compact(r->journal);
}

static void
take_known(struct receiver *r, struct sup_req *req, struct delivery *d)
{
	struct seen_key key = seen_key_of(d->endpoint->name, d->id);

	journal_catch_up(r->journal);
	forget_old(r);
	if (*d->id && seen_has(r->seen, &key)) {
		r->counts.again++;
		answer_taken(req);
	} else if ((*d->id && pending_find(r, &key)) ||
		   r->pending_count == PENDING_MAX ||
		   r->pending_bytes + d->body_bytes > PENDING_BYTES_MAX) {
		answer_later(r, req);
	} else {
		begin(r, req, d, &key);
	}
}

static void
take_signed(struct receiver *r, struct sup_req *req, const struct endpoint *e,
	const char *digest)
{
	struct delivery d = {
		.endpoint = e, .header = single_header, .source = req};
	const char *missing;

	d.body = sup_req_body(req, &d.body_bytes);
	missing = delivery_read(&d, digest);
	if (missing)
		refuse(r, req, 400, missing);
	else if (d.challenge)
		sup_reply(req, 200, "text/plain; charset=utf-8", d.challenge,
			strlen(d.challenge));
	else
		take_known(r, req, &d);
	delivery_finish(&d);
}

void
receiver_take(struct sup_req *req, void *user)
{
	struct receiver *r = user;
	const struct endpoint *e =
		settings_endpoint(r->settings, sup_req_param(req, "hook"));
	char digest[SIGN_HEX_BYTES];
	const char *wrong;
	size_t bytes;

	if (!e) {
		refuse(r, req, 404, "404 there is no such webhook");
		return;
	}
	sup_req_body(req, &bytes);
	if (bytes > e->body_bytes) {
		refuse(r, req, 413, "413 the delivery is too large");
		return;
	}
	wrong = check(req, e, digest);
	if (!wrong) {
		take_signed(r, req, e, digest);
		return;
	}
	quiet_log(&r->refusals, r->plugin, "%s: refused a delivery from %s: %s",
		e->name, sup_req_peer(req), wrong);
	refuse(r, req, 401, "401 the signature is not valid");
}

struct receiver_counts
receiver_counts(const struct receiver *r)
{
	return r->counts;
}

/* ---- over a reload ---- */

void
receiver_export(struct receiver *r, struct sup_req *req)
{
	size_t count = seen_count(r->seen), used = 0;
	char *text = malloc(count * SEEN_LINE_BYTES + 1);
	struct seen_key key;
	uint64_t at_ms;

	if (!text) {
		sup_fail(req, SUP_FAILED, "no memory");
		return;
	}
	for (size_t i = 0; seen_at(r->seen, i, &key, &at_ms); i++) {
		seen_write_line(text + used, &key, at_ms);
		used += SEEN_LINE_BYTES;
	}
	sup_reply_state(req, text, used);
	free(text);
}

int
receiver_import(struct receiver *r, struct sup_req *req)
{
	size_t bytes;
	const char *text = sup_req_state(req, NULL, &bytes);

	if (seen_read_lines(r->seen, text, bytes) != bytes)
		return -1;
	journal_catch_up(r->journal);
	return 0;
}
