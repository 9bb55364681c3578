/* process: see process.h. It reads /proc only. */
#include "tests/system/harness/process.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/files.h"

long
process_status(pid_t pid, const char *key)
{
	char *path = memory_format("/proc/%d/status", (int)pid);
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
process_rss_kib(pid_t pid)
{
	return getenv("TEST_VALGRIND") ? 1 : process_status(pid, "VmRSS:");
}
