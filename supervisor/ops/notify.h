/* notify: reports supd's state to the service manager: sd_notify(3)'s datagrams
 * to $NOTIFY_SOCKET, and watchdog messages from the loop. Without that variable
 * it does nothing. Not libsystemd, because that doubles exec time (measured).
 */
#pragma once

#include <ev.h>

/* Reads and unsets NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, so that no
 * worker inherits them. The watchdog is fed at half its time. */
void notify_open(struct ev_loop *loop);
void notify_close(void);
void notify_ready(void);
void notify_reloading(void); /* with MONOTONIC_USEC; notify_ready() ends it */
void notify_stopping(void);
void notify_status(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
