/* round: what follows a change of a plugin's files: the build, if the package
 * has one; the comparison with the worker that serves; the reload. There is one
 * round of a plugin at a time; a change meanwhile makes one more. */
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/value.h"
#include "supervisor/gateway/news.h"
#include "supervisor/reload/cause.h"
#include "supervisor/watch/parts.h"

static void
go_on(struct watched *d)
{
	d->step = WATCH_IDLE;
	if (!d->is_again)
		return;
	d->is_again = false;
	round_begin(d);
}

/* ---- the reload ---- */

static void
on_verdict(struct reload_watcher *watcher, struct receipt *receipt)
{
	struct watched *d = container_of(watcher, struct watched, reload);

	(void)receipt; /* reported by the event reload.verdict */
	reload_unwatch(watcher);
	loop_reload_ends(d);
	go_on(d);
}

static json_t *
cause_of_file(const char *file)
{
	json_t *cause = cause_create(
		"%s changed", *file ? file : "something in its package");

	if (*file)
		json_object_set_new(cause, "file", value_text(file));
	return cause;
}

static void
reload(struct watched *d, struct plugin *p)
{
	const struct reload_options options = {.trigger = "watch"};
	struct error err;
	enum reload_refusal refusal;

	news_plugin(p, "watch.changed",
		json_pack("{s:s?}", "file", d->file[0] ? d->file : NULL));
	list_init(&d->reload.node);
	d->reload.on_verdict = on_verdict;
	d->step = WATCH_RELOADING;
	loop_reload_begins(d);
	refusal = reload_begin(p->gateway, p, &options, &d->reload, NULL, &err);
	if (refusal == RELOAD_ACCEPTED)
		cause_note(p, cause_of_file(d->file));
	else
		loop_reload_ends(d);
	d->is_forced = d->is_forced && refusal == RELOAD_BUSY;
	if (refusal == RELOAD_BUSY) {
		d->step = WATCH_AWAITING;
	} else if (refusal != RELOAD_ACCEPTED) {
		log_warn("%s: not reloaded: %s", p->id, err.text);
		go_on(d);
	}
}

void
round_retry(struct watched *d)
{
	struct plugin *p = watched_plugin(d);

	if (d->step != WATCH_AWAITING || !p || p->reload)
		return;
	/* The other transaction may have loaded the change already. */
	d->step = WATCH_IDLE;
	round_begin(d);
}

/* ---- the comparison ---- */

static bool
differs(struct plugin *p, const struct survey_answer *a, const struct worker *w)
{
	if (a->digest)
		plugin_note_seen(p, p->source, a->fingerprint, a->digest);
	return !p->seen.digest || strcmp(p->seen.digest, w->digest) != 0;
}

static void
on_survey(void *user, struct error *err)
{
	struct watched *d = user;
	struct survey *survey = d->survey;
	struct plugin *p = watched_plugin(d);
	const struct worker *w = p ? plugin_serving(p) : NULL;
	struct survey_answer answer = {0};

	d->survey = NULL;
	if (!err)
		answer = survey_answer_at(survey, 0);
	if (p && (err || answer.error))
		log_warn("%s: cannot read the package: %s", p->id,
			err ? err->text : answer.error);
	if (!p || (!err && answer.error && answer.shortage))
		go_on(d);
	else if (err || answer.error || !w || differs(p, &answer, w))
		reload(d, p); /* its verdict has the error, if it persists */
	else
		go_on(d);
	survey_destroy(survey);
}

static void
compare(struct watched *d)
{
	struct plugin *p = watched_plugin(d);
	const struct worker *w = p ? plugin_serving(p) : NULL;
	bool is_known;
	struct error err;

	if (!p) {
		go_on(d);
		return;
	}
	if (!w || d->is_forced) { /* nothing to compare, or no need to */
		reload(d, p);
		return;
	}
	d->step = WATCH_COMPARING;
	is_known = p->seen.folder && !strcmp(p->seen.folder, p->source);
	d->survey = survey_create(&p->gateway->workers);
	survey_add(d->survey, p->source, &w->manifest->share,
		is_known ? p->seen.fingerprint : NULL);
	if (survey_begin(d->survey, clock_ms() + WATCH_SURVEY_MS, on_survey, d,
		    &err) == 0)
		return;
	log_warn("%s: cannot compare the package: %s", p->id, err.text);
	survey_destroy(d->survey);
	d->survey = NULL;
	go_on(d);
}

/* ---- the build ---- */

void
round_adopted(struct watched *d)
{
	if (d->step != WATCH_ADOPTING)
		return;
	if (d->build.is_good)
		compare(d);
	else
		go_on(d);
}

static const struct manifest_watch *
manifest_of(const struct watched *d)
{
	const struct plugin *p = watched_plugin(d);

	return p ? order_manifest(p) : NULL;
}

bool
round_builds(const struct watched *d)
{
	const struct manifest_watch *m = manifest_of(d);

	return m && m->run.count;
}

/* Plugins may share a folder of sources, so there is one build at a time. It
 * begins when the child has looked: otherwise files that it changes at once
 * would count as saved by a user. */
static void
build(struct watched *d)
{
	struct watch *w = d->watch;

	d->step = WATCH_QUEUED;
	if (w->building)
		return;
	d->step = WATCH_ANNOUNCED;
	w->building = d;
	if (w->fd < 0)
		round_announced(d);
	else
		process_order(w, "build", d->key);
}

static int
build_now(struct watched *d)
{
	struct error err;

	if (!round_builds(d)) /* it has another manifest meanwhile */
		return -1;
	d->step = WATCH_BUILDING;
	if (build_begin(d, watched_plugin(d), manifest_of(d), &err) == 0)
		return 0;
	log_error("%s: cannot build: %s", d->key, err.text);
	return -1;
}

void
round_announced(struct watched *d)
{
	if (d->step != WATCH_ANNOUNCED || build_now(d) == 0)
		return;
	process_order(d->watch, "built", d->key);
	d->watch->building = NULL;
	go_on(d);
	round_build_next(d->watch);
}

void
round_build_next(struct watch *w)
{
	if (w->building)
		return;
	list_for_each (node, &w->all) {
		struct watched *d = container_of(node, struct watched, node);

		if (d->step != WATCH_QUEUED)
			continue;
		d->step = WATCH_IDLE;
		round_begin(d);
		return;
	}
}

void
round_built(struct watched *d, bool is_good)
{
	d->watch->building = NULL;
	d->build.is_good = is_good;
	d->step = WATCH_ADOPTING;
	if (d->watch->fd < 0)
		round_adopted(d);
	else
		process_order(d->watch, "built", d->key);
	round_build_next(d->watch);
}

/* ---- a round ---- */

void
round_begin(struct watched *d)
{
	struct plugin *p = watched_plugin(d);

	if (!p || p->stopped || !p->source)
		return;
	if (d->step == WATCH_AWAITING || d->step == WATCH_QUEUED ||
		d->step == WATCH_ANNOUNCED)
		return; /* what changed is part of what follows */
	if (d->step != WATCH_IDLE) {
		d->is_again = true;
		return;
	}
	d->loop.is_followed = false;
	if (round_builds(d))
		build(d);
	else
		compare(d);
}

void
round_abandon(struct watched *d)
{
	if (d->step == WATCH_RELOADING)
		reload_unwatch(&d->reload);
	build_abandon(d);
	if (d->watch->building == d)
		d->watch->building = NULL; /* the next change builds */
	survey_destroy(d->survey);
	d->survey = NULL;
	d->step = WATCH_IDLE;
	d->is_again = d->is_forced = false;
}
