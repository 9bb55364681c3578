/* process: see process.h. It reads /proc only. */
#include "tests/system/harness/process.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/files.h"

static long
number_behind(pid_t pid, const char *file, const char *key)
{
	char *path = memory_format("/proc/%d/%s", (int)pid, file);
	char *text = files_read(path), *at;
	long number;

	cr_assert(text, "%s", path);
	at = strstr(text, key);
	cr_assert(at, "%s has no %s", path, key);
	number = strtol(at + strlen(key), NULL, 10);
	free(text);
	free(path);
	return number;
}

long
process_status(pid_t pid, const char *key)
{
	return number_behind(pid, "status", key);
}

long
process_dirty_kib(pid_t pid)
{
	return number_behind(pid, "smaps_rollup", "Private_Dirty:");
}

long
process_rss_kib(pid_t pid)
{
	return getenv("TEST_VALGRIND") ? 1 : process_status(pid, "VmRSS:");
}

long
process_growth_max_kib(long kib)
{
#ifdef __SANITIZE_ADDRESS__
	return 4 * kib + 64 * 1024;
#else
	return kib;
#endif
}

long
process_worker_growth_max_kib(long kib)
{
#ifdef __SANITIZE_ADDRESS__
	return process_growth_max_kib(kib) + 256 * 1024;
#else
	return kib;
#endif
}
