/* copy: file to file. After a reflink the copy is read back, because the
 * digest is of the copy and not of a source that may change meanwhile. */
#include "worker/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES (128 * 1024)

static int
copy_write(int fd, const unsigned char *bytes, size_t size)
{
	while (size) {
		ssize_t written = write(fd, bytes, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return -1;
		bytes += written;
		size -= (size_t)written;
	}
	return 0;
}

static int
refuse_size(const struct copy_order *order, struct error *err)
{
	return error_set(err, "the package is larger than the limit, at %s",
		order->path);
}

/* What is too large from the start is not read up to the limit first. */
static int
check_size(int from, const struct copy_order *order, struct error *err)
{
	struct stat what;

	if (fstat(from, &what) < 0 ||
		(uint64_t)what.st_size <= order->limit_bytes)
		return 0;
	return refuse_size(order, err);
}

/* to < 0: the bytes are there already and only hashed. */
static int
copy_pieces(int from, int to, const struct copy_order *order,
	uint64_t *bytes_out, struct error *err)
{
	static unsigned char piece[PIECE_BYTES];
	ssize_t got;

	*bytes_out = 0;
	while ((got = read(from, piece, sizeof(piece))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_set_errno(
				err, errno, "cannot read %s", order->path);
		*bytes_out += (uint64_t)got;
		if (*bytes_out > order->limit_bytes)
			return refuse_size(order, err);
		if (to >= 0 && copy_write(to, piece, (size_t)got))
			return error_set_errno(
				err, errno, "cannot write %s", order->path);
		SHA256_Update(order->digest, piece, (size_t)got);
		pace_add(order->pace, (uint64_t)got);
	}
	return 0;
}

int
copy_file(int from, int to, const struct copy_order *order, uint64_t *bytes_out,
	struct error *err)
{
	*bytes_out = 0;
	if (check_size(from, order, err) < 0)
		return -1;
	if (!ioctl(to, FICLONE, from))
		return copy_pieces(to, -1, order, bytes_out, err);
	posix_fadvise(from, 0, 0, POSIX_FADV_SEQUENTIAL);
	return copy_pieces(from, to, order, bytes_out, err);
}

int
copy_hash(int from, const struct copy_order *order, uint64_t *bytes_out,
	struct error *err)
{
	*bytes_out = 0;
	if (check_size(from, order, err) < 0)
		return -1;
	posix_fadvise(from, 0, 0, POSIX_FADV_SEQUENTIAL);
	return copy_pieces(from, -1, order, bytes_out, err);
}
