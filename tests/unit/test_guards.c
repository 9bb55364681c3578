/* test_guards: STATE/guards.json, whatever becomes of it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "supervisor/event/guards.h"
#include "supervisor/event/guards_file.h"
#include "supervisor/event/hook.h"
#include "tests/unit/files.h"

#define GUARDS "{\"it\":[{\"name\":\"h\"}]}"

static struct folder folder;
static struct gateway gateway;
static struct events events;

static void
begin(void)
{
	folder = folder_make();
	gateway.state_dir = folder.path;
	events.gateway = &gateway;
	wheel_init(&gateway.wheel, clock_ms());
}

static void
end(void)
{
	folder_remove(&folder);
}

TestSuite(guards, .init = begin, .fini = end);

static bool
is_there(const char *name)
{
	char *path = folder_path(&folder, name);
	bool is = access(path, F_OK) == 0;

	free(path);
	return is;
}

/* No file can be opened from now on; returns the limit that was. */
static rlim_t
take_descriptors(void)
{
	struct rlimit now;
	rlim_t before;

	getrlimit(RLIMIT_NOFILE, &now);
	before = now.rlim_cur;
	now.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &now);
	return before;
}

static void
give_descriptors(rlim_t before)
{
	struct rlimit now;

	getrlimit(RLIMIT_NOFILE, &now);
	now.rlim_cur = before;
	setrlimit(RLIMIT_NOFILE, &now);
}

Test(guards, of_other_content_are_put_aside)
{
	folder_write(&folder, "guards.json", "[1]");
	guards_load(&events);
	cr_expect_eq(json_object_size(events.guards), 0);
	cr_expect_not(events.guards_unread);
	cr_expect(is_there("guards.json.bad-1"));
	cr_expect_not(is_there("guards.json"));
	guards_finish(&events);
}

Test(guards, that_cannot_be_read_now_are_kept_and_read_later)
{
	rlim_t before;

	folder_write(&folder, "guards.json", GUARDS);
	before = take_descriptors();
	guards_load(&events);
	give_descriptors(before);
	cr_expect(events.guards_unread);
	cr_expect(is_there("guards.json"));
	cr_expect_not(is_there("guards.json.bad-1"));
	/* another plugin is noted meanwhile */
	json_object_set_new(events.guards, "other", json_array());
	wheel_turn(&gateway.wheel, clock_ms() + 6000);
	cr_expect_not(events.guards_unread);
	cr_expect_eq(json_object_size(events.guards), 1);
	cr_expect(json_object_get(events.guards, "it"));
	guards_finish(&events);
}

Test(guards, that_could_not_be_read_are_not_replaced_at_the_end)
{
	rlim_t before;
	struct error err;
	char *path = folder_path(&folder, "guards.json");
	json_t *stored;

	folder_write(&folder, "guards.json", GUARDS);
	before = take_descriptors();
	guards_load(&events);
	guards_finish(&events);
	give_descriptors(before);
	stored = guards_file_read(path, &err);
	cr_expect(json_object_get(stored, "it"));
	json_decref(stored);
	free(path);
}
