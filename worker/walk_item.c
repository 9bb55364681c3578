/* walk_item: one file or link copied and hashed. It follows no link. */
#include "worker/walk_item.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
walk_tear(struct walk *w, const char *path)
{
	w->torn = true;
	return error_set(w->err, "the package changes while it is %s, at %s",
		w->kind == WALK_COPY ? "copied" : "read", path);
}

/* ---- the digest: type, path, size and content of each entry ----
 *
 * Not the times: a package that was only touched, or unpacked again, is the
 * same package. */

void
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

/* Keeps the times, so that an unchanged file looks unchanged over any number of
 * stagings. The access time is the copy's own. */
int
walk_keep_time(struct walk *w, const char *path, const struct stat *stat)
{
	const struct timespec times[] = {
		{.tv_nsec = UTIME_OMIT}, stat->st_mtim};

	if (w->kind != WALK_COPY ||
		!utimensat(w->target, path, times, AT_SYMLINK_NOFOLLOW))
		return 0;
	return walk_fail(w, "set the time of the copy of", path);
}

static int
walk_copy_file(struct walk *w, int from, const char *path,
	const struct stat *stat, const struct copy_order *order,
	uint64_t *bytes_out)
{
	int to, rc;

	to = openat(
		w->target, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return walk_fail(w, "create the copy of", path);
	rc = copy_file(from, to, order, bytes_out, w->err);
	if (!rc && fchmod(to, stat->st_mode & 0777))
		rc = walk_fail(w, "set the mode of the copy of", path);
	if (!rc)
		rc = walk_keep_time(w, path, stat);
	if (close(to) && !rc)
		rc = walk_fail(w, "write the copy of", path);
	return rc;
}

static int
walk_opened(struct walk *w, int from, const char *path, const struct stat *stat)
{
	struct copy_order order = {
		.limit_bytes = w->order->limit_bytes - w->bytes,
		.digest = &w->digest,
		.pace = &w->pace,
		.path = path};
	uint64_t bytes;
	int rc;

	walk_hash_head(w, stat->st_mode & 0111 ? 'x' : 'f', path);
	if (w->kind == WALK_COPY)
		rc = walk_copy_file(w, from, path, stat, &order, &bytes);
	else
		rc = copy_hash(from, &order, &bytes, w->err);
	if (rc)
		return rc;
	walk_hash_size(w, bytes);
	w->bytes += bytes;
	w->files++;
	pace_add(&w->pace, PACE_ENTRY_BYTES);
	return 0;
}

int
walk_file(struct walk *w, int folder, const char *source, const char *path,
	const struct stat *stat)
{
	struct stat opened;
	int from, rc;

	from = openat(
		folder, source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (from < 0)
		return errno == ENOENT || errno == ELOOP
			       ? walk_tear(w, path)
			       : walk_fail(w, "read", path);
	if (fstat(from, &opened) || !seen_is_same(stat, &opened))
		rc = walk_tear(w, path);
	else
		rc = walk_opened(w, from, path, stat);
	close(from);
	return rc;
}

int
walk_put_link(struct walk *w, const char *path, const char *text,
	const struct stat *stat)
{
	size_t length = strlen(text);

	if (w->kind == WALK_COPY && symlinkat(text, w->target, path))
		return walk_fail(w, "link the copy of", path);
	if (walk_keep_time(w, path, stat))
		return -1;
	walk_hash_head(w, 'l', path);
	SHA256_Update(&w->digest, text, length);
	walk_hash_size(w, length);
	return 0;
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
