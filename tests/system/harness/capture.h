/* capture: reads a pipe into memory on a thread of its own, so that a test can
 * wait for a line as for an event and the writer never blocks. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct capture {
	int fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t grown;
	char *text; /* NUL-terminated */
	size_t length;
	bool ended;
};

void capture_start(struct capture *c, int fd); /* takes the descriptor */
void capture_finish(struct capture *c);	       /* waits for its end */
/* True once `needle` stands somewhere behind the first `from` bytes; false
 * after the deadline, or when the writer is gone without it. */
bool capture_await(
	struct capture *c, size_t from, const char *needle, int timeout_ms);
size_t capture_length(struct capture *c);
char *capture_copy(struct capture *c); /* the caller frees */
/* How often `needle` stands behind the first `from` bytes. */
unsigned capture_count(struct capture *c, size_t from, const char *needle);
