/* walk: in sorted order. Hidden files and byte-code caches are skipped; shared
 * names become links and are not part of the digest. A target that a link
 * cannot reach in the copy is walked in the link's place, see symlink.h. A
 * change meanwhile makes the walk void. */
#include "worker/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "worker/choice.h"
#include "worker/symlink.h"
#include "worker/walk_item.h"

#define DEPTH_MAX 64 /* folders in folders */

int
walk_fail(struct walk *w, const char *what, const char *path)
{
	return error_set_errno(w->err, errno, "cannot %s %s", what, path);
}

/* ---- one entry ---- */

static int
walk_share(struct walk *w, const char *name)
{
	char *text = memory_format("%s/%s", w->tree.root, name);
	int rc = 0;

	if (w->kind == WALK_COPY && symlinkat(text, w->target, name))
		rc = walk_fail(w, "link", name);
	free(text);
	return rc;
}

static int walk_folder(
	struct walk *w, const struct tree *t, const char *path, int depth);

static int
walk_subfolder(struct walk *w, const struct tree *t, const char *path,
	const struct stat *stat, int depth)
{
	if (depth >= DEPTH_MAX)
		return error_set(w->err, "%s is more than %d folders deep",
			path, DEPTH_MAX);
	walk_hash_head(w, 'd', path);
	/* always writable for its owner, so that it can be removed again */
	if (w->kind == WALK_COPY &&
		(mkdirat(w->target, path, 0700) ||
			fchmodat(w->target, path, (stat->st_mode & 0777) | 0700,
				0)))
		return walk_fail(w, "create the copy of", path);
	if (walk_folder(w, t, path, depth + 1))
		return -1;
	return walk_keep_time(w, path, stat); /* now that it is filled */
}

/* The folder that a link leads to is copied in the link's place. */
static int
walk_subtree(struct walk *w, const struct tree *outer, const char *path,
	const struct symlink_plan *plan, int depth)
{
	struct tree t = {.outer = outer, .root = plan->target, .prefix = path};
	int rc;

	t.fd = open(t.root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (t.fd < 0)
		return walk_fail(w, "read", t.root);
	rc = walk_subfolder(w, &t, path, &plan->stat, depth);
	close(t.fd);
	return rc;
}

static int
walk_link(struct walk *w, const struct tree *t, const char *path,
	const struct stat *stat, int depth)
{
	struct symlink_plan plan;

	if (symlink_plan(w->order, t, path, stat, &w->seen, &plan, w->err))
		return -1;
	if (plan.stays)
		return w->kind == WALK_LOOK
			       ? 0
			       : walk_put_link(w, path, plan.text, stat);
	seen_add(&w->seen, plan.target, &plan.stat);
	if (S_ISDIR(plan.stat.st_mode))
		return walk_subtree(w, t, path, &plan, depth);
	if (w->kind == WALK_LOOK)
		return 0;
	return walk_file(w, AT_FDCWD, plan.target, path, &plan.stat);
}

static void
walk_see(struct walk *w, const struct tree *t, const char *path,
	const struct stat *stat)
{
	char *absolute;

	if (!t->outer) {
		seen_add(&w->seen, path, stat);
		return;
	}
	absolute = memory_format("%s/%s", t->root, tree_rest(t, path));
	seen_add(&w->seen, absolute, stat);
	free(absolute);
}

/* Whether an entry was made in a copy after the copy was complete: a log, a
 * database. If the file system does not say, every entry counts. */
static bool
walk_is_later(const struct walk *w, const char *path)
{
	struct statx now;

	if (!w->order->is_copy ||
		statx(w->tree.fd, path, AT_SYMLINK_NOFOLLOW, STATX_BTIME,
			&now) ||
		!(now.stx_mask & STATX_BTIME))
		return false;
	return now.stx_btime.tv_sec != w->made.tv_sec
		       ? now.stx_btime.tv_sec > w->made.tv_sec
		       : now.stx_btime.tv_nsec > w->made.tv_nsec;
}

/* A copy's link has been followed when it was made. */
static int
walk_copied_link(struct walk *w, const char *path, const struct stat *stat)
{
	char text[PATH_MAX];
	ssize_t length = readlinkat(w->tree.fd, path, text, sizeof(text) - 1);

	if (length < 0)
		return walk_tear(w, path);
	text[length] = '\0';
	return walk_put_link(w, path, text, stat);
}

static int
walk_entry(struct walk *w, const struct tree *t, const char *path, int depth)
{
	const char *source = tree_rest(t, path);
	struct stat stat;

	if (++w->entries > w->order->limit_entries)
		return error_set(w->err,
			"the package has more than %llu entries, at %s",
			(unsigned long long)w->order->limit_entries, path);
	if (fstatat(t->fd, source, &stat, AT_SYMLINK_NOFOLLOW))
		return walk_tear(w, path);
	if (stat.st_ino == w->target_stat.st_ino &&
		stat.st_dev == w->target_stat.st_dev)
		return 0; /* the copy itself */
	if (walk_is_later(w, path))
		return 0;
	walk_see(w, t, path, &stat);
	if (S_ISLNK(stat.st_mode) && w->order->is_copy)
		return walk_copied_link(w, path, &stat);
	if (S_ISLNK(stat.st_mode))
		return walk_link(w, t, path, &stat, depth);
	if (S_ISDIR(stat.st_mode))
		return walk_subfolder(w, t, path, &stat, depth);
	if (w->kind == WALK_LOOK)
		return 0;
	if (S_ISREG(stat.st_mode))
		return walk_file(w, t->fd, source, path, &stat);
	return error_set(w->err, "%s is %s and cannot be in a package", path,
		symlink_special_name(stat.st_mode));
}

/* ---- the tree ---- */

static int
walk_by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
walk_any(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

static int
walk_named(struct walk *w, const struct tree *t, const char *folder,
	const char *name, int depth)
{
	char *path;
	int rc;

	if (!*folder && choice_is_shared(w->order, name))
		return walk_share(w, name);
	if (choice_leaves_out(name))
		return 0;
	path = *folder ? memory_format("%s/%s", folder, name)
		       : memory_copy_text(name);
	rc = walk_entry(w, t, path, depth);
	free(path);
	return rc;
}

static int
walk_folder(struct walk *w, const struct tree *t, const char *path, int depth)
{
	const char *source = tree_rest(t, path);
	struct dirent **entries;
	int count, rc = 0;

	count = scandirat(t->fd, *source ? source : ".", &entries, walk_any,
		walk_by_bytes);
	if (count < 0)
		return errno == ENOENT ? walk_tear(w, path)
				       : walk_fail(w, "read", path);
	for (int i = 0; i < count; i++) {
		if (!rc)
			rc = walk_named(w, t, path, entries[i]->d_name, depth);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

/* Last, so that everything made in the copy later is younger. */
static int
walk_mark(struct walk *w)
{
	int mark = openat(w->target, STAGE_MARK,
		O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);

	if (mark < 0)
		return walk_fail(w, "create", STAGE_MARK);
	close(mark);
	return 0;
}

static int
walk_read_mark(struct walk *w)
{
	struct stat mark;

	if (fstatat(w->tree.fd, STAGE_MARK, &mark, AT_SYMLINK_NOFOLLOW))
		return walk_fail(w, "read", STAGE_MARK);
	w->made = mark.st_mtim;
	return 0;
}

static int
walk_begin_copy(struct walk *w, const struct stat *top)
{
	if (fstat(w->target, &w->target_stat))
		return walk_fail(w, "look at", w->order->target);
	if (fchmod(w->target, (top->st_mode & 0777) | 0700))
		return walk_fail(w, "set the mode of", w->order->target);
	return 0;
}

static int
walk_all(struct walk *w)
{
	struct stat top;

	if (fstat(w->tree.fd, &top))
		return walk_fail(w, "look at", w->tree.root);
	seen_add(&w->seen, ".", &top);
	if (w->kind == WALK_COPY && walk_begin_copy(w, &top))
		return -1;
	if (w->order->is_copy && walk_read_mark(w))
		return -1;
	if (walk_folder(w, &w->tree, "", 0))
		return -1;
	if (w->kind == WALK_COPY && walk_mark(w))
		return -1;
	return walk_keep_time(w, ".", &top);
}

/* A changing package may be invalid for a moment: then the change is the reason
 * to report, not the problem that was found. */
static int
walk_look_again(struct walk *w, int rc)
{
	const char *changed =
		w->torn ? NULL : seen_find_changed(&w->seen, w->tree.fd);
	char *root = realpath(w->order->source, NULL);

	if (!changed && !w->torn && (!root || strcmp(root, w->root)))
		changed = w->order->source;
	free(root);
	return changed ? walk_tear(w, changed) : rc;
}

int
walk_run(struct walk *w)
{
	int rc;

	seen_init(&w->seen);
	SHA256_Init(&w->digest);
	w->root = realpath(w->order->source, NULL);
	if (!w->root)
		return walk_fail(w, "read", w->order->source);
	w->tree = (struct tree){.root = w->root, .prefix = ""};
	w->tree.fd = open(w->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->tree.fd < 0)
		return walk_fail(w, "read", w->root);
	rc = walk_all(w);
	if (rc || w->kind != WALK_LOOK)
		rc = walk_look_again(w, rc);
	close(w->tree.fd);
	return rc;
}

void
walk_finish(struct walk *w)
{
	seen_finish(&w->seen);
	free(w->root);
}
