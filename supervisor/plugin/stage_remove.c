/* stage_remove: folders that nobody runs from any more, removed by one child
 * at a time, some at once. It never touches what is in them itself. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/launch.h"
#include "proto/util/memory.h"
#include "supervisor/plugin/child.h"
#include "supervisor/plugin/stage_private.h"

#define FOLDERS_AT_ONCE 32

struct removal {
	struct list node; /* in room->removals */
	char *folder;
};

struct stage_remover {
	struct worker_room *room;
	struct child child;
	char said[256]; /* the beginning of its stderr */
};

static void remove_next(struct worker_room *room);

static void
remover_output(struct child *c, enum child_stream stream, struct bytes bytes)
{
	struct stage_remover *r = container_of(c, struct stage_remover, child);

	if (stream == CHILD_STDERR && !r->said[0])
		stage_copy_line(r->said, sizeof(r->said), bytes);
}

static void
remover_end(struct child *c)
{
	struct stage_remover *r = container_of(c, struct stage_remover, child);
	struct worker_room *room = r->room;

	child_read_rest(c);
	child_reap(c);
	if (r->said[0])
		log_warn("%s", r->said);
	room->remover = NULL;
	free(r);
	remove_next(room);
}

static const struct child_ops remover_ops = {
	.on_output = remover_output,
	.on_end = remover_end,
};

static struct removal *
take_removal(struct worker_room *room)
{
	struct removal *removal =
		container_of(room->removals.next, struct removal, node);

	list_remove(&removal->node);
	return removal;
}

/* If it cannot be started the folders stay; the sweep of the next start finds
 * them. */
static void
remove_next(struct worker_room *room)
{
	const char *argv[FOLDERS_AT_ONCE + 3] = {
		room->worker_program, LAUNCH_UNSTAGE};
	static const char *const env[] = {NULL};
	struct child_start start = {.argv = argv, .env = env};
	struct removal *taken[FOLDERS_AT_ONCE];
	struct stage_remover *r;
	unsigned count = 0;
	struct error err;

	if (room->remover || list_is_empty(&room->removals))
		return;
	while (count < FOLDERS_AT_ONCE && !list_is_empty(&room->removals)) {
		taken[count] = take_removal(room);
		argv[2 + count] = taken[count]->folder;
		count++;
	}
	r = memory_alloc(sizeof(*r));
	r->room = room;
	if (child_start(&r->child, &room->children, &start, &remover_ops,
		    &err) < 0) {
		log_warn("%u old stages stay: %s", count, err.text);
		free(r);
		r = NULL;
	}
	room->remover = r;
	while (count) {
		free(taken[--count]->folder);
		free(taken[count]);
	}
}

#define AWAY ".gone-"

char *
stage_put_away(struct worker_room *room, const char *dir)
{
	const char *slash = strrchr(dir, '/');
	char *away;

	if (!slash || !strncmp(slash + 1, AWAY, strlen(AWAY)))
		return memory_copy_text(dir);
	away = memory_format("%.*s/" AWAY "%d-%llu", (int)(slash - dir), dir,
		(int)getpid(), (unsigned long long)++room->put_away_total);
	if (rename(dir, away) == 0)
		return away;
	free(away);
	return errno == ENOENT ? NULL : memory_copy_text(dir);
}

void
stage_remove(struct worker_room *room, const char *dir)
{
	struct removal *removal;
	char *away = dir ? stage_put_away(room, dir) : NULL;

	if (!away)
		return;
	stage_room_init(room);
	removal = memory_alloc(sizeof(*removal));
	removal->folder = away;
	list_append(&room->removals, &removal->node);
	remove_next(room);
}

/* Removes every entry of a folder of stages but those that are kept. */
static void
sweep(struct worker_room *room, const char *folder,
	bool (*is_kept)(const void *user, const char *name), const void *user)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char *path;

		if (!strcmp(entry->d_name, ".") ||
			!strcmp(entry->d_name, "..") ||
			is_kept(user, entry->d_name))
			continue;
		path = memory_format("%s/%s", folder, entry->d_name);
		stage_remove(room, path);
		free(path);
	}
	if (dir)
		closedir(dir);
}

struct two_generations {
	uint32_t a, b; /* 0: none */
};

static bool
is_one_of_two(const void *user, const char *name)
{
	const struct two_generations *kept = user;
	unsigned long number = strtoul(name, NULL, 10);

	return number && (number == kept->a || number == kept->b);
}

void
stage_sweep(struct worker_room *room, const char *state_dir,
	const char *plugin_id, uint32_t keep_a, uint32_t keep_b)
{
	const struct two_generations kept = {keep_a, keep_b};
	char *folder = memory_format("%s/run/%s", state_dir, plugin_id);

	sweep(room, folder, is_one_of_two, &kept);
	free(folder);
}

void
stage_sweep_unknown(struct worker_room *room, const char *state_dir,
	bool (*is_known)(const void *user, const char *plugin_id),
	const void *user)
{
	char *folder = memory_format("%s/run", state_dir);

	sweep(room, folder, is_known, user);
	free(folder);
}

uint32_t
stage_newest(const char *state_dir, const char *plugin_id)
{
	char *all = memory_format("%s/run/%s", state_dir, plugin_id);
	DIR *dir = opendir(all);
	const struct dirent *entry;
	uint32_t newest = 0;

	while (dir && (entry = readdir(dir))) {
		unsigned long number = strtoul(entry->d_name, NULL, 10);

		if (number <= UINT32_MAX && number > newest)
			newest = (uint32_t)number;
	}
	if (dir)
		closedir(dir);
	free(all);
	return newest;
}

void
stage_finish_removals(struct worker_room *room)
{
	while (!list_is_empty(&room->removals)) {
		struct removal *removal = take_removal(room);

		free(removal->folder);
		free(removal);
	}
	if (!room->remover)
		return;
	child_reap(&room->remover->child);
	free(room->remover);
	room->remover = NULL;
}
