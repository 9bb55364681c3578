/* report: the reports of the child that watches. */
#include <stdint.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/text.h"
#include "supervisor/gateway/news.h"
#include "supervisor/watch/parts.h"

static void
note_mode(struct watched *d, const json_t *line)
{
	const char *how = json_string_value(json_object_get(line, "how"));
	const char *why = json_string_value(json_object_get(line, "why"));
	struct plugin *p = watched_plugin(d);
	const char *who = p ? p->id : "configuration";
	bool was_swept = !strcmp(d->how, "sweep"), is_swept;

	text_format(d->how, sizeof(d->how), "%s", how ? how : "");
	text_format(d->why, sizeof(d->why), "%s", why ? why : "");
	is_swept = !strcmp(d->how, "sweep");
	if (was_swept && !is_swept)
		log_info("%s: files are watched by inotify again", who);
	if (why && !is_swept)
		log_warn("%s: some files are not watched: %s", who, d->why);
	if (!is_swept || was_swept)
		return;
	log_warn("%s: scanning its files every 2 s or less often, as %s", who,
		d->why);
	if (p)
		news_plugin(
			p, "watch.swept", json_pack("{s:s}", "why", d->why));
}

static void
note_missing(struct watched *d, bool is_missing)
{
	struct plugin *p = watched_plugin(d);

	if (is_missing && !d->is_missing && p) {
		log_warn("%s: the package is missing: %s; the last version "
			 "still serves",
			p->id, p->source ? p->source : "");
		news_plugin(p, "watch.missing",
			json_pack("{s:s?}", "source", p->source));
	}
	d->is_missing = is_missing;
}

static void
note_changed(struct watched *d, const json_t *line)
{
	const char *file = json_string_value(json_object_get(line, "file"));
	const struct watch_change change = {
		.is_of_build = json_is_true(json_object_get(line, "build")),
		.at_ms = (uint64_t)json_integer_value(
			json_object_get(line, "at"))};

	d->is_pending = false;
	text_format(d->file, sizeof(d->file), "%s", file ? file : "");
	d->changed_ms = clock_wall_ms();
	if (json_is_true(json_object_get(line, "files")))
		d->is_forced = true;
	note_missing(d, json_is_true(json_object_get(line, "missing")));
	if (d == d->watch->config) {
		log_info("configuration: %s changed",
			d->file[0] ? d->file : "a file");
		d->watch->options.on_config(d->watch->options.user);
	} else if (!d->is_missing && loop_allows(d, &change)) {
		round_begin(d);
	}
}

static void
note_pending(struct watched *d)
{
	if (!d->is_pending)
		d->pending_ms = clock_ms();
	d->is_pending = true;
}

void
report_read(struct watch *w, const char *text, size_t length)
{
	json_t *line = json_loadb(text, length, 0, NULL);
	const char *key;
	json_t *value;

	json_object_foreach(line, key, value)
	{
		const char *of = json_string_value(value);
		struct watched *d = of ? watch_find(w, of) : NULL;

		if (!d)
			break; /* no longer watched */
		if (!strcmp(key, "mode"))
			note_mode(d, line);
		else if (!strcmp(key, "pending"))
			note_pending(d);
		else if (!strcmp(key, "calm"))
			d->is_pending = false;
		else if (!strcmp(key, "changed"))
			note_changed(d, line);
		else if (!strcmp(key, "building"))
			round_announced(d);
		else if (!strcmp(key, "built"))
			round_adopted(d);
		break; /* the first key says what it is */
	}
	json_decref(line);
}
