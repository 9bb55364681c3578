/* store: what the message store costs. It puts messages through the real
 * supd-store, as channels do: each is put, its channel's cursor is set, and its
 * state becomes done. It prints one JSON object.
 *
 *   store PROGRAM FOLDER normal|full COUNT WINDOW [PER_SECOND]
 *
 * Without PER_SECOND there are always WINDOW messages under way. */
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "proto/util/clock.h"
#include "proto/util/list.h"
#include "proto/util/memory.h"
#include "supervisor/channel/message_store.h"

#define BODY_BYTES 300
#define TICK_S 0.001

struct put {
	struct store_call call;
	uint64_t begun_us;
};

static struct {
	struct ev_loop *loop;
	struct message_store *store;
	struct put *puts;
	uint32_t *took_us;
	uint64_t count, begun, ended, window, per_second, start_us, end_us;
	uint64_t not_new, changes;
	ev_timer tick;
} bench;

static double
cpu_us(int who)
{
	struct rusage used;

	getrusage(who, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void more(void);

static void
changed(struct store_call *call, const struct store_result *result)
{
	free(call);
	if (++bench.changes < bench.count)
		return;
	bench.end_us = clock_us();
	ev_break(bench.loop, EVBREAK_ALL);
}

static void
done(struct store_call *call, const struct store_result *result)
{
	struct put *put = container_of(call, struct put, call);
	struct store_call *change_call = memory_alloc(sizeof(*change_call));
	struct stored_change change = {.state = STORED_DONE, .tries = 1};
	char cursor[24];

	bench.took_us[put - bench.puts] =
		(uint32_t)(clock_us() - put->begun_us);
	bench.not_new += result->answer != STORE_NEW;
	bench.ended++;
	snprintf(cursor, sizeof(cursor), "%zu", (size_t)(put - bench.puts));
	message_store_set_cursor(
		bench.store, NULL, BYTES("bench"), 1, bytes_of(cursor));
	if (result->message_count)
		change.seq = result->messages->seq;
	change_call->done = changed;
	message_store_set_state(bench.store, change_call, &change);
	if (!bench.per_second)
		more();
}

static void
begin_one(void)
{
	static char body[BODY_BYTES];
	struct put *put = &bench.puts[bench.begun];
	char id[32], lane[16];
	struct stored_message m = {.channel = BYTES("bench"),
		.id = {id, 0},
		.lane = {lane, 0},
		.body = {body, sizeof(body)}};

	m.id.length = (size_t)snprintf(
		id, sizeof(id), "$event-%llu", (unsigned long long)bench.begun);
	m.lane.length = (size_t)snprintf(lane, sizeof(lane), "#room-%llu",
		(unsigned long long)bench.begun % 100);
	put->call.done = done;
	put->begun_us = clock_us();
	bench.begun++;
	message_store_put(bench.store, &put->call, &m);
}

static void
more(void)
{
	while (bench.begun < bench.count &&
		bench.begun - bench.ended < bench.window)
		begin_one();
}

static void
tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	uint64_t due =
		(clock_us() - bench.start_us) * bench.per_second / 1000000;

	while (bench.begun < bench.count && bench.begun < due)
		begin_one();
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
stopped(void *user)
{
	ev_break(bench.loop, EVBREAK_ALL);
}

static void
opened(struct store_call *call, const struct store_result *result)
{
	ev_break(bench.loop, EVBREAK_ALL);
}

static void
run(void)
{
	struct store_call call = {.done = opened};

	/* Neither the start of the process nor making a database counts. */
	message_store_open_channel(bench.store, &call, BYTES("bench"), 0);
	ev_run(bench.loop, 0);
	bench.start_us = clock_us();
	if (bench.per_second) {
		ev_timer_init(&bench.tick, tick, 0., TICK_S);
		ev_timer_start(bench.loop, &bench.tick);
	} else {
		more();
	}
	ev_run(bench.loop, 0);
	ev_timer_stop(bench.loop, &bench.tick);
	message_store_stop(bench.store, 10000, stopped, NULL);
	ev_run(bench.loop, 0);
}

static double
took_ms(double share)
{
	size_t at = (size_t)(share * (double)(bench.count - 1));

	return bench.took_us[at] / 1000.;
}

static void
print(double own_us, double store_us)
{
	double seconds = (double)(bench.end_us - bench.start_us) / 1e6;
	double count = (double)bench.count;

	qsort(bench.took_us, bench.count, sizeof(*bench.took_us), compare);
	printf("{\"count\": %.0f, \"seconds\": %.3f, \"perSecond\": %.0f, "
	       "\"notNew\": %llu, \"supdUs\": %.2f, \"storeUs\": %.2f, "
	       "\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}\n",
		count, seconds, count / seconds,
		(unsigned long long)bench.not_new, own_us / count,
		store_us / count, took_ms(0.5), took_ms(0.99), took_ms(1.));
}

int
main(int argc, char **argv)
{
	struct message_store_settings settings = {
		.keep_ms = 604800000, .max_bytes = 1ull << 30};
	struct peer_group peers;
	struct children children;
	struct message_store_owner owner = {
		.group = &peers, .children = &children};
	char *database;
	double own_us, store_us;

	if (argc < 6)
		return 2;
	settings.full_sync = !strcmp(argv[3], "full");
	bench.count = strtoull(argv[4], NULL, 10);
	bench.window = strtoull(argv[5], NULL, 10);
	bench.per_second = argc > 6 ? strtoull(argv[6], NULL, 10) : 0;
	bench.loop = ev_default_loop(EVFLAG_AUTO);
	bench.puts = memory_alloc(bench.count * sizeof(*bench.puts));
	bench.took_us = memory_alloc(bench.count * sizeof(*bench.took_us));
	peer_group_init(&peers, bench.loop);
	children_init(&children, bench.loop);
	database = memory_format("%s/messages.db", argv[2]);
	bench.store =
		message_store_create(&owner, argv[1], database, &settings);
	own_us = cpu_us(RUSAGE_SELF);
	run();
	own_us = cpu_us(RUSAGE_SELF) - own_us;
	message_store_destroy(bench.store);
	store_us = cpu_us(RUSAGE_CHILDREN);
	print(own_us, store_us);
	peer_group_finish(&peers);
	free(database);
	free(bench.took_us);
	free(bench.puts);
	return bench.not_new != 0;
}
