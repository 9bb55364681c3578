/* notify: the service manager's end of sd_notify: a datagram socket whose
 * messages a test reads one after the other. */
#pragma once

struct gateway_run;

/* Binds DIR/notify and makes the run use it; the descriptor. */
int notify_listen(struct gateway_run *g);
/* Reads on until a message holds `text`; what came before it is passed over,
 * but must not hold `never` (NULL: anything may). The test fails at the
 * deadline. Returns the message; valid until the next call. */
const char *notify_await(int fd, const char *text, const char *never);
