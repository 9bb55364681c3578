/* test_worker_process: the supervisor's side of a worker against real ones:
 * every way to start, to serve, to fail and to end. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/plugin/worker_private.h"
#include "tests/system/bed.h"

#define FAULT "tests/plugins/fault"
#define FAST                                                                   \
	"start_timeout: 400ms, health_timeout: 400ms, drain_timeout: 300ms, "  \
	"stop_timeout: 300ms"

static struct bed bed;

static void
make(const char *entry)
{
	bed_make(&bed, FAULT, entry, NULL);
}

/* ---- failing before READY ---- */

struct failure {
	const char *entry, *manifest, *error;
	enum worker_state was;
};

static void
expect_failure(const struct failure *f)
{
	bed_make(&bed, FAULT, f->entry, f->manifest);
	bed_start(&bed);
	bed_await(&bed, &bed.exits, 1);
	cr_expect(bed.downs == 1 && bed.proven == 0, "%s", f->entry);
	cr_expect(strstr(bed.error, f->error), "%s: \"%s\" is not in \"%s\"",
		f->entry, f->error, bed.error);
	cr_expect(bed.was == f->was, "%s: was %s", f->entry,
		worker_state_text(bed.was));
	bed_clear(&bed);
}

static void
expect_failures(const struct failure *failures, size_t count)
{
	for (size_t i = 0; i < count; i++)
		expect_failure(&failures[i]);
}

#define EXPECT_FAILURES(f) expect_failures(f, sizeof(f) / sizeof((f)[0]))

Test(worker_process, a_worker_that_fails_before_hello_says_why)
{
	static const struct failure failures[] = {
		{FAST ", env: {FAULT_MODE: never_hello}", NULL,
			"did not say hello within 400ms", WORKER_STARTING},
		{FAST ", env: {FAULT_MODE: never_connects}", NULL,
			"did not say hello within 400ms", WORKER_STARTING},
		{FAST ", env: {FAULT_MODE: bad_hello}", NULL, "hello",
			WORKER_STARTING},
		{FAST ", env: {FAULT_MODE: garbage}", NULL, "worker",
			WORKER_STARTING},
		{FAST ", env: {FAULT_MODE: garbage_message}", NULL, "worker",
			WORKER_STARTING},
		{FAST ", env: {FAULT_MODE: wrong_version}", NULL,
			"the worker speaks protocol 99, supd speaks 1",
			WORKER_STARTING},
	};

	EXPECT_FAILURES(failures);
}

Test(worker_process, a_worker_that_fails_before_ready_says_why)
{
	static const struct failure failures[] = {
		{FAST ", settings: {mode: exit_at_start}", NULL,
			"the worker died before it was ready: exit status 3",
			WORKER_INITIALISING},
		{FAST ", settings: {mode: fail_init}", NULL,
			"exit status 66 (the plugin's init failed)",
			WORKER_INITIALISING},
		{FAST ", settings: {mode: hang_at_start}", NULL,
			"was not ready within 400ms", WORKER_INITIALISING},
		{FAST ", settings: {mode: never_ready}", NULL,
			"was not ready within 400ms", WORKER_INITIALISING},
		{FAST ", settings: {mode: registers_nothing}", NULL,
			"registers nothing", WORKER_INITIALISING},
	};

	EXPECT_FAILURES(failures);
}

#define MANIFEST "name: fault\nversion: 1.0.0\nrun: fault.so\n"

Test(worker_process, a_worker_that_fails_its_checks_says_which)
{
	static const struct failure failures[] = {
		{FAST ", settings: {mode: fail_health}",
			MANIFEST "health: {call: true}",
			"the health call failed: told to be unhealthy",
			WORKER_CHECKING},
		{FAST ", settings: {mode: hang_health}",
			MANIFEST "health: {call: true}",
			"did not pass its checks within 400ms",
			WORKER_CHECKING},
		{FAST,
			MANIFEST "health: {probes: [{http: GET /fault, "
				 "expect: 418}]}",
			"the probe GET /fault was answered with 200, not 418",
			WORKER_CHECKING},
		{FAST,
			MANIFEST "health: {probes: [{http: GET /none, "
				 "expect: 200}]}",
			"the probe GET /none failed: the worker does not "
			"register it",
			WORKER_CHECKING},
		{FAST ", settings: {mode: crash_on_request}",
			MANIFEST "health: {probes: [{http: GET /fault, "
				 "expect: 200}]}",
			"the worker died while it was checked: killed by "
			"signal 9",
			WORKER_CHECKING},
	};

	EXPECT_FAILURES(failures);
}

Test(worker_process, health_call_and_probes_pass_one_after_the_other)
{
	bed_make(&bed, FAULT, "mount: /m",
		MANIFEST "health: {call: true, probes: [{http: GET /fault, "
			 "expect: 200}, {http: 'GET /fault/stream?600', "
			 "expect: 200}]}");
	bed_stop(&bed, bed_start_proven(&bed));
	cr_expect(bed.downs == 0);
	bed_clear(&bed);
}

Test(worker_process, what_the_owner_refuses_is_the_error)
{
	make(FAST);
	bed.refuse = "GET /fault is taken by plugin 'other'";
	bed_start(&bed);
	bed_await(&bed, &bed.exits, 1);
	cr_expect_str_eq(bed.error, bed.refuse);
	bed_clear(&bed);
}

Test(worker_process, the_verdict_comes_within_50_ms_of_the_exit)
{
	uint64_t begin;
	struct worker *w;

	make("settings: {mode: hang_at_start}");
	w = bed_start(&bed);
	bed_await(&bed, &bed.hellos, 1);
	begin = clock_ms();
	kill(w->pid, SIGKILL);
	bed_await(&bed, &bed.downs, 1);
	cr_expect(clock_ms() - begin < 50);
	cr_expect(strstr(bed.error, "killed by signal 9"), "%s", bed.error);
	bed_await(&bed, &bed.exits, 1);
	bed_clear(&bed);
}

Test(worker_process, the_last_words_of_a_failing_worker_are_kept)
{
	char *text;

	make("settings: {mode: exit_at_start}");
	bed_start(&bed);
	bed_await(&bed, &bed.downs, 1);
	text = bed_output(&bed);
	cr_expect(strstr(text, "fault: exiting at start"), "%s", text);
	free(text);
	bed_await(&bed, &bed.exits, 1);
	bed_clear(&bed);
}

/* ---- serving ---- */

static void
serves(const char *entry)
{
	struct worker *w;
	struct ask ask;

	make(entry);
	w = bed_start_proven(&bed);
	ask_begin(&ask, &bed, w, "/fault", "");
	bed_await(&bed, &ask.ended, 1);
	cr_expect(ask.status == 200 && w->answered_total == 1);
	cr_expect(w->in_flight_count == 0);
	bed_stop(&bed, w);
	cr_expect(bed.downs == 0 && bed.orphans == 0);
	ask_finish(&ask);
	bed_clear(&bed);
}

Test(worker_process, a_request_is_answered__nng)
{
	serves("link: nng");
}

Test(worker_process, a_request_is_answered__native)
{
	serves("link: native");
}

Test(worker_process, a_program_in_python_serves)
{
	struct worker *w;

	bed_make(&bed, "tests/plugins/raw-python", "use: raw-python", NULL);
	w = bed_start_proven(&bed);
	cr_expect(w->registrations.count > 0);
	bed_stop(&bed, w);
	bed_clear(&bed);
}

Test(worker_process, the_environment_is_clean)
{
	static const char *const known[] = {"PATH=", "HOME=", "LANG=", "LC_ALL",
		"TZ=UTC", "SUPD_", "MINE=1", "PWD="};
	struct worker *w;
	struct ask ask;
	char *text, *line, *rest;

	setenv("NOTIFY_SOCKET", "/secret", 1);
	make("env: {TZ: UTC, MINE: '1'}");
	w = bed_start_proven(&bed);
	ask_begin(&ask, &bed, w, "/fault/env", "");
	bed_await(&bed, &ask.ended, 1);
	buffer_append(&ask.body, "", 1);
	text = rest = (char *)buffer_bytes(&ask.body);
	cr_expect(strstr(text, "MINE=1") && strstr(text, "SUPD_PLUGIN=it"));
	while ((line = strsep(&rest, "\n"))) {
		bool found = !*line;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found |= !strncmp(line, known[i], strlen(known[i]));
		cr_expect(found, "%s", line);
	}
	bed_stop(&bed, w);
	ask_finish(&ask);
	bed_clear(&bed);
}

Test(worker_process, requests_of_a_worker_that_dies_are_orphans)
{
	struct worker *w;
	struct ask slow, crash;

	make("");
	w = bed_start_proven(&bed);
	ask_begin(&slow, &bed, w, "/fault/slow", "5000");
	ask_begin(&crash, &bed, w, "/fault/crash", "");
	bed_await(&bed, &bed.exits, 1);
	cr_expect(bed.orphans == 2 && bed.downs == 1);
	cr_expect(slow.failure == REQUEST_DIED);
	cr_expect(bed.was == WORKER_SERVING);
	cr_expect(strstr(bed.exit_text, "killed by signal 9"));
	bed_clear(&bed);
}

Test(worker_process, replies_sent_before_the_death_count)
{
	struct worker *w;
	struct ask asks[50];

	make("link: native");
	w = bed_start_proven(&bed);
	for (unsigned i = 0; i < 49; i++)
		ask_begin(&asks[i], &bed, w, "/fault", "");
	ask_begin(&asks[49], &bed, w, "/fault/slow", "5000");
	bed_turn_for(&bed, 0.001);
	/* Nothing is read while it works and dies. */
	for (uint64_t end = clock_ms() + 300; clock_ms() < end;)
		;
	kill(w->pid, SIGKILL);
	bed_await(&bed, &bed.exits, 1);
	cr_expect(bed.orphans == 1, "%u orphans", bed.orphans);
	for (unsigned i = 0; i < 50; i++) {
		cr_expect(asks[i].answered == (i < 49));
		ask_finish(&asks[i]);
	}
	bed_clear(&bed);
}

Test(worker_process, a_cancelled_request_keeps_its_place_until_answered)
{
	struct worker *w;
	struct ask slow, next;

	make("max_in_flight: 1");
	w = bed_start_proven(&bed);
	ask_begin(&slow, &bed, w, "/fault/slow", "200");
	cr_expect(!worker_has_room(w));
	worker_cancel(w, &slow.request);
	memset(&slow, 0xa5, sizeof(slow)); /* its owner frees it */
	cr_expect(w->in_flight_count == 1);
	bed_await(&bed, &bed.rooms, 1);
	cr_expect(worker_has_room(w));
	ask_begin(&next, &bed, w, "/fault", "");
	bed_await(&bed, &next.ended, 1);
	cr_expect(next.status == 200 && bed.downs == 0);
	bed_stop(&bed, w);
	ask_finish(&next);
	bed_clear(&bed);
}

Test(worker_process, requests_that_wait_for_their_clients_take_no_place)
{
	struct worker *w;
	struct ask waiting, next;

	make("max_in_flight: 1");
	w = bed_start_proven(&bed);
	ask_begin(&waiting, &bed, w, "/fault/slow", "500");
	cr_expect(!worker_has_room(w));
	worker_note_waiting(w, &waiting.request, true);
	cr_expect_eq(bed.rooms, 1, "who waits for a place is let in");
	cr_expect(worker_has_room(w));
	ask_begin(&next, &bed, w, "/fault/slow", "500");
	cr_expect(!worker_has_room(w));
	worker_note_waiting(w, &waiting.request, false);
	cr_expect(!worker_has_room(w));
	worker_note_waiting(w, &waiting.request, true);
	worker_note_waiting(w, &next.request, true);
	/* However they end, no place is lost and none is won. */
	worker_cancel(w, &waiting.request);
	bed_await(&bed, &next.ended, 1);
	while (w->in_flight_count)
		bed_turn_for(&bed, 0.001);
	cr_expect_eq(w->waiting_count, 0);
	bed_stop(&bed, w);
	ask_finish(&next);
	bed_clear(&bed);
}

Test(worker_process, a_stream_goes_on_under_credit_and_can_be_cancelled)
{
	struct worker *w;
	struct ask whole, part;

	make("");
	w = bed_start_proven(&bed);
	ask_begin(&whole, &bed, w, "/fault/stream", "1000");
	ask_begin(&part, &bed, w, "/fault/stream", "100000");
	bed_await(&bed, &whole.ended, 1);
	cr_expect(buffer_length(&whole.body) == 1000 * 1024);
	cr_expect(part.answered && !part.ended);
	worker_cancel(w, &part.request);
	cr_expect(w->in_flight_count == 1);
	worker_retire(w);
	bed_await(&bed, &bed.drained, 1);
	cr_expect(w->in_flight_count == 0);
	bed_stop(&bed, w);
	ask_finish(&whole);
	ask_finish(&part);
	bed_clear(&bed);
}

/* ---- leaving ---- */

Test(worker_process, draining_waits_for_answers_and_can_be_undone)
{
	struct worker *w;
	struct ask slow, again;

	make("");
	w = bed_start_proven(&bed);
	ask_begin(&slow, &bed, w, "/fault/slow", "200");
	worker_retire(w);
	cr_expect(w->state == WORKER_DRAINING);
	bed_await(&bed, &bed.drained, 1);
	cr_expect(slow.status == 200 && w->state == WORKER_STANDBY);
	worker_resume(w);
	ask_begin(&again, &bed, w, "/fault", "");
	bed_await(&bed, &again.ended, 1);
	cr_expect(again.status == 200 && w->state == WORKER_SERVING);
	worker_retire(w);
	bed_await(&bed, &bed.drained, 2);
	bed_stop(&bed, w);
	ask_finish(&slow);
	ask_finish(&again);
	bed_clear(&bed);
}

Test(worker_process, the_drain_deadline_ends_answers_but_not_streams)
{
	struct worker *w;
	struct ask slow, stream;

	make("drain_timeout: 200ms, stream_drain: 600ms");
	w = bed_start_proven(&bed);
	ask_begin(&slow, &bed, w, "/fault/slow", "60000");
	ask_begin(&stream, &bed, w, "/fault/stream", "100000000");
	while (!stream.answered)
		bed_turn_for(&bed, 0.001);
	worker_retire(w);
	bed_await(&bed, &slow.ended, 1);
	cr_expect(slow.failure == REQUEST_ENDED && !stream.ended);
	cr_expect(w->state == WORKER_DRAINING);
	bed_await(&bed, &bed.drained, 1);
	cr_expect(stream.failure == REQUEST_ENDED);
	bed_stop(&bed, w);
	ask_finish(&slow);
	ask_finish(&stream);
	bed_clear(&bed);
}

Test(worker_process, a_worker_that_ignores_term_is_killed_and_reaped)
{
	make(FAST ", settings: {mode: ignore_term}");
	bed_stop(&bed, bed_start_proven(&bed));
	cr_expect(strstr(bed.exit_text, "killed by signal 9"), "%s",
		bed.exit_text);
	cr_expect(bed.downs == 0);
	bed_clear(&bed);
}

Test(worker_process, a_worker_that_hangs_misses_its_ping)
{
	struct worker *w;
	struct ask hang;

	make(FAST ", ping_timeout: 300ms");
	w = bed_start_proven(&bed);
	ask_begin(&hang, &bed, w, "/fault/hang", "60000");
	bed_await(&bed, &bed.downs, 1);
	cr_expect_str_eq(bed.error, "the worker did not answer ping for 300ms");
	cr_expect(hang.failure == REQUEST_DIED);
	bed_await(&bed, &bed.exits, 1);
	bed_clear(&bed);
}

Test(worker_process, a_worker_that_answers_pings_lives)
{
	struct worker *w;

	make("ping_timeout: 60ms");
	w = bed_start_proven(&bed);
	bed_turn_for(&bed, 0.5);
	cr_expect(w->state == WORKER_SERVING && bed.downs == 0);
	bed_stop(&bed, w);
	bed_clear(&bed);
}

Test(worker_process, a_worker_that_answers_no_cancelled_request_goes_down)
{
	struct worker *w;
	struct ask never, late;
	uint64_t begun;

	make("max_in_flight: 2, ping_timeout: 300ms, request_timeout: 400ms");
	w = bed_start_proven(&bed);
	begun = clock_ms();
	ask_begin(&never, &bed, w, "/fault/slow", "60000");
	worker_cancel(w, &never.request);
	ask_begin(&late, &bed, w, "/fault/slow", "200");
	worker_cancel(w, &late.request);
	bed_await(&bed, &bed.downs, 1);
	/* one answer gives it time again */
	cr_expect_geq(clock_ms() - begun, 600);
	cr_expect_str_eq(bed.error,
		"the worker does not answer requests that timed out or were "
		"cancelled: 1 of them are open, and none was answered for "
		"400ms");
	cr_expect_eq(w->cut, WORKER_CUT_OWED);
	bed_await(&bed, &bed.exits, 1);
	bed_clear(&bed);
}

Test(worker_process, few_cancelled_requests_without_an_answer_end_no_worker)
{
	struct worker *w;
	struct ask never, later;

	make("max_in_flight: 3, ping_timeout: 60ms, request_timeout: 60ms");
	w = bed_start_proven(&bed);
	ask_begin(&never, &bed, w, "/fault/slow", "60000");
	worker_cancel(w, &never.request);
	ask_begin(&later, &bed, w, "/fault/slow", "500");
	bed_await(&bed, &later.ended, 1);
	cr_expect(later.answered && bed.downs == 0);
	cr_expect_eq(w->left_count, 1);
	bed_stop(&bed, w);
	ask_finish(&later);
	bed_clear(&bed);
}

/* Its answer to a ping may wait, but nothing else. */
Test(worker_process, an_idle_worker_is_read_as_soon_as_it_is_asked)
{
	struct worker *w;
	struct ask ask;
	uint64_t answered;

	make("ping_timeout: 3s");
	w = bed_start_proven(&bed);
	while (!w->private->ping_unread)
		bed_turn_for(&bed, 0.001);
	cr_expect(w->private->peer.paused && w->private->ping.id);
	ask_begin(&ask, &bed, w, "/fault", "");
	cr_expect_not(w->private->peer.paused);
	bed_await(&bed, &ask.ended, 1);
	cr_expect(ask.answered);
	ask_finish(&ask);

	/* not idle: it has just answered */
	answered = w->private->ping_sent_ms;
	while (w->private->ping_sent_ms == answered)
		bed_turn_for(&bed, 0.001);
	cr_expect_not(w->private->ping_unread);
	while (w->private->ping.id)
		bed_turn_for(&bed, 0.001);
	cr_expect(w->state == WORKER_SERVING);
	bed_stop(&bed, w);
	bed_clear(&bed);
}

Test(worker_process, garbage_from_a_serving_worker_takes_it_down)
{
	struct worker *w;
	struct ask ask;

	make(FAST ", link: native, settings: {mode: garbage}");
	w = bed_start_proven(&bed);
	ask_begin(&ask, &bed, w, "/fault", "");
	bed_await(&bed, &bed.exits, 1);
	cr_expect(bed.downs == 1 && bed.orphans <= 1);
	ask_finish(&ask);
	bed_clear(&bed);
}

Test(worker_process, a_flood_of_lines_is_cut_and_told)
{
	struct worker *w;
	struct ask ask;
	char *text;

	make("settings: {mode: flood_output}");
	w = bed_start_proven(&bed);
	ask_begin(&ask, &bed, w, "/fault", "");
	bed_await(&bed, &ask.ended, 1);
	cr_expect(ask.status == 200);
	bed_stop(&bed, w);
	text = bed_output(&bed);
	cr_expect(strstr(text, "lines left out: more than 1000 in a second"),
		"%s", text);
	free(text);
	ask_finish(&ask);
	bed_clear(&bed);
}

/* ---- many ---- */

Test(worker_process, no_more_start_at_once_than_there_are_places)
{
	struct worker *w[6];

	make("");
	bed.workers.starting_max = 2;
	for (unsigned i = 0; i < 6; i++)
		w[i] = bed_start(&bed);
	cr_expect(w[1]->pid && !w[2]->pid && bed.workers.starting == 2);
	worker_stop(w[5]); /* it never began */
	bed_await(&bed, &bed.exits, 1);
	cr_expect_str_eq(bed.exit_text, "never started");
	bed_await(&bed, &bed.proven, 5);
	for (unsigned i = 0; i < 5; i++)
		bed_stop(&bed, w[i]);
	bed_clear(&bed);
}

Test(worker_process, a_program_that_cannot_be_started_is_an_error)
{
	struct worker *w;

	make(FAST);
	bed.workers.starting_max = 1;
	w = bed_start(&bed);
	bed_start(&bed);
	free((char *)(uintptr_t)bed.workers.worker_program);
	bed.workers.worker_program = memory_copy_text("/no/such/program");
	bed_await(&bed, &bed.proven, 1);
	bed_await(&bed, &bed.exits, 1);
	cr_expect(strstr(bed.error, "/no/such/program"), "%s", bed.error);
	bed_stop(&bed, w);
	bed_clear(&bed);
}

Test(worker_process, a_runtime_directory_that_is_too_long_is_named)
{
	struct worker_start start;
	struct worker *w;
	struct error err;
	char *dir;

	make("");
	dir = memory_format("%s/%0100d", bed.dir, 0);
	cr_assert(mkdir(dir, 0700) == 0);
	bed.workers.runtime_dir = dir;
	start = bed_order(&bed);
	w = worker_new(&bed.workers, &start, NULL, NULL);
	cr_expect_eq(worker_spawn(w, &err), -1);
	worker_destroy(w);
	cr_expect(strstr(err.text, "too long"), "%s", err.text);
	free(dir);
	bed_clear(&bed);
}

/* ---- stages ---- */

static struct {
	unsigned count;
	char *dir, *digest, *error;
} staged;

static void
note_stage(void *user, const struct stage_result *result)
{
	staged.count++;
	staged.dir = memory_copy_text(result->dir);
	staged.digest = memory_copy_text(result->digest);
	staged.error = result->err ? memory_copy_text(result->err->text) : NULL;
}

static void
stage_once(struct bed *b)
{
	struct error err = {.text = ""};

	free(staged.dir);
	free(staged.digest);
	free(staged.error);
	staged.dir = staged.digest = staged.error = NULL;
	staged.count = 0;
	cr_assert(stage_begin(&b->workers, b->dir, "it", 4, b->manifest,
			  clock_ms() + 10000, note_stage, NULL, &err),
		"%s", err.text);
	bed_await(b, &staged.count, 1);
}

Test(stage, a_package_is_copied_again_over_left_overs_and_removed)
{
	static const uint32_t kept[] = {3, 0, 4};
	struct stat stat_out;

	make("");
	stage_once(&bed);
	cr_expect(!staged.error, "%s", staged.error);
	cr_expect(strlen(staged.digest) == strlen("sha256:") + 64);
	stage_once(&bed);
	cr_expect(!staged.error, "%s", staged.error);
	stage_sweep(&bed.workers, bed.dir, "it", kept, 3);
	cr_expect(!bed.workers.remover);
	stage_sweep(&bed.workers, bed.dir, "it", kept, 2);
	while (bed.workers.remover)
		bed_turn_for(&bed, 0.001);
	cr_expect(stat(staged.dir, &stat_out) < 0);
	bed_clear(&bed);
}

Test(stage, a_package_that_is_gone_is_an_error_by_name)
{
	make("");
	free(bed.manifest->file);
	bed.manifest->file = memory_copy_text("/no/such/plugin.yaml");
	stage_once(&bed);
	cr_expect(staged.error && strstr(staged.error, "/no/such"), "%s",
		staged.error ? staged.error : "no error");
	bed_clear(&bed);
}

Test(stage, a_cancelled_one_leaves_nothing)
{
	struct error err;
	struct stage *s;
	struct stat stat_out;
	char *dir;

	make("");
	s = stage_begin(&bed.workers, bed.dir, "it", 5, bed.manifest,
		clock_ms() + 10000, note_stage, NULL, &err);
	stage_cancel(s);
	while (!list_is_empty(&bed.workers.stagings) || bed.workers.remover)
		bed_turn_for(&bed, 0.001);
	dir = memory_format("%s/run/it/5", bed.dir);
	cr_expect(stat(dir, &stat_out) < 0 && !staged.count);
	free(dir);
	bed_clear(&bed);
}
