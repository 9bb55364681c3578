/* stage: walks a package in sorted order, copies it, and looks again at all
 * it copied: what changed meanwhile makes the copy void. Hidden files and
 * byte-code caches stay behind, shared names become links and are no part of
 * the digest. It never follows a link and never overwrites. */
#include "worker/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "worker/copy.h"
#include "worker/polite.h"
#include "worker/unstage.h"

#define TRIES 3
#define PAUSE_MS 20		   /* before the next try, growing */
#define DEPTH_MAX 64		   /* folders in folders */
#define POLITE_BYTES (1024 * 1024) /* from here on at low priority */

/* What was copied, as it looked when it was. */
struct seen {
	struct seen *next;
	struct stat stat;
	char path[];
};

struct stage {
	const struct stage_order *order;
	int source, target;
	struct stat target_stat;
	SHA256_CTX digest;
	uint64_t bytes, files;
	struct seen *seen;
	bool polite, torn;
	struct error *err;
};

/* ---- which entries count ---- */

static bool
stage_is_shared(const struct stage *s, const char *name)
{
	for (int i = 0; i < s->order->share_count; i++)
		if (!strcmp(s->order->shares[i], name))
			return true;
	return false;
}

static bool
stage_is_left_out(const char *name)
{
	size_t length = strlen(name);

	return name[0] == '.' || !strcmp(name, "__pycache__") ||
	       (length > 4 && !strcmp(name + length - 4, ".pyc"));
}

static bool
stage_is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	       a->st_mode == b->st_mode && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int
stage_fail(struct stage *s, const char *what, const char *path)
{
	return error_set(
		s->err, "cannot %s %s: %s", what, path, strerror(errno));
}

/* An entry vanished or became another thing: the copy is worth nothing. */
static int
stage_tear(struct stage *s, const char *path)
{
	s->torn = true;
	return error_set(
		s->err, "the package changes while it is copied, at %s", path);
}

static void
stage_remember(struct stage *s, const char *path, const struct stat *stat)
{
	struct seen *seen = memory_alloc(sizeof(*seen) + strlen(path) + 1);

	seen->stat = *stat;
	memcpy(seen->path, path, strlen(path) + 1);
	seen->next = s->seen;
	s->seen = seen;
}

static int
stage_look_again(struct stage *s)
{
	for (const struct seen *seen = s->seen; seen; seen = seen->next) {
		struct stat now;

		if (fstatat(s->source, seen->path, &now, AT_SYMLINK_NOFOLLOW) ||
			!stage_is_same(&seen->stat, &now))
			return stage_tear(s, seen->path);
	}
	return 0;
}

/* A small package is staged at once; a large one steps back for the others. */
static void
stage_be_polite(struct stage *s)
{
	if (s->polite || s->bytes < POLITE_BYTES)
		return;
	s->polite = true;
	polite_now();
}

/* ---- the digest: type, path, size and content of each entry ---- */

static void
stage_hash_head(struct stage *s, char type, const char *path)
{
	SHA256_Update(&s->digest, &type, 1);
	SHA256_Update(&s->digest, path, strlen(path) + 1);
}

static void
stage_hash_size(struct stage *s, uint64_t size)
{
	unsigned char bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(size >> (56 - 8 * i));
	SHA256_Update(&s->digest, bytes, sizeof(bytes));
}

/* ---- one entry ---- */

static int
stage_copy_opened(
	struct stage *s, int from, const char *path, const struct stat *stat)
{
	uint64_t bytes;
	int to, rc;

	to = openat(
		s->target, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return stage_fail(s, "create the copy of", path);
	stage_hash_head(s, stat->st_mode & 0111 ? 'x' : 'f', path);
	rc = copy_file(from, to, s->order->limit_bytes - s->bytes, &s->digest,
		&bytes, path, s->err);
	if (!rc && fchmod(to, stat->st_mode & 0777))
		rc = stage_fail(s, "set the mode of the copy of", path);
	if (close(to) && !rc)
		rc = stage_fail(s, "write the copy of", path);
	if (rc)
		return rc;
	stage_hash_size(s, bytes);
	s->bytes += bytes;
	s->files++;
	stage_be_polite(s);
	return 0;
}

static int
stage_file(struct stage *s, const char *path, const struct stat *stat)
{
	struct stat opened;
	int from, rc;

	from = openat(s->source, path,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (from < 0)
		return errno == ENOENT || errno == ELOOP
			       ? stage_tear(s, path)
			       : stage_fail(s, "read", path);
	if (fstat(from, &opened) || !stage_is_same(stat, &opened))
		rc = stage_tear(s, path);
	else
		rc = stage_copy_opened(s, from, path, stat);
	close(from);
	return rc;
}

static int
stage_link(struct stage *s, const char *path)
{
	char text[PATH_MAX];
	ssize_t length = readlinkat(s->source, path, text, sizeof(text) - 1);

	if (length < 0)
		return stage_tear(s, path);
	text[length] = 0;
	if (symlinkat(text, s->target, path))
		return stage_fail(s, "link the copy of", path);
	stage_hash_head(s, 'l', path);
	SHA256_Update(&s->digest, text, (size_t)length);
	stage_hash_size(s, (uint64_t)length);
	return 0;
}

static int
stage_share(struct stage *s, const char *name)
{
	char *text = memory_format("%s/%s", s->order->source, name);
	int rc = 0;

	if (symlinkat(text, s->target, name))
		rc = stage_fail(s, "link", name);
	free(text);
	return rc;
}

static const char *
stage_special(mode_t mode)
{
	return S_ISSOCK(mode)	? "a socket"
	       : S_ISFIFO(mode) ? "a fifo"
				: "a device";
}

static int stage_folder(struct stage *s, const char *path, int depth);

static int
stage_subfolder(
	struct stage *s, const char *path, const struct stat *stat, int depth)
{
	if (depth >= DEPTH_MAX)
		return error_set(s->err, "%s is more than %d folders deep",
			path, DEPTH_MAX);
	stage_hash_head(s, 'd', path);
	/* always writable for its owner, so that it can be removed again */
	if (mkdirat(s->target, path, 0700) ||
		fchmodat(s->target, path, (stat->st_mode & 0777) | 0700, 0))
		return stage_fail(s, "create the copy of", path);
	return stage_folder(s, path, depth + 1);
}

static int
stage_entry(struct stage *s, const char *path, int depth)
{
	struct stat stat;

	if (fstatat(s->source, path, &stat, AT_SYMLINK_NOFOLLOW))
		return stage_tear(s, path);
	if (stat.st_ino == s->target_stat.st_ino &&
		stat.st_dev == s->target_stat.st_dev)
		return 0; /* the copy itself */
	stage_remember(s, path, &stat);
	if (S_ISREG(stat.st_mode))
		return stage_file(s, path, &stat);
	if (S_ISLNK(stat.st_mode))
		return stage_link(s, path);
	if (S_ISDIR(stat.st_mode))
		return stage_subfolder(s, path, &stat, depth);
	return error_set(s->err, "%s is %s and cannot be in a package", path,
		stage_special(stat.st_mode));
}

/* ---- the tree ---- */

static int
stage_by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
stage_any(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

static int
stage_named(struct stage *s, const char *folder, const char *name, int depth)
{
	char *path;
	int rc;

	if (!depth && stage_is_shared(s, name))
		return stage_share(s, name);
	if (stage_is_left_out(name))
		return 0;
	path = depth ? memory_format("%s/%s", folder, name)
		     : memory_copy_text(name);
	rc = stage_entry(s, path, depth);
	free(path);
	return rc;
}

static int
stage_folder(struct stage *s, const char *path, int depth)
{
	struct dirent **entries;
	int count, rc = 0;

	count = scandirat(s->source, path, &entries, stage_any, stage_by_bytes);
	if (count < 0)
		return errno == ENOENT ? stage_tear(s, path)
				       : stage_fail(s, "read", path);
	for (int i = 0; i < count; i++) {
		if (!rc)
			rc = stage_named(s, path, entries[i]->d_name, depth);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

static void
stage_result(struct stage *s, struct stage_result *result_out)
{
	unsigned char bytes[SHA256_DIGEST_LENGTH];
	char *at = result_out->digest;

	SHA256_Final(bytes, &s->digest);
	at += sprintf(at, "sha256:");
	for (size_t i = 0; i < sizeof(bytes); i++)
		at += sprintf(at, "%02x", bytes[i]);
	result_out->bytes = s->bytes;
	result_out->files = s->files;
}

static int
stage_opened(struct stage *s)
{
	struct stat top;

	if (fstat(s->source, &top) || fstat(s->target, &s->target_stat))
		return stage_fail(s, "look at", s->order->source);
	stage_remember(s, ".", &top);
	SHA256_Init(&s->digest);
	if (fchmod(s->target, (top.st_mode & 0777) | 0700))
		return stage_fail(s, "set the mode of", s->order->target);
	if (stage_folder(s, ".", 0))
		return -1;
	return stage_look_again(s);
}

/* One try: 0, -1, or 1 if it is worth another. */
static int
stage_try(const struct stage_order *order, struct stage_result *result_out,
	struct error *err)
{
	struct stage s = {
		.order = order, .source = -1, .target = -1, .err = err};
	int rc;

	s.source = open(order->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.source < 0)
		return stage_fail(&s, "read", order->source);
	if (mkdir(order->target, 0700)) {
		close(s.source);
		return stage_fail(&s, "create", order->target);
	}
	s.target = open(order->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = s.target < 0 ? stage_fail(&s, "open", order->target)
			  : stage_opened(&s);
	if (!rc)
		stage_result(&s, result_out);
	else
		unstage_run(order->target, NULL);
	for (struct seen *next; s.seen; s.seen = next) {
		next = s.seen->next;
		free(s.seen);
	}
	if (s.target >= 0)
		close(s.target);
	close(s.source);
	return rc && s.torn ? 1 : rc;
}

static int
stage_check_shares(const struct stage_order *order, struct error *err)
{
	for (int i = 0; i < order->share_count; i++)
		if (!*order->shares[i] || strchr(order->shares[i], '/') ||
			!strcmp(order->shares[i], ".") ||
			!strcmp(order->shares[i], ".."))
			return error_set(err,
				"only a name at the top of the package can be "
				"shared, not '%s'",
				order->shares[i]);
	return 0;
}

int
stage_run(const struct stage_order *order, struct stage_result *result_out,
	struct error *err)
{
	struct stage_order whole = *order; /* with an absolute source */
	char *source;
	int rc = 1;

	if (stage_check_shares(order, err))
		return -1;
	source = realpath(order->source, NULL);
	if (!source)
		return error_set(err, "cannot read %s: %s", order->source,
			strerror(errno));
	whole.source = source;
	for (int i = 0; i < TRIES && rc == 1; i++) {
		if (i)
			poll(NULL, 0, PAUSE_MS * i);
		rc = stage_try(&whole, result_out, err);
	}
	free(source);
	return rc ? -1 : 0;
}
