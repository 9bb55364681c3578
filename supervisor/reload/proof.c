/* proof: checks what a candidate registers, handles its news, and fails
 * transactions. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/text.h"
#include "supervisor/event/services.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/reload/transaction.h"

/* How long a verdict waits for the exit of a failing candidate, so that the
 * receipt has the exit status and the last lines. */
#define EXIT_WAIT_MS 200

bool
reload_is_urgent(const struct reload *r)
{
	const struct plugin *p = r->plugin;

	if (plugin_serving(p) || !strcmp(r->trigger, "supctl") ||
		!strcmp(r->trigger, "http") || !strcmp(r->trigger, "session") ||
		!strcmp(r->trigger, "watch"))
		return true;
	/* only the first time: a plugin that hangs again waits like a first
	 * start */
	return !strcmp(r->trigger, "crash") &&
	       r->source != PLUGIN_FROM_PACKAGE && p->crash.early_deaths <= 1;
}

bool
reload_is_served(const struct reload *r)
{
	return plugin_serving(r->plugin) != NULL;
}

/* ---- news of the candidate ---- */

/* A label is KIND:NAME. */
static bool
has_label(const struct registration_set *set, const char *label)
{
	const char *colon = strchr(label, ':');
	int kind = colon ? registration_kind_by_wire(
				   label, (size_t)(colon - label))
			 : -1;

	return kind >= 0 &&
	       registration_find(set, (enum registration_kind)kind, colon + 1);
}

int
reload_check_kept(const struct manifest *manifest,
	const struct registration_set *set, struct error *err)
{
	for (uint32_t i = 0; i < manifest->keep.count; i++)
		if (!has_label(set, manifest->keep.items[i]))
			return error_set(err,
				"%s is missing, and the manifest keeps it",
				manifest->keep.items[i]);
	return 0;
}

/* Checks that the registrations in `keep` are still there, or all of them with
 * no_drop. */
static int
check_kept(struct reload *r, struct error *err)
{
	struct worker *old = plugin_serving(r->plugin);
	const struct registration_set *now = &r->fresh->registrations;
	int result = reload_check_kept(r->manifest, now, err);

	if (!result && r->no_drop && old) {
		uint32_t at = 0;
		const struct registration *gone =
			account_next_dropped(&old->registrations, now, &at);
		char *label = gone ? registration_label(gone) : NULL;

		if (label)
			result = error_set(err, "%s would be dropped", label);
		free(label);
	}
	return result;
}

int
reload_on_declared(struct reload *r, struct error *err)
{
	services_declare(r->fresh);
	return commit_check(r, err) < 0 ? -1 : check_kept(r, err);
}

uint64_t
candidate_exit_deadline(const struct reload *r)
{
	(void)r;
	return clock_ms() + EXIT_WAIT_MS;
}

void
reload_on_candidate_down(struct reload *r)
{
	if (reload_row(r)->on_candidate_exit)
		return; /* which the state awaits anyhow */
	if (takeover_must_give_back(r))
		takeover_let_go(r);
	r->error = r->fresh->error;
	reload_await_exit(r);
}

void
reload_on_candidate_exit(struct reload *r)
{
	void (*on_exit)(struct reload *) = reload_row(r)->on_candidate_exit;

	if (on_exit || takeover_must_give_back(r))
		r->plugin->candidate = r->fresh = NULL;
	if (on_exit)
		on_exit(r);
	else
		reload_fail(r);
}

/* ---- failure ---- */

/* Whether a start would run out of descriptors; it needs about ten. */
static bool
descriptors_are_short(void)
{
	int fds[12], count = 0;
	bool is_short = false;

	while (count < 12 && !is_short) {
		fds[count] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
		is_short =
			fds[count] < 0 && (errno == EMFILE || errno == ENFILE);
		if (fds[count] < 0)
			break;
		count++;
	}
	while (count)
		close(fds[--count]);
	return is_short;
}

/* Without the state directory nothing can start, which is not the plugin's
 * fault. */
static bool
state_dir_is_gone(const struct gateway *g)
{
	return access(g->state_dir, F_OK) < 0;
}

/* Whether the failure is a shortage. A worker whose connection could not be
 * accepted cannot name the cause, so descriptors are checked here. */
static bool
is_starved(const struct reload *r)
{
	return reload_rows[reload_failed_in(r)].may_starve &&
	       (descriptors_are_short() || state_dir_is_gone(r->gateway));
}

/* Says where it failed, to the plugin and to the set. */
static void
name_failure(struct reload *r)
{
	if (!r->is_named)
		error_prefix(&r->error,
			"%s: ", reload_rows[reload_failed_in(r)].failed);
	r->is_named = true;
	if (is_starved(r))
		r->error.shortage = true;
	if (!reload_program(r)->is_proof)
		text_format(r->plugin->failure, sizeof(r->plugin->failure),
			"%s", r->error.text);
	if (r->set)
		set_note_failure(r);
}

static void
give_back(struct reload *r)
{
	if (r->state == RELOAD_GIVING_BACK)
		return;
	name_failure(r);
	reload_give_back(r);
	if (r->set)
		set_fail_others(r->set);
}

void
reload_abandon(struct reload *r)
{
	if (takeover_must_give_back(r))
		takeover_let_go(r);
	r->takeover.is_over = true;
	r->is_named = false;
	reload_fail(r);
}

void
reload_fail(struct reload *r)
{
	struct plugin *p = r->plugin;

	if (takeover_must_give_back(r)) {
		give_back(r);
		return;
	}
	name_failure(r);
	reload_roll_back(r);
	if (r->takeover.is_lost)
		takeover_give_up(r);
	dispatch_release(r->gateway, p);
	p->counters.reloads_failed += !reload_program(r)->is_proof;
	reload_enter(r);
}

void
reload_fail_with(struct reload *r, const char *why)
{
	error_set(&r->error, "%s", why);
	reload_fail(r);
}
