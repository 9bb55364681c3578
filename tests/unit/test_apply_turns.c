/* An apply of a thousand plugins: no turn of the loop is long. The gateway is a
 * real one; none of its plugins starts. */
#include <criterion/criterion.h>
#include <ev.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

#include "proto/util/buffer.h"
#include "proto/util/log.h"
#include "supervisor/apply/apply.h"
#include "supervisor/apply/roster.h"
#include "supervisor/ops/journal.h"
#include "tests/unit/files.h"

#define PLUGINS 1000
#define TURNS_MAX 100000
#define TURNS_MIN 5
/* Processor time. A turn takes 1 to 6 ms; all of it in one turn took 127. */
#ifdef __SANITIZE_ADDRESS__
#define TURN_MAX_US 120000
#else
#define TURN_MAX_US 30000
#endif

static struct ev_loop *loop;
static struct folder dir;
static struct gateway gateway;
static struct apply_request request;
static enum outcome result;
static size_t changes;
static bool is_done;
static json_t *kept; /* as a door does, which frees it in slices */

static void
write_config(const char *entry)
{
	struct buffer yaml = {0};

	buffer_append_text(&yaml, "listen: []\nplugin_dirs: [packages]\n"
				  "plugins:\n");
	for (int i = 0; i < PLUGINS; i++)
		buffer_format(&yaml,
			"  plugin-%d: {use: hello, mount: /p%d, namespace: "
			"p%d, %s}\n",
			i, i, i, entry);
	buffer_append_byte(&yaml, 0);
	folder_write(&dir, "supd.yaml", (const char *)buffer_bytes(&yaml));
	buffer_finish(&yaml);
}

static void
make(void)
{
	struct problems problems = {0};
	struct config *config;
	char *path;

	log_open(open("/dev/null", O_WRONLY), LOG_TEXT, LOG_INFO);
	loop = ev_loop_new(EVFLAG_AUTO);
	dir = folder_make();
	folder_write(&dir, "packages/hello/plugin.yaml",
		"name: hello\nversion: 1.0.0\nrun: hello.so\n");
	folder_write(&dir, "packages/hello/hello.so", "");
	folder_write(&dir, "supd.yaml", "listen: []\nplugins: {}\n");
	path = folder_path(&dir, "supd.yaml");
	config = config_load(path, &problems);
	problems_finish(&problems);
	cr_assert(config);
	gateway_init(&gateway, loop, config, dir.path, dir.path, "/bin/false");
	roster_init(&gateway);
	config_unref(config);
	gateway.config_file = path;
}

static void
unmake(void)
{
	char *path = (char *)(uintptr_t)gateway.config_file;

	roster_finish(&gateway);
	gateway_finish(&gateway);
	log_close();
	free(path);
	folder_remove(&dir);
	ev_loop_destroy(loop);
}

TestSuite(apply_turns, .init = make, .fini = unmake, .timeout = 60);

static void
on_done(struct apply_request *r, const struct apply_report *report)
{
	(void)r;
	is_done = true;
	kept = json_incref(report->document);
	result = report->outcome;
	changes = json_array_size(json_object_get(kept, "changes"));
}

/* Of this thread, whatever else the machine does. */
static long
cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

static void
expect_short_turns(enum apply_kind kind, size_t expected_changes)
{
	long longest = 0;
	int turns = 0;

	request = (struct apply_request){
		.kind = kind, .trigger = "test", .on_done = on_done};
	is_done = false;
	apply_begin(&gateway, &request);
	for (; !is_done && turns < TURNS_MAX; turns++) {
		long from = cpu_us(), took;

		ev_run(loop, EVRUN_ONCE);
		log_flush();
		took = cpu_us() - from;
		longest = took > longest ? took : longest;
	}
	cr_assert(is_done);
	json_decref(kept);
	cr_expect_eq(result, OUTCOME_DONE);
	cr_expect_eq(changes, expected_changes);
	cr_expect_geq(turns, TURNS_MIN);
	cr_expect_leq(longest, TURN_MAX_US, "%ld us, %d turns", longest, turns);
}

Test(apply_turns, are_short_while_a_thousand_plugins_are_planned)
{
	write_config("settings: {a: 1, b: [x, y]}");
	expect_short_turns(APPLY_PLAN, PLUGINS + 1); /* and plugin_dirs */
}

/* An event goes to many followers. */
static void
expect_short_event(void)
{
	struct journal_text event = {.seq = journal_seq(gateway.journal) - 1};
	json_t *value, *data;

	cr_assert(journal_next(gateway.journal, event.seq, &event));
	cr_expect(bytes_equal(event.name, BYTES("config.applied")));
	value = json_loadb(event.text.at, event.text.length, 0, NULL);
	data = json_object_get(value, "data");
	cr_expect_eq(json_array_size(json_object_get(data, "changes")), 100);
	cr_expect_eq(
		json_integer_value(json_object_get(data, "changesLeftOut")),
		PLUGINS + 1 - 100);
	json_decref(value);
}

Test(apply_turns, are_short_while_a_thousand_plugins_are_added_and_removed)
{
	write_config("enabled: false");
	expect_short_turns(APPLY_ALL, PLUGINS + 1); /* and plugin_dirs */
	expect_short_event();
	write_config("enabled: false, hold_max: 7");
	expect_short_turns(APPLY_ALL, PLUGINS);
	expect_short_turns(APPLY_ALL, 0);
	folder_write(&dir, "supd.yaml", "listen: []\nplugins: {}\n");
	expect_short_turns(APPLY_ALL, PLUGINS + 1);
}
