/* after: what must hold when a test is over, whatever it was about. */
#pragma once

#include <sys/types.h>

struct gateway_run;

unsigned after_count_fds(pid_t pid);
/* Waits for the exit of every process that belongs to a run's folder; those
 * that are still there fail the test. */
void after_await_no_process(struct gateway_run *g);

/* supd still runs: it holds no more descriptors than after its start. */
void after_check_running(struct gateway_run *g);
/* supd is gone: no process and no endpoint is left. */
void after_check_gone(struct gateway_run *g);
/* No error line that was not announced, nothing from a sanitizer. */
void after_check_log(struct gateway_run *g);
