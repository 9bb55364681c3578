/* bed: a loop, and workers on it. It drives the real sup-worker and the real
 * packages of the build. */
#include "tests/system/bed.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/plugin/spawn.h"
#include "supervisor/route/table.h"

#define AWAIT_S 20.

static unsigned fds_before;

static unsigned
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* ---- what workers tell ---- */

static void
heard_hello(struct worker *w)
{
	((struct bed *)w->owner)->hellos++;
}

static int
heard_declared(struct worker *w, struct error *err)
{
	struct bed *bed = w->owner;

	bed->declared++;
	return bed->refuse ? error_set(err, "%s", bed->refuse) : 0;
}

static void
heard_proven(struct worker *w)
{
	((struct bed *)w->owner)->proven++;
}

static void
heard_down(struct worker *w, enum worker_state was)
{
	struct bed *bed = w->owner;

	cr_expect(w->state == WORKER_STOPPING);
	cr_expect(w->in_flight_count == 0);
	bed->downs++;
	bed->was = was;
	snprintf(bed->error, sizeof(bed->error), "%s", w->error.text);
}

static void
heard_drained(struct worker *w)
{
	((struct bed *)w->owner)->drained++;
}

static void
heard_orphan(struct worker *w, struct request *r)
{
	struct bed *bed = w->owner;

	bed->orphans++;
	request_table_remove(bed->workers.requests, r);
	r->ops->fail(r, REQUEST_DIED, NULL);
}

static void
heard_room(struct worker *w)
{
	((struct bed *)w->owner)->rooms++;
}

static void
heard_exit(struct worker *w)
{
	struct bed *bed = w->owner;

	cr_expect(w->state == WORKER_DEAD && w->pid == 0);
	bed->exits++;
	bed->alive--;
	snprintf(bed->exit_text, sizeof(bed->exit_text), "%s", w->exit_text);
	worker_destroy(w);
}

static const struct worker_ops ops = {
	.on_hello = heard_hello,
	.on_declared = heard_declared,
	.on_proven = heard_proven,
	.on_down = heard_down,
	.on_drained = heard_drained,
	.on_orphan = heard_orphan,
	.on_room = heard_room,
	.on_exit = heard_exit,
};

/* ---- the bed ---- */

static void
tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct bed *bed = container_of(timer, struct bed, tick);

	wheel_turn(&bed->wheel, clock_ms());
	log_flush();
}

static void
too_late(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct bed *bed = container_of(timer, struct bed, deadline);

	cr_assert_fail("waited in vain; last error: %s; output: %s", bed->error,
		bed_output(bed));
}

static void
load(struct bed *bed, const char *entry, const char *manifest)
{
	struct problems problems = {0};
	char *yaml = memory_format("plugins: {it: {%s}}\n", entry);

	bed->config =
		config_load_text("test.yaml", yaml, strlen(yaml), &problems);
	if (problems.errors)
		problems_print(&problems, stderr);
	cr_assert(bed->config);
	bed->manifest = manifest ? manifest_load_text(bed->package, manifest,
					   strlen(manifest), &problems)
				 : manifest_load(bed->package, &problems);
	if (problems.errors)
		problems_print(&problems, stderr);
	cr_assert(bed->manifest);
	bed->settings = plugin_settings(bed->config->plugins[0], bed->manifest);
	problems_finish(&problems);
	free(yaml);
}

void
bed_make(struct bed *bed, const char *package, const char *entry,
	const char *manifest)
{
	const char *build = getenv("BUILD");

	cr_assert(build, "BUILD names the build folder");
	*bed = (struct bed){.loop = ev_loop_new(EVFLAG_AUTO)};
	strcpy(bed->dir, "/tmp/supd-bed-XXXXXX");
	cr_assert(mkdtemp(bed->dir));
	bed->package = memory_format("%s/%s", build, package);
	load(bed, entry, manifest);
	wheel_init(&bed->wheel, clock_ms());
	peer_group_init(&bed->peers, bed->loop);
	bed->output = output_create("it");
	bed->workers = (struct workers){.loop = bed->loop,
		.peers = &bed->peers,
		.wheel = &bed->wheel,
		.requests = request_table_create(),
		.runtime_dir = bed->dir,
		.worker_program = memory_format("%s/worker/sup-worker", build),
		.nofile = 512};
	children_init(&bed->workers.children, bed->loop);
	ev_timer_init(&bed->tick, tick, 0.01, 0.01);
	ev_timer_start(bed->loop, &bed->tick);
	ev_timer_init(&bed->deadline, too_late, 0., AWAIT_S);
	spawn_reserve();
	fds_before = count_fds();
}

struct worker_start
bed_order(struct bed *bed)
{
	return (struct worker_start){
		.plugin_id = "it",
		.plugin = 3,
		.generation = 7,
		.stage_dir = bed->package,
		.digest = "sha256:0",
		.data_dir = bed->dir,
		.manifest = bed->manifest,
		.config = bed->config->plugins[0],
		.settings = bed->settings,
		.output = bed->output,
	};
}

struct worker *
bed_start(struct bed *bed)
{
	struct worker_start start = bed_order(bed);
	struct error err = {.text = ""};
	struct worker *w = worker_new(&bed->workers, &start, &ops, bed);

	cr_assert_eq(worker_spawn(w, &err), 0, "%s", err.text);
	bed->alive++;
	return w;
}

struct worker *
bed_start_proven(struct bed *bed)
{
	struct worker *w = bed_start(bed);

	bed_await(bed, &bed->proven, bed->proven + 1);
	worker_serve(w);
	return w;
}

void
bed_await(struct bed *bed, const unsigned *count, unsigned least)
{
	ev_timer_again(bed->loop, &bed->deadline);
	while (*count < least)
		ev_run(bed->loop, EVRUN_ONCE);
	ev_timer_stop(bed->loop, &bed->deadline);
}

void
bed_turn_for(struct bed *bed, double seconds)
{
	double end = ev_time() + seconds;

	while (ev_time() < end)
		ev_run(bed->loop, EVRUN_ONCE);
}

void
bed_stop(struct bed *bed, struct worker *w)
{
	worker_stop(w);
	bed_await(bed, &bed->exits, bed->exits + 1);
}

static int
remove_entry(
	const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	return remove(path);
}

void
bed_clear(struct bed *bed)
{
	cr_expect(bed->alive == 0, "%u workers are left", bed->alive);
	cr_expect(request_table_count(bed->workers.requests) == 0);
	cr_expect(bed->workers.starting == 0);
	stage_finish(&bed->workers);
	cr_expect(count_fds() == fds_before, "%u fds, %u before", count_fds(),
		fds_before);
	cr_expect(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD,
		"a child is left");
	ev_timer_stop(bed->loop, &bed->tick);
	peer_group_finish(&bed->peers);
	request_table_destroy(bed->workers.requests);
	free((char *)(uintptr_t)bed->workers.worker_program);
	output_destroy(bed->output);
	manifest_unref(bed->manifest);
	config_unref(bed->config);
	json_decref(bed->settings);
	free(bed->package);
	ev_loop_destroy(bed->loop);
	nftw(bed->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

char *
bed_output(const struct bed *bed)
{
	json_t *lines = output_last(bed->output, 0, 0), *line;
	struct buffer b = {0};
	size_t i;

	json_array_foreach(lines, i, line) buffer_format(
		&b, "%s\n", json_string_value(json_object_get(line, "text")));
	json_decref(lines);
	buffer_append(&b, "", 1);
	return (char *)b.memory;
}

/* ---- requests ---- */

static struct ask *
ask_of(struct request *r)
{
	return container_of(r, struct ask, request);
}

static void
ask_encode(struct request *r, msgpack_packer *packer, uint32_t wire_id)
{
	struct ask *ask = ask_of(r);

	codec_request(packer, wire_id, MESSAGE_HTTP, 10);
	msgpack_pack_uint32(packer, r->registration);
	codec_text(packer, ask->method);
	codec_text(packer, ask->path);
	msgpack_pack_map(packer, 0);
	codec_text(packer, ask->query);
	msgpack_pack_array(packer, 0);
	codec_bin(packer, BYTES(""));
	msgpack_pack_false(packer);
	codec_text(packer, "test");
	msgpack_pack_uint64(packer, 0);
}

static bool
ask_answer(struct request *r, const struct message *m)
{
	struct ask *ask = ask_of(r);
	struct bytes body;

	ask->answered = true;
	if (!m->error) {
		ask->status = m->result->via.array.ptr[0].via.u64;
		body = codec_bytes(&m->result->via.array.ptr[2]);
		buffer_append(&ask->body, body.at, body.length);
		if (m->result->via.array.ptr[3].via.boolean)
			return true;
	}
	ask->ended = 1;
	return false;
}

static void
ask_chunk(struct request *r, struct bytes piece, bool more)
{
	struct ask *ask = ask_of(r);

	buffer_append(&ask->body, piece.at, piece.length);
	if (more)
		worker_send_credit(ask->worker, r, piece.length);
	else
		ask->ended = 1;
}

static void
ask_fail(struct request *r, enum request_failure why, const char *text)
{
	struct ask *ask = ask_of(r);

	ask->failure = why;
	ask->ended = 1;
}

static const struct request_ops ask_ops = {
	.answer_form = WIRE_ANSWER_HTTP,
	.encode = ask_encode,
	.answer = ask_answer,
	.chunk = ask_chunk,
	.fail = ask_fail,
};

void
ask_begin(struct ask *ask, struct bed *bed, struct worker *w, const char *path,
	const char *query)
{
	char name[128];
	const struct registration *declared;

	*ask = (struct ask){.method = "GET",
		.path = path,
		.query = query,
		.failure = -1,
		.bed = bed,
		.worker = w};
	snprintf(name, sizeof(name), "GET %s", path);
	declared =
		registration_find(&w->registrations, REGISTRATION_HTTP, name);
	cr_assert(declared, "%s is not registered", name);
	ask->request.ops = &ask_ops;
	ask->request.plugin = w->plugin;
	ask->request.registration =
		(uint32_t)(declared - w->registrations.items);
	list_init(&ask->request.node);
	wheel_timer_init(&ask->request.deadline, NULL);
	cr_assert(request_table_add(bed->workers.requests, &ask->request));
	worker_send(w, &ask->request);
}

void
ask_finish(struct ask *ask)
{
	buffer_finish(&ask->body);
}
