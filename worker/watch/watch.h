/* watch: the process that watches files for supd: orders come in, reports go
 * out, each a line of JSON; see proto/launch.h. One inotify instance and one
 * sweep serve all that is watched. */
#pragma once

/* fd: a socket, for both. Returns when its other end is closed; -1: it failed,
 * or an order was malformed. */
int watch_run(int fd);
