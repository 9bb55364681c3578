/* stage_remove: removes unused folders by a child, one child at a time, several
 * folders each. supd itself touches nothing in them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/launch.h"
#include "proto/util/memory.h"
#include "supervisor/ops/own_file.h"
#include "supervisor/plugin/child.h"
#include "supervisor/plugin/stage_private.h"

#define FOLDERS_AT_ONCE 32
#define TRIES 2 /* tries of a folder before it waits for the next removal */

struct removal {
	struct list
		node; /* in workers->removals or leftovers, or a remover's */
	unsigned tries;
	char *folder;
};

struct stage_remover {
	struct workers *workers;
	struct child child;
	struct list folders; /* struct removal.node: folders to remove */
	char said[256];	     /* the beginning of its stderr */
};

static void remove_next(struct workers *workers);

static void
remover_output(struct child *c, enum child_stream stream, struct bytes bytes)
{
	struct stage_remover *r = container_of(c, struct stage_remover, child);

	if (stream == CHILD_STDERR && !r->said[0])
		stage_copy_line(r->said, sizeof(r->said), bytes);
}

static struct removal *
take_first(struct list *removals)
{
	struct removal *removal =
		container_of(removals->next, struct removal, node);

	list_remove(&removal->node);
	return removal;
}

static void
removal_destroy(struct removal *removal)
{
	free(removal->folder);
	free(removal);
}

static void
finish_list(struct list *removals)
{
	while (!list_is_empty(removals))
		removal_destroy(take_first(removals));
}

/* Folders that still exist are retried once, then with the next removal. */
static void
look_what_is_left(struct stage_remover *r)
{
	struct workers *workers = r->workers;

	while (!list_is_empty(&r->folders)) {
		struct removal *removal = take_first(&r->folders);
		struct stat stat;

		if (lstat(removal->folder, &stat) < 0)
			removal_destroy(removal);
		else if (++removal->tries < TRIES)
			list_append(&workers->removals, &removal->node);
		else
			list_append(&workers->leftovers, &removal->node);
	}
}

static void
remover_end(struct child *c)
{
	struct stage_remover *r = container_of(c, struct stage_remover, child);
	struct workers *workers = r->workers;
	char how[80] = "";
	int code = -1;

	child_has_ended(c, how, sizeof(how), &code);
	child_read_rest(c);
	child_reap(c);
	if (r->said[0])
		log_warn("%s", r->said);
	else if (code != LAUNCH_EXIT_DONE)
		log_warn("removing old stages failed: %s", how);
	look_what_is_left(r);
	workers->remover = NULL;
	free(r);
	remove_next(workers);
}

static const struct child_ops remover_ops = {
	.on_output = remover_output,
	.on_end = remover_end,
};

/* If the child cannot be started, the folders wait for the next removal. */
static void
remove_next(struct workers *workers)
{
	const char *argv[FOLDERS_AT_ONCE + 3] = {
		workers->worker_program, LAUNCH_UNSTAGE};
	static const char *const env[] = {NULL};
	struct child_start start = {.argv = argv, .env = env};
	struct stage_remover *r;
	unsigned count = 0;
	struct error err;

	if (workers->remover || list_is_empty(&workers->removals))
		return;
	r = memory_alloc(sizeof(*r));
	r->workers = workers;
	list_init(&r->folders);
	while (count < FOLDERS_AT_ONCE && !list_is_empty(&workers->removals)) {
		struct removal *removal = take_first(&workers->removals);

		list_append(&r->folders, &removal->node);
		argv[2 + count++] = removal->folder;
	}
	workers->remover = r;
	if (child_start(&r->child, &workers->children, &start, &remover_ops,
		    &err) == 0)
		return;
	log_warn("%u old stages stay for now: %s", count, err.text);
	while (!list_is_empty(&r->folders))
		list_append(
			&workers->leftovers, &take_first(&r->folders)->node);
	free(r);
	workers->remover = NULL;
}

#define AWAY ".gone-"

/* Skips names that an earlier supd with the same pid may have left. */
static int
rename_to_free(struct workers *workers, const char *dir, size_t parent,
	char **away_out)
{
	do {
		*away_out = memory_format("%.*s/" AWAY "%d-%llu", (int)parent,
			dir, (int)getpid(),
			(unsigned long long)++workers->put_away_total);
		if (rename(dir, *away_out) == 0)
			return 0;
		free(*away_out);
	} while (errno == ENOTEMPTY || errno == EEXIST);
	return -1;
}

/* Whether it is a folder and not a link, whose target is not supd's. */
static bool
is_own_folder(const char *path, size_t length)
{
	char *folder = memory_copy_bytes(path, length);
	struct stat stat;
	bool is_own = !lstat(folder, &stat) && S_ISDIR(stat.st_mode);

	free(folder);
	return is_own;
}

char *
stage_put_away(struct workers *workers, const char *dir)
{
	const char *slash = strrchr(dir, '/');
	char *away;

	if (slash && !is_own_folder(dir, (size_t)(slash - dir)))
		return NULL;
	if (!slash || !strncmp(slash + 1, AWAY, strlen(AWAY)))
		return memory_copy_text(dir);
	if (rename_to_free(workers, dir, (size_t)(slash - dir), &away) == 0)
		return away;
	return errno == ENOENT ? NULL : memory_copy_text(dir);
}

void
stage_remove(struct workers *workers, const char *dir)
{
	struct removal *removal;
	char *away = dir ? stage_put_away(workers, dir) : NULL;

	if (!away)
		return;
	stage_lists_init(workers);
	removal = memory_alloc(sizeof(*removal));
	removal->folder = away;
	list_append(&workers->removals, &removal->node);
	while (!list_is_empty(&workers->leftovers))
		list_append(&workers->removals,
			&take_first(&workers->leftovers)->node);
	remove_next(workers);
}

void
stage_remove_all(
	struct workers *workers, const char *state_dir, const char *plugin_id)
{
	char *folder = memory_format("%s/run/%s", state_dir, plugin_id);

	stage_remove(workers, folder);
	free(folder);
}

/* NULL if it does not exist or is a link. */
static DIR *
open_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

/* Removes every entry of a folder of stages except the kept ones. */
static void
sweep(struct workers *workers, const char *folder,
	bool (*is_kept)(const void *user, const char *name), const void *user)
{
	DIR *dir = open_folder(folder);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char *path;

		if (!strcmp(entry->d_name, ".") ||
			!strcmp(entry->d_name, "..") ||
			is_kept(user, entry->d_name))
			continue;
		path = memory_format("%s/%s", folder, entry->d_name);
		stage_remove(workers, path);
		free(path);
	}
	if (dir)
		closedir(dir);
}

struct generations {
	const uint32_t *items; /* 0: none */
	unsigned count;
};

static bool
is_one_of(const void *user, const char *name)
{
	const struct generations *kept = user;
	unsigned long number = strtoul(name, NULL, 10);

	for (unsigned i = 0; number && i < kept->count; i++)
		if (kept->items[i] == number)
			return true;
	return false;
}

void
stage_sweep(struct workers *workers, const char *state_dir,
	const char *plugin_id, const uint32_t *kept, unsigned kept_count)
{
	const struct generations generations = {kept, kept_count};
	char *folder = memory_format("%s/run/%s", state_dir, plugin_id);

	sweep(workers, folder, is_one_of, &generations);
	free(folder);
}

void
stage_sweep_unknown(struct workers *workers, const char *state_dir,
	bool (*is_kept)(const void *user, const char *plugin_id),
	const void *user)
{
	char *folder = memory_format("%s/run", state_dir);

	sweep(workers, folder, is_kept, user);
	free(folder);
}

void
stage_check_dir(const char *state_dir, const char *plugin_id)
{
	char *folder = memory_format("%s/run/%s", state_dir, plugin_id);
	struct error err;

	if (own_folder_check(folder, &err) < 0)
		log_error("%s", err.text);
	free(folder);
}

uint32_t
stage_newest(const char *state_dir, const char *plugin_id)
{
	char *all = memory_format("%s/run/%s", state_dir, plugin_id);
	DIR *dir = open_folder(all);
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

/* A claim is an empty folder, because that needs no free block. */
static char *
claim_path(const char *state_dir, const char *plugin_id, uint32_t generation)
{
	return memory_format("%s/run/%s/%u.claimed", state_dir, plugin_id,
		(unsigned)generation);
}

int
stage_claim(const char *state_dir, const char *plugin_id, uint32_t generation,
	struct error *err)
{
	char *path = claim_path(state_dir, plugin_id, generation);
	int result = 0;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		result = error_set_errno(err, errno, "cannot make %s", path);
	free(path);
	return result;
}

void
stage_unclaim(const char *state_dir, const char *plugin_id, uint32_t generation)
{
	char *path = claim_path(state_dir, plugin_id, generation);

	if (rmdir(path) < 0 && errno != ENOENT)
		log_warn("cannot remove %s: %s", path, strerror(errno));
	free(path);
}

void
stage_finish_removals(struct workers *workers)
{
	finish_list(&workers->removals);
	finish_list(&workers->leftovers);
	if (!workers->remover)
		return;
	child_reap(&workers->remover->child);
	finish_list(&workers->remover->folders);
	free(workers->remover);
	workers->remover = NULL;
}
