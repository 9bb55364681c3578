/* shell: a bash script as a user would type it, with $SUPCTL and $SUPD the
 * built programs and $SUPCTL_SOCKET that of the run. */
#pragma once

#include "tests/system/harness/run.h"

/* Runs it to its end; what it wrote, stderr too, is the caller's to free. */
char *shell_run(struct gateway_run *g, int *exit_code_out, const char *format,
	...) __attribute__((format(printf, 3, 4)));
/* Fails the test unless it exits so. */
char *shell_expect(struct gateway_run *g, int exit_code, const char *format,
	...) __attribute__((format(printf, 3, 4)));
bool shell_has(const char *program);
