/* walk: in sorted order. Hidden files and byte-code caches stay behind, shared
 * names become links and are no part of the digest. It never follows a link,
 * and what changes meanwhile makes the walk void. */
#include "worker/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "worker/polite.h"

#define DEPTH_MAX 64		   /* folders in folders */
#define POLITE_BYTES (1024 * 1024) /* from here on at low priority */

struct seen {
	struct seen *next;
	struct stat stat;
	char path[];
};

/* ---- which entries count ---- */

static bool
walk_is_shared(const struct walk *w, const char *name)
{
	for (int i = 0; i < w->order->share_count; i++)
		if (!strcmp(w->order->shares[i], name))
			return true;
	return false;
}

static bool
walk_is_left_out(const char *name)
{
	size_t length = strlen(name);

	return name[0] == '.' || !strcmp(name, "__pycache__") ||
	       (length > 4 && !strcmp(name + length - 4, ".pyc"));
}

static bool
walk_is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	       a->st_mode == b->st_mode && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int
walk_fail(struct walk *w, const char *what, const char *path)
{
	return error_set(
		w->err, "cannot %s %s: %s", what, path, strerror(errno));
}

/* An entry vanished or became another thing: the copy is worth nothing. */
static int
walk_tear(struct walk *w, const char *path)
{
	w->torn = true;
	return error_set(w->err, "the package changes while it is %s, at %s",
		w->kind == WALK_COPY ? "copied" : "read", path);
}

static void
walk_remember(struct walk *w, const char *path, const struct stat *stat)
{
	struct seen *seen = memory_alloc(sizeof(*seen) + strlen(path) + 1);

	seen->stat = *stat;
	memcpy(seen->path, path, strlen(path) + 1);
	fingerprint_add(&w->fingerprint, path, stat);
	seen->next = w->seen;
	w->seen = seen;
}

static int
walk_look_again(struct walk *w)
{
	for (const struct seen *seen = w->seen; seen; seen = seen->next) {
		struct stat now;

		if (fstatat(w->source, seen->path, &now, AT_SYMLINK_NOFOLLOW) ||
			!walk_is_same(&seen->stat, &now))
			return walk_tear(w, seen->path);
	}
	return 0;
}

/* A small package is staged at once; a large one steps back for the others. */
static void
walk_be_polite(struct walk *w)
{
	if (w->polite || w->bytes < POLITE_BYTES)
		return;
	w->polite = true;
	polite_now();
}

/* ---- the digest: type, path, size and content of each entry ---- */

static void
walk_hash_head(struct walk *w, char type, const char *path)
{
	SHA256_Update(&w->digest, &type, 1);
	SHA256_Update(&w->digest, path, strlen(path) + 1);
}

static void
walk_hash_size(struct walk *w, uint64_t size)
{
	unsigned char bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(size >> (56 - 8 * i));
	SHA256_Update(&w->digest, bytes, sizeof(bytes));
}

/* ---- one entry ---- */

static int
walk_copy_file(struct walk *w, int from, const char *path,
	const struct stat *stat, uint64_t *bytes_out)
{
	int to, rc;

	to = openat(
		w->target, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return walk_fail(w, "create the copy of", path);
	rc = copy_file(from, to, w->order->limit_bytes - w->bytes, &w->digest,
		bytes_out, path, w->err);
	if (!rc && fchmod(to, stat->st_mode & 0777))
		rc = walk_fail(w, "set the mode of the copy of", path);
	if (close(to) && !rc)
		rc = walk_fail(w, "write the copy of", path);
	return rc;
}

static int
walk_opened(struct walk *w, int from, const char *path, const struct stat *stat)
{
	uint64_t bytes;
	int rc;

	walk_hash_head(w, stat->st_mode & 0111 ? 'x' : 'f', path);
	if (w->kind == WALK_COPY)
		rc = walk_copy_file(w, from, path, stat, &bytes);
	else
		rc = copy_hash(from, w->order->limit_bytes - w->bytes,
			&w->digest, &bytes, path, w->err);
	if (rc)
		return rc;
	walk_hash_size(w, bytes);
	w->bytes += bytes;
	w->files++;
	walk_be_polite(w);
	return 0;
}

static int
walk_file(struct walk *w, const char *path, const struct stat *stat)
{
	struct stat opened;
	int from, rc;

	from = openat(w->source, path,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (from < 0)
		return errno == ENOENT || errno == ELOOP
			       ? walk_tear(w, path)
			       : walk_fail(w, "read", path);
	if (fstat(from, &opened) || !walk_is_same(stat, &opened))
		rc = walk_tear(w, path);
	else
		rc = walk_opened(w, from, path, stat);
	close(from);
	return rc;
}

static int
walk_link(struct walk *w, const char *path)
{
	char text[PATH_MAX];
	ssize_t length = readlinkat(w->source, path, text, sizeof(text) - 1);

	if (length < 0)
		return walk_tear(w, path);
	text[length] = 0;
	if (w->kind == WALK_COPY && symlinkat(text, w->target, path))
		return walk_fail(w, "link the copy of", path);
	walk_hash_head(w, 'l', path);
	SHA256_Update(&w->digest, text, (size_t)length);
	walk_hash_size(w, (uint64_t)length);
	return 0;
}

static int
walk_share(struct walk *w, const char *name)
{
	char *text = memory_format("%s/%s", w->order->source, name);
	int rc = 0;

	if (w->kind == WALK_COPY && symlinkat(text, w->target, name))
		rc = walk_fail(w, "link", name);
	free(text);
	return rc;
}

static const char *
walk_special(mode_t mode)
{
	return S_ISSOCK(mode)	? "a socket"
	       : S_ISFIFO(mode) ? "a fifo"
				: "a device";
}

static int walk_folder(struct walk *w, const char *path, int depth);

static int
walk_subfolder(
	struct walk *w, const char *path, const struct stat *stat, int depth)
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
	return walk_folder(w, path, depth + 1);
}

static int
walk_entry(struct walk *w, const char *path, int depth)
{
	struct stat stat;

	if (fstatat(w->source, path, &stat, AT_SYMLINK_NOFOLLOW))
		return walk_tear(w, path);
	if (stat.st_ino == w->target_stat.st_ino &&
		stat.st_dev == w->target_stat.st_dev)
		return 0; /* the copy itself */
	walk_remember(w, path, &stat);
	if (w->kind == WALK_LOOK && !S_ISDIR(stat.st_mode))
		return 0;
	if (S_ISREG(stat.st_mode))
		return walk_file(w, path, &stat);
	if (S_ISLNK(stat.st_mode))
		return walk_link(w, path);
	if (S_ISDIR(stat.st_mode))
		return walk_subfolder(w, path, &stat, depth);
	return error_set(w->err, "%s is %s and cannot be in a package", path,
		walk_special(stat.st_mode));
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
walk_named(struct walk *w, const char *folder, const char *name, int depth)
{
	char *path;
	int rc;

	if (!depth && walk_is_shared(w, name))
		return walk_share(w, name);
	if (walk_is_left_out(name))
		return 0;
	path = depth ? memory_format("%s/%s", folder, name)
		     : memory_copy_text(name);
	rc = walk_entry(w, path, depth);
	free(path);
	return rc;
}

static int
walk_folder(struct walk *w, const char *path, int depth)
{
	struct dirent **entries;
	int count, rc = 0;

	count = scandirat(w->source, path, &entries, walk_any, walk_by_bytes);
	if (count < 0)
		return errno == ENOENT ? walk_tear(w, path)
				       : walk_fail(w, "read", path);
	for (int i = 0; i < count; i++) {
		if (!rc)
			rc = walk_named(w, path, entries[i]->d_name, depth);
		free(entries[i]);
	}
	free(entries);
	return rc;
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

int
walk_run(struct walk *w)
{
	struct stat top;

	fingerprint_begin(&w->fingerprint);
	if (fstat(w->source, &top))
		return walk_fail(w, "look at", w->order->source);
	walk_remember(w, ".", &top);
	SHA256_Init(&w->digest);
	if (w->kind == WALK_COPY && walk_begin_copy(w, &top))
		return -1;
	if (walk_folder(w, ".", 0))
		return -1;
	return w->kind == WALK_LOOK ? 0 : walk_look_again(w);
}

void
walk_digest(struct walk *w, char text_out[sizeof("sha256:") + 64])
{
	unsigned char bytes[SHA256_DIGEST_LENGTH];
	char *at = text_out;

	SHA256_Final(bytes, &w->digest);
	at += sprintf(at, "sha256:");
	for (size_t i = 0; i < sizeof(bytes); i++)
		at += sprintf(at, "%02x", bytes[i]);
}

void
walk_finish(struct walk *w)
{
	for (struct seen *next; w->seen; w->seen = next) {
		next = w->seen->next;
		free(w->seen);
	}
}
