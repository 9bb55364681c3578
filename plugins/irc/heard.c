#include "heard.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
#include <unistd.h>

#include "said.h"
#include "settings.h"

#define TRIES_MAX                                                              \
	100 /* of a message, if starts and stops follow each other             \
	     */

struct heard {
	struct sup *plugin;
	void (*on_full)(void *owner);
	void *owner;
	const struct settings *settings;
	bool is_open, is_full;
	uint64_t epoch, count;
	struct pending *first, **last; /* that supd has not answered */
	/* What waits for the next start, or for supd, in order: at most
	 * HEARD_KEPT_MAX bytes. */
	json_t *kept;
	size_t kept_bytes;
	uint64_t lost; /* that were not kept, because they were too many */
	char *path;    /* where it is, from a stop to the next start */
	bool has_file;
};

/* A message that supd has not answered yet. */
struct pending {
	struct pending *next;
	struct heard *heard;
	json_t *message;
};

static const char *
text_of(const json_t *message, const char *key)
{
	return json_string_value(json_object_get(message, key));
}

/* ---- what is kept ---- */

static void
keep(struct heard *h, json_t *message)
{
	size_t size = json_dumpb(message, NULL, 0, JSON_COMPACT) + 1;

	if (h->kept_bytes + size > HEARD_KEPT_MAX) {
		h->lost++;
		return;
	}
	h->kept_bytes += size;
	json_array_append(h->kept, message);
}

/* It comes again at the next start, but what supd never takes does not come for
 * ever. */
static void
keep_again(struct heard *h, json_t *message)
{
	json_int_t tries =
		json_integer_value(json_object_get(message, "tries"));

	if (tries >= TRIES_MAX)
		return;
	json_object_set_new(message, "tries", json_integer(tries + 1));
	keep(h, message);
}

/* What a message that is kept must have. */
static bool
is_message(const json_t *m)
{
	return text_of(m, "id") && text_of(m, "chat") && text_of(m, "from") &&
	       text_of(m, "nick") && text_of(m, "text");
}

/* What is with supd, which may take it or not, and what is kept. */
static json_t *
all_of(const struct heard *h)
{
	json_t *all = json_array();

	for (const struct pending *at = h->first; at; at = at->next)
		json_array_append(all, at->message);
	json_array_extend(all, h->kept);
	return all;
}

/* Either all of the file or none of it is there. */
static int
write_file(const struct heard *h, const json_t *all)
{
	char *path;
	int rc;

	if (asprintf(&path, "%s.new", h->path) < 0)
		return -1;
	rc = json_dump_file(all, path, JSON_COMPACT);
	if (!rc)
		rc = rename(path, h->path);
	free(path);
	return rc;
}

static void
drop_file(struct heard *h)
{
	if (h->has_file)
		unlink(h->path);
	h->has_file = false;
}

/* A message is known by its place in its epoch. */
static void
number(struct heard *h, json_t *message)
{
	char id[48];

	snprintf(id, sizeof(id), "%" PRIu64 ".%" PRIu64, h->epoch, ++h->count);
	json_object_set_new(message, "id", json_string(id));
}

/* Puts what the file has before what came since. */
static void
read_file(struct heard *h)
{
	json_t *later = h->kept;
	json_t *all = json_load_file(h->path, 0, NULL), *message;
	size_t i;

	h->kept = json_array();
	h->kept_bytes = 0;
	h->has_file = all != NULL;
	json_array_foreach(all, i, message)
	{
		if (is_message(message))
			keep(h, message);
	}
	json_array_foreach(later, i, message)
	{
		if (!*text_of(message, "id"))
			number(h, message);
		keep(h, message);
	}
	json_decref(all);
	json_decref(later);
}

static void
save(struct heard *h, const json_t *all)
{
	if (!json_array_size(all)) {
		drop_file(h);
	} else if (write_file(h, all)) {
		sup_log(h->plugin, SUP_ERROR,
			"channel %s: %zu messages are lost: %s: %s",
			h->settings->name, json_array_size(all), h->path,
			strerror(errno));
	} else {
		h->has_file = true;
		json_array_clear(h->kept);
		h->kept_bytes = 0;
	}
}

void
heard_save(struct heard *h)
{
	json_t *all = all_of(h);

	if (h->lost)
		sup_log(h->plugin, SUP_WARN,
			"channel %s: %" PRIu64 " messages are lost that came "
			"while it stopped",
			h->settings->name, h->lost);
	h->lost = 0;
	save(h, all);
	json_decref(all);
}

/* ---- to supd ---- */

static void
forget(struct pending *pending)
{
	struct heard *h = pending->heard;
	struct pending **at = &h->first;

	while (*at != pending)
		at = &(*at)->next;
	*at = pending->next;
	if (h->last == &pending->next)
		h->last = at;
	json_decref(pending->message);
	free(pending);
}

static struct pending *
remember(struct heard *h, json_t *message)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	if (!pending)
		return NULL;
	pending->heard = h;
	pending->message = json_incref(message);
	*h->last = pending;
	h->last = &pending->next;
	return pending;
}

static void
over(struct sup *p, enum sup_taken how, const char *why, void *user)
{
	struct pending *pending = user;
	struct heard *h = pending->heard;
	json_t *message = json_incref(pending->message);

	forget(pending);
	if (how == SUP_NOT_TAKEN)
		keep_again(h, message);
	else if (!h->first && !json_array_size(h->kept))
		drop_file(h);
	json_decref(message);
}

static char *
more_of(const json_t *message)
{
	json_t *more = json_object(), *raw = json_object_get(message, "raw");
	char *text;

	if (json_is_true(json_object_get(message, "mentioned")))
		json_object_set_new(more, "mentioned", json_true());
	if (raw)
		json_object_set(more, "raw", raw);
	text = json_dumps(more, JSON_COMPACT);
	json_decref(more);
	return text;
}

/* Gives it to supd. */
static void
give(struct heard *h, json_t *message)
{
	bool is_direct = json_is_true(json_object_get(message, "direct"));
	struct pending *pending = remember(h, message);
	char *more = more_of(message);
	const struct sup_message m = {.id = text_of(message, "id"),
		.lane = text_of(message, "chat"),
		.at_ms = json_integer_value(json_object_get(message, "at")),
		.from_id = text_of(message, "from"),
		.from_name = text_of(message, "nick"),
		.from_verified =
			json_is_true(json_object_get(message, "verified")),
		.chat_id = text_of(message, "chat"),
		.chat_type = is_direct ? SUP_CHAT_DIRECT : SUP_CHAT_CHANNEL,
		.text = text_of(message, "text"),
		.more_json = more,
		.over = over,
		.user = pending};
	int room = -1;

	if (pending)
		room = sup_channel_receive(h->plugin, h->settings->name, &m);
	free(more);
	h->is_full = !room;
	if (room >= 0)
		return;
	sup_log(h->plugin, SUP_ERROR, "channel %s: a message is lost: %s",
		h->settings->name, sup_json_error(h->plugin));
	if (pending)
		forget(pending);
}

static void
give_kept(struct heard *h)
{
	while (json_array_size(h->kept) && !h->is_full) {
		json_t *message = json_incref(json_array_get(h->kept, 0));

		json_array_remove(h->kept, 0);
		h->kept_bytes -= json_dumpb(message, NULL, 0, JSON_COMPACT) + 1;
		give(h, message);
		json_decref(message);
	}
}

void
heard_begin(struct heard *h, uint64_t epoch)
{
	h->epoch = epoch;
	h->count = 0;
	h->is_open = true;
	h->is_full = false;
	read_file(h);
	give_kept(h);
}

void
heard_end(struct heard *h)
{
	h->is_open = false;
}

bool
heard_has_room(struct heard *h)
{
	h->is_full = false;
	give_kept(h);
	return !h->is_full;
}

/* ---- from a line ---- */

void
heard_take(struct heard *h, const struct session *s, const struct line *line)
{
	json_t *message = said_read(line, s, h->settings);

	if (!message || !is_message(message)) {
		json_decref(message);
		return;
	}
	if (!*text_of(message, "id") && h->epoch)
		number(h, message);
	keep(h, message);
	if (h->is_open && !h->is_full)
		give_kept(h);
	json_decref(message);
	if (h->is_open && h->is_full)
		h->on_full(h->owner);
}

/* ---- life ---- */

struct heard *
heard_create(struct sup *p, const struct settings *s,
	void (*on_full)(void *owner), void *owner)
{
	struct heard *h = calloc(1, sizeof(*h));

	if (!h || asprintf(&h->path, "%s/%s.left", sup_data_dir(p), s->name) <
			  0) {
		free(h);
		return NULL;
	}
	h->plugin = p;
	h->settings = s;
	h->on_full = on_full;
	h->owner = owner;
	h->kept = json_array();
	h->last = &h->first;
	return h;
}

void
heard_set_settings(struct heard *h, const struct settings *s)
{
	h->settings = s;
}
