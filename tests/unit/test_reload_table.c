/* test_reload_table: the states of a transaction and the programs of its kinds:
 * which way each goes, and what the death of the old worker means where. */
#include <criterion/criterion.h>
#include <string.h>

#include "supervisor/event/services.h"
#include "supervisor/reload/transaction.h"

#define S(name) RELOAD_##name
#define END RELOAD_STATE_COUNT

static bool
is_in(const enum reload_state *states, enum reload_state s)
{
	while (*states != s && *states != S(SETTLED))
		states++;
	return *states == s;
}

static bool
is_in_a_program(enum reload_state s)
{
	for (int k = 0; k < KIND_COUNT; k++)
		if (is_in(reload_programs[k].states, s))
			return true;
	return false;
}

/* Those that only a failure leads to. */
static bool
is_a_way_out(enum reload_state s)
{
	return s == S(FAILING) || s == S(GIVING_BACK) || s == S(ROLLED_BACK) ||
	       s == S(REVERTED);
}

Test(reload_table, every_state_has_a_row_and_is_in_a_program_or_a_way_out)
{
	for (enum reload_state s = 0; s < END; s++) {
		const char *name = reload_state_texts[s];

		cr_expect_not_null(name);
		cr_expect_neq(is_in_a_program(s), is_a_way_out(s), "%s", name);
		for (enum reload_state other = 0; other < s; other++)
			cr_expect(strcmp(name, reload_state_texts[other]));
	}
}

Test(reload_table, a_row_says_what_becomes_of_all_that_it_awaits)
{
	for (enum reload_state s = 0; s < END; s++) {
		const struct reload_row *row = &reload_rows[s];
		const char *name = reload_state_texts[s];

		cr_expect_eq(!row->deadline, !row->on_due, "%s", name);
		cr_expect_eq(!row->asked, !row->on_answer, "%s", name);
		cr_expect(!row->undo || row->failed, "%s", name);
		cr_expect(!row->may_starve || row->failed, "%s", name);
		cr_expect(!row->asked || row->deadline,
			"%s waits for an answer without a limit", name);
		cr_expect(!row->tasked || row->deadline,
			"%s waits for services without a limit", name);
		cr_expect(!row->after_verdict || row->receipt, "%s", name);
	}
}

Test(reload_table, a_program_can_fail_up_to_its_commit_and_not_after_it)
{
	for (int k = 0; k < KIND_COUNT; k++) {
		const enum reload_state *s = reload_programs[k].states;

		cr_expect_eq(*s, S(QUEUED));
		cr_expect_not_null(reload_programs[k].log_done);
		while (reload_rows[*s].failed)
			s++;
		cr_expect(*s == S(COMMITTED) || *s == S(SETTLED), "%s: %s",
			reload_kind_texts[k], reload_state_texts[*s]);
		while (*s != S(SETTLED))
			cr_expect_null(reload_rows[*s++].failed);
	}
}

/* ---- walks ---- */

struct setting {
	struct plugin plugin;
	struct worker active, fresh;
	struct manifest old_manifest, manifest;
	struct reload_set set;
	struct reload r;
};

static void
furnish(struct setting *setting, enum reload_kind kind, bool is_first)
{
	memset(setting, 0, sizeof(*setting));
	setting->active.state = WORKER_SERVING;
	setting->active.manifest = &setting->old_manifest;
	setting->plugin.active = is_first ? NULL : &setting->active;
	setting->r.plugin = &setting->plugin;
	setting->r.manifest = &setting->manifest;
	setting->r.kind = kind;
	setting->r.old = setting->plugin.active;
}

static void
expect_walk(struct setting *setting, const enum reload_state *expected)
{
	struct reload *r = &setting->r;

	for (r->state = S(QUEUED); r->state != S(SETTLED); expected++) {
		r->state = reload_following(r);
		if (r->state == S(EXPORTING))
			r->handover.begun = true;
		if (r->state == S(QUIESCING))
			r->takeover.begun = true;
		cr_assert_eq(r->state, *expected, "%s: %s instead of %s",
			reload_kind_texts[r->kind],
			reload_state_texts[r->state],
			reload_state_texts[*expected]);
	}
}

#define EXPECT_WALK(setting, ...)                                              \
	expect_walk(                                                           \
		setting, (const enum reload_state[]){__VA_ARGS__, S(SETTLED)})

Test(reload_table, a_reload_by_itself)
{
	struct setting setting;

	furnish(&setting, KIND_RELOAD, false);
	EXPECT_WALK(&setting, S(STAGING), S(SPAWNING), S(CHECKING),
		S(COMMITTING), S(COMMITTED), S(SETTLING), S(RETIRING));
	furnish(&setting, KIND_RELOAD, false);
	setting.active.state = WORKER_STANDBY; /* it has drained */
	setting.plugin.active = NULL;
	EXPECT_WALK(&setting, S(STAGING), S(SPAWNING), S(CHECKING),
		S(COMMITTING), S(COMMITTED), S(SETTLING));
}

Test(reload_table, a_first_start)
{
	struct setting setting;

	for (int k = KIND_RELOAD; k <= KIND_START; k++) {
		furnish(&setting, (enum reload_kind)k, true);
		EXPECT_WALK(&setting, S(STAGING), S(SPAWNING), S(CHECKING),
			S(COMMITTING), S(COMMITTED));
	}
}

Test(reload_table, a_hand_over_of_state)
{
	struct setting setting;

	furnish(&setting, KIND_RELOAD, false);
	setting.old_manifest.state.export = setting.manifest.state.export =
		true;
	EXPECT_WALK(&setting, S(STAGING), S(SPAWNING), S(CHECKING),
		S(EXPORTING), S(IMPORTING), S(COMMITTING), S(COMMITTED),
		S(SETTLING), S(RETIRING));
	furnish(&setting, KIND_RELOAD, false);
	setting.old_manifest.state.export = setting.manifest.state.export =
		true;
	setting.r.handover.lost = true;
	EXPECT_WALK(&setting, S(STAGING), S(SPAWNING), S(CHECKING),
		S(EXPORTING), S(COMMITTING), S(COMMITTED), S(SETTLING),
		S(RETIRING));
	furnish(&setting, KIND_RELOAD, false);
	setting.old_manifest.state.export = true;
	EXPECT_WALK(&setting, S(STAGING), S(SPAWNING), S(CHECKING),
		S(COMMITTING), S(COMMITTED), S(SETTLING), S(RETIRING));
}

Test(reload_table, a_take_over)
{
	struct setting setting;
	struct services *services;

	furnish(&setting, KIND_RELOAD, false);
	setting.fresh.manifest = &setting.manifest;
	setting.fresh.owner = &setting.plugin;
	setting.r.fresh = &setting.fresh;
	setting.manifest.reload = RELOAD_EXCLUSIVE;
	services_declare(&setting.fresh);
	services = setting.fresh.services;
	EXPECT_WALK(&setting, S(STAGING), S(SPAWNING), S(CHECKING),
		S(QUIESCING), S(TAKING), S(COMMITTING), S(COMMITTED),
		S(SETTLING), S(RETIRING));
	/* with state, and the old worker dies meanwhile */
	furnish(&setting, KIND_RELOAD, false);
	setting.r.fresh = &setting.fresh;
	setting.fresh.services = services;
	setting.old_manifest.state.export = setting.manifest.state.export =
		true;
	EXPECT_WALK(&setting, S(STAGING), S(SPAWNING), S(CHECKING),
		S(QUIESCING), S(EXPORTING), S(IMPORTING), S(TAKING),
		S(COMMITTING), S(COMMITTED), S(SETTLING), S(RETIRING));
	/* a proof takes nothing, and neither does a first start */
	furnish(&setting, KIND_PROVE, false);
	setting.r.fresh = &setting.fresh;
	setting.fresh.services = services;
	EXPECT_WALK(
		&setting, S(STAGING), S(SPAWNING), S(CHECKING), S(COMMITTING));
	furnish(&setting, KIND_RELOAD, true);
	setting.r.fresh = &setting.fresh;
	setting.fresh.services = services;
	EXPECT_WALK(&setting, S(STAGING), S(SPAWNING), S(CHECKING),
		S(COMMITTING), S(COMMITTED));
}

static void
declare_overlap(struct setting *setting, struct registration *service)
{
	*service = (struct registration){
		.kind = REGISTRATION_SERVICE, .name = (char[]){"s"}};
	service->service.overlap = true;
	setting->fresh.manifest = &setting->manifest;
	setting->fresh.owner = &setting->plugin;
	setting->fresh.registrations.items = service;
	setting->fresh.registrations.count = 1;
	setting->r.fresh = &setting->fresh;
	services_declare(&setting->fresh);
}

Test(reload_table, services_beside_each_other)
{
	struct setting setting;
	struct registration service;

	furnish(&setting, KIND_RELOAD, false);
	declare_overlap(&setting, &service);
	EXPECT_WALK(&setting, S(STAGING), S(SPAWNING), S(CHECKING),
		S(OVERLAPPING), S(COMMITTING), S(COMMITTED), S(SETTLING),
		S(RETIRING));
	furnish(&setting, KIND_PROVE, false);
	declare_overlap(&setting, &service);
	EXPECT_WALK(&setting, S(STAGING), S(SPAWNING), S(CHECKING),
		S(OVERLAPPING), S(COMMITTING));
	furnish(&setting, KIND_RESTART, true);
	declare_overlap(&setting, &service);
	EXPECT_WALK(&setting, S(STOPPING), S(STAGING), S(SPAWNING), S(CHECKING),
		S(COMMITTING), S(COMMITTED));
}

Test(reload_table, a_member_of_a_set)
{
	struct setting setting;

	furnish(&setting, KIND_RELOAD, false);
	setting.r.set = &setting.set;
	EXPECT_WALK(&setting, S(STAGING), S(WAITING), S(SPAWNING), S(CHECKING),
		S(COMMITTING), S(COMMITTED), S(SETTLING), S(RETIRING));
	furnish(&setting, KIND_RELOAD, false);
	setting.r.set = &setting.set;
	setting.set.is_atomic = true;
	setting.old_manifest.state.export = setting.manifest.state.export =
		true;
	EXPECT_WALK(&setting, S(STAGING), S(WAITING), S(SPAWNING), S(CHECKING),
		S(PROVEN), S(EXPORTING), S(IMPORTING), S(READY), S(COMMITTING),
		S(COMMITTED), S(SETTLING), S(RETIRING));
	furnish(&setting, KIND_PROVE, false);
	setting.r.set = &setting.set;
	setting.set.is_atomic = true;
	EXPECT_WALK(&setting, S(STAGING), S(WAITING), S(SPAWNING), S(CHECKING),
		S(PROVEN), S(READY), S(COMMITTING));
}

Test(reload_table, what_replaces_nobody)
{
	struct setting setting;

	furnish(&setting, KIND_PROVE, false);
	setting.old_manifest.state.export = setting.manifest.state.export =
		true;
	EXPECT_WALK(
		&setting, S(STAGING), S(SPAWNING), S(CHECKING), S(COMMITTING));
	furnish(&setting, KIND_STOP, false);
	EXPECT_WALK(&setting, S(STOPPING));
	furnish(&setting, KIND_CONFIGURE, false);
	EXPECT_WALK(&setting, S(CONFIGURING));
	furnish(&setting, KIND_RESTART, true); /* since it was stopped */
	EXPECT_WALK(&setting, S(STOPPING), S(STAGING), S(SPAWNING), S(CHECKING),
		S(COMMITTING), S(COMMITTED));
}

/* ---- the old worker dies ---- */

Test(reload_table, the_death_of_the_old_worker_matters_only_where_it_is_needed)
{
	static const struct reload_row deaths[END] = {
		[S(STOPPING)] = {.on_old_exit = halt_on_exit},
		[S(CONFIGURING)] = {.on_old_down = configure_on_old_down},
		[S(ANNOUNCING)] = {.on_old_down = announce_on_old_down},
		[S(QUIESCING)] = {.on_old_down = takeover_on_old_down},
		[S(GIVING_BACK)] = {.on_old_down = takeover_on_taker_down},
		[S(EXPORTING)] = {.on_old_down = handover_on_old_down},
		[S(SETTLING)] = {.on_old_down = settle_on_old_down},
		[S(RETIRING)] = {.on_old_down = settle_on_old_down},
	};

	for (enum reload_state s = 0; s < END; s++) {
		const struct reload_row *row = &reload_rows[s];

		cr_expect(row->on_old_down == deaths[s].on_old_down, "%s",
			reload_state_texts[s]);
		cr_expect(row->on_old_exit == deaths[s].on_old_exit, "%s",
			reload_state_texts[s]);
	}
}

Test(reload_table, modes_are_those_of_the_receipt)
{
	for (int k = 0; k < KIND_COUNT; k++)
		cr_expect_str_eq(reload_programs[k].mode,
			k == KIND_CONFIGURE ? "configure" : "overlap");
}
