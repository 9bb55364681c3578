/* fingerprint: a hash over the metadata that changes with a file. */
#include "worker/fingerprint.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The resolution of file times: the clock's tick, or seconds where the file
 * system has no more. */
#define TICK_NS 50000000ll
#define COARSE_NS 2000000000ll

void
fingerprint_begin(struct fingerprint *f)
{
	SHA256_Init(&f->hash);
	f->fresh = false;
	clock_gettime(CLOCK_REALTIME, &f->begun);
}

static bool
is_fresh(const struct fingerprint *f, const struct timespec *changed)
{
	int64_t age_ns =
		(int64_t)(f->begun.tv_sec - changed->tv_sec) * 1000000000 +
		(f->begun.tv_nsec - changed->tv_nsec);

	return age_ns < (changed->tv_nsec ? TICK_NS : COARSE_NS);
}

void
fingerprint_add(
	struct fingerprint *f, const char *path, const struct stat *stat)
{
	const int64_t fields[] = {(int64_t)stat->st_mode, (int64_t)stat->st_ino,
		S_ISDIR(stat->st_mode) ? 0 : (int64_t)stat->st_size,
		(int64_t)stat->st_mtim.tv_sec, (int64_t)stat->st_mtim.tv_nsec,
		(int64_t)stat->st_ctim.tv_sec, (int64_t)stat->st_ctim.tv_nsec};

	SHA256_Update(&f->hash, path, strlen(path) + 1);
	SHA256_Update(&f->hash, fields, sizeof(fields));
	f->fresh = f->fresh || is_fresh(f, &stat->st_ctim);
}

void
fingerprint_end(struct fingerprint *f, char text_out[FINGERPRINT_BYTES])
{
	unsigned char bytes[SHA256_DIGEST_LENGTH];

	SHA256_Final(bytes, &f->hash);
	text_out[0] = '\0';
	for (size_t i = 0; i < FINGERPRINT_BYTES / 2 && !f->fresh; i++)
		snprintf(text_out + 2 * i, 3, "%02x", bytes[i]);
}
